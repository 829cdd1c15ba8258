"""A virtual clock, and invocations that take turns: whoever pauses lets all go on whose time comes sooner.

Each invocation runs in a greenlet of its own, so that the real code needs to know nothing of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from greenlet import getcurrent, greenlet

Act = Callable[[], None]


class Thread:
    """Something that may pause: one invocation of a function. ``name`` is what a trace calls it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = 0
        self.greenlet: greenlet | None = None


class Scheduler:
    """``now``: milliseconds since the epoch. ``current``: whose turn it is, None while the world itself acts."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.current: Thread | None = None
        self._agenda: list[tuple[int, int, Act]] = []
        self._made = 0
        self._until = now
        self._hub = getcurrent()

    def at(self, when: int, act: Act) -> None:
        """Do something then; of two things at the same time the one that was planned first comes first."""
        self._made += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._made, act))

    def after(self, milliseconds: int, act: Act) -> None:
        """Do something so much later."""
        self.at(self.now + milliseconds, act)

    def spawn(self, thread: Thread, body: Act) -> None:
        """Begin an invocation; it goes on until it pauses or ends."""
        thread.started = self.now
        thread.greenlet = greenlet(body, parent=self._hub)
        self._turn(thread)

    def pause(self, milliseconds: int) -> None:
        """Let time go by inside an invocation."""
        when, me = self.now + milliseconds, self.current
        if me is None:
            raise AssertionError("only an invocation can pause")
        if when <= self._until and (not self._agenda or when < self._agenda[0][0]):
            self.now = when  # nobody else's time comes sooner
            return
        self.at(when, lambda: self._turn(me))
        self._hub.switch()

    def run(self, until: int) -> None:
        """Let everything happen whose time comes until then."""
        self._hub, self._until = getcurrent(), until
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        self.now = until

    def _turn(self, thread: Thread) -> None:
        assert thread.greenlet is not None
        self.current = thread
        thread.greenlet.switch()
        self.current = None
