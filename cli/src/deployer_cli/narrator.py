"""Progress on a terminal, or as plain lines where there is none: what is done, what is waited for, how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from deployer_deploy.progress import Event, StackFinished, StackStarted


class ConsoleNarrator:
    """Shows steps on a console; a spinner says what is being waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step with its elapsed time."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]", highlight=False)
        started = time.monotonic()
        with self._console.status("", spinner="dots") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None
        self._console.print(f"  [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False)

    def held(self, what: str) -> None:
        """Something that holds."""
        self._console.print(f"  [green]✓[/green] {escape(what)}", highlight=False, soft_wrap=True)

    def waiting(self, what: str) -> None:
        """Something that is waited for."""
        if self._status:
            self._status.update(f"[dim]waiting: {escape(what)}[/dim]")

    def installed(self, event: Event) -> None:
        """The installer's progress."""
        match event:
            case StackStarted():
                self.waiting(f"{event.operation} {event.stack}")
            case StackFinished():
                self.held(f"{event.stack}: {event.outcome} in {event.seconds:.1f} s")
            case _:
                pass
