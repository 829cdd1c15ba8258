"""CodePipeline through boto3: list, start and stop runs, and say what a run did.

A run's commit is read back from its revision, never assumed.
Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from deployer.actions import CONNECTION
from deployer.errors import Broken
from deployer.ports import Run, Source
from deployer.stacks import code_of, translated
from deployer.states import RunState

_LATEST = 20
# The provider of a manual approval.
APPROVAL = "Manual"
# The provider of what operates stacks.
CLOUDFORMATION = "CloudFormation"


@dataclass(frozen=True)
class ActionRun:
    """What one action of a run did. ``status``: InProgress, Abandoned, Succeeded, Failed; times in milliseconds.

    ``inputs``: the (bucket, key) of each input artifact. ``stack``: the one that a CloudFormation action operates.
    ``error``: CodePipeline's message, else its code.
    """

    stage: str
    action: str
    provider: str
    status: str
    started: int
    updated: int
    summary: str = ""
    external_id: str = ""
    url: str = ""
    error: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    stack: str = ""


def deployed(actions: Sequence[ActionRun]) -> Iterator[str]:
    """The names of the stacks that these actions (oldest first) have deployed, the latest first."""
    done = (action for action in reversed(actions) if action.status == "Succeeded")
    return (action.stack for action in done if action.provider == CLOUDFORMATION and action.stack)


@dataclass(frozen=True)
class RunDetails:
    """A run with what it read: source action -> (revision id, revision summary)."""

    id: str
    state: RunState
    version: int
    revisions: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class CodePipeline:
    """Implements ``Pipelines`` over a boto3 ``codepipeline`` client, and reads runs for the notifier."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        """ListPipelineExecutions: the latest 20, newest first."""
        with translated(f"runs of pipeline {pipeline}"):
            try:
                found = self._client.list_pipeline_executions(pipelineName=pipeline, maxResults=_LATEST)
            except ClientError as error:
                if code_of(error) == "PipelineNotFoundException":
                    return ()
                raise
        return tuple(
            Run(
                id=entry["pipelineExecutionId"],
                state=_state(entry["status"]),
                started=int(entry["startTime"].timestamp() * 1000) if "startTime" in entry else 0,
                revisions={
                    revision["actionName"]: revision["revisionId"]
                    for revision in entry.get("sourceRevisions", [])
                    if revision.get("revisionId")
                },
            )
            for entry in found["pipelineExecutionSummaries"]
        )

    def count(self) -> int:
        """ListPipelines: how many there are in the region."""
        with translated("the region's pipelines"):
            pages = self._client.get_paginator("list_pipelines").paginate()
            return sum(len(page["pipelines"]) for page in pages)

    def source(self, pipeline: str, key: str, repository: str) -> Source | None:
        """The S3 source action that reads ``key``, else the connection's that reads ``repository``, else None."""
        with translated(f"structure of pipeline {pipeline}"):
            declaration = self._client.get_pipeline(name=pipeline)["pipeline"]
        pinnable = declaration.get("pipelineType", "V1") == "V2"
        found: Source | None = None
        for action in (action for stage in declaration["stages"] for action in stage["actions"]):
            kind, reads = action["actionTypeId"], action.get("configuration", {})
            if (kind["category"], kind["provider"], reads.get("S3ObjectKey")) == ("Source", "S3", key):
                return Source(action["name"], pinnable)
            named = reads.get("FullRepositoryId", "").lower() == repository.lower()
            if (kind["category"], kind["provider"]) == ("Source", CONNECTION) and named:
                found = Source(action["name"], pinnable, connected=True)
        return found

    def start(self, pipeline: str, source: Source | None, revision: str, token: str) -> str:
        """StartPipelineExecution, pinned to ``revision`` where the source can be; answers with the run's id.

        Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-trigger-source-overrides.html
        """
        arguments: dict[str, Any] = {"name": pipeline, "clientRequestToken": token}
        if source and source.pinnable:
            kind = "COMMIT_ID" if source.connected else "S3_OBJECT_VERSION_ID"
            arguments["sourceRevisions"] = [
                {"actionName": source.action, "revisionType": kind, "revisionValue": revision}
            ]
        with translated(f"start pipeline {pipeline}"):
            return str(self._client.start_pipeline_execution(**arguments)["pipelineExecutionId"])

    def stop(self, pipeline: str, run: str, reason: str) -> None:
        """StopPipelineExecution, letting the actions that run end. A run that has ended meanwhile is no error.

        One that waits for nothing but approvals is abandoned: nothing of it runs, and an approval may take seven days.
        """
        running = [action for action in self.actions(pipeline, run) if action.status == "InProgress"]
        waits = bool(running) and all(action.provider == APPROVAL for action in running)
        with translated(f"stop run {run}"):
            try:
                self._client.stop_pipeline_execution(
                    pipelineName=pipeline, pipelineExecutionId=run, abandon=waits, reason=reason[:200]
                )
            except ClientError as error:
                ended = ("PipelineExecutionNotStoppableException", "DuplicatedStopRequestException")
                if code_of(error) not in ended:
                    raise

    def run(self, pipeline: str, run: str) -> RunDetails | None:
        """GetPipelineExecution, or None where pipeline or run are not there."""
        with translated(f"run {run}"):
            try:
                found = self._client.get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=run)
            except ClientError as error:
                if code_of(error) in ("PipelineNotFoundException", "PipelineExecutionNotFoundException"):
                    return None
                raise
        entry = found["pipelineExecution"]
        return RunDetails(
            id=entry["pipelineExecutionId"],
            state=_state(entry["status"]),
            version=int(entry.get("pipelineVersion", 0)),
            revisions={
                revision["name"]: (revision.get("revisionId", ""), revision.get("revisionSummary", ""))
                for revision in entry.get("artifactRevisions", [])
            },
        )

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]:
        """ListActionExecutions of one run, in the order in which they started."""
        with translated(f"actions of run {run}"):
            pages = self._client.get_paginator("list_action_executions").paginate(
                pipelineName=pipeline, filter={"pipelineExecutionId": run}
            )
            found = [_action(entry) for page in pages for entry in page["actionExecutionDetails"]]
        return tuple(sorted(found, key=lambda action: action.started))

    def stages(self, pipeline: str, version: int) -> dict[str, int]:
        """GetPipeline: stage name -> how many actions it has, in order."""
        arguments: dict[str, Any] = {"name": pipeline, "version": version} if version else {"name": pipeline}
        with translated(f"structure of pipeline {pipeline}"):
            declaration = self._client.get_pipeline(**arguments)["pipeline"]
        return {stage["name"]: len(stage["actions"]) for stage in declaration["stages"]}


def _state(status: str) -> RunState:
    try:
        return RunState(status)
    except ValueError as error:
        raise Broken(f"CodePipeline has a state that this version does not know: {status!r}") from error


def _action(entry: dict[str, Any]) -> ActionRun:
    result, read = entry.get("output", {}).get("executionResult", {}), entry.get("input", {})
    details = result.get("errorDetails", {})
    locations = [artifact.get("s3location", {}) for artifact in read.get("inputArtifacts", [])]
    provider = read.get("actionTypeId", {}).get("provider", "")
    # As it was declared, and with its variables: only the latter is a name.
    configuration = read.get("resolvedConfiguration") or read.get("configuration", {})
    return ActionRun(
        stage=entry["stageName"],
        action=entry["actionName"],
        provider=provider,
        status=entry["status"],
        started=int(entry["startTime"].timestamp() * 1000),
        updated=int(entry.get("lastUpdateTime", entry["startTime"]).timestamp() * 1000),
        summary=result.get("externalExecutionSummary", ""),
        external_id=result.get("externalExecutionId", ""),
        url=result.get("externalExecutionUrl", ""),
        error=details.get("message") or details.get("code", ""),
        inputs=tuple((location.get("bucket", ""), location.get("key", "")) for location in locations),
        stack=configuration.get("StackName", "") if provider == CLOUDFORMATION else "",
    )
