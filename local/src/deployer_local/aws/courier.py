"""Hands items to one receiver, in order, on a thread of its own, so that the sender never waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Courier(Generic[Item]):
    """Deliver to `receiver` until `close`; what it raises ends the deliveries, as an error of the thread."""

    def __init__(self, receiver: Callable[[Item], None], name: str) -> None:
        self._receiver = receiver
        self._pending: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def send(self, item: Item) -> None:
        """Deliver `item` after all earlier ones."""
        self._pending.put(item)

    def close(self) -> None:
        """Deliver what was sent, then end."""
        self._pending.put(None)

    def _run(self) -> None:
        while (item := self._pending.get()) is not None:
            self._receiver(item)
