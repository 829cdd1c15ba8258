"""Look again until it is over: often at first and when something moves, seldom where nothing does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from deployer.errors import Transient

# Seconds.
_QUICK, _SLOW = 1.0, 10.0
# How often in a row a look may fail for a reason that passes.
_FAILURES = 5


class Looked(Protocol):
    """What was found; two that are alike compare equal."""

    @property
    def over(self) -> bool: ...


Found = TypeVar("Found", bound=Looked)


def pace(unchanged: int) -> float:
    """Seconds to the next look, after so many that showed nothing new."""
    return min(_SLOW, _QUICK * 1.5**unchanged)


def follow(
    look: Callable[[], Found],
    show: Callable[[Found], object],
    pause: Callable[[float], None],
    note: Callable[[str], None],
    fingerprint: Callable[[Found], object],
) -> Found:
    """Show what is found each time, until it is over; answers with the last.

    ``fingerprint``: what of it counts as something new. ``note``: told of a look that failed and is tried again.

    Raises:
        Transient: where it failed five times in a row.
    """
    before: object = None
    unchanged = failures = 0
    while True:
        try:
            found = look()
        except Transient as error:
            failures += 1
            if failures >= _FAILURES:
                raise
            note(f"looking again: {error}")
            pause(error.retry_after or pace(failures))
            continue
        failures = 0
        show(found)
        if found.over:
            return found
        now = fingerprint(found)
        unchanged = unchanged + 1 if now == before else 0
        before = now
        pause(pace(unchanged))
