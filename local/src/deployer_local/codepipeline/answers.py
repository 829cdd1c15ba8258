"""Records in the API's own shapes.

Pure. Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_Types.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .machine import Status
from .records import Artifact, Attempt, Pipeline, Result, Run, StageRecord


def summary(pipeline: Pipeline) -> dict[str, Any]:
    """PipelineSummary."""
    return {
        "name": pipeline.name,
        "version": pipeline.version,
        "pipelineType": pipeline.declaration["pipelineType"],
        "executionMode": pipeline.declaration["executionMode"],
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def run_summary(run: Run) -> dict[str, Any]:
    """PipelineExecutionSummary."""
    found: dict[str, Any] = {
        "pipelineExecutionId": run.id,
        "status": run.status,
        "startTime": run.started,
        "lastUpdateTime": run.updated,
        "sourceRevisions": [
            _filled(actionName=r.action, revisionId=r.id, revisionSummary=r.summary, revisionUrl=r.url)
            for r in run.revisions
        ],
        "trigger": run.trigger,
        "executionMode": run.declaration["executionMode"],
        "executionType": "STANDARD",
    }
    if run.stop_reason is not None:
        found["stopTrigger"] = {"reason": run.stop_reason}
    return found | _filled(statusSummary=run.summary)


def run_detail(run: Run) -> dict[str, Any]:
    """PipelineExecution."""
    found: dict[str, Any] = {
        "pipelineName": run.pipeline,
        "pipelineVersion": run.declaration["version"],
        "pipelineExecutionId": run.id,
        "status": run.status,
        "artifactRevisions": [
            _filled(name=r.name, revisionId=r.id, revisionSummary=r.summary, revisionUrl=r.url, created=r.created)
            for r in run.revisions
        ],
        "trigger": run.trigger,
        "executionMode": run.declaration["executionMode"],
        "executionType": "STANDARD",
    }
    if run.variables:
        found["variables"] = [{"name": name, "resolvedValue": value} for name, value in run.variables.items()]
    return found | _filled(statusSummary=run.summary)


def action_detail(run: Run, attempt: Attempt, region: str) -> dict[str, Any]:
    """ActionExecutionDetail."""
    declared = run.declared(attempt.stage, attempt.action)
    role = declared.get("roleArn")
    output: dict[str, Any] = {}
    if attempt.status is Status.SUCCEEDED:
        output["outputArtifacts"] = [_artifact(item) for item in attempt.outputs]
    if result := _execution_result(attempt.result):
        output["executionResult"] = result
    if attempt.variables:
        output["outputVariables"] = attempt.variables
    return {
        "pipelineExecutionId": run.id,
        "actionExecutionId": attempt.id,
        "pipelineVersion": run.declaration["version"],
        "stageName": attempt.stage,
        "actionName": attempt.action,
        "startTime": attempt.started,
        "lastUpdateTime": attempt.updated,
        "status": attempt.status,
        "input": {
            "actionTypeId": declared["actionTypeId"],
            "configuration": declared.get("configuration", {}),
            "resolvedConfiguration": attempt.configuration,
            "region": region,
            "inputArtifacts": [_artifact(item) for item in attempt.inputs],
            **_filled(roleArn=role, namespace=declared.get("namespace")),
        },
        "output": output,
    }


def state(pipeline: Pipeline, runs: Iterable[Run]) -> dict[str, Any]:
    """GetPipelineState's answer; ``runs`` newest first."""
    known = list(runs)
    return {
        "pipelineName": pipeline.name,
        "pipelineVersion": pipeline.version,
        "stageStates": [
            _stage_state(pipeline, index, stage, known) for index, stage in enumerate(pipeline.declaration["stages"])
        ],
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def _stage_state(pipeline: Pipeline, index: int, declared: dict[str, Any], runs: list[Run]) -> dict[str, Any]:
    name = declared["name"]
    entered = [(run, stage) for run in runs for stage in run.stages if stage.name == name and stage.status is not None]
    latest = max(entered, key=lambda pair: pair[1].entered or 0, default=None)
    found: dict[str, Any] = {
        "stageName": name,
        "actionStates": [_action_state(action, name, latest) for action in declared["actions"]],
    }
    if index or name in pipeline.closed:
        found["inboundTransitionState"] = _transition(pipeline, index, name)
    waiting = [
        {"pipelineExecutionId": run.id, "status": Status.IN_PROGRESS, "type": "STANDARD"}
        for run in runs
        if run.live and index < len(run.stages) and run.view().position == index and run.stages[index].status is None
    ]
    if waiting:
        found |= {"inboundExecution": waiting[0], "inboundExecutions": waiting}
    if latest is not None:
        run, stage = latest
        found["latestExecution"] = {"pipelineExecutionId": run.id, "status": stage.status, "type": "STANDARD"}
        if stage.retries:
            found["retryStageMetadata"] = {
                "manualStageRetryAttempt": stage.retries,
                "latestRetryTrigger": "ManualStageRetry",
            }
    return found


def _transition(pipeline: Pipeline, index: int, name: str) -> dict[str, Any]:
    before = pipeline.declaration["stages"][index - 1]["name"] if index else ""
    closed = pipeline.closed.get(name) or pipeline.closed_outbound.get(before)
    if closed is None:
        return {"enabled": True}
    return {"enabled": False, "disabledReason": closed["reason"], "lastChangedAt": closed["at"]}


def _action_state(action: dict[str, Any], stage: str, latest: tuple[Run, StageRecord] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"actionName": action["name"]}
    if latest is None or action["name"] not in latest[1].attempts:
        return found
    run, record = latest
    attempt = run.execution(record.attempts[action["name"]])
    result = attempt.result
    found["latestExecution"] = {
        "actionExecutionId": attempt.id,
        "status": attempt.status,
        "lastStatusChange": attempt.updated,
        **_filled(
            summary=result.summary,
            token=attempt.memory.get("token"),
            externalExecutionId=result.external_id,
            externalExecutionUrl=result.url,
            percentComplete=attempt.memory.get("percent"),
            logStreamARN=result.log_stream,
            errorDetails=_error(result),
        ),
    }
    for revision in run.revisions:
        if revision.action == action["name"] and action["actionTypeId"]["category"] == "Source":
            change = {"revisionId": revision.id, "revisionChangeId": revision.id[:100]}
            found["currentRevision"] = {**change, "created": revision.created or attempt.updated}
            found |= _filled(revisionUrl=revision.url)
    return found | _filled(entityUrl=result.url)


def _execution_result(result: Result) -> dict[str, Any]:
    return _filled(
        externalExecutionId=result.external_id,
        externalExecutionSummary=result.summary,
        externalExecutionUrl=result.url,
        errorDetails=_error(result),
        logStreamARN=result.log_stream,
    )


def _error(result: Result) -> dict[str, str] | None:
    return {"code": result.code, "message": result.message[:5000]} if result.code else None


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {"name": artifact.name, "s3location": {"bucket": artifact.bucket, "key": artifact.key}}


def _filled(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}
