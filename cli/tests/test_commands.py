"""How every command is declared: the options that all have, and how an error ends one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from deployer.errors import Broken, Rejected, Transient
from deployer_cli.commands import FAILED, PENDING, USAGE, commands, place_of, placed
from deployer_cli.confirming import Yes, confirm
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_deploy.configuration import Configuration
from deployer_local.kept import Kept

app = commands("Commands of this test.")


@app.callback()
def root() -> None:
    """Commands of this test."""


@placed
def show(
    place: Place,
    output: Output,
    name: Annotated[str, typer.Argument()],
    *,
    often: Annotated[int, typer.Option()] = 1,
) -> None:
    """Show where it works."""
    told = {"name": name * often, "prefix": place.configuration.prefix, "region": place.target.region}
    output.emit(told) if output.json else output.say(f"{told['name']} {told['prefix']}")


@placed
def fail(place: Place, output: Output, kind: Annotated[str, typer.Argument()]) -> None:
    """Fail in words."""
    del place, output
    kinds = {"rejected": Rejected, "broken": Broken, "transient": Transient}
    raise kinds[kind]("a\x1b[2J\nb [bold]")


@placed
def ends(place: Place, output: Output, code: Annotated[int, typer.Argument()]) -> None:
    """End with a code."""
    del place, output
    raise typer.Exit(code)


@placed
def ask(place: Place, output: Output, *, typed: Annotated[str, typer.Option()] = "", yes: Yes = False) -> None:
    """Ask before it goes on."""
    del place
    confirm(output, "remove\x1b[2J it", yes=yes, typed=typed)
    output.say("removed")


for each in (show, fail, ends, ask):
    app.command()(each)
RUN = CliRunner()


def test_a_command_has_its_own_options_and_those_that_all_have() -> None:
    done = RUN.invoke(
        app, ["show", "ab", "--often", "2", "--json", "--region", "eu-west-1", "--installation", "my-dev"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"name": "abab", "prefix": "my-dev", "region": "eu-west-1"}
    plain = RUN.invoke(app, ["show", "ab"])
    assert (plain.stdout, plain.exit_code) == ("ab opolis-deployer-prod\n", 0)


def test_they_are_in_its_help() -> None:
    said = RUN.invoke(app, ["show", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).stdout
    for option in ("--often", "--local", "--data", "--installation", "--profile", "--region", "--json"):
        assert option in said


@pytest.mark.parametrize("kind", ["rejected", "broken", "transient"])
def test_an_error_of_ours_ends_it_in_words_on_standard_error_without_steering_the_terminal(kind: str) -> None:
    done = RUN.invoke(app, ["fail", kind])
    assert done.exit_code == FAILED
    assert done.stdout == ""
    assert done.stderr == "deployer: a�[2J\nb [bold]\n"


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["show", "a", "--nothing"], ["show", "a", "--often", "x"], ["nothing"]],
    ids=["missing", "unknown", "no-number", "no-command"],
)
def test_what_is_not_understood_ends_with_its_own_code(arguments: list[str]) -> None:
    assert RUN.invoke(app, arguments).exit_code == USAGE


@pytest.mark.parametrize("code", [0, FAILED, PENDING])
def test_a_command_ends_with_the_code_that_it_chooses(code: int) -> None:
    assert RUN.invoke(app, ["ends", str(code)]).exit_code == code


def test_an_installation_that_is_none_is_refused() -> None:
    done = RUN.invoke(app, ["show", "a", "--installation", "deployer"])
    assert (done.exit_code, "it is NAME-STAGE" in done.stderr) == (FAILED, True)


def test_without_an_engine_local_says_how_to_start_one(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["show", "a", "--local", "--data", str(tmp_path)])
    assert (done.exit_code, "start one with `deployer local up`" in done.stderr) == (FAILED, True)


def test_local_is_the_engine_that_runs_there(tmp_path: Path, port: int) -> None:
    Kept(port, port, "ghp_x", "xoxb-x").write(tmp_path)
    place = place_of(Configuration.of("my-dev"), local=True, data=tmp_path, profile=None, region="eu-west-1")
    assert place.target.endpoint_url == f"http://127.0.0.1:{port}"
    assert place.engine == Kept(port, port, "ghp_x", "xoxb-x")


# --- asking before it goes on


def test_where_nobody_is_there_to_be_asked_nothing_is_done() -> None:
    done = RUN.invoke(app, ["ask"])
    assert (done.exit_code, done.stdout) == (FAILED, "")
    assert "remove�[2J it: nobody is here to be asked; say --yes" in done.stderr


def test_a_yes_beforehand_will_do() -> None:
    assert RUN.invoke(app, ["ask", "--yes"]).stdout == "removed\n"


@pytest.mark.parametrize(
    ("typed", "answer", "code"),
    [
        ("", "yes", 0),
        ("", " yes ", 0),
        ("", "y", FAILED),
        ("", "", FAILED),
        ("production", "production", 0),
        ("production", "yes", FAILED),
        ("production", "Production", FAILED),
    ],
)
def test_what_has_to_be_typed_has_to_be_typed(
    monkeypatch: pytest.MonkeyPatch, typed: str, answer: str, code: int
) -> None:
    monkeypatch.setattr("deployer_cli.confirming.attended", lambda: True)
    done = RUN.invoke(app, ["ask", "--typed", typed], input=f"{answer}\n")
    assert (done.exit_code, "removed" in done.stdout) == (code, code == 0)
    assert "remove�[2J it" in done.stderr
