"""What a command prints: on a terminal, where there is none, and as JSON; and what never gets there."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.text import Text

from deployer_cli.output import Output, plain, printable


def printed(*, terminal: bool, color: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    said, noted = io.StringIO(), io.StringIO()
    system = "standard" if color else None
    consoles = [
        Console(file=file, force_terminal=terminal, width=60, color_system=system)
        for file in (said, noted)  # type: ignore[arg-type]
    ]
    return Output(console=consoles[0], errors=consoles[1]), said, noted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("feature/login", "feature/login", id="plain"),
        pytest.param("über ✓ 漢字", "über ✓ 漢字", id="letters"),
        pytest.param("\x1b[2J", "�[2J", id="escape"),
        pytest.param("a\rb\nc\td", "a�b�c�d", id="lines"),
        pytest.param("\x9b31m", "�31m", id="one-byte-control"),
        pytest.param("a\u202eb", "a�b", id="turned-around"),
        pytest.param("a\u200bb\ufeff", "a�b�", id="unseen"),
        pytest.param("\ud800", "�", id="half-a-character"),
    ],
)
def test_what_could_steer_a_terminal_is_replaced(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_of_several_lines_each_is_printable() -> None:
    assert printable("a\n\x1bb\tc\r\n") == "a\n�b\tc�\n"


def test_a_table_is_for_people_where_they_look() -> None:
    output, said, _ = printed(terminal=True)
    output.table(("name", "state"), [["a\x1b[2J", Text("good", "green")]], "none")
    lines = [line.rstrip() for line in said.getvalue().splitlines() if line.strip()]
    assert lines[0].split() == ["name", "state"]
    assert lines[-1].split() == ["a�[2J", "good"]


def test_and_lines_with_tabs_without_a_heading_where_nobody_looks() -> None:
    output, said, _ = printed(terminal=False)
    output.table(("name", "state"), [["a", Text("good", "green")], ["x" * 80, "\tb"]], "none")
    assert said.getvalue().splitlines() == ["a\tgood", f"{'x' * 80}\t�b"]


@pytest.mark.parametrize("terminal", [True, False])
def test_an_empty_table_says_so_beside_the_result(*, terminal: bool) -> None:
    output, said, noted = printed(terminal=terminal)
    output.table(("name",), [], "Nothing there.")
    assert (said.getvalue(), noted.getvalue()) == ("", "Nothing there.\n")


def test_results_and_notes_are_kept_apart_and_neither_is_wrapped_or_steers_anything() -> None:
    output, said, noted = printed(terminal=True)
    output.say("x" * 100 + "\x1b[2J [bold]")
    output.note("y\x07\nz")
    assert said.getvalue() == "x" * 100 + "�[2J [bold]\n"
    assert noted.getvalue() == "y�\nz\n"


def test_colour_is_for_terminals_alone() -> None:
    for terminal, expected in ((True, True), (False, False)):
        output, said, _ = printed(terminal=terminal, color=True)
        output.say("good", "green")
        assert ("\x1b[32m" in said.getvalue()) is expected


@pytest.mark.parametrize("terminal", [True, False])
def test_json_is_json_whatever_is_in_it(*, terminal: bool) -> None:
    output, said, _ = printed(terminal=terminal)
    value = {"name": "a\x1b[2J ü [bold]", "long": "x" * 200}
    output.emit(value)
    assert json.loads(said.getvalue()) == value
    assert said.getvalue().isascii()
    assert "\x1b" not in said.getvalue()
    assert (said.getvalue().count("\n") > 1) is terminal
