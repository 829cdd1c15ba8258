"""Which environment a ref has, and what it is called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.environments import (
    EnvironmentId,
    environment_of,
    owner_of,
    owner_tags,
    parse,
    repository_of,
    stack_names,
    tag_value,
)
from deployer.refs import Stage, Version, is_commit, is_legal, release_of, stage_of

LEGAL = re.compile(r"[a-z][a-z0-9-]{0,39}")
TAG_ALPHABET = re.compile(r"[A-Za-z0-9 +\-=._:/@]{1,256}")


@pytest.mark.parametrize(
    ("ref", "default", "stage"),
    [
        pytest.param("refs/heads/main", "main", Stage.STAGING, id="default"),
        pytest.param("refs/heads/trunk", "trunk", Stage.STAGING, id="F39-default-is-what-github-says"),
        pytest.param("refs/heads/main", "trunk", Stage.DEVELOPMENT, id="F39-main-is-no-default"),
        pytest.param("refs/heads/feature/login", "main", Stage.DEVELOPMENT, id="branch"),
        pytest.param("refs/heads/staging", "main", Stage.DEVELOPMENT, id="F31-staging"),
        pytest.param("refs/heads/production", "main", Stage.DEVELOPMENT, id="F31-production"),
        pytest.param("refs/heads/x/master", "master", Stage.DEVELOPMENT, id="F33-x/master"),
        pytest.param("refs/tags/master", "master", None, id="F33-tag-master"),
        pytest.param("refs/heads/v1.2.3", "main", Stage.DEVELOPMENT, id="F34-branch-v1.2.3"),
        pytest.param("refs/tags/hack-v9.9.9", "main", None, id="F34-tag-hack"),
        pytest.param("refs/tags/v1.2.3", "main", Stage.PRODUCTION, id="release"),
        pytest.param("refs/tags/v1.2.3-rc.1", "main", None, id="F35-candidate"),
        pytest.param("refs/tags/release-1", "main", None, id="F35-other-name"),
        pytest.param("refs/tags/v1.2", "main", None, id="F35-two-numbers"),
        pytest.param("refs/tags/v01.2.3", "main", None, id="F35-leading-zero"),
        pytest.param("refs/tags/v1.2.3\n", "main", None, id="F35-newline"),
        pytest.param("refs/tags/v\u0661.2.3", "main", None, id="F35-arabic-digit"),
        pytest.param("refs/tags/x/v1.2.3", "main", None, id="F34-folder"),
        pytest.param("refs/heads/", "main", None, id="no-name"),
        pytest.param("refs/pull/1/head", "main", None, id="pull-request"),
        pytest.param("main", "main", None, id="no-full-name"),
        pytest.param("refs/heads/a/../../x", "main", None, id="F40-leads-outside"),
        pytest.param("refs/heads/a b", "main", None, id="F40-space"),
    ],
)
def test_the_stage_of_a_ref(ref: str, default: str, stage: Stage | None) -> None:
    assert stage_of(ref, default) is stage
    environment = environment_of(1, ref, default)
    assert (environment.stage if environment else None) is stage


@pytest.mark.parametrize("ref", ["a#b", "a&ref=main", "a%2fb", "a<!channel>", "日本語", "x" * 240])
def test_F40_hostile_but_legal_branches_are_branches(ref: str) -> None:
    environment = environment_of(1, f"refs/heads/{ref}", "main")
    assert environment == EnvironmentId(1, Stage.DEVELOPMENT, ref)
    assert LEGAL.fullmatch(stack_names(environment, "site")[0])


def test_versions_are_ordered_as_numbers() -> None:
    assert release_of("refs/tags/v1.10.0") == Version(1, 10, 0)
    assert Version(1, 10, 0) > Version(1, 9, 9)
    assert str(Version(1, 10, 0)) == "v1.10.0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a" * 40, True), ("0" * 40, False), ("A" * 40, False), ("a" * 39, False), (None, False), (5, False)],
)
def test_what_is_a_commit(value: object, *, expected: bool) -> None:
    assert is_commit(value) is expected


def dev(branch: str, repository: int = 1) -> EnvironmentId:
    return EnvironmentId(repository, Stage.DEVELOPMENT, branch)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((dev("a/login"), "app"), (dev("b/login"), "app"), id="F29-same-last-part"),
        pytest.param((dev("Login"), "app"), (dev("login"), "app"), id="F30-case"),
        pytest.param((dev("a-b"), "app"), (dev("a/b"), "app"), id="F30-slash-and-dash"),
        pytest.param((dev("ä"), "app"), (dev("ö"), "app"), id="F30-unicode"),
        pytest.param((dev("x" * 250), "app"), (dev("x" * 249 + "y"), "app"), id="F30-long"),
        pytest.param((dev("ü" * 120), "app"), (dev("ü" * 119 + "u"), "app"), id="F30-long-unicode"),
        pytest.param((dev("web-x", 1), "app"), (dev("x", 2), "app-web"), id="F30-app-web"),
        pytest.param((dev("x", 1), "app"), (dev("x", 2), "app"), id="F30-two-organisations"),
        pytest.param((dev("staging"), "app"), (EnvironmentId(1, Stage.STAGING), "app"), id="F31-staging"),
    ],
)
def test_different_environments_have_different_stacks(
    one: tuple[EnvironmentId, str], other: tuple[EnvironmentId, str]
) -> None:
    assert not set(stack_names(*one)) & set(stack_names(*other))
    assert tag_value(one[0]) != tag_value(other[0])


def test_F30_an_id_too_long_for_a_tag_is_hashed() -> None:
    """A tag value has at most 256 characters, and each byte of an umlaut takes three of them."""
    value = tag_value(dev("ü" * 120, 7))
    assert TAG_ALPHABET.fullmatch(value)
    assert value.startswith("7/sha256:")


def test_F30_the_same_repository_name_in_two_organisations_can_have_both_stagings() -> None:
    names = [stack_names(EnvironmentId(number, Stage.STAGING), "app") for number in (1, 2)]
    assert names[0][0] == names[1][0] == "app-staging"
    assert names[0][1] != names[1][1]


branches = st.text(min_size=1, max_size=250).filter(lambda name: is_legal(f"refs/heads/{name}"))
repositories = st.text(alphabet="abcXYZ019._-", min_size=1, max_size=100)


@given(branches, repositories, st.integers(min_value=1, max_value=2**40))
def test_F30_every_name_is_legal_and_every_id_survives(branch: str, repository: str, number: int) -> None:
    for environment in (
        dev(branch, number),
        EnvironmentId(number, Stage.STAGING),
        EnvironmentId(number, Stage.PRODUCTION),
    ):
        for name in stack_names(environment, repository):
            assert LEGAL.fullmatch(name), name
            assert not name.endswith("-")
        assert parse(str(environment)) == environment
        assert TAG_ALPHABET.fullmatch(tag_value(environment))


@given(branches, branches, repositories)
def test_F29_F30_two_branches_never_share_a_stack_or_a_tag(one: str, other: str, repository: str) -> None:
    if one != other:
        assert stack_names(dev(one), repository) != stack_names(dev(other), repository)
        assert tag_value(dev(one)) != tag_value(dev(other))


@pytest.mark.parametrize("text", ["", "x", "1", "1/", "1/refs/heads/", "1/development", "-1/staging", "٣/staging"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an environment id"):
        parse(text)


@given(branches, st.integers(min_value=1, max_value=2**40))
def test_F24_an_owners_tag_names_its_environment_unless_it_holds_a_hash(branch: str, number: int) -> None:
    for environment in (dev(branch, number), EnvironmentId(number, Stage.STAGING)):
        tag = tag_value(environment)
        assert owner_of(tag) == (None if "/sha256:" in tag else environment)
        assert repository_of(tag) == number


@pytest.mark.parametrize(
    "tag", ["", "x", "7", "x/staging", "7/other", "7/refs/heads/=FF=", "7/refs/heads/a b", "٣/staging"]
)
def test_what_is_no_owners_tag_names_nobody(tag: str) -> None:
    assert owner_of(tag) is None


def test_owner_tags_hold_nothing_that_changes_with_a_commit() -> None:
    assert owner_tags(dev("feature/login", 7), "opolis-deployer-prod", "acme/site") == {
        "opolis:deployer:environment": "7/refs/heads/feature/login",
        "opolis:deployer:installation": "opolis-deployer-prod",
        "opolis:deployer:repository": "acme/site",
    }
