"""What the pages of a pipeline's runs, of a build and of a stack show, asked of the emulated AWS over its own API.

Keeps nothing: a pipeline, build or stack that is gone is None. Changes nothing but an approval that somebody answers.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from deployer.errors import Rejected
from deployer.pipelines import ActionRun, CodePipeline

from . import links

log = logging.getLogger(__name__)

Client = Callable[[str], Any]
"""boto3 clients of the emulated AWS, by service."""
_MOST_LINES = 5_000


@dataclass(frozen=True)
class Action:
    """What an action of a run did, or is to do. `seconds`: how long it took so far."""

    name: str
    provider: str
    state: str
    seconds: float
    summary: str
    url: str


@dataclass(frozen=True)
class Approval:
    """An approval that a run waits for. `token`: who knows it may answer."""

    stage: str
    action: str
    token: str


@dataclass(frozen=True)
class StageOfRun:
    """A stage with the actions that began, and what it waits for."""

    name: str
    state: str
    actions: tuple[Action, ...]
    approvals: tuple[Approval, ...]


@dataclass(frozen=True)
class RunPage:
    """A run of a pipeline. `revisions`: what each source read, as (its name, the revision's summary or id)."""

    pipeline: str
    id: str
    state: str
    revisions: tuple[tuple[str, str], ...]
    stages: tuple[StageOfRun, ...]


@dataclass(frozen=True)
class BuildPage:
    """A build and what it printed. `phases`: (type, state, seconds)."""

    id: str
    project: str
    state: str
    phases: tuple[tuple[str, str, float], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class StackPage:
    """A stack and its events, newest first: (time, logical id, type, status, reason)."""

    name: str
    id: str
    events: tuple[tuple[float, str, str, str, str], ...]


def runs(client: Client, pipeline: str) -> list[tuple[str, str, float]] | None:
    """The runs of a pipeline, newest first: (id, state, begin in seconds since the epoch)."""
    found = _unless_gone(client("codepipeline").list_pipeline_executions, pipelineName=pipeline)
    if found is None:
        return None
    listed = found["pipelineExecutionSummaries"]
    return [(each["pipelineExecutionId"], each["status"], each["startTime"].timestamp()) for each in listed]


def run(client: Client, pipeline: str, identity: str) -> RunPage | None:
    """A run with its stages, those included that have not begun."""
    try:
        return _run(client("codepipeline"), pipeline, identity)
    except Rejected:  # an id that none can have, or a pipeline that went while it was asked about
        return None


def answer(client: Client, pipeline: str, approval: Approval, *, approved: bool) -> bool:
    """Answer an approval; False where it is no longer waited for, or the token is another one's."""
    result = {"summary": "answered on the page of the run", "status": "Approved" if approved else "Rejected"}
    try:
        client("codepipeline").put_approval_result(
            pipelineName=pipeline,
            stageName=approval.stage,
            actionName=approval.action,
            token=approval.token,
            result=result,
        )
    except (ClientError, ParamValidationError) as error:
        log.info("an approval of %s was not taken: %s", pipeline, error)
        return False
    return True


def _run(client: Any, pipeline: str, identity: str) -> RunPage | None:
    pipelines = CodePipeline(client)
    found = pipelines.run(pipeline, identity)
    if found is None:
        return None
    actions, waiting = pipelines.actions(pipeline, identity), _approvals(client, pipeline, identity)
    stages = []
    for name, count in pipelines.stages(pipeline, found.version).items():
        ours = [each for each in actions if each.stage == name]
        asked = tuple(each for each in waiting if each.stage == name)
        stages.append(StageOfRun(name, _state_of(ours, count), tuple(_action(each) for each in ours), asked))
    revisions = tuple((name, summary or revision) for name, (revision, summary) in found.revisions.items())
    return RunPage(pipeline, identity, str(found.state), revisions, tuple(stages))


def build(client: Client, identity: str) -> BuildPage | None:
    """A build with its log."""
    found = client("codebuild").batch_get_builds(ids=[identity])["builds"]
    if not found:
        return None
    [told] = found
    phases = tuple(
        (each["phaseType"], each["phaseStatus"], float(each.get("durationInSeconds", 0)))
        for each in told["phases"]
        if "phaseStatus" in each
    )
    lines = _lines(client, told["logs"]["groupName"], told["logs"]["streamName"])
    return BuildPage(identity, told["projectName"], told["buildStatus"], phases, lines)


def stack(client: Client, identity: str) -> StackPage | None:
    """A stack, by its ARN or name, with its newest events."""
    found = _unless_gone(client("cloudformation").describe_stack_events, StackName=identity)
    if not found or not found["StackEvents"]:
        return None
    events = tuple(
        (
            each["Timestamp"].timestamp(),
            each["LogicalResourceId"],
            each["ResourceType"],
            each["ResourceStatus"],
            each.get("ResourceStatusReason", ""),
        )
        for each in found["StackEvents"]
    )
    return StackPage(found["StackEvents"][0]["StackName"], identity, events)


def _approvals(client: Any, pipeline: str, run: str) -> list[Approval]:
    """What this run waits for, of a pipeline in which another one may be ahead of it or behind."""
    return [
        Approval(stage["stageName"], action["actionName"], action["latestExecution"]["token"])
        for stage in client.get_pipeline_state(name=pipeline)["stageStates"]
        if stage.get("latestExecution", {}).get("pipelineExecutionId") == run
        for action in stage["actionStates"]
        if action.get("latestExecution", {}).get("status") == "InProgress"
        if "token" in action["latestExecution"]
    ]


def _unless_gone(ask: Callable[..., Mapping[str, Any]], **arguments: str) -> Mapping[str, Any] | None:
    try:
        return ask(**arguments)
    except ClientError as error:
        gone = ("PipelineNotFoundException", "ResourceNotFoundException", "ValidationError")
        if error.response["Error"]["Code"] in gone:
            return None
        raise


def _state_of(actions: list[ActionRun], count: int) -> str:
    states = [each.status for each in actions]
    for telling in ("Failed", "Abandoned", "InProgress"):
        if telling in states:
            return telling
    return "" if not states else "Succeeded" if states.count("Succeeded") >= count else "InProgress"


def _action(found: ActionRun) -> Action:
    seconds = (found.updated - found.started) / 1000
    said = found.error or found.summary
    return Action(found.action, found.provider, found.status, seconds, said, links.here(found.url))


def _lines(client: Client, group: str, stream: str) -> tuple[str, ...]:
    found = _unless_gone(
        client("logs").get_log_events,
        logGroupName=group,
        logStreamName=stream,
        startFromHead=True,  # type: ignore[arg-type]
    )
    events = found["events"] if found else []
    return tuple(each["message"].rstrip("\n") for each in events[-_MOST_LINES:])
