"""What is shown while the demo goes on."""

from __future__ import annotations

import io

from rich.console import Console

from deployer_cli.narrator import ConsoleNarrator
from deployer_deploy.progress import Packaged, StackFinished, StackStarted


def test_without_a_terminal_there_are_plain_lines_of_what_is_done_and_none_of_what_is_waited_for() -> None:
    said = io.StringIO()
    narrator = ConsoleNarrator(Console(file=said, width=200))
    narrator.waiting("nothing: no step has begun")
    with narrator.step("Install [all of] it"):
        narrator.installed(Packaged("core", "k", 1, 0.1))
        narrator.installed(StackStarted("core", "d-core", "create"))
        narrator.installed(StackFinished("core", "d-core", "created", 1.26))
        narrator.held("a [link] holds")
    lines = [line.strip() for line in said.getvalue().splitlines() if line.strip()]
    assert lines[:-1] == ["Install [all of] it", "✓ d-core: created in 1.3 s", "✓ a [link] holds"]
    assert lines[-1].endswith(" s")


def test_on_a_terminal_a_spinner_says_what_is_waited_for_and_ends_with_its_step() -> None:
    said = io.StringIO()
    narrator = ConsoleNarrator(Console(file=said, width=200, force_terminal=True))
    with narrator.step("Push main"):
        narrator.waiting("staging serves [abc]")
    assert "waiting: staging serves [abc]" in said.getvalue()
    before = said.getvalue()
    narrator.waiting("nothing any more")
    assert said.getvalue() == before
