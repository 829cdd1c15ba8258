"""What a command prints: tables and colour on a terminal, plain lines where there is none, JSON where it is asked for.

Results go to standard output, all else to standard error, so that a result can be piped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def plain(text: str) -> str:
    """The text without what could steer a terminal: branch names and messages come from outside."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@dataclass(frozen=True)
class Output:
    """Where a command prints. ``json``: results are printed as JSON, and nothing but they."""

    json: bool = False
    console: Console = field(default_factory=Console)
    errors: Console = field(default_factory=lambda: Console(stderr=True))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], empty: str) -> None:
        """A table for people; tab-separated lines without a heading where nobody looks; ``empty`` where it has no rows.

        Cells may be ``Text`` to have a colour.
        """
        if not rows:
            self.note(empty)
        elif not self.console.is_terminal:
            for row in rows:
                # Not through rich, which makes spaces of tabs.
                self.console.file.write("\t".join(plain(str(cell)) for cell in row) + "\n")
        else:
            table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
            for row in rows:
                table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
            self.console.print(table)

    def say(self, text: str, style: str = "") -> None:
        """One line of the result."""
        self.console.print(Text(text, style), soft_wrap=True)

    def note(self, text: str, style: str = "") -> None:
        """One line beside the result: progress, the next step; on standard error."""
        self.errors.print(Text(text, style), soft_wrap=True)

    def emit(self, value: Any) -> None:
        """The result as JSON, indented on a terminal."""
        text = json.dumps(value, indent=2 if self.console.is_terminal else None, ensure_ascii=True)
        self.console.print(Text(text), soft_wrap=True)
