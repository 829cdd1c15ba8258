"""Say one thing once: claim it, say it, confirm it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol


class Said(Protocol):
    """What has been said already; ``notifier.notes.Notes`` is one."""

    def claim(self, run: str, topic: str, rank: int) -> bool: ...

    def confirm(self, run: str, topic: str, rank: int) -> bool: ...

    def release(self, run: str, topic: str, rank: int) -> None: ...

    def message(self, run: str) -> tuple[str, str] | None: ...

    def posted(self, run: str, channel: str, ts: str) -> None: ...

    def health(self, environment: str) -> str: ...

    def note_health(self, environment: str, before: str, after: str) -> bool: ...


class Kept(Said, Protocol):
    """The same, and what it was: a text for each name. Empty where there is none."""

    def note(self, run: str, name: str, text: str) -> None: ...

    def noted(self, run: str, name: str) -> str: ...


def digest_of(*parts: str) -> str:
    """What was said, or of what, as a note keeps it: it lasts for 90 days, and is to name nothing that is gone."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def say(notes: Said, run: str, topic: str, rank: int, speak: Callable[[], None]) -> bool:
    """Say it unless it has been said; False where somebody overtook it and all is to be looked at again."""
    if not notes.claim(run, topic, rank):
        return True
    try:
        speak()
    except Exception:
        notes.release(run, topic, rank)
        raise
    return notes.confirm(run, topic, rank)
