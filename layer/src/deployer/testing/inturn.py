"""What is done side by side elsewhere, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass
class InTurn:
    """The builder's ``Side``. ``early``: the work comes before the body, else when its result is asked for, or never.

    Between threads anything between the two may happen.
    """

    early: bool = False

    @contextmanager
    def beside(self, work: Callable[[], T]) -> Iterator[Callable[[], T]]:
        """What the work answers or raises, its result is."""
        outcomes: list[Callable[[], T]] = []

        def result() -> T:
            if not outcomes:
                outcomes.append(_outcome(work))
            return outcomes[0]()

        if self.early:
            outcomes.append(_outcome(work))
        yield result


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    try:
        value = work()
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        failure = error

        def fail() -> T:
            raise failure

        return fail
    return lambda: value
