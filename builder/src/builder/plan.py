"""Decide what to do for an environment: a pure function of what was found.

Every rule that must hold from the first day stands here: deletion only on proof and only of what is ours, staging
and production never by a ref's deletion, never under a running pipeline, one run for each generation.
"""

from __future__ import annotations

from builder.generation import begin, following, successor
from builder.idle import DAY, Idle, active_at, idle
from builder.runs import has_run, misread, strays_of
from builder.situation import Gone, Invalid, Nothing, Present, Refused, Situation
from builder.steps import (
    Announce,
    Applied,
    Clear,
    Forget,
    Found,
    Operate,
    Park,
    Refuse,
    Report,
    Retry,
    Settle,
    Start,
    Step,
    Stop,
    Touch,
    Upload,
    Wake,
)
from deployer.notices import RunNotice
from deployer.ports import Environment, Operation, Outcome, Parked, Run, Stack
from deployer.refs import HEADS, TAGS, Stage
from deployer.runs import belongs
from deployer.states import RunState, StackPhase

MAX_ATTEMPTS = 3
# A pipeline that was just created starts by itself: give its run this many looks to show up.
LOOKS_FOR_FIRST_RUN = 3
# Milliseconds for which the start of a run is left to whoever was about to ask for it: as long as the function may run.
START_LEASE = 300_000
HOUR = 3_600_000


def plan(situation: Situation) -> tuple[Step, ...]:
    """The steps to take now, in order; none where all is well or an event is to be waited for."""
    steps: list[Step] = []
    if situation.park:
        steps.append(Park(situation.park))
    if situation.wakes:
        steps.append(Wake(_ref_of(situation)))
    steps += _answer(situation)
    return tuple(steps) or _settle(situation)


def _ref_of(situation: Situation) -> str:
    wish = situation.wish
    return wish.ref if isinstance(wish, Present | Invalid | Refused) else ""


def _answer(situation: Situation) -> tuple[Step, ...]:
    match situation.wish:
        case Nothing():
            return ()
        case Refused(ref, commit, reason):
            return (Refuse(commit, ref, reason),)
        case Gone(reason):
            return _teardown(situation, reason)
        case Present() | Invalid() as wish:  # pragma: no branch - mypy holds the match complete
            return _wanted(situation, wish)


def _wanted(situation: Situation, wish: Present | Invalid) -> tuple[Step, ...]:
    """Whether it can be deployed or not: what nobody uses any more, or wants, is removed all the same."""
    steps: tuple[Step, ...] = ()
    item = _unchanged(situation, wish.ref, wish.commit)
    if item and _asked_to_go(situation, item):
        return _retire(situation, wish, "removed by hand; a push brings it back")
    if item and situation.idle_days:
        match _idleness(situation, item):
            case Idle.REMOVE:
                text = f"removed after {situation.idle_days} days without a push; a push brings it back"
                return _retire(situation, wish, text)
            case Idle.ANNOUNCE:
                text = f"nothing happened here for {situation.idle_days - 1} days: removed in a day; a push keeps it"
                steps = (Announce(text),)
            case Idle.NO:  # pragma: no branch - mypy holds the match complete
                steps = _touched(situation, item)
    if isinstance(wish, Invalid):
        return *steps, *_reject(situation, wish.ref, wish.commit, wish.reason)
    return *steps, *_converge(situation, wish)


def _unchanged(situation: Situation, ref: str, commit: str) -> Environment | None:
    """The item, where it wishes this commit already and nobody asks for it again."""
    item = situation.item
    if item is None or not item.present or situation.request:
        return None
    return item if (item.ref, item.commit) == (ref, commit) else None


def _reject(situation: Situation, ref: str, commit: str, reason: str) -> tuple[Step, ...]:
    item = _unchanged(situation, ref, commit)
    if item is None:
        item = following(situation, ref, commit, "")
        return *begin(situation, item, successor(commit)), Report(Outcome.FAILURE, reason)
    return () if item.outcome is Outcome.FAILURE else (Report(Outcome.FAILURE, reason),)


def _converge(situation: Situation, wish: Present) -> tuple[Step, ...]:
    steps: list[Step] = []
    item = _unchanged(situation, wish.ref, wish.commit)
    if item is None:
        item = following(situation, wish.ref, wish.commit, wish.digest)
        steps += begin(situation, item, successor(wish.commit))
    if situation.runs.keys() - set(item.pipelines):
        steps.append(Found(tuple(situation.runs)))
    strays = strays_of(situation, item)
    steps += (Stop(name, run.id) for name, run in strays if run.state is RunState.IN_PROGRESS)
    if item.outcome is Outcome.FAILURE:
        return tuple(steps)
    if text := misread(situation, item, strays):
        return *steps, Report(Outcome.FAILURE, text)
    if situation.stack is not None and not situation.ours:
        text = f"a stack {situation.stack_name} exists that is not this environment's; it was left untouched"
        return *steps, Report(Outcome.FAILURE, text)
    if item.outcome is Outcome.NEW:
        steps.append(Report(Outcome.PENDING, "preparing the pipeline"))
    return *steps, *_act(situation, wish, item)


def _all_runs(situation: Situation) -> list[Run]:
    return [run for _, run in situation.every_run]


def _idleness(situation: Situation, item: Environment) -> Idle:
    """Only the sweep finds an environment idle: a push never removes what it is for."""
    if not situation.sweeping:
        return Idle.NO
    return idle(item, situation.now, situation.idle_days, _all_runs(situation))


def _touched(situation: Situation, item: Environment) -> tuple[Step, ...]:
    """What somebody did without changing the wish: pushed the same commit, started a run."""
    if situation.pushed and item.touched < situation.now - HOUR:
        return (Touch(situation.now),)
    newest = active_at(item, _all_runs(situation))
    return (Touch(newest),) if newest >= active_at(item) + HOUR else ()


def _asked_to_go(situation: Situation, item: Environment) -> bool:
    """Whether somebody wants removed just what is there: a push, or another asking, was no later wish."""
    return situation.retire == item.generation


def _retire(situation: Situation, wish: Present | Invalid, reason: str) -> tuple[Step, ...]:
    # A release is parked with all that are not newer than any that was ever wanted.
    highest = situation.item.highest if situation.item and situation.id.stage is Stage.PRODUCTION else ""
    ref = f"{TAGS}{highest}" if highest else wish.ref
    place = Parked(situation.id, ref, wish.commit, situation.now // 1000, reason, retired=True)
    return Park(place), *_teardown(situation, reason)


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
        elif _may_be_wanted(situation, item):
            return ()
        else:
            return _when_idle(situation, *_upload(item), Operate(Operation.UPDATE))
    return *steps, *_run(situation, wish, item)


def _may_be_wanted(situation: Situation, item: Environment) -> bool:
    """Whether a run goes on that is not to be stopped, although nobody knows what the stack is.

    Whose creation it was may not be known, or what was known was lost; the run may read just what is wanted.
    """
    active = _active(situation)
    created = item.operation is Operation.CREATE and bool(active)
    return created or any(belongs(item, run, elsewhere=name in situation.elsewhere) for name, run in active)


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
        if item.starting and situation.now < item.starting + START_LEASE:
            # Somebody was about to start it and may have been held up: CodePipeline would start a second one.
            wait = (item.starting + START_LEASE - situation.now) / 1000
            return (Retry("the run is being started", wait),)
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


def _upload(item: Environment) -> tuple[Step, ...]:
    return () if item.source else (Upload(),)


def _active(situation: Situation) -> list[tuple[str, Run]]:
    return [(name, run) for name, run in situation.every_run if run.state.active]


def _stop(active: list[tuple[str, Run]]) -> tuple[Step, ...]:
    """Those that are stopping, too: what ran in them may have ended meanwhile, and an approval be left."""
    return tuple(Stop(name, run.id) for name, run in active)


def _teardown(situation: Situation, reason: str) -> tuple[Step, ...]:
    """Remove an environment whose ref is proven gone, or that somebody wants removed.

    Staging and production stay whatever becomes of their refs: only by name are they asked to go.
    """
    item = situation.item
    if item is None and (situation.id.reserved or not situation.ours):
        return ()
    if item and item.present and situation.id.reserved and not _asked_to_go(situation, item):
        return ()
    steps: list[Step] = []
    if item is None or item.present:
        ref, commit = (item.ref, item.commit) if item else (HEADS + situation.id.branch, "")
        item = following(situation, ref, commit, "", present=False)
        steps += begin(situation, item, reason)
    if situation.runs.keys() - set(item.pipelines):
        steps.append(Found(tuple(situation.runs)))
    stack = situation.stack
    if stack is None or not situation.ours or stack.phase is StackPhase.ABSENT:
        return *steps, Forget()
    if stack.phase is StackPhase.BUSY:
        return tuple(steps)
    if active := _active(situation):
        return *steps, *_stop(active)
    if _given_up(stack, item):
        if item.outcome is not Outcome.FAILURE:
            return *steps, Report(Outcome.FAILURE, "the environment could not be removed", look_up=True)
        again = situation.sweeping and situation.now > item.touched + DAY
        if not (again or _asked_to_go(situation, item)):
            return tuple(steps)
        steps.append(Touch(situation.now))
    if situation.runs or situation.projects:
        steps.append(Clear(tuple(situation.runs), situation.projects))
    return *steps, Operate(Operation.DELETE)


def _given_up(stack: Stack, item: Environment) -> bool:
    """Whether a removal was refused, or failed as often as it may: a person is told, and it is tried once a day."""
    failed = stack.status == "DELETE_FAILED" and item.operation is Operation.DELETE
    return item.outcome is Outcome.FAILURE or (failed and item.attempt + 1 >= MAX_ATTEMPTS)


def _settle(situation: Situation) -> tuple[Step, ...]:
    """Where the sweep finds nothing left to do and nothing under way, it says so, once."""
    item, stack = situation.item, situation.stack
    if not situation.sweeping or item is None or item.settled or isinstance(situation.wish, Nothing):
        return ()
    if (stack is not None and stack.phase is StackPhase.BUSY) or _active(situation):
        return ()
    if item.outcome not in (Outcome.SUCCESS, Outcome.FAILURE):
        return ()
    # A new item's generation is when it was made: of what began before that, what was said is forgotten.
    runs = (
        RunNotice(name, run.id, forgotten=run.started < item.generation)
        for name, run in situation.every_run
        if run.started >= item.checked
    )
    return (Settle(tuple(runs)),)
