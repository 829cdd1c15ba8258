"""When a development environment has been idle for too long: announced a day before, then removed.

Pure. What counts is activity, not age: a push, a redeploy, a run that somebody started.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from deployer.ports import Environment, Run
from deployer.refs import Stage

DAY = 24 * 3600 * 1000


class Idle(Enum):
    """How far an environment's idleness has come."""

    NO = "no"
    ANNOUNCE = "announce"  # a day before
    REMOVE = "remove"


def active_at(item: Environment, runs: Iterable[Run] = ()) -> int:
    """When somebody last wanted something of an environment, in milliseconds since the epoch."""
    return max(item.touched, item.generation, item.source_at, *(run.started for run in runs), 0)


def idle(item: Environment, now: int, days: int, runs: Iterable[Run] = ()) -> Idle:
    """What is to be done about an environment's idleness now. ``days``: after how many it is removed; 0: never."""
    if not days or not item.present or item.id.stage is not Stage.DEVELOPMENT:
        return Idle.NO
    since = active_at(item, runs)
    if now < since + (days - 1) * DAY:
        return Idle.NO
    if item.announced < since:
        return Idle.ANNOUNCE
    return Idle.REMOVE if now >= max(since + days * DAY, item.announced + DAY) else Idle.NO
