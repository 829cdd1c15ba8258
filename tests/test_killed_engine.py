"""F98: the engine is killed in the middle of a stack operation and of a run, and started again on the same data.

One life is lived in four processes, each of which kills itself with everything that is in it; the last one ends well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.small_site import PATIENCE, SmallSite

from deployer_cli.demo.expect import until
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import install

STACK = "small-staging"
Seen = dict[str, Any]
PROGRAM = """
import sys
from pathlib import Path
from tests.test_killed_engine import live
live(int(sys.argv[1]), Path(sys.argv[2]))
"""


def dies_creating(site: SmallSite) -> None:
    """Installed and pushed to; killed while the stack is created."""
    install(site.engine, Tree.here())
    with site.engine.hold_stack(lambda operation: operation.stack == STACK) as hold:
        site.push(site.commit("one"))
        hold.wait()
        site.quiet()
        saved(site.engine, STACK, "CREATE_IN_PROGRESS")
        die()


def dies_updating(site: SmallSite) -> Seen:
    """A creation that was cut off is rolled back, and says so; the next push repairs it. Killed during an update."""
    first = site.tip()
    said = site.says(first, "failure")
    two = site.commit("two")
    site.push(two, force=True)
    site.green(two)
    seen = {"first": said, "repaired": site.word(), "runs": site.runs() == [(two, "Succeeded")]}
    with site.engine.hold_stack(lambda operation: operation.stack == STACK) as hold:
        site.push(site.commit("three"), force=True)
        hold.wait()
        site.quiet()
        saved(site.engine, STACK, "UPDATE_IN_PROGRESS")
        tell(seen)
        die()
    return seen


def dies_running(site: SmallSite) -> Seen:
    """An update that was cut off goes on, and so does its commit. Killed while the run waits."""
    three = site.tip()
    site.says(three, "success")
    site.runs_are([*site.runs()[:-1], (three, "InProgress")])
    seen = {"updated": site.word(), "runs": [status for _, status in site.runs()]}
    site.quiet()
    tell(seen)
    die()
    return seen


def ends(site: SmallSite) -> Seen:
    """The run goes on where it was, and everything is where it was pushed to."""
    three = site.tip()
    site.green(three)
    site.quiet()
    return {"word": site.word(), "runs": [status for _, status in site.runs()], "built": site.runs()[-1][0] == three}


LIVES: tuple[Callable[[SmallSite], Seen | None], ...] = (dies_creating, dies_updating, dies_running, ends)


def saved(engine: Engine, *words: str) -> None:
    """Wait until the engine has written down what it does."""
    files = engine.data / "aws" / "state"

    def check() -> str | None:
        texts = [path.read_text() for path in files.glob("*.json")]
        return None if any(all(word in text for word in words) for text in texts) else "it is not"

    until(f"{words} are saved", check, PATIENCE)


def tell(seen: Seen) -> None:
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(number: int, folder: Path) -> None:
    """One of the lives, in a process of its own."""
    with Engine(folder / "data") as engine:
        seen = LIVES[number](SmallSite(engine, folder / f"site-{number}", "small"))
        tell(seen or {})


@dataclass(frozen=True)
class Story:
    """How each life ended, and what it saw."""

    ended: list[int]
    seen: list[Seen]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("killed")
    ended, seen = [], []
    for number in range(len(LIVES)):
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(number), str(folder)],
            cwd=Tree.here().root,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        ended.append(process.returncode)
        lines = process.stdout.splitlines()
        seen.append(json.loads(lines[-1]) if lines else {})
        if process.returncode not in (0, -signal.SIGKILL):
            pytest.fail(f"life {number}: {process.stderr[-3000:]}")
    return Story(ended, seen)


def test_F98_three_lives_were_killed_and_the_last_one_was_not(story: Story) -> None:
    assert story.ended == [-signal.SIGKILL] * 3 + [0]


def test_F98_a_creation_that_was_cut_off_says_so_and_is_repaired_by_the_next_push(story: Story) -> None:
    seen = story.seen[1]
    assert seen["first"].startswith("staging: the stack could not be created")
    assert (seen["repaired"], seen["runs"]) == ("two", True)


def test_F98_an_update_that_was_cut_off_goes_on_to_the_commit_that_was_pushed(story: Story) -> None:
    assert story.seen[2] == {"updated": "three", "runs": ["Succeeded", "InProgress"]}


def test_F98_a_run_that_was_cut_off_goes_on_and_is_the_only_one(story: Story) -> None:
    assert story.seen[3] == {"word": "three", "runs": ["Succeeded", "Succeeded"], "built": True}
