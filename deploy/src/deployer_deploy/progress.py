"""What an installation tells while it goes on: data for the command line to draw, never text for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Packaged:
    """A zip was built or found built. ``size`` in bytes, ``seconds`` that it took."""

    part: str
    key: str
    size: int
    seconds: float


@dataclass(frozen=True)
class Uploaded:
    """A zip is in the code bucket. ``fresh``: it wasn't there before."""

    part: str
    key: str
    fresh: bool


@dataclass(frozen=True)
class StackStarted:
    """CloudFormation took an operation. ``operation``: create, update, delete, continue rollback, wait."""

    part: str
    stack: str
    operation: str


@dataclass(frozen=True)
class StackFinished:
    """A stack is as wanted. ``outcome``: created, updated, unchanged, deleted, absent."""

    part: str
    stack: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class StackFailed:
    """A stack is not as wanted, and nothing more is done about it this time; why, `StacksFailed` says at the end."""

    part: str
    stack: str
    seconds: float


Event = Packaged | Uploaded | StackStarted | StackFinished | StackFailed
Listener = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listens to nothing."""
