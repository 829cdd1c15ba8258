"""The next generation of an environment: what is remembered when its wish changes, and what is said of the one before.

Pure.
"""

from __future__ import annotations

from dataclasses import replace

from builder.releases import highest_of
from builder.situation import Present, Situation
from builder.steps import Begin, Step, Supersede
from deployer.ports import Environment, Operation, Outcome, Stack
from deployer.refs import release_of
from deployer.states import StackPhase

MAX_SUPERSEDED = 20


def following(situation: Situation, ref: str, commit: str, digest: str, *, present: bool = True) -> Environment:
    """The next generation. A new item's is the clock's milliseconds, so that none is ever used twice."""
    item = situation.item or Environment(
        situation.id, situation.repository, ref, situation.stack_name, generation=situation.now - 1
    )
    source = situation.source if situation.source and situation.source.commit == commit and present else None
    # With an operation asked for and not seen to its end, nobody knows what the stack is by now.
    known = situation.stack is not None and (item.operation is Operation.NONE or item.applied == item.digest)
    # That a dead stack be removed stays our own wish, whoever pushes meanwhile: a stranger's is not gone on with.
    removing = item.operation is Operation.DELETE
    return replace(
        item,
        repository=situation.repository,
        ref=ref,
        generation=item.generation + 1,
        commit=commit,
        present=present,
        digest=digest,
        applied=item.applied if known else "",
        # Of what was forgotten, the source object tells: the run that read it need not be repeated.
        source=source.version if source else "",
        source_at=source.at if source else 0,
        operation=Operation.DELETE if removing else Operation.NONE,
        attempt=0,
        accepted=removing and item.accepted,
        outcome=Outcome.NEW,
        said="",
        warnings=situation.wish.warnings if isinstance(situation.wish, Present) else (),
        superseded=_superseded(item, commit),
        touched=situation.now,
        pushed=situation.pushed_at * 1000,
        announced=0,
        starting=0,
        request=situation.request or item.request,
        highest=_highest(item, ref),
        slot=item.slot or situation.slot,
        settled=False,
    )


def _highest(item: Environment, ref: str) -> str:
    versions = [version for version in (highest_of(item), release_of(ref)) if version]
    return str(max(versions)) if versions else ""


def _superseded(item: Environment, commit: str) -> tuple[str, ...]:
    """The commits whose statuses have yet to be seen to be final, once another is wanted."""
    earlier = dict.fromkeys((*item.superseded, item.commit))
    return tuple(sha for sha in earlier if sha and sha != commit)[-MAX_SUPERSEDED:]


def begin(situation: Situation, environment: Environment, why: str) -> tuple[Step, ...]:
    """The next generation; what was being prepared is told that it will not be gone on with."""
    item = situation.item
    step = Begin(environment)
    under_way = item is not None and item.present and item.outcome in (Outcome.NEW, Outcome.PENDING)
    if item is None or not under_way or item.commit in ("", environment.commit if environment.present else ""):
        return (step,)
    return Supersede(item.commit, item.ref, why), step


def successor(commit: str) -> str:
    """What is said on a commit that another takes the place of."""
    return f"superseded by {commit[:7]}"


def stands(item: Environment, stack: Stack | None, *, again: bool) -> bool:
    """Whether the stack has, or was just given, what this generation wants: no operation of it can follow.

    ``again``: whether somebody asks by hand, which begins another generation.
    """
    if stack is None:
        return False
    if item.applied == item.digest:
        return stack.phase in (StackPhase.STABLE, StackPhase.BUSY)
    made = item.accepted and item.operation in (Operation.CREATE, Operation.UPDATE)
    return made and stack.phase is StackPhase.STABLE and not again
