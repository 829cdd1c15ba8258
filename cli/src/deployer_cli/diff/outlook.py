"""What a push would come to, by what it brings and what is there.

Pure. The builder decides when the push has come; this says beforehand what it will see.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer.states import StackPhase


class Kind(StrEnum):
    """What happens to the environment."""

    CREATE = "is created"
    UPDATE = "is updated"
    RECREATE = "is deleted and created again"
    RUN = "stays, and its pipeline runs"
    NOTHING = "is left alone"
    REFUSED = "is refused"


@dataclass(frozen=True)
class Outlook:
    """What happens, and why, where that has to be said."""

    kind: Kind
    reason: str = ""


@dataclass(frozen=True)
class Seen:
    """What was seen. ``skipped``: why the ref or its commit asks for nothing. ``objection``: why what it brings is
    refused. ``template``: whether it brings one. ``known``: whether the environment is remembered. ``phase``: of its
    stack, None where there is none; ``ours``: whether that is the environment's. ``there``: whether this very commit
    is. ``changed``: whether the pipeline's stack differs. ``taken`` of ``limit`` (0: any number) are in use.
    """

    ref: str
    environment: EnvironmentId | None
    skipped: str = ""
    objection: str = ""
    template: bool = True
    known: bool = False
    phase: StackPhase | None = None
    ours: bool = True
    there: bool = False
    changed: bool = False
    taken: int = 0
    limit: int = 0


def outlook(seen: Seen) -> Outlook:
    """What a push comes to."""
    if seen.environment is None:
        return Outlook(Kind.NOTHING, f"{seen.ref} has no environment")
    if seen.skipped:
        return Outlook(Kind.NOTHING, seen.skipped)
    exists = seen.phase is not None
    if not seen.template:
        if exists or seen.known:
            return Outlook(Kind.REFUSED, "deploy/pipeline.json is missing")
        return Outlook(Kind.NOTHING, f"{seen.ref} has no deploy/pipeline.json")
    if seen.objection:
        return Outlook(Kind.REFUSED, seen.objection)
    if exists and not seen.ours:
        return Outlook(Kind.REFUSED, "there is a stack of that name that is not this environment's")
    if not exists:
        return _new(seen, seen.environment)
    if seen.phase is StackPhase.DEAD:
        return Outlook(Kind.RECREATE, "its creation failed")
    return _standing(seen)


def _new(seen: Seen, environment: EnvironmentId) -> Outlook:
    full = 0 < seen.limit <= seen.taken
    if full and not seen.known and environment.stage is Stage.DEVELOPMENT:
        return Outlook(Kind.REFUSED, f"the repository has {seen.taken} environments, as many as it may")
    return Outlook(Kind.CREATE)


def _standing(seen: Seen) -> Outlook:
    reason = {
        StackPhase.BUSY: "once the operation that is under way has ended",
        StackPhase.STUCK: "once its stack has been recovered",
    }.get(seen.phase or StackPhase.STABLE, "")
    if seen.changed:
        return Outlook(Kind.UPDATE, reason)
    if seen.there:
        return Outlook(Kind.NOTHING, "this very commit is there")
    return Outlook(Kind.RUN, reason)
