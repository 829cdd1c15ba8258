"""Which environment a command is about, by what was named and what is checked out."""

from __future__ import annotations

import pytest
from cli.tests.environments import LOGIN, NAME, PRODUCTION, STAGING

from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.ports import Repository
from deployer.refs import Stage
from deployer_cli.everyday.choosing import Choice, select

SITE = Repository(NAME, "main")


def development(branch: str) -> EnvironmentId:
    return EnvironmentId(42, Stage.DEVELOPMENT, branch)


@pytest.mark.parametrize(
    ("branch", "stage", "current", "expected"),
    [
        pytest.param(None, None, "feature/login", LOGIN, id="what-is-checked-out"),
        pytest.param(None, None, "main", STAGING, id="the-default-branch-is-checked-out"),
        pytest.param("feature/login", None, "main", LOGIN, id="a-branch"),
        pytest.param("refs/heads/feature/login", None, "main", LOGIN, id="by-its-whole-name"),
        pytest.param("main", None, "x", STAGING, id="the-default-branch"),
        pytest.param(None, Stage.STAGING, "x", STAGING, id="staging"),
        pytest.param(None, Stage.PRODUCTION, "x", PRODUCTION, id="production"),
        pytest.param("staging", None, "x", development("staging"), id="F31-a-branch-called-staging"),
        pytest.param("production", None, "x", development("production"), id="F31-a-branch-called-production"),
        pytest.param("v1.2.3", None, "x", development("v1.2.3"), id="F34-a-branch-called-as-a-release"),
        pytest.param("a#b&ref=main", None, "x", development("a#b&ref=main"), id="F40-a-hostile-branch"),
    ],
)
def test_the_environment_that_is_meant(
    branch: str | None, stage: Stage | None, current: str, expected: EnvironmentId
) -> None:
    assert select(SITE, branch, stage, lambda: current) == expected


@pytest.mark.parametrize(
    ("branch", "stage", "text"),
    [
        pytest.param("x", Stage.STAGING, "are two environments", id="both"),
        pytest.param(None, Stage.DEVELOPMENT, "name its branch", id="development"),
        pytest.param("", None, "is no branch", id="empty"),
        pytest.param("refs/tags/v1.0.0", None, "is no branch", id="a-tag"),
        pytest.param("a..b", None, "is no branch", id="F40-what-git-refuses"),
        pytest.param("x\x1b[2J", None, "is no branch", id="F40-what-would-steer-a-terminal"),
        pytest.param("-x\n", None, "is no branch", id="F40-a-line-end"),
    ],
)
def test_what_is_no_environment_is_refused(branch: str | None, stage: Stage | None, text: str) -> None:
    with pytest.raises(Rejected, match=text) as refusal:
        select(SITE, branch, stage, lambda: "main")
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("environment", "ref", "label"),
    [
        (LOGIN, "refs/heads/feature/login", "acme/site feature/login"),
        (STAGING, "refs/heads/main", "acme/site staging"),
        (PRODUCTION, "", "acme/site production"),
    ],
    ids=["development", "staging", "production"],
)
def test_what_it_follows_and_is_called(environment: EnvironmentId, ref: str, label: str) -> None:
    choice = Choice(SITE, environment)
    assert (choice.ref, choice.label) == (ref, label)
