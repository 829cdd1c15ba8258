"""How an environment stands: a pure function of what was seen of it.

The words and the exit codes are those of a commit's checks: all good, something failed, something is still going on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from deployer.consoles import events_url
from deployer.contexts import readable
from deployer.ports import Environment, Outcome
from deployer.progress import StageProgress, overruled, progress
from deployer.runs import pipeline_url, run_url
from deployer.states import CommitState, RunState
from deployer_cli.commands import FAILED, PENDING
from deployer_cli.everyday.seen import Seen, SeenRun

PREPARATION = "0-prep"
# Milliseconds for which a run may not be listed yet although it was started.
LATE = 300_000


class State(StrEnum):
    """How something stands."""

    SUCCESS = "success"
    FAILURE = "failure"
    PENDING = "pending"
    NONE = "none"  # nothing is there, or it was never come to


@dataclass(frozen=True)
class Line:
    """The preparation, or a stage of a pipeline. ``seconds``: what it took, or has taken until now; None: not known.

    ``waits``: for somebody's approval, which is given at ``url``.
    """

    name: str
    state: State
    text: str
    seconds: int | None = None
    url: str = ""
    waits: bool = False


@dataclass(frozen=True)
class Flow:
    """One pipeline's run for the commit that is wanted. ``state``: CodePipeline's word, empty where there is none."""

    pipeline: str
    run: str
    state: str
    url: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Report:
    """How an environment stands, and why. ``coming``: a commit that was pushed and is not taken up yet, or empty."""

    seen: Seen
    state: State
    reason: str
    preparation: Line | None = None
    flows: tuple[Flow, ...] = ()
    coming: str = ""

    @property
    def commit(self) -> str:
        """The commit that is meant."""
        return self.coming or (self.seen.item.commit if self.seen.item else "")

    @property
    def lines(self) -> tuple[Line, ...]:
        """Everything in the order in which it happens; of several pipelines each stage with its pipeline's name."""
        several = len(self.flows) > 1
        found = [self.preparation] if self.preparation else []
        for flow in self.flows:
            found += [replace(line, name=f"{flow.pipeline}/{line.name}") if several else line for line in flow.lines]
        return tuple(found)

    @property
    def over(self) -> bool:
        """Whether nothing of it goes on any more."""
        return self.state is not State.PENDING and all(line.state is not State.PENDING for line in self.lines)

    @property
    def exit_code(self) -> int:
        """As ``gh pr checks``: 0 where all is well, 1 where something failed or nothing is there, 8 while pending."""
        return {State.SUCCESS: 0, State.PENDING: PENDING}.get(self.state, FAILED)


def judge(seen: Seen) -> Report:
    """How an environment stands."""
    item = seen.item
    if item is None:
        return Report(seen, State.NONE, _nothing(seen))
    preparation = _preparation(seen, item)
    if not item.present:
        failed = item.outcome is Outcome.FAILURE
        return Report(
            seen,
            State.FAILURE if failed else State.PENDING,
            readable(item.said) if failed else "is being removed",
            preparation,
        )
    flows = tuple(_flow(seen, item, name, run) for name, run in seen.runs.items())
    if coming := _coming(seen, item):
        return Report(
            seen, State.PENDING, f"{coming[:7]} was pushed and is not taken up yet", preparation, flows, coming
        )
    state, reason = _overall(preparation, flows)
    if state is State.SUCCESS and seen.place and seen.tip and seen.tip.commit != item.commit:
        reason = f"{reason}; {seen.tip.commit[:7]} is left out: {seen.place.reason}"
    return Report(seen, state, reason, preparation, flows)


def _nothing(seen: Seen) -> str:
    if seen.place:
        return f"no environment: {seen.place.reason}"
    if not seen.unasked and seen.tip is None:
        return "no environment, and no such branch on GitHub" if seen.id.branch else "no environment"
    return "no environment; a push makes one, or `deployer redeploy`"


def _coming(seen: Seen, item: Environment) -> str:
    """The commit that GitHub has and the environment has not heard of yet."""
    tip = seen.tip
    if tip is None or tip.commit == item.commit:
        return ""
    return "" if seen.place and seen.place.object == tip.object else tip.commit


def _preparation(seen: Seen, item: Environment) -> Line:
    states = {Outcome.SUCCESS: State.SUCCESS, Outcome.FAILURE: State.FAILURE}
    state = states.get(item.outcome, State.PENDING)
    since = (seen.now - item.touched) // 1000 if state is State.PENDING and item.touched else None
    url = events_url(seen.stack.id) if seen.stack else ""
    return Line(PREPARATION, state, readable(item.said) or "is being prepared", since, url)


def _overall(preparation: Line, flows: tuple[Flow, ...]) -> tuple[State, str]:
    """The first thing that failed, else the first that goes on."""
    lines = (preparation, *(line for flow in flows for line in flow.lines))
    for state in (State.FAILURE, State.PENDING):
        for line in lines:
            if line.state is state:
                return state, f"{line.name}: {line.text}"
    return State.SUCCESS, "is deployed" if flows else preparation.text


def _flow(seen: Seen, item: Environment, pipeline: str, run: SeenRun | None) -> Flow:
    if run is None:
        only = () if item.outcome is Outcome.FAILURE else (_no_run(seen, item),)
        return Flow(pipeline, "", "", pipeline_url(seen.region, pipeline), only)
    url = run_url(seen.region, pipeline, run.id)
    reached = {
        stage.stage: stage for stage in progress(run.stages, run.actions, run.state, overruled(item, run.commit))
    }
    lines = tuple(
        _stage(seen, run, reached[name], url) if name in reached else _not_begun(name, run.state) for name in run.stages
    )
    return Flow(pipeline, run.id, str(run.state), url, lines)


def _no_run(seen: Seen, item: Environment) -> Line:
    late = seen.now > max(item.touched, item.source_at, item.starting) + LATE
    if late and item.outcome is Outcome.SUCCESS:
        return Line("run", State.FAILURE, "no run of this commit is known; `deployer redeploy` starts one")
    return Line("run", State.PENDING, "has not begun")


def _stage(seen: Seen, run: SeenRun, stage: StageProgress, url: str) -> Line:
    states = {CommitState.SUCCESS: State.SUCCESS, CommitState.PENDING: State.PENDING}
    state = states.get(stage.state, State.FAILURE)
    began = min((action.started for action in run.actions if action.stage == stage.stage), default=0)
    seconds = stage.seconds if stage.ended else (seen.now - began) // 1000
    failure = run.failures.get(stage.stage)
    if failure:
        return Line(stage.stage, state, failure.reason, seconds, failure.url or url)
    if stage.waits:
        return Line(stage.stage, state, stage.text, seconds, pipeline_url(seen.region, run.pipeline), waits=True)
    return Line(stage.stage, state, stage.text, seconds, url)


def _not_begun(name: str, state: RunState) -> Line:
    return Line(name, State.PENDING, "has not begun") if state.active else Line(name, State.NONE, "was not reached")
