"""Every call that goes through the in-memory ports, and a kill before or after any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Hook = Callable[[str, bool], None]


class Killed(BaseException):
    """The process ended here. No handler catches it, as none would run."""


@dataclass
class Tape:
    """Records calls as ``port.method``. ``kill_at``: (number of the call, whether after it had its effect).

    ``hook`` is told of each call before it has its effect (False) and after it (True): it may let others go on in
    between, or raise what the caller is to meet.
    """

    calls: list[str] = field(default_factory=list)
    kill_at: tuple[int, bool] | None = None
    hook: Hook | None = None

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """One call."""
        number = len(self.calls)
        self.calls.append(name)
        if self.kill_at == (number, False):
            raise Killed(f"before {name}")
        if self.hook:
            self.hook(name, False)
        yield
        if self.hook:
            self.hook(name, True)
        if self.kill_at == (number, True):
            raise Killed(f"after {name}")
