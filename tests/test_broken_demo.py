"""The demo can fail: with each function broken in turn, an event lost, a webhook refused, it says what did not hold."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from deployer_cli.laptop import run_demo
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine

PATIENCE = 25.0


@dataclass(frozen=True)
class Break:
    """``old`` becomes ``new`` in a file of a function's package; ``unmet`` and ``seen`` are what the demo then says."""

    function: str
    file: str
    old: str
    new: str
    unmet: str
    seen: str


BREAKS = [
    Break(
        "listener",
        "handler.py",
        "return _listener().answer(event)",
        'raise RuntimeError("broken")',
        "staging serves",
        "the webhook push was answered 502",
    ),
    Break(
        "builder",
        "handler.py",
        "return process(event, functools.partial(receive, builder), hidden)",
        'return {"batchItemFailures": []}',
        "staging serves",
        "no app stack",
    ),
    Break(
        "notifier",
        "handler.py",
        "return process(event, functools.partial(receive, function), hidden)",
        'return {"batchItemFailures": []}',
        "its statuses are green",
        "pipeline/Source is missing",
    ),
    Break(
        "s3deployer",
        "handler.py",
        "_deployer()(event, context)",
        'raise RuntimeError("broken")',
        "pipeline/Release",
        "Release failed",
    ),
    Break(
        "s3cleaner",
        "cleaning.py",
        "return empty(contents, left)",
        "return Done()",
        "its app's stack is gone",
        "failed to delete: [Bucket]",
    ),
    Break(
        "stack-cleaner", "cleaning.py", "return Delete(child.id)", "return Done()", "its app's stack is gone", "it is"
    ),
]


def broken(case: Break, folder: Path) -> Tree:
    """The tree, with one function's package changed."""
    tree = Tree.here()
    name = case.function.replace("-", "_")
    package = folder / name
    shutil.copytree(tree.source(case.function) / name, package, ignore=shutil.ignore_patterns("__pycache__"))
    file = package / case.file
    text = file.read_text()
    assert text.count(case.old) == 1, f"{case.file} of {case.function} no longer has exactly one {case.old!r}"
    file.write_text(text.replace(case.old, case.new))
    return tree.with_source(case.function, folder)


def run(folder: Path, tree: Tree, prepare: Callable[[Engine], None] = lambda _: None) -> tuple[int, str]:
    """The demo's exit code and all that it printed."""
    said = io.StringIO()
    console = Console(file=said, width=200, force_terminal=False)
    return run_demo(folder, tree, console, PATIENCE, prepare=prepare), said.getvalue()


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: case.function)
def test_a_broken_function_is_noticed(case: Break, tmp_path: Path) -> None:
    code, said = run(tmp_path / "demo", broken(case, tmp_path / "source"))
    assert code == 1
    [unmet] = [line for line in said.splitlines() if line.startswith("✗ Did not hold:")]
    assert case.unmet in unmet, said
    assert case.seen in said.split("Instead:")[1], said


def test_a_lost_event_is_noticed(tmp_path: Path) -> None:
    def lose(engine: Engine) -> None:
        engine.drop_event(
            lambda event: (
                event["detail-type"] == "CloudFormation Stack Status Change"
                and "stack/site-staging/" in event["detail"]["stack-id"]
                and event["detail"]["status-details"]["status"] == "CREATE_COMPLETE"
            )
        )

    code, said = run(tmp_path / "demo", Tree.here(), lose)
    assert code == 1
    assert "build/0-prep is pending" in said.split("Instead:")[1], said


def test_a_refused_webhook_is_noticed(tmp_path: Path) -> None:
    def refuse(engine: Engine) -> None:
        [hook] = engine.github.hooks()
        engine.github.add_hook(None, hook.url, "not the secret that the listener knows")

    code, said = run(tmp_path / "demo", Tree.here(), refuse)
    assert code == 1
    assert "the webhook push was answered 401" in said.split("Instead:")[1], said
