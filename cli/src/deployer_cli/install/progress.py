"""The progress of stacks: a table that moves on a terminal, lines where there is none. On standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer_cli.output import plain
from deployer_deploy.lines import describe
from deployer_deploy.progress import Event, Packaged, StackFailed, StackFinished, StackStarted, Uploaded

_DOING = {"create": "creating", "update": "updating", "delete": "deleting"}


@dataclass(frozen=True)
class Row:
    """A stack's state. ``began``: when it began, in seconds, while it goes on; ``seconds`` that it took, at its end."""

    stack: str
    state: str
    began: float | None
    seconds: float = 0.0


def follow(rows: dict[str, Row], event: Event, now: float) -> dict[str, Row]:
    """The rows after an event; by part, in the order in which they began."""
    match event:
        case Packaged() | Uploaded():
            return rows
        case StackStarted(part, stack, operation):
            began = rows[part].began if part in rows else now
            return {**rows, part: Row(stack, _DOING.get(operation, operation), began)}
        case StackFinished(part, stack, outcome, seconds):
            return {**rows, part: Row(stack, outcome, None, seconds)}
        case StackFailed(part, stack, seconds):  # pragma: no branch - mypy holds the match complete
            return {**rows, part: Row(stack, "failed", None, seconds)}


class Progress:
    """Listens to an installer, as a context: ``with Progress(console) as progress: Installer(…, progress)``."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self._rows = follow(self._rows, event, self._clock())
        if not self._console.is_terminal:
            self._console.print(Text(plain(describe(event))), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        now = self._clock()
        for row in list(self._rows.values()):
            if row.began is None:
                mark = Text("✗", "red") if row.state == "failed" else Text("✓", "green")
                table.add_row(mark, plain(row.stack), row.state, f"{row.seconds:.1f} s")
            else:
                table.add_row(self._spinner, plain(row.stack), Text(row.state, "dim"), f"{now - row.began:.0f} s")
        return table
