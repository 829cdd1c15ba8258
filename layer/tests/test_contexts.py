"""The names of commit statuses, and what their descriptions say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.contexts import (
    describe,
    environment_name,
    is_shared,
    own_contexts,
    part_of,
    prep_context,
    readable,
    stage_context,
    with_part,
)
from deployer.environments import EnvironmentId
from deployer.events import RepositoryName
from deployer.ports import Environment
from deployer.refs import Stage
from deployer.testing import Shelf

STAGING, PRODUCTION = EnvironmentId(7, Stage.STAGING), EnvironmentId(7, Stage.PRODUCTION)
LOGIN = EnvironmentId(7, Stage.DEVELOPMENT, "feature/login")


@pytest.mark.parametrize(
    ("environment", "shared", "prep", "build"),
    [
        pytest.param(STAGING, False, "build/0-prep", "pipeline/Build", id="staging"),
        pytest.param(STAGING, True, "staging/build/0-prep", "staging/pipeline/Build", id="staging-second"),
        pytest.param(LOGIN, False, "build/0-prep", "pipeline/Build", id="branch"),
        pytest.param(LOGIN, True, "feature/login/build/0-prep", "feature/login/pipeline/Build", id="branch-second"),
        pytest.param(PRODUCTION, False, "production/0-prep", "production/Build", id="production"),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "staging"),
            True,
            "refs/heads/staging/build/0-prep",
            "refs/heads/staging/pipeline/Build",
            id="F31-a-branch-called-staging",
        ),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "production"),
            True,
            "refs/heads/production/build/0-prep",
            "refs/heads/production/pipeline/Build",
            id="F31-a-branch-called-production",
        ),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "feature/🚀"),
            True,
            "feature/[U+1F680]/build/0-prep",
            "feature/[U+1F680]/pipeline/Build",
            id="F40-a-branch-with-an-emoji",
        ),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "feature/\ud83d"),
            True,
            "feature/[U+D83D]/build/0-prep",
            "feature/[U+D83D]/pipeline/Build",
            id="F40-a-branch-with-half-a-pair",
        ),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "é" * 140),
            True,
            "é" * 140 + "/build/0-prep",
            "é" * 140 + "/pipeline/Build",
            id="F40-a-long-branch",
        ),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "a" * 141),
            True,
            "a" * 128 + "[6e816ec42d]/build/0-prep",
            "a" * 128 + "[6e816ec42d]/pipeline/Build",
            id="F40-too-long-a-branch",
        ),
    ],
)
def test_contexts(environment: EnvironmentId, shared: bool, prep: str, build: str) -> None:
    assert prep_context(environment, shared=shared) == prep
    assert stage_context(environment, "Build", shared=shared) == build


def test_F40_a_context_is_one_that_github_takes_and_no_other_branchs() -> None:
    branches = ["🚀", "🚁", "U+1F680", "🚀" * 60, "🚀" * 61, "🚀" * 60 + "x", "b" * 250, "b" * 249 + "c", "b" * 249]
    made = [stage_context(EnvironmentId(7, Stage.DEVELOPMENT, branch), "S" * 100, shared=True) for branch in branches]
    assert len(set(made)) == len(branches)
    assert max(len(context) for context in made) <= 255
    assert max(map(ord, "".join(made))) <= 0xFFFF


@pytest.mark.parametrize(
    ("pipeline", "others", "part"),
    [
        pytest.param("site-staging", [], "", id="named-as-the-stack"),
        pytest.param("site-staging-Pipeline-1A2B3C", [], "", id="the-only-one"),
        pytest.param("else", [], "", id="the-only-one-whatever-its-name"),
        pytest.param("site-staging-api", ["site-staging-web"], "api", id="one-of-several"),
        pytest.param("site-staging", ["site-staging-web"], "", id="several-and-named-as-the-stack"),
        pytest.param("else", ["site-staging-web"], "else", id="several-and-named-otherwise"),
    ],
)
def test_which_part_of_its_environment_a_pipeline_is(pipeline: str, others: list[str], part: str) -> None:
    item = Environment(STAGING, RepositoryName(7, "acme", "site"), "refs/heads/main", "site-staging", 1)
    assert part_of(replace(item, pipelines=(pipeline, *others)), pipeline) == part


@pytest.mark.parametrize(
    ("environment", "shared", "context"),
    [
        pytest.param(STAGING, False, "pipeline/api:Build", id="staging"),
        pytest.param(LOGIN, True, "feature/login/pipeline/api:Build", id="in-front"),
        pytest.param(PRODUCTION, False, "production/api:Build", id="production"),
    ],
)
def test_a_part_has_contexts_of_its_own(environment: EnvironmentId, context: str, *, shared: bool) -> None:
    assert stage_context(environment, "Build", shared=shared, part="api") == context
    assert own_contexts(environment, [context], shared=shared) == [context]


def test_F40_a_part_with_a_long_name_has_a_context_that_github_takes() -> None:
    branch = EnvironmentId(7, Stage.DEVELOPMENT, "b" * 140)
    made = [stage_context(branch, "S" * 100, shared=True, part="p" * 99 + end) for end in "xy"]
    made.append(stage_context(branch, "S" * 99, shared=True, part="p" * 99 + "x"))
    assert len(set(made)) == 3
    assert [len(context) for context in made] == [255] * 3
    assert own_contexts(branch, made, shared=True) == made


@pytest.mark.parametrize(
    ("environment", "shared", "own"),
    [
        pytest.param(LOGIN, False, ["build/0-prep", "pipeline/Build"], id="plain"),
        pytest.param(LOGIN, True, ["feature/login/build/0-prep", "feature/login/pipeline/Build"], id="in-front"),
        pytest.param(PRODUCTION, False, ["production/0-prep", "production/Build"], id="production"),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "🚀"),
            True,
            ["[U+1F680]/build/0-prep", "[U+1F680]/pipeline/Build"],
            id="F40-with-an-emoji",
        ),
    ],
)
def test_an_environments_own_contexts(environment: EnvironmentId, own: list[str], *, shared: bool) -> None:
    of_others = [
        "build/lint",
        "ci/Build",
        "pipeline/build/0-prep",
        "pipeline/pipeline/Build",
        "production/build/0-prep",
    ]
    every = [
        *("build/0-prep", "pipeline/Build", "production/0-prep", "production/Build"),
        *("feature/login/build/0-prep", "feature/login/pipeline/Build"),
        *("[U+1F680]/build/0-prep", "[U+1F680]/pipeline/Build"),
        *of_others,
    ]
    assert own_contexts(environment, every, shared=shared) == own


def test_the_first_to_report_on_a_commit_has_the_plain_contexts() -> None:
    memory, sha = Shelf(), "a" * 40
    assert not is_shared(memory, PRODUCTION, sha)
    assert not is_shared(memory, LOGIN, sha)
    assert is_shared(memory, STAGING, sha)
    assert not is_shared(memory, LOGIN, sha)


@pytest.mark.parametrize(
    ("environment", "ref", "expected"),
    [
        pytest.param(LOGIN, "refs/heads/feature/login", "feature/login: x", id="branch"),
        pytest.param(STAGING, "refs/heads/main", "staging: x", id="staging"),
        pytest.param(PRODUCTION, "refs/tags/v1.2.3", "production v1.2.3: x", id="production"),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "a" * 61), "refs/heads/a", f"{'a' * 59}…: x", id="a-long-name-is-cut"
        ),
    ],
)
def test_every_description_starts_with_the_environment(environment: EnvironmentId, ref: str, expected: str) -> None:
    assert describe(environment, ref, "x") == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param(
            "Stack:arn:aws:cloudformation:us-east-1:000000000000:stack/site-app/f5b2 is in ROLLBACK_COMPLETE state",
            "stack site-app is in ROLLBACK_COMPLETE state",
            id="stack-arn",
        ),
        pytest.param(
            "The bucket is not empty (Service: S3, Status Code: 409, Request ID: b4) (SDK Attempt Count: 1)",
            "The bucket is not empty",
            id="postscript",
        ),
        pytest.param("npm test exited with 1 (twice)", "npm test exited with 1 (twice)", id="nothing-to-shorten"),
    ],
)
def test_a_reason_is_made_readable(reason: str, expected: str) -> None:
    assert readable(reason) == expected


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        pytest.param(STAGING, "staging", id="staging"),
        pytest.param(PRODUCTION, "production", id="production"),
        pytest.param(LOGIN, "feature/login", id="a-branch"),
        pytest.param(
            EnvironmentId(7, Stage.DEVELOPMENT, "Staging"),
            "refs/heads/Staging",
            id="F31-a-branch-called-staging-in-another-case",
        ),
        pytest.param(EnvironmentId(7, Stage.DEVELOPMENT, "a🚀"), "a[U+1F680]", id="F40-a-branch-with-an-emoji"),
    ],
)
def test_what_an_environment_is_called_on_github(environment: EnvironmentId, name: str) -> None:
    assert environment_name(environment) == name


def test_a_part_is_called_like_no_branch() -> None:
    """A ref has no space: https://git-scm.com/docs/git-check-ref-format"""
    assert environment_name(STAGING, "api") == "staging (api)"
    assert environment_name(LOGIN, "api") == "feature/login (api)"
    assert with_part("production v1.0.0", "") == "production v1.0.0"
