"""How far a run has come, stage by stage, and of which commit it is: pure functions of what CodePipeline tells of it.

Events only wake the notifier; what it says is always derived from what it observes, so their order does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployer.pipelines import APPROVAL, ActionRun, RunDetails
from deployer.ports import Environment
from deployer.refs import is_commit
from deployer.states import CommitState, RunState

# How a run that ended leaves a stage that neither succeeded nor has a failed action (a condition may fail a stage).
_ENDED = {
    RunState.FAILED: (CommitState.FAILURE, "failed"),
    RunState.SUPERSEDED: (CommitState.ERROR, "superseded by a newer run"),
    RunState.STOPPED: (CommitState.ERROR, "stopped"),
    RunState.CANCELLED: (CommitState.ERROR, "cancelled: the pipeline was changed"),
}
# Ends that somebody wanted; where it was the environment's new wish, they say which.
OVERRULED = frozenset({RunState.SUPERSEDED, RunState.STOPPED, RunState.CANCELLED})


@dataclass(frozen=True)
class StageProgress:
    """What to say of one stage.

    ``rank`` only rises while a run goes on: what was observed later has the higher one. ``seconds``: from the first
    action's start to the last one's end. ``failed``: the action that failed. ``waits``: for a person.
    """

    stage: str
    state: CommitState
    text: str
    rank: int
    seconds: int = 0
    failed: ActionRun | None = None
    waits: bool = False

    @property
    def ended(self) -> bool:
        """Whether it won't change by itself any more."""
        return self.state is not CommitState.PENDING


def commit_of(run: RunDetails, environment: Environment) -> str:
    """The commit a run built, read back from what it read; before it has read anything, from our own record.

    A source object says its commit in its revision summary; a connection's revision is the commit itself. The version
    of the source object that we remember is at the commit that we remember. Of several sources, the one that is at
    the wanted commit speaks for the run.
    """
    if environment.source and any(revision == environment.source for revision, _ in run.revisions.values()):
        return environment.commit
    named = [text for revision, summary in run.revisions.values() for text in (summary, revision) if is_commit(text)]
    if environment.commit in named or not run.revisions:
        return environment.commit if is_commit(environment.commit) else ""
    return named[0] if named else ""


def overruled(environment: Environment, commit: str) -> str:
    """What its environment wants instead of a run of this commit, in words; empty where it wants nothing else."""
    if not environment.present:
        return "stopped: the environment is being removed"
    if environment.commit != commit and is_commit(environment.commit):
        return f"superseded by {environment.commit[:7]}"
    return ""


def progress(
    stages: Mapping[str, int], actions: Iterable[ActionRun], run: RunState, instead: str = ""
) -> tuple[StageProgress, ...]:
    """Every stage that has something to be said of, in the pipeline's order.

    ``stages``: name -> number of actions. ``instead``: see ``overruled``; said of a run that was overruled.
    """
    ended = _ENDED.get(run)
    if ended and instead and run in OVERRULED:
        ended = (ended[0], instead)
    found: list[StageProgress] = []
    by_stage: dict[str, list[ActionRun]] = {}
    for action in actions:
        by_stage.setdefault(action.stage, []).append(action)
    for stage, expected in stages.items():
        if stage in by_stage:
            found.append(_stage(stage, expected, by_stage[stage], run, ended))
        elif ended and (not found or found[-1].state is CommitState.SUCCESS):
            # The run ended between two stages: the one it never reached says so.
            found.append(StageProgress(stage, *ended, rank=1))
            break
    return tuple(found)


def _stage(
    stage: str, expected: int, actions: list[ActionRun], run: RunState, ended: tuple[CommitState, str] | None
) -> StageProgress:
    latest = {action.action: action for action in sorted(actions, key=lambda action: action.started)}
    seconds = round((max(a.updated for a in actions) - min(a.started for a in latest.values())) / 1000)
    failed = next((action for action in latest.values() if action.status == "Failed"), None)
    if failed and run.active and any(action.started >= failed.updated for action in latest.values()):
        failed = None  # the whole stage is retried, and what failed has yet to be begun again
    running = [action for action in latest.values() if action.status == "InProgress"]
    # It rises with each action that starts or ends, and is highest, until one is retried, where the stage has ended.
    count = len(actions)
    rank = 2 * (count + sum(action.status != "InProgress" for action in actions))
    end = 4 * count + 1
    if failed and not running:
        return StageProgress(stage, CommitState.FAILURE, "failed", end, seconds, failed)
    complete = len(latest) >= expected and all(action.status == "Succeeded" for action in latest.values())
    if complete or run is RunState.SUCCEEDED:  # the list of actions may lag behind the run
        return StageProgress(stage, CommitState.SUCCESS, "succeeded", end, seconds)
    if ended and not running:
        return StageProgress(stage, *ended, end, seconds)
    # Of a run that is being stopped nobody is asked for anything any more.
    if run is RunState.IN_PROGRESS and any(action.provider == APPROVAL for action in running):
        return StageProgress(stage, CommitState.PENDING, "waits for an approval", rank, waits=True)
    return StageProgress(stage, CommitState.PENDING, "is running", rank)
