"""Wait until something holds, and say what was seen where it never did.

A check answers with None once it holds, or with what it sees instead. It may raise ``Unmet`` where waiting longer
makes no sense.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Check = Callable[[], str | None]
_INTERVAL = 0.05


class Unmet(Exception):  # noqa: N818 - it says what did not hold
    """``what`` did not hold; ``seen`` was there instead."""

    def __init__(self, what: str, seen: str) -> None:
        super().__init__(f"{what}: {seen}")
        self.what, self.seen = what, seen


def until(what: str, check: Check, patience: float) -> float:
    """Poll ``check`` for at most ``patience`` seconds; answers with the seconds it took.

    Raises:
        Unmet: naming what did not hold and what was seen instead.
    """
    started = time.monotonic()
    while True:
        seen = check()
        elapsed = time.monotonic() - started
        if seen is None:
            return elapsed
        if elapsed >= patience:
            raise Unmet(what, f"{seen} (after {elapsed:.0f} s)")
        time.sleep(_INTERVAL)
