"""The end of a Lambda invocation: how long is left, and a last word before it comes.

Used by the functions that somebody waits for (custom resources, pipeline jobs). A step looks at ``left`` between its
calls; where one call hangs, ``alarm`` speaks from another thread. Never ends the invocation itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

# Seconds before the end at which the last word is spoken: enough for one small request and its retries.
LAST_WORD = 8.0

TimeLeft = Callable[[], float]
Alarm = Callable[[float, Callable[[], None]], AbstractContextManager[None]]


class Context(Protocol):
    """What is used of Lambda's context object.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def get_remaining_time_in_millis(self) -> int: ...


def time_left(context: Context, reserve: float) -> TimeLeft:
    """A function that answers with the seconds left until ``reserve`` seconds before the end; negative once past."""
    return lambda: context.get_remaining_time_in_millis() / 1000 - reserve


@contextmanager
def alarm(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Call ``action`` in a thread of its own after ``seconds``, unless the block has ended by then.

    An action that has begun is waited for: Lambda freezes what still runs when the invocation ends. What it raises is
    raised when the block ends, so that an invocation whose last word was not taken fails, and Lambda tries it again.
    """
    unsaid: list[Exception] = []

    def speak() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that somebody looks at
            unsaid.append(error)

    timer = threading.Timer(max(0.0, seconds), speak)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if unsaid:
        raise unsaid[0]


class Once:
    """A right that only one of several threads obtains: to speak the last word."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """True for the first caller alone."""
        return self._lock.acquire(blocking=False)
