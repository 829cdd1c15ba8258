"""What happens next in a pipeline, given what is: the pure core.

Reads a snapshot of one pipeline's live runs and returns the steps that are due; applying them and running actions is
the engine's work. Asked again after every change, so that nothing depends on which change it was.

Rules (https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html): a stage holds one run at a
time except in PARALLEL mode; a run waits in front of an occupied or closed stage; in SUPERSEDED mode a newer run that
waits there replaces an older one, in QUEUED mode the oldest goes first; actions of one run order start together, and a
failed action ends its stage after its companions ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """The API's ExecutionMode."""

    SUPERSEDED = "SUPERSEDED"
    QUEUED = "QUEUED"
    PARALLEL = "PARALLEL"


class Status(StrEnum):
    """Of runs, stages and actions, in the API's words; each uses its own subset."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    ABANDONED = "Abandoned"


@dataclass(frozen=True)
class ActionView:
    """An action of a stage; ``status`` None: not started."""

    name: str
    order: int = 1
    status: Status | None = None


@dataclass(frozen=True)
class StageView:
    """A stage of one run; ``status`` None: not entered."""

    name: str
    actions: tuple[ActionView, ...]
    status: Status | None = None


@dataclass(frozen=True)
class RunView:
    """A live run (InProgress or Stopping); ``number`` grows with each run of the pipeline."""

    id: str
    number: int
    stages: tuple[StageView, ...]
    stopping: bool = False

    @property
    def position(self) -> int:
        """The index of the first stage that has not succeeded; the number of stages when all have."""
        for index, stage in enumerate(self.stages):
            if stage.status is not Status.SUCCEEDED:
                return index
        return len(self.stages)


@dataclass(frozen=True)
class PipelineView:
    """``closed`` names stages whose inbound transition is disabled (an outbound one closes the next stage)."""

    mode: Mode
    runs: tuple[RunView, ...]
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EnterStage:
    """``run`` goes into ``stage``."""

    run: str
    stage: str


@dataclass(frozen=True)
class StartAction:
    """The action begins."""

    run: str
    stage: str
    action: str


@dataclass(frozen=True)
class EndStage:
    """The stage is over."""

    run: str
    stage: str
    status: Status


@dataclass(frozen=True)
class EndRun:
    """The run is over."""

    run: str
    status: Status


Step = EnterStage | StartAction | EndStage | EndRun


def due(pipeline: PipelineView) -> tuple[Step, ...]:
    """The steps due now, in order; empty when everything waits for something."""
    steps = [step for run in pipeline.runs for step in _inside(run)]
    return tuple(steps) or tuple(_between(pipeline))


def _inside(run: RunView) -> Iterator[Step]:
    """Steps that concern one run alone."""
    if run.position == len(run.stages):
        yield EndRun(run.id, Status.SUCCEEDED)
        return
    stage = run.stages[run.position]
    if stage.status is None:
        if run.stopping:
            yield EndRun(run.id, Status.STOPPED)
        return
    statuses = {action.status for action in stage.actions}
    if Status.IN_PROGRESS in statuses:
        return
    if Status.ABANDONED in statuses or (run.stopping and statuses != {Status.SUCCEEDED}):
        ended = Status.STOPPED
    elif Status.FAILED in statuses:
        ended = Status.FAILED
    elif None in statuses:
        first = min(action.order for action in stage.actions if action.status is None)
        for action in stage.actions:
            if action.status is None and action.order == first:
                yield StartAction(run.id, stage.name, action.name)
        return
    else:
        yield EndStage(run.id, stage.name, Status.SUCCEEDED)
        return
    yield EndStage(run.id, stage.name, ended)
    yield EndRun(run.id, ended)


def _between(pipeline: PipelineView) -> Iterator[Step]:
    """Who enters which stage, and who is superseded while waiting."""
    waiting: dict[int, list[RunView]] = {}
    occupied: set[int] = set()
    for run in pipeline.runs:
        if run.stages[run.position].status is None:
            waiting.setdefault(run.position, []).append(run)
        else:
            occupied.add(run.position)
    for index, runs in waiting.items():
        queue = sorted(runs, key=lambda run: run.number)
        if pipeline.mode is Mode.SUPERSEDED:
            for older in queue[:-1]:
                yield EndRun(older.id, Status.SUPERSEDED)
            queue = queue[-1:]
        name = queue[0].stages[index].name
        if name in pipeline.closed:
            continue
        if pipeline.mode is Mode.PARALLEL:
            for run in queue:
                yield EnterStage(run.id, name)
        elif index not in occupied:
            yield EnterStage(queue[0].id, name)
