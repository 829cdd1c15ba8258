"""Decide what to do for an environment: a pure function of what was found.

Every rule that must hold from the first day stands here: deletion only on proof and only of what is ours, staging
and production never by a ref's deletion, never under a running pipeline, one run for each generation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from builder.situation import Gone, Invalid, Nothing, Present, Refused, Situation
from deployer.ports import Environment, Operation, Outcome, Run
from deployer.refs import HEADS, Stage
from deployer.states import RunState, StackPhase

MAX_ATTEMPTS = 3
# A pipeline that was just created starts by itself: give its run this many looks to show up.
LOOKS_FOR_FIRST_RUN = 3


@dataclass(frozen=True)
class Begin:
    """Remember a new generation, if nobody else wrote meanwhile."""

    environment: Environment


@dataclass(frozen=True)
class Applied:
    """Remember that the stack is what this generation wants."""


@dataclass(frozen=True)
class Found:
    """Remember the pipelines that the stack has."""

    pipelines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Say how the generation's preparation stands. ``look_up``: ask the stack's events for the first failure."""

    outcome: Outcome
    text: str
    look_up: bool = False


@dataclass(frozen=True)
class Refuse:
    """A failure status on a commit that is not the environment's, which stays as it is."""

    commit: str
    ref: str
    text: str


@dataclass(frozen=True)
class Upload:
    """Put the generation's source object, with exactly the wanted commit."""


@dataclass(frozen=True)
class Operate:
    """Ask for one stack operation; its end arrives as an event."""

    operation: Operation


@dataclass(frozen=True)
class Start:
    """Start the generation's run."""

    pipeline: str


@dataclass(frozen=True)
class Stop:
    """Stop a run, letting the actions that run end."""

    pipeline: str
    run: str


@dataclass(frozen=True)
class Forget:
    """Nothing is left: remove what was made beside the stack, and the memory of it."""


@dataclass(frozen=True)
class Retry:
    """Look again a little later."""

    reason: str


Step = Begin | Applied | Found | Report | Refuse | Upload | Operate | Start | Stop | Forget | Retry


def plan(situation: Situation) -> tuple[Step, ...]:
    """The steps to take now, in order; none where all is well or an event is to be waited for."""
    match situation.wish:
        case Nothing():
            return ()
        case Refused(ref, commit, reason):
            return (Refuse(commit, ref, reason),)
        case Gone():
            return _teardown(situation)
        case Invalid(ref, commit, reason):
            return _reject(situation, ref, commit, reason)
        case Present() as wish:  # pragma: no branch - mypy holds the match complete
            return _converge(situation, wish)


def _next(situation: Situation, ref: str, commit: str, digest: str, *, present: bool = True) -> Environment:
    """The next generation. A new item's is the clock's milliseconds, so that none is ever used twice."""
    item = situation.item or Environment(
        situation.id, situation.repository, ref, situation.stack_name, generation=situation.now - 1
    )
    # With an operation asked for and not seen to its end, nobody knows what the stack is by now.
    known = situation.stack is not None and (item.operation is Operation.NONE or item.applied == item.digest)
    return replace(
        item,
        repository=situation.repository,
        ref=ref,
        generation=item.generation + 1,
        commit=commit,
        present=present,
        digest=digest,
        applied=item.applied if known else "",
        source="",
        source_at=0,
        operation=Operation.NONE,
        attempt=0,
        accepted=False,
        outcome=Outcome.NEW,
    )


def _unchanged(item: Environment | None, commit: str) -> Environment | None:
    """The item, where it wishes this commit already."""
    return item if item is not None and item.present and item.commit == commit else None


def _reject(situation: Situation, ref: str, commit: str, reason: str) -> tuple[Step, ...]:
    item = _unchanged(situation.item, commit)
    if item is None:
        return Begin(_next(situation, ref, commit, "")), Report(Outcome.FAILURE, reason)
    return () if item.outcome is Outcome.FAILURE else (Report(Outcome.FAILURE, reason),)


def _converge(situation: Situation, wish: Present) -> tuple[Step, ...]:
    steps: list[Step] = []
    item = _unchanged(situation.item, wish.commit)
    if item is None:
        item = _next(situation, wish.ref, wish.commit, wish.digest)
        steps.append(Begin(item))
    if situation.runs.keys() - set(item.pipelines):
        steps.append(Found(tuple(situation.runs)))
    if item.outcome is Outcome.FAILURE:
        return tuple(steps)
    if situation.stack is not None and not situation.ours:
        text = f"a stack {situation.stack_name} exists that is not this environment's; it was left untouched"
        return *steps, Report(Outcome.FAILURE, text)
    if item.outcome is Outcome.NEW:
        steps.append(Report(Outcome.PENDING, "preparing the pipeline"))
    return *steps, *_act(situation, wish, item)


def _act(situation: Situation, wish: Present, item: Environment) -> tuple[Step, ...]:
    phase = situation.stack.phase if situation.stack else StackPhase.ABSENT
    asked = item.operation
    match phase:
        case StackPhase.BUSY:
            return ()
        case StackPhase.ABSENT:
            if asked is Operation.CREATE and item.attempt + 1 >= MAX_ATTEMPTS:
                return (Report(Outcome.FAILURE, f"the stack was created {MAX_ATTEMPTS} times and vanished each time"),)
            return *_upload(item), Operate(Operation.CREATE)
        case StackPhase.DEAD:
            if asked is Operation.CREATE:
                return (Report(Outcome.FAILURE, "the stack could not be created", look_up=True),)
            return _when_idle(situation, Operate(Operation.DELETE))
        case StackPhase.STUCK:
            return _recover(situation, item)
        case StackPhase.STABLE | StackPhase.REVERTED:  # pragma: no branch - mypy holds the match complete
            return _advance(situation, wish, item, reverted=phase is StackPhase.REVERTED)


def _recover(situation: Situation, item: Environment) -> tuple[Step, ...]:
    status = situation.stack.status if situation.stack else ""
    # Of staging and production, only a deletion that we asked for is gone on with.
    ours = item.operation is Operation.DELETE or not situation.id.reserved
    if status == "DELETE_FAILED" and ours and item.attempt + 1 < MAX_ATTEMPTS:
        return _when_idle(situation, Operate(Operation.DELETE))
    if status == "UPDATE_ROLLBACK_FAILED":
        if item.operation is Operation.UPDATE:
            # What this very commit asked for; the next one starts by taking the rollback up again.
            text = "the stack could be neither updated nor rolled back; push again once the cause is mended"
            return (Report(Outcome.FAILURE, text, look_up=True),)
        if item.operation is not Operation.CONTINUE or item.attempt + 1 < MAX_ATTEMPTS:
            return _when_idle(situation, Operate(Operation.CONTINUE))
    text = f"the stack is in {status}: repair or delete it in CloudFormation, then push again"
    return (Report(Outcome.FAILURE, text, look_up=True),)


def _advance(situation: Situation, wish: Present, item: Environment, *, reverted: bool) -> tuple[Step, ...]:
    steps: list[Step] = []
    if item.applied != item.digest:
        if item.accepted and item.operation is Operation.UPDATE and reverted:
            return (Report(Outcome.FAILURE, "the stack could not be updated", look_up=True),)
        if item.accepted and item.operation in (Operation.CREATE, Operation.UPDATE):
            steps.append(Applied())
        elif item.operation is Operation.CREATE and _active(situation):
            # Whose creation this was is not known: its run may be the one that is wanted.
            return ()
        else:
            return _when_idle(situation, *_upload(item), Operate(Operation.UPDATE))
    return *steps, *_run(situation, wish, item)


def _when_idle(situation: Situation, *steps: Step) -> tuple[Step, ...]:
    """Never under a running pipeline: development stops it first, staging and production wait for its end."""
    active = _active(situation)
    if active:
        return _stop(active) if situation.id.stage is Stage.DEVELOPMENT else ()
    return steps


def _run(situation: Situation, wish: Present, item: Environment) -> tuple[Step, ...]:
    """One run for each generation: started only where the pipeline has not started it by itself."""
    waiting = [
        name for name, runs in situation.runs.items() if not has_run(item, runs, elsewhere=name in situation.elsewhere)
    ]
    steps: list[Step] = []
    if waiting:
        created = item.operation is Operation.CREATE and not any(situation.runs[name] for name in waiting)
        if created and situation.receives < LOOKS_FOR_FIRST_RUN:
            return (Retry("the new pipeline has not started its first run yet"),)
        # A run that has not read its source would read what is uploaded now.
        if not item.source and any(not run.revisions for _, run in _active(situation)):
            return ()
        steps = [*_upload(item), *(Start(name) for name in waiting)]
    if item.outcome is not Outcome.SUCCESS:
        text = "prepared" if situation.runs else "prepared; the template has no pipeline"
        if wish.warnings:
            text = f"{text}, but it starts runs by itself: {'; '.join(wish.warnings)}"
        steps.append(Report(Outcome.SUCCESS, text))
    return tuple(steps)


def belongs(item: Environment, run: Run, *, elsewhere: bool = False) -> bool:
    """Whether a run is this generation's: it read the generation's source, or can read nothing else.

    Where the pipeline reads its source elsewhere (``elsewhere``: a connection, an image), its start alone can tell.
    One that was cancelled is nobody's: the pipeline was changed under it, and it is made up for.
    """
    if not item.source or run.state is RunState.CANCELLED:
        return False
    if run.revisions and not elsewhere:
        return item.source in run.revisions.values()
    return run.started >= item.source_at


def has_run(item: Environment, runs: tuple[Run, ...], *, elsewhere: bool = False) -> bool:
    """Whether a generation has its run. One that failed before it had read its source is made up for, once.

    A new pipeline's first run may fail so: its role is seconds old, and not known everywhere yet.
    """
    own = [run for run in runs if belongs(item, run, elsewhere=elsewhere)]
    unread = [run for run in own if run.state is RunState.FAILED and not run.revisions]
    return len(own) > len(unread) or len(unread) > 1


def _upload(item: Environment) -> tuple[Step, ...]:
    return () if item.source else (Upload(),)


def _active(situation: Situation) -> list[tuple[str, Run]]:
    return [(name, run) for name, runs in situation.runs.items() for run in runs if run.state.active]


def _stop(active: list[tuple[str, Run]]) -> tuple[Step, ...]:
    return tuple(Stop(name, run.id) for name, run in active if run.state is RunState.IN_PROGRESS)


def _teardown(situation: Situation) -> tuple[Step, ...]:
    """Remove a development environment whose ref is proven gone; staging and production stay whatever happens."""
    item = situation.item
    if situation.id.reserved or (item is None and not situation.ours):
        return ()
    steps: list[Step] = []
    if item is None or item.present:
        ref, commit = (item.ref, item.commit) if item else (HEADS + situation.id.branch, "")
        item = _next(situation, ref, commit, "", present=False)
        steps.append(Begin(item))
    if situation.runs.keys() - set(item.pipelines):
        steps.append(Found(tuple(situation.runs)))
    stack = situation.stack
    if stack is None or not situation.ours:
        return *steps, Forget()
    if stack.phase is StackPhase.BUSY:
        return tuple(steps)
    if active := _active(situation):
        return *steps, *_stop(active)
    if stack.status == "DELETE_FAILED" and item.operation is Operation.DELETE and item.attempt + 1 >= MAX_ATTEMPTS:
        if item.outcome is Outcome.FAILURE:
            return tuple(steps)
        return *steps, Report(Outcome.FAILURE, "the environment could not be removed", look_up=True)
    return *steps, Operate(Operation.DELETE)
