"""What became of a world, and of many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.verdict import verdict
from tests.simulation.world import BEGINNING, MINUTE, SECOND, TICK, Point, World

SWEEPS = 14
"""So many sweeps at most until all is in place: a message whose invocation was killed is hidden for half an hour."""


@dataclass(frozen=True)
class Outcome:
    """``problems``: what was wrong in the end. ``sweeps``: after the chaos, until all was in place."""

    seed: int
    problems: tuple[str, ...]
    pushes: int
    lost: int
    doubled: int
    refused: int
    sweeps: int
    calls: int
    idle_calls: int | None
    dead: int
    points: frozenset[Point]
    killed: Counter[Point] = field(default_factory=Counter)
    trace: tuple[str, ...] = ()


def live(seed: int, *, trace: bool = False) -> Outcome:
    """One world from its seed to its verdict."""
    world = World(seed, trace=trace)
    pushes = world.rng.randint(4, 14)
    when = BEGINNING
    for _ in range(pushes):
        when += world.rng.choice((500, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 6 * MINUTE))
        world.scheduler.at(when, world.people.act)
    world.scheduler.at(BEGINNING + world.rng.randint(0, when - BEGINNING), world.forge)
    offset = world.rng.randint(1, TICK)
    following = BEGINNING + offset
    end = when + MINUTE
    while following < end:
        world.scheduler.at(following, world.tick)
        following += TICK
    world.scheduler.run(end)
    world.chaos.calm()
    world.note("the chaos is over")
    calls = len(world.tape.calls)
    problems, sweeps = [], 0
    for sweeps in range(SWEEPS + 1):
        world.scheduler.run(following - 1)
        problems = verdict(world)
        if not problems or world.violations:
            break
        world.note(f"not yet: {problems[0]}")
        world.scheduler.at(following, world.tick)
        following += TICK
    counts = world.counts
    return Outcome(
        seed,
        (*world.violations, *problems),
        world.people.pushes,
        counts.webhooks_lost + counts.events_lost,
        counts.doubled,
        counts.refused,
        sweeps,
        calls,
        _idle(world, following) if seed % 20 == 0 and not problems else None,
        sum(len(queue.dead) for queue in (world.looks, world.changes, world.notices)),
        frozenset(counts.points),
        counts.killed,
        tuple(world.lines or ()),
    )


def _idle(world: World, following: int) -> int:
    """The calls of an hour in which nobody does anything."""
    for _ in range(2):  # let what has just come to rest be found at rest
        world.scheduler.at(following, world.tick)
        following += TICK
    world.scheduler.run(following - 1)
    before = len(world.tape.calls)
    for number in range(12):
        world.scheduler.at(following + number * TICK, world.tick)
    world.scheduler.run(following + 12 * TICK - 1)
    return len(world.tape.calls) - before
