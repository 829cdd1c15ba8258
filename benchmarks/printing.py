"""Tables and goals, as every benchmark prints them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A goal in words, figure and limit included, and whether it is reached."""

    text: str
    held: bool


def line(*cells: object) -> str:
    """One row."""
    return "  " + str(cells[0]).ljust(38) + "".join(str(cell).rjust(12) for cell in cells[1:])


def say(text: str = "") -> None:
    """One line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def verdict(goals: Sequence[Goal]) -> bool:
    """Say which goals are reached; whether all are."""
    say()
    for goal in goals:
        say(f"  {'✓' if goal.held else '✗'} {goal.text}")
    return all(goal.held for goal in goals)
