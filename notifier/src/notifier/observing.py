"""One run of one environment, as it stands now: observed, never taken from an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from deployer.contexts import part_of, with_part
from deployer.environments import EnvironmentId
from deployer.errors import Transient
from deployer.events import RunChange
from deployer.notices import RunNotice
from deployer.observability import logger
from deployer.pipelines import ActionRun, RunDetails, deployed
from deployer.ports import Environment, Outcome
from deployer.progress import StageProgress, commit_of, overruled, progress
from deployer.runs import pipeline_url, run_url

log = logger("notifier")


class Runs(Protocol):
    """What a run did; ``deployer.pipelines.CodePipeline`` is one."""

    def run(self, pipeline: str, run: str) -> RunDetails | None: ...

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]: ...

    def stages(self, pipeline: str, version: int) -> dict[str, int]: ...


@dataclass(frozen=True)
class Observed:
    """One run of one environment, now."""

    environment: Environment
    pipeline: str
    run: RunDetails
    commit: str
    stages: tuple[StageProgress, ...]
    began: int
    """When its first action started, in milliseconds; 0 where none did."""
    url: str = ""
    """The run in CodePipeline's console."""
    approvals: str = ""
    """Where its approvals are given."""
    stacks: tuple[str, ...] = ()
    """Names of the stacks that it has deployed, the latest first."""
    forgotten: bool = False
    """Whether it may have been told before, and nobody remembers."""
    part: str = ""
    """Which of the environment's pipelines it is a run of; empty for the only one."""

    def page(self, stage: StageProgress) -> str:
        """Where a stage is to be looked at, or approved."""
        return self.approvals if stage.waits else self.url

    @property
    def settled(self) -> bool:
        """Whether there will be another event, or nothing is left to be said."""
        return self.run.state.active or all(stage.ended for stage in self.stages)

    @property
    def id(self) -> EnvironmentId:
        """The environment's id."""
        return self.environment.id

    @property
    def place(self) -> str:
        """What its runs are told apart from others by: each part has its own that stands, or fails."""
        return with_part(str(self.id), self.part)

    @property
    def rank(self) -> int:
        """Rises while the run goes on, a retry of a failed stage included."""
        return 1 + sum(stage.rank for stage in self.stages)


@dataclass(frozen=True)
class Observer:
    """Observes runs; ``region`` is that of the console."""

    runs: Runs
    region: str

    def observe(self, change: RunChange | RunNotice, environment: Environment) -> Observed | None:
        """The run that an event or the builder names, or None where there is none of a commit of ours.

        Raises:
            Transient: where the builder is about to note which pipelines the environment has.
        """
        run = self.runs.run(change.pipeline, change.execution)
        if run is None:
            return None
        noted = change.pipeline in (environment.stack, *environment.pipelines)
        if not noted and environment.outcome in (Outcome.NEW, Outcome.PENDING):
            # Its stack may be at work for long after the pipeline is there; then the builder has the run told at once.
            raise Transient("whether it is the environment's only pipeline is not noted yet")
        commit = commit_of(run, environment)
        if not commit:
            log.info("a run of no commit of ours", revisions=sorted(run.revisions))
            return None
        stages = self.runs.stages(change.pipeline, run.version)
        actions = self.runs.actions(change.pipeline, change.execution)
        told = progress(stages, actions, run.state, overruled(environment, commit))
        url = run_url(self.region, change.pipeline, run.id)
        approvals = pipeline_url(self.region, change.pipeline)
        stacks = tuple(dict.fromkeys(deployed(actions)))
        forgotten = isinstance(change, RunNotice) and change.forgotten
        began = _began(actions)
        part = part_of(environment, change.pipeline)
        return Observed(environment, change.pipeline, run, commit, told, began, url, approvals, stacks, forgotten, part)


def _began(actions: Iterable[ActionRun]) -> int:
    return min((action.started for action in actions), default=0)
