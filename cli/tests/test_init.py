"""`deployer init`: what is there stays, what is missing comes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployer.errors import Rejected
from deployer_cli.init import command
from deployer_cli.init.examples import Example, Start, examples, named, sentence
from deployer_cli.main import app
from deployer_deploy.tree import Tree

KNOWN = examples(Tree.here())


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["init", *arguments])


def test_the_examples_are_those_of_the_tree() -> None:
    assert {each.name for each in KNOWN} == {path.parent.name for path in Tree.here().root.glob("examples/*/README.md")}
    assert named("static-site", KNOWN).says == "A website with an environment for every branch."


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("# a\n\nOne thing.\nAnother.\n", "One thing."),
        ("# a\n\nOne\nthing. Another.\n\nMore\n", "One thing."),
        ("# a\n\nOne thing:\n\n| x |\n", "One thing:"),
        ("# a\n", ""),
    ],
    ids=["two-lines", "wrapped", "no-sentence", "nothing"],
)
def test_a_page_is_told_by_its_first_sentence(page: str, said: str) -> None:
    assert sentence(page) == said


def test_an_example_comes_into_an_empty_folder(tmp_path: Path) -> None:
    into = tmp_path / "new"
    done = run(str(into), "--example", "static-site")
    assert done.exit_code == 0, done.output
    assert "+ deploy/pipeline.json\n" in done.stdout
    assert f"cd {into}" in done.stderr
    assert "deployer validate" in done.stderr
    assert (into / "deploy" / "pipeline.json").is_file()
    assert not (into / "README.md").exists()
    again = run(str(into), "--example", "static-site")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "everything is there already" in again.stderr


def test_here_there_is_no_folder_to_go_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cd " not in run("--example", "static-site").stderr


def test_nothing_is_overwritten_and_nothing_is_written_beside_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text("mine")
    (tmp_path / "site").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "deploy").symlink_to("elsewhere")
    (tmp_path / "tests" / "test_build.py").mkdir(parents=True)
    done = run(str(tmp_path), "--example", "static-site")
    assert done.exit_code == 1
    assert (tmp_path / "build.py").read_text() == "mine"
    assert not list((tmp_path / "elsewhere").iterdir())
    said = " ".join(done.stderr.split())
    for path in ("build.py", "site/layout.html", "deploy/pipeline.json", "tests/test_build.py"):
        assert path in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--example", "none"), "there is no example 'none'"), ((), "say which with --example"), (("file",), "say which")],
    ids=["no-such", "nobody-to-ask", "nobody-to-ask-of-a-file"],
)
def test_what_can_not_be_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Rejected, match="is no folder"):
        Start.of(KNOWN[0], file)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = (Example("a", tmp_path, "First."), Example("b", tmp_path, "Second."))
    monkeypatch.setattr("sys.stdin", Terminal("b\n"))
    assert command.ask(command.Output(), known) is known[1]
    assert "b  Second." in capsys.readouterr().out
