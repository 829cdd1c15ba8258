"""Many worlds on all cores, or one with its trace: what `make simulate` runs.

python -m tests.simulation --worlds 10000      many; ends with 1 where one of them failed
python -m tests.simulation --seed 42           that one, with everything that happens in it
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.simulation.report import Outcome, live

TRACES = Path("build/simulation")
SHOWN = 5


def main(arguments: list[str]) -> int:
    """Answers with the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--seed", type=int, help="this world alone, with its trace")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed)
    return _many(range(options.first, options.first + options.worlds), options.jobs)


def _one(seed: int) -> int:
    outcome = live(seed, trace=True)
    print("\n".join(outcome.trace))
    print(f"\nworld {seed}: {outcome.pushes} pushes, in place after {outcome.sweeps} sweeps")
    for problem in outcome.problems:
        print(f"  WRONG: {problem}")
    return 1 if outcome.problems else 0


def _many(seeds: range, jobs: int) -> int:
    began = time.monotonic()
    with multiprocessing.Pool(jobs) as pool:
        outcomes = list(_followed(pool.imap_unordered(live, seeds, chunksize=10), len(seeds), began))
    failed = sorted((outcome for outcome in outcomes if outcome.problems), key=lambda outcome: outcome.seed)
    print("\n".join(summary(outcomes, time.monotonic() - began)))
    for outcome in failed[:SHOWN]:
        print("\n".join(_failure(outcome)))
    if len(failed) > SHOWN:
        print(f"\nand {len(failed) - SHOWN} more: {', '.join(str(each.seed) for each in failed[SHOWN:][:40])}")
    return 1 if failed else 0


def _followed(outcomes: Iterable[Outcome], total: int, began: float) -> Iterator[Outcome]:
    """The same, with a line that says how far it is."""
    failed, live_line = 0, sys.stderr.isatty()
    for done, outcome in enumerate(outcomes, 1):
        failed += bool(outcome.problems)
        if done == total or (done % 50 == 0 if live_line else done % max(1, total // 10) == 0):
            speed = done / max(0.001, time.monotonic() - began)
            line = f"{done:>7,} of {total:,} worlds   {speed:,.0f} a second   {failed:,} failed"
            print(f"\r{line}" if live_line else line, end="" if live_line and done < total else "\n", file=sys.stderr)
            sys.stderr.flush()
        yield outcome


def summary(outcomes: list[Outcome], seconds: float) -> list[str]:
    """What there is to say of many worlds."""
    pushes = sum(outcome.pushes for outcome in outcomes)
    points = frozenset[tuple[str, bool]]().union(*(outcome.points for outcome in outcomes))
    killed: Counter[tuple[str, bool]] = sum((outcome.killed for outcome in outcomes), Counter())
    well = sorted(outcome.sweeps for outcome in outcomes if not outcome.problems)
    idle = [outcome.idle_calls for outcome in outcomes if outcome.idle_calls is not None]
    rows = [
        ("worlds", f"{len(outcomes):,} in {seconds:.0f} s"),
        ("failed", f"{len(outcomes) - len(well):,}"),
        ("pushes", f"{pushes:,}"),
        ("lost", f"{sum(outcome.lost for outcome in outcomes):,} webhooks and events"),
        ("doubled", f"{sum(outcome.doubled for outcome in outcomes):,} webhooks and events"),
        ("refused", f"{sum(outcome.refused for outcome in outcomes):,} calls, or their answers lost"),
        ("killed", f"{killed.total():,} invocations"),
        ("kill points", f"{len(killed.keys() & points)} covered of {len(points)}"),
        ("in turns", f"{sum(outcome.overlaps for outcome in outcomes):,} looks, with another at the same environment"),
        ("dead letters", f"{sum(outcome.dead for outcome in outcomes):,}"),
    ]
    if well:
        rows.append(
            ("convergence", f"{well[-1]} sweeps at worst, {well[(len(well) * 99 - 1) // 100]} in 99 % of worlds")
        )
    rows.append(("calls a push", f"{sum(outcome.calls for outcome in outcomes) / max(1, pushes):.0f}"))
    if idle:
        rows.append(("calls an idle hour", f"{sum(idle) / len(idle):.0f}, for 12 sweeps of one to three repositories"))
    if missing := sorted(f"{'after' if after else 'before'} {name}" for name, after in points - killed.keys()):
        rows.append(("never killed", ", ".join(missing)))
    return [f"{name:<20}{value}" for name, value in rows]


def _failure(outcome: Outcome) -> list[str]:
    """One that failed: what was wrong, how to run it alone, and where its trace is."""
    TRACES.mkdir(parents=True, exist_ok=True)
    trace = TRACES / f"{outcome.seed}.txt"
    trace.write_text("\n".join(live(outcome.seed, trace=True).trace) + "\n", encoding="utf-8")
    python = os.path.relpath(sys.executable)
    return [
        "",
        f"world {outcome.seed} FAILED; its trace is in {trace}, and this runs it again:",
        f"    {python} -m tests.simulation --seed {outcome.seed}",
        *(f"  {problem}" for problem in outcome.problems[:8]),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
