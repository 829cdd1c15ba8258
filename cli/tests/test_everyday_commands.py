"""The commands themselves where an engine would show nothing else: a terminal, another repository, what is refused.

What they do with an installation is in tests/test_everyday.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import typer
from botocore.exceptions import ClientError
from cli.tests.environments import LOGIN, NAME, OLD, STAGING, item
from rich.console import Console

from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.ports import Baseline, Environment, Outcome, Repository, Tip
from deployer.refs import Stage
from deployer_cli.checkout import FullName
from deployer_cli.everyday import asking, reading
from deployer_cli.everyday.choosing import known
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_deploy.configuration import Configuration
from deployer_deploy.target import Target

OTHER = RepositoryName(7, "acme", "other")


@dataclass
class Memory:
    """Environments of one repository."""

    items: dict[EnvironmentId, Environment] = field(default_factory=dict)

    def repositories(self) -> tuple[Baseline, ...]:
        return (
            Baseline(RepositoryName(8, "acme", "third"), "main", 0, frozenset()),
            Baseline(NAME, "main", 0, frozenset()),
        )

    def environment(self, environment: EnvironmentId) -> Environment | None:
        return self.items.get(environment)

    def parked(self, environment: EnvironmentId) -> None:
        return None


@dataclass
class GitHub:
    """A repository that this installation does not know yet; where a branch is may not be told."""

    error: Exception | None = None

    def repository(self, owner: str, name: str) -> Repository | None:
        return Repository(OTHER, "trunk") if (owner, name) == ("acme", "other") else None

    def tip(self, repository: RepositoryName, ref: str) -> Tip:
        if self.error:
            raise self.error
        return Tip(OLD, OLD)


@dataclass
class Aws:
    """An account without stacks, and a queue."""

    sent: list[dict[str, Any]] = field(default_factory=list)

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)


class Here(Place):
    """A place of fakes."""

    memory = cast(Any, None)
    github = cast(Any, None)
    outputs = {"LooksQueueUrl": "https://q"}  # noqa: RUF012 - a property's stand-in
    region = "eu-central-1"
    aws = cast(Any, None)

    def client(self, service: str) -> Any:
        return self.aws

    def parameter(self, part: str, name: str) -> str:
        return "https://{environment}.example"


def here(*items: Environment, error: Exception | None = None) -> Here:
    place = Here(Target(), Configuration(), {})
    fakes = {"memory": Memory({each.id: each for each in items}), "github": GitHub(error), "aws": Aws()}
    for name, fake in fakes.items():
        object.__setattr__(place, name, fake)
    return place


def out(*, terminal: bool = False, json: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    said, noted = io.StringIO(), io.StringIO()
    made = [Console(file=file, force_terminal=terminal, width=100, color_system=None) for file in (said, noted)]
    return Output(json, *made), said, noted


def call(command: Any, place: Place, output: Output, **options: Any) -> int:
    """Run a command; answers with its exit code."""
    try:
        command.__wrapped__(place, output, **options)
    except typer.Exit as end:
        return end.exit_code
    return 0


GOOD = item(pipelines=())
SITE = {"repo": "acme/site", "branch": "feature/login"}


def test_on_a_terminal_it_is_a_table_with_a_heading() -> None:
    output, said, _ = out(terminal=True)
    assert call(reading.status, here(GOOD), output, **SITE) == 0
    text = said.getvalue()
    assert text.startswith("acme/site feature/login at aaaaaaa: prepared\n")
    assert "0-prep   ✓ success   prepared" in text
    assert "Serves     https://feature/login.example\n" in text


def test_on_a_terminal_watch_draws_what_it_sees() -> None:
    output, said, _ = out(terminal=True)
    assert call(reading.watch, here(GOOD), output, **SITE, exit_status=True) == 0
    assert "0-prep   ✓ success   prepared" in said.getvalue()
    assert "Serves     https://feature/login.example" in said.getvalue()


def test_a_terminal_without_an_environment_says_so() -> None:
    output, said, _ = out(terminal=True)
    removed = here(item(present=False, outcome=Outcome.FAILURE, said="stuck", pipelines=()))
    assert call(reading.watch, removed, output, **SITE) == 0
    assert "stuck" in said.getvalue()
    assert call(reading.status, here(), out(terminal=True)[0], **SITE) == 1


def test_watch_as_json_prints_the_end_alone() -> None:
    output, said, _ = out(json=True)
    assert call(reading.watch, here(GOOD), output, **SITE) == 0
    assert said.getvalue().startswith('{"environment": "feature/login"')


def test_where_github_does_not_answer_the_rest_is_told() -> None:
    output, said, noted = out()
    assert call(reading.status, here(GOOD, error=Rejected("no token")), output, **SITE) == 0
    assert "prepared" in said.getvalue()
    assert "where refs/heads/feature/login is on GitHub can't be told: no token" in noted.getvalue()


def test_the_environments_of_one_repository_alone() -> None:
    assert known(here(), FullName("Acme", "SITE")).name == NAME
    assert known(here(), FullName("acme", "other")) == Repository(OTHER, "trunk")
    with pytest.raises(Rejected, match="acme/none is not there, or not for this token"):
        known(here(), FullName("acme", "none"))


@pytest.mark.parametrize("opens", [True, False])
def test_the_address_is_printed_where_no_browser_takes_it(monkeypatch: pytest.MonkeyPatch, *, opens: bool) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or opens)
    place, (output, said, _) = here(GOOD), out()
    object.__setattr__(place, "variables", {"BROWSER": "firefox"})
    call(reading.open_, place, output, **SITE)
    assert opened == ["https://feature/login.example"]
    assert said.getvalue() == ("" if opens else "https://feature/login.example\n")


@pytest.mark.parametrize(
    ("command", "options", "text"),
    [
        pytest.param(reading.status, {"repo": "acme/site"}, "which branch of acme/site", id="no-branch"),
        pytest.param(reading.open_, {**SITE, "pipeline": True, "commit": True}, "name one", id="two-addresses"),
        pytest.param(reading.open_, {**SITE, "pipeline": True}, "no address of its pipeline yet", id="no-address"),
        pytest.param(asking.rm, {"repo": "acme/site"}, "which environment", id="rm-of-nothing"),
        pytest.param(asking.rm, {"repo": "acme/site", "branch": "x"}, "has no environment", id="rm-of-none"),
    ],
)
def test_what_is_refused(command: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        call(command, here(GOOD), out()[0], **options)


def test_a_sweep_is_asked_for_each_repository_or_for_one() -> None:
    place = here()
    output, said, _ = out()
    assert call(asking.sweep, place, output) == 0
    assert said.getvalue() == "asked: sweep acme/third\nasked: sweep acme/site\n"
    call(asking.sweep, place, output, repo="acme/site")
    assert [message["MessageGroupId"] for message in place.aws.sent] == [
        "sweep/acme/third",
        "sweep/acme/site",
        "sweep/acme/site",
    ]


def test_what_the_builder_does_not_take_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE", 0.0)
    output, said, noted = out()
    place = here(item(STAGING), item(LOGIN))
    call(asking.redeploy, place, output, repo="acme/site", env=Stage.STAGING)
    assert said.getvalue() == "asked: build staging again\n"
    assert "It was not taken up yet" in noted.getvalue()
    assert len(place.aws.sent) == 1
