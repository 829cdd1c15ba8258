"""What became of one world, from its seed to its verdict."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.simulation.verdict import verdict
from tests.simulation.world import BEGINNING, MINUTE, SECOND, TICK, Point, World

# So many sweeps at most until all is in place: a message whose invocation was killed is hidden for half an hour.
SWEEPS = 14
# Of one world in so many, an hour in which nobody does anything is watched too.
IDLE = 20
HOUR = 12 * TICK
# The chance that a world's table is lost.
TABLE_LOST = 0.1
# Between two things that people do.
PAUSES = (500, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 6 * MINUTE)


@dataclass(frozen=True)
class Outcome:
    """``problems``: what was wrong in the end. ``sweeps``: after the chaos, until all was in place.

    ``overlaps``: looks that were begun while another one at the same environment was at work.

    ``calls``: of ports, until the chaos ended; ``idle_calls``: in an hour of rest, where it was watched.
    """

    seed: int
    problems: tuple[str, ...]
    pushes: int
    lost: int
    doubled: int
    refused: int
    overlaps: int
    sweeps: int
    calls: int
    idle_calls: int | None
    dead: int
    points: frozenset[Point]
    killed: Counter[Point] = field(default_factory=Counter)
    trace: tuple[str, ...] = ()


def live(seed: int, *, trace: bool = False) -> Outcome:
    """One world."""
    state = random.getstate()
    random.seed(seed)  # the queues' backoff is drawn from there
    try:
        world = World(seed, trace=trace)
        with _logs(world):
            return _live(world)
    finally:
        random.setstate(state)


def _live(world: World) -> Outcome:
    end, following = _plan(world)
    world.scheduler.run(end)
    world.chaos.calm()
    world.note("the chaos is over")
    calls = len(world.tape.calls)
    sweeps = 0
    while True:
        world.scheduler.run(following - 1)
        problems = verdict(world)
        if not problems or world.violations or sweeps == SWEEPS:
            break
        sweeps += 1
        world.note(f"not yet: {'; '.join(problems)}")
        world.scheduler.at(following, world.tick)
        following += TICK
    counts, ended = world.counts, tuple(problems)
    idle = _idle(world, following) if world.seed % IDLE == 0 and not problems and not world.violations else None
    if idle is not None:
        ended = tuple(verdict(world))
    return Outcome(
        world.seed,
        (*world.violations, *ended),
        world.people.pushes,
        counts.webhooks_lost + counts.events_lost,
        counts.doubled,
        counts.refused,
        world.looks.overlaps,
        sweeps,
        calls,
        idle,
        sum(len(queue.dead) for queue in (world.looks, world.changes, world.notices)),
        frozenset(counts.points),
        counts.killed,
        tuple(world.lines or ()),
    )


def _plan(world: World) -> tuple[int, int]:
    """Who does what and when; answers with the chaos' end and the time of the first tick after it."""
    rng, when = world.rng, BEGINNING
    for _ in range(rng.randint(4, 14)):
        when += 6 * MINUTE if world.people.steady else rng.choice(PAUSES)
        world.scheduler.at(when, world.people.act)
    world.scheduler.at(rng.randint(BEGINNING, when), world.forge)
    if rng.random() < TABLE_LOST:
        # A stack that has its name from what the repository was called before is not found again.
        world.people.renames = False
        world.scheduler.at(rng.randint(BEGINNING, when), world.lose_table)
    tick, end = BEGINNING + rng.randint(1, TICK), when + MINUTE
    while tick < end:
        world.scheduler.at(tick, world.tick)
        tick += TICK
    return end, tick


def _idle(world: World, following: int) -> int:
    """The calls of an hour in which nobody does anything."""
    for number in range(2):  # what has just come to rest is to be found at rest
        world.scheduler.at(following + number * TICK, world.tick)
    following += 2 * TICK
    world.scheduler.run(following - 1)
    before = len(world.tape.calls)
    for number in range(12):
        world.scheduler.at(following + number * TICK, world.tick)
    world.scheduler.run(following + HOUR - 1)
    return len(world.tape.calls) - before


class _Lines(logging.Handler):
    """The functions' own log, as lines of the trace."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        fields = ", ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items() if value != "")
        self.world.note(f"log: {record.getMessage()} {fields}")


@contextmanager
def _logs(world: World) -> Iterator[None]:
    """Nobody reads the log of thousands of worlds; a trace has it."""
    root, disabled = logging.getLogger(), logging.root.manager.disable
    level, handler = root.level, _Lines(world)
    if world.lines is None:
        logging.disable(logging.CRITICAL)
    else:
        root.addHandler(handler)
        root.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(handler)
        root.setLevel(level)
