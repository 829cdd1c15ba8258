"""What was looked at and what was found: a line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from rich.text import Text

from deployer_cli.output import Output, plain


class Verdict(StrEnum):
    """``UNKNOWN``: it could not be looked at, which says nothing of how it is."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


_MARKS = {Verdict.RIGHT: ("✓", "green"), Verdict.WRONG: ("✗", "bold red"), Verdict.UNKNOWN: ("-", "yellow")}


@dataclass(frozen=True)
class Finding:
    """``said``: how it is; ``fix``: what to do about it, empty where nothing is to be done."""

    subject: str
    verdict: Verdict
    said: str
    fix: str = ""


def right(subject: str, said: str) -> Finding:
    """Nothing is wrong with it."""
    return Finding(subject, Verdict.RIGHT, said)


def wrong(subject: str, said: str, fix: str) -> Finding:
    """Something is wrong with it."""
    return Finding(subject, Verdict.WRONG, said, fix)


def unknown(subject: str, said: str, fix: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(subject, Verdict.UNKNOWN, said, fix)


def together(subject: str, said: str, found: Sequence[Finding]) -> Sequence[Finding]:
    """One line where all of them are right, else those that are not."""
    return [each for each in found if each.verdict is not Verdict.RIGHT] or [right(subject, said)]


def show(output: Output, found: Iterable[Finding]) -> bool:
    """Print each as it is found, or all as JSON; answers whether nothing is wrong."""
    seen: list[Finding] = []
    for each in found:
        seen.append(each)
        if not output.json:
            mark, style = _MARKS[each.verdict]
            said = f" {plain(each.subject)}: {plain(each.said)}"
            output.console.print(Text.assemble((mark, style), said), soft_wrap=True)
            if each.fix:
                output.console.print(Text.assemble(("  → ", "dim"), plain(each.fix)), soft_wrap=True)
    fine = not any(each.verdict is Verdict.WRONG for each in seen)
    if output.json:
        output.emit({"ok": fine, "findings": [asdict(each) for each in seen]})
    return fine
