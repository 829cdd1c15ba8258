"""What the host was asked to do and what it ran: API calls received, functions invoked.

Tests and the demo read it to show an order or an overlap; the snapshots read it to find a quiet moment. It only
records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

EVERYTHING = "*"
"""Names all services, where it is not known which ones changed."""


@dataclass(frozen=True)
class Call:
    """One API request: when it came (seconds since the epoch), the service, the action or `METHOD /path`."""

    time: float
    service: str
    action: str


@dataclass(frozen=True)
class Invocation:
    """One run of a function; `ended` is None while it runs, `failed` says whether the handler raised."""

    function: str
    started: float
    ended: float | None = None
    failed: bool = False


class Activity:
    """Thread-safe log of calls and invocations, and of whether anything is going on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.invocations: list[Invocation] = []
        self._lock = threading.Lock()
        self._busy = 0
        self._last = time.monotonic()
        self._touched: set[str] = set()

    def called(self, service: str, action: str) -> None:
        """Record an API call."""
        with self._lock:
            self.calls.append(Call(time.time(), service, action))

    @contextmanager
    def working(self, *services: str) -> Iterator[None]:
        """Count the enclosed work as going on, and `services` as changed when it ends."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
            self.touch(*services)

    def started(self, function: str) -> int:
        """Record the start of an invocation; returns its number."""
        with self._lock:
            self.invocations.append(Invocation(function, time.time()))
            return len(self.invocations) - 1

    def ended(self, number: int, failed: bool) -> None:
        """Record the end of the invocation `number`."""
        with self._lock:
            self.invocations[number] = replace(self.invocations[number], ended=time.time(), failed=failed)

    def touch(self, *services: str) -> None:
        """Note that the state of `services` changed."""
        with self._lock:
            self._last = time.monotonic()
            self._touched.update(services)

    def touched(self) -> frozenset[str]:
        """The services that changed since the last call."""
        with self._lock:
            touched, self._touched = frozenset(self._touched), set()
            return touched

    def quiet_for(self) -> float:
        """Seconds since the last change; 0 while work is going on."""
        with self._lock:
            return 0.0 if self._busy else time.monotonic() - self._last
