"""The API's operations on pipelines, runs and tags: each a method from a checked request to an answer.

Runs inside a turn; the shapes of requests were checked before. The job operations are in ``job_operations``.

Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import answers
from .errors import ServiceError
from .job_operations import JobOperations
from .machine import Status
from .pages import page
from .records import Pipeline, Run
from .rules import check, remarks
from .tag_operations import TagOperations
from .turn import Turn, cancel_all

log = logging.getLogger(__name__)
Operation = Callable[[Turn, dict[str, Any]], dict[str, Any]]
_CONCURRENT = 50


class Operations:
    """All operations served; ``named`` finds one."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._served: dict[str, Operation] = {
            "CreatePipeline": self._create,
            "UpdatePipeline": self._update,
            "GetPipeline": self._get,
            "DeletePipeline": self._delete,
            "ListPipelines": self._list,
            "GetPipelineState": self._state,
            "ListPipelineExecutions": self._list_runs,
            "GetPipelineExecution": self._get_run,
            "ListActionExecutions": self._list_actions,
            "StartPipelineExecution": self._start,
            "StopPipelineExecution": self._stop,
            "RetryStageExecution": self._retry,
            "EnableStageTransition": self._enable,
            "DisableStageTransition": self._disable,
            **JobOperations().served(),
            **TagOperations(account, region).served(),
        }

    def named(self, action: str) -> Operation | None:
        """The operation, or None when it is not served."""
        return self._served.get(action)

    def names(self) -> list[str]:
        """What is served."""
        return sorted(self._served)

    def _create(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        declared = body["pipeline"]
        if turn.store.pipeline(declared["name"]) is not None:
            raise ServiceError(
                "PipelineNameInUseException", f"A pipeline with the name '{declared['name']}' already exists"
            )
        check(declared, self._region)
        now = turn.now
        tags = {tag["key"]: tag["value"] for tag in body.get("tags", [])}
        pipeline = Pipeline(declared["name"], _completed(declared, 1), 1, now, now, tags)
        turn.store.put_pipeline(pipeline)
        _say_remarks(pipeline)
        turn.begin(pipeline, "CreatePipeline", f"arn:aws:iam::{self._account}:root", variables=_defaults(declared))
        return {"pipeline": pipeline.declaration, "tags": body.get("tags", [])}

    def _update(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        declared = body["pipeline"]
        before = turn.store.pipeline(declared["name"])
        if before is None:
            # Not PipelineNotFoundException, which this operation does not declare.
            raise ServiceError("InvalidStructureException", f"There is no pipeline with the name '{declared['name']}'")
        check(declared, self._region)
        version = before.version + 1
        pipeline = replace(before, declaration=_completed(declared, version), version=version, updated=turn.now)
        names = {stage["name"] for stage in declared["stages"]}
        pipeline = replace(
            pipeline,
            closed={name: why for name, why in before.closed.items() if name in names},
            closed_outbound={name: why for name, why in before.closed_outbound.items() if name in names},
        )
        cancel_all(turn, turn.store.runs(pipeline.name, live=True))
        turn.store.put_pipeline(pipeline)
        _say_remarks(pipeline)
        return {"pipeline": pipeline.declaration}

    def _get(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline = found(turn, body["name"])
        declared = turn.store.version(pipeline.name, body.get("version", pipeline.version))
        if declared is None:
            message = f"Pipeline '{pipeline.name}' has no version {body['version']}"
            raise ServiceError("PipelineVersionNotFoundException", message)
        arn = f"arn:aws:codepipeline:{self._region}:{self._account}:{pipeline.name}"
        metadata = {"pipelineArn": arn, "created": pipeline.created, "updated": pipeline.updated}
        return {"pipeline": declared, "metadata": metadata}

    def _delete(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        """As on AWS, deleting what is not there succeeds. Live runs are cancelled first, and say so."""
        cancel_all(turn, turn.store.runs(body["name"], live=True))
        turn.store.delete_pipeline(body["name"])
        return {}

    def _list(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        return page("pipelines", [answers.summary(item) for item in turn.store.pipelines()], body, 1000)

    def _state(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline = found(turn, body["name"])
        return answers.state(pipeline, turn.store.runs(pipeline.name))

    def _list_runs(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        runs = turn.store.runs(found(turn, body["pipelineName"]).name)
        if name := body.get("filter", {}).get("succeededInStage", {}).get("stageName"):
            runs = [r for r in runs if any(s.name == name and s.status is Status.SUCCEEDED for s in r.stages)]
        return page("pipelineExecutionSummaries", [answers.run_summary(run) for run in runs], body, 100)

    def _get_run(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        return {"pipelineExecution": answers.run_detail(_found_run(turn, body))}

    def _list_actions(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        name, chosen = body["pipelineName"], body.get("filter", {})
        latest = chosen.get("latestInPipelineExecution", {})
        identifier = chosen.get("pipelineExecutionId") or latest.get("pipelineExecutionId")
        if identifier is None:
            runs = turn.store.runs(found(turn, name).name)
        else:
            runs = [_found_run(turn, {"pipelineName": name, "pipelineExecutionId": identifier})]
        only_latest = latest.get("startTimeRange") == "Latest"
        details = [
            answers.action_detail(run, attempt, self._region)
            for run in runs
            for attempt in reversed(run.executions)
            if not only_latest or run.stage(attempt.stage).attempts.get(attempt.action) == attempt.id
        ]
        return page("actionExecutionDetails", details, body, 100)

    def _start(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        """Every call starts a run: AWS promises nothing for ``clientRequestToken``, so nothing is promised here."""
        pipeline = found(turn, body["name"])
        declared = pipeline.declaration
        live = turn.store.runs(pipeline.name, live=True)
        if declared["executionMode"] != "SUPERSEDED" and len(live) >= _CONCURRENT:
            raise ServiceError(
                "ConcurrentPipelineExecutionsLimitExceededException",
                f"The pipeline has reached the limit of {_CONCURRENT} concurrent executions",
            )
        run = turn.begin(
            pipeline,
            "StartPipelineExecution",
            f"arn:aws:iam::{self._account}:root",
            overrides=_overrides(declared, body.get("sourceRevisions", [])),
            variables=_variables(declared, body.get("variables", [])),
        )
        return {"pipelineExecutionId": run.id}

    def _stop(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        run = _found_run(turn, body, missing="PipelineExecutionNotStoppableException")
        abandon = body.get("abandon", False)
        if not run.live:
            message = f"The pipeline execution {run.id} has ended: {run.status}"
            raise ServiceError("PipelineExecutionNotStoppableException", message)
        if run.status is Status.STOPPING and not abandon:
            message = f"The pipeline execution {run.id} is already stopping"
            raise ServiceError("DuplicatedStopRequestException", message)
        turn.stop(run, body.get("reason"), abandon=abandon)
        return {"pipelineExecutionId": run.id}

    def _retry(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline, name = found(turn, body["pipelineName"]), body["stageName"]
        _found_stage(pipeline, name)
        run = _found_run(turn, body, missing="StageNotRetryableException")
        if run.declaration["version"] != pipeline.version:
            raise ServiceError("StageNotRetryableException", "The pipeline was changed after this execution")
        stage = run.stage(name)
        if run.live or stage.status not in {Status.FAILED, Status.STOPPED}:
            raise ServiceError("StageNotRetryableException", f"Stage {name} of execution {run.id} has not failed")
        later = (other for other in turn.store.runs(pipeline.name) if other.number > run.number)
        newer = [other for other in later if other.stage(name).status is not None]
        if newer and pipeline.declaration["executionMode"] != "PARALLEL":
            raise ServiceError("NotLatestPipelineExecutionException", f"Execution {newer[0].id} is later in {name}")
        turn.retry(run, stage, everything=body["retryMode"] == "ALL_ACTIONS")
        return {"pipelineExecutionId": run.id}

    def _enable(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline, name = found(turn, body["pipelineName"]), body["stageName"]
        _found_stage(pipeline, name)
        turn.store.put_pipeline(pipeline.with_transition(name, body["transitionType"], None))
        turn.touch(pipeline.name)
        return {}

    def _disable(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline, name = found(turn, body["pipelineName"]), body["stageName"]
        _found_stage(pipeline, name)
        why = {"reason": body["reason"], "at": turn.now}
        turn.store.put_pipeline(pipeline.with_transition(name, body["transitionType"], why))
        return {}


def found(turn: Turn, name: str) -> Pipeline:
    """The pipeline; raises PipelineNotFoundException."""
    pipeline = turn.store.pipeline(name)
    if pipeline is None:
        raise ServiceError("PipelineNotFoundException", f"The account does not have a pipeline with the name '{name}'")
    return pipeline


def _found_run(turn: Turn, body: dict[str, Any], missing: str = "PipelineExecutionNotFoundException") -> Run:
    pipeline = found(turn, body["pipelineName"])
    run = turn.store.run(body["pipelineExecutionId"])
    if run is None or run.pipeline != pipeline.name:
        identifier = body["pipelineExecutionId"]
        raise ServiceError(missing, f"The pipeline '{pipeline.name}' has no execution with the ID {identifier}")
    return run


def _found_stage(pipeline: Pipeline, name: str) -> None:
    if all(stage["name"] != name for stage in pipeline.declaration["stages"]):
        raise ServiceError("StageNotFoundException", f"The pipeline '{pipeline.name}' has no stage '{name}'")


def _completed(declared: dict[str, Any], version: int) -> dict[str, Any]:
    """The declaration with AWS's defaults filled in."""
    defaults = {"runOrder": 1, "configuration": {}, "inputArtifacts": [], "outputArtifacts": []}
    stages = [{**s, "actions": [{**defaults, **action} for action in s["actions"]]} for s in declared["stages"]]
    usual = {"executionMode": "SUPERSEDED", "pipelineType": "V1"}
    return {**usual, **declared, "stages": stages, "version": version}


def _say_remarks(pipeline: Pipeline) -> None:
    for remark in remarks(pipeline.declaration):
        log.warning("pipeline %s: %s", pipeline.name, remark)


def _defaults(declared: dict[str, Any]) -> dict[str, str]:
    return {v["name"]: v["defaultValue"] for v in declared.get("variables", []) if "defaultValue" in v}


def _variables(declared: dict[str, Any], given: list[dict[str, str]]) -> dict[str, str]:
    known = {variable["name"] for variable in declared.get("variables", [])}
    values = _defaults(declared) | {item["name"]: item["value"] for item in given}
    if unknown := sorted(set(values) - known):
        raise ServiceError("ValidationException", f"Pipeline variables that are not declared: {', '.join(unknown)}")
    if missing := sorted(known - set(values)):
        raise ServiceError("ValidationException", f"Pipeline variables without a value: {', '.join(missing)}")
    return values


def _overrides(declared: dict[str, Any], given: list[dict[str, str]]) -> dict[str, str]:
    if given and declared["pipelineType"] != "V2":
        raise ServiceError("ValidationException", "Source revision overrides are only supported for V2 pipelines")
    sources = {action["name"]: action for action in declared["stages"][0]["actions"]}
    for item in given:
        name, kind = item["actionName"], item["revisionType"]
        if name not in sources:
            raise ServiceError("ValidationException", f"Source revision override for {name}: no such source action")
        if kind not in {"S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"}:
            raise ServiceError("ValidationException", f"Source revision override for {name}: {kind} does not fit S3")
        allowed = sources[name]["configuration"].get("AllowOverrideForS3ObjectKey", "false")
        if kind == "S3_OBJECT_KEY" and allowed.lower() != "true":
            message = f"Source revision override for {name}: AllowOverrideForS3ObjectKey is not set"
            raise ServiceError("ValidationException", message)
    return {f"{item['actionName']}:{item['revisionType']}": item["revisionValue"] for item in given}
