"""What the demo ends with: a table for people, the same as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deployer_cli.demo.scenario import Result


def summary(statuses: Mapping[str, str]) -> str:
    """``5 success``, or ``4 success, 1 failure``."""
    counts = Counter(statuses.values())
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


def table(results: Iterable[Result]) -> Table:
    """One row for each environment."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("environment", "commit", "statuses", "push to page", "own share"):
        found.add_column(column, justify="right" if column in ("push to page", "own share") else "left", no_wrap=True)
    found.add_column("url", no_wrap=True)
    for result in results:
        found.add_row(
            result.id.label,
            result.commit[:7],
            summary(result.statuses),
            f"{result.seconds:.1f} s",
            f"{result.own:.1f} s",
            result.url or "removed",
        )
    return found


def as_json(results: Iterable[Result], events: Iterable[Mapping[str, Any]], seconds: float) -> dict[str, Any]:
    """``environments``, ``events`` (every one that passed the bus, with its time) and ``seconds``."""
    return {
        "environments": [
            {
                "name": result.id.label,
                "ref": result.ref,
                "commit": result.commit,
                "stack": result.stack,
                "url": result.url,
                "statuses": result.statuses,
            }
            for result in results
        ],
        "events": list(events),
        "seconds": round(seconds, 3),
    }


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the JSON report."""
    path.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")


def show(console: Console, results: Iterable[Result], seconds: float) -> None:
    """Print the table."""
    console.print()
    # An address is to be copied, so it is never folded: a narrow terminal wraps the line itself.
    wide = Console(file=console.file, width=max(console.width, 200), no_color=console.no_color)
    wide.print(table(results))
    console.print(f"\nEverything held, in {seconds:.0f} s.", style="bold green")
