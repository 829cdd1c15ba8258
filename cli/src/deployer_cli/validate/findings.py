"""What a check finds: where, by which rule, how bad, and what to do.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """``error``: a push would fail, or be wrong. ``warning``: it would work, and surprise somebody later."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """``later``: what would happen without the check. ``fix``: what to do."""

    id: str
    severity: Severity
    later: str
    fix: str


@dataclass(frozen=True)
class Place:
    """A place in a file of the repository; ``line`` and ``column`` are counted from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``fix``: what to do; empty where the message says it."""

    place: Place
    severity: Severity
    rule: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.place.file}:{self.place.line}:{self.place.column}: {self.severity} {self.rule} {self.message}"


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, by file and place; what is found for several stages is one finding."""
    unique = dict.fromkeys(findings)
    return tuple(
        sorted(unique, key=lambda it: (it.place.file, it.place.line, it.place.column, it.rule, it.message)),
    )
