"""`python -m benchmarks [PART …]`: every benchmark, or some. Answers with 1 where a goal is missed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cost, s3
from benchmarks.printing import Goal, say, verdict
from benchmarks.racing import track


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"cost, {', '.join(s3.PARTS)}; all where none is named"
    )
    parser.add_argument("--rounds", type=int, default=s3.Scale.rounds, help="of each race")
    parser.add_argument("--objects", type=int, default=s3.Scale.objects, help="that are published")
    parser.add_argument("--keys", type=int, default=s3.Scale.keys, help="that are deleted")
    parser.add_argument("--megabytes", type=int, default=s3.Scale.megabytes, help="of the large archive")
    parser.add_argument("--slow", type=float, default=s3.Scale.slow, help="the slow ones' part of it; 1 for all")
    arguments = parser.parse_args(given)
    if unknown := set(arguments.parts) - {"cost", *s3.PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = arguments.parts or ["cost", *s3.PARTS]
    missed = cost.main() if "cost" in parts else 0
    chosen = [measure for name, measure in s3.PARTS.items() if name in parts]
    if chosen:
        scale = s3.Scale(arguments.objects, arguments.keys, arguments.megabytes, arguments.rounds, arguments.slow)
        missed |= not verdict(_measured(chosen, scale))
    say()
    return int(missed)


def _measured(chosen: Sequence[s3.Part], scale: s3.Scale) -> list[Goal]:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, track(Path(folder)) as stand_in:
        bench = s3.Bench(stand_in, Path(folder), scale)
        return [goal for measure in chosen for goal in measure(bench)]


if __name__ == "__main__":
    raise SystemExit(main())
