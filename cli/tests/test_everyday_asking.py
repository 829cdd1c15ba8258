"""What is asked for by hand, as messages; and what is left over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cli.tests.environments import ARN, LOGIN, NAME, NOW, OLD, PREFIX, PRODUCTION, STACK, STAGING, item, parked

from deployer.environments import OWNER_TAG, EnvironmentId, owner_tags, tag_value
from deployer.errors import Rejected
from deployer.events import parse_look
from deployer.ports import Repository, Stack
from deployer.refs import Stage
from deployer_cli.everyday.leftovers import DAY, Kind, Leftover, Scene, leftovers, of_repository
from deployer_cli.everyday.wanted import again, look_at, removal

RELEASED = item(PRODUCTION, ref="refs/tags/v1.1.0", stack="site-production")
GONE = EnvironmentId(42, Stage.DEVELOPMENT, "gone")


@pytest.mark.parametrize(
    ("environment", "remembered", "tag", "ref", "words"),
    [
        pytest.param(LOGIN, item(), None, "", "build feature/login again", id="a-branch"),
        pytest.param(LOGIN, None, None, "", "build feature/login again", id="a-branch-without-an-environment"),
        pytest.param(STAGING, item(STAGING), None, "", "build staging again", id="staging"),
        pytest.param(PRODUCTION, RELEASED, None, "refs/tags/v1.1.0", "deploy v1.1.0 to production", id="production"),
        pytest.param(
            PRODUCTION, RELEASED, "v1.0.0", "refs/tags/v1.0.0", "deploy v1.0.0 to production", id="F38-an-older-release"
        ),
        pytest.param(PRODUCTION, None, "v1.0.0", "refs/tags/v1.0.0", "deploy v1.0.0 to production", id="the-first"),
    ],
)
def test_to_build_again_is_a_look_with_a_request(
    environment: EnvironmentId, remembered: object, tag: str | None, ref: str, words: str
) -> None:
    asked = again(NAME, environment, remembered, tag, "r1")  # type: ignore[arg-type]
    assert asked.words == words
    sent = parse_look(json.loads(asked.look.to_json()))
    assert sent == asked.look
    assert (sent.environment, sent.ref, sent.request, sent.retire) == (str(environment), ref, "r1", 0)
    assert not sent.sweeping


@pytest.mark.parametrize(
    ("environment", "tag", "text"),
    [
        pytest.param(LOGIN, "v1.0.0", "takes none", id="a-branch-takes-no-release"),
        pytest.param(PRODUCTION, None, "say which release", id="nothing-was-released"),
        pytest.param(PRODUCTION, "v1.0", "is no release", id="no-release"),
        pytest.param(PRODUCTION, "v1.0.0-rc.1", "is no release", id="F35-a-candidate"),
    ],
)
def test_what_can_not_be_built_again(environment: EnvironmentId, tag: str | None, text: str) -> None:
    with pytest.raises(Rejected, match=text):
        again(NAME, environment, None, tag, "r1")


def test_a_removal_names_the_generation_that_is_to_go() -> None:
    asked = removal(item())
    sent = parse_look(json.loads(asked.look.to_json()))
    assert (sent.retire, sent.request, sent.environment) == (7, "", str(LOGIN))
    assert asked.words == "remove feature/login"


# --- what is left over


def scene(**changes: object) -> Scene:
    made = Scene(
        Repository(NAME, "main"),
        {"refs/heads/main": OLD, "refs/heads/feature/login": OLD},
        (item(), item(STAGING, stack="site-staging")),
        (),
        (),
        NOW,
        30,
    )
    return replace(made, **changes)


def stack(environment: EnvironmentId, name: str, **changes: object) -> Stack:
    return replace(Stack(ARN, name, "CREATE_COMPLETE", owner_tags(environment, PREFIX, "acme/site")), **changes)


LONG_AGO = NOW - 31 * DAY


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(scene(), [], id="nothing"),
        pytest.param(
            scene(items=(item(GONE, ref="refs/heads/gone", stack="s"),)),
            [(Kind.GONE, "gone", "s", "refs/heads/gone is gone")],
            id="its-branch-is-gone",
        ),
        pytest.param(scene(items=(item(STAGING), RELEASED), tips={}), [], id="F32-never-staging-or-production"),
        pytest.param(
            scene(stacks=(stack(LOGIN, STACK), stack(LOGIN, "another"))),
            [
                (
                    Kind.FORGOTTEN,
                    "feature/login",
                    "another",
                    "nobody remembers this stack (CREATE_COMPLETE); it is remembered again",
                )
            ],
            id="F24-a-stack-that-nobody-remembers",
        ),
        pytest.param(
            scene(items=(), stacks=(stack(GONE, "s"),)),
            [(Kind.FORGOTTEN, "gone", "s", "nobody remembers this stack (CREATE_COMPLETE); its branch is gone")],
            id="F24-a-stack-whose-branch-is-gone",
        ),
        pytest.param(scene(items=(), stacks=(stack(GONE, "s", parent=ARN),)), [], id="a-nested-stack"),
        pytest.param(
            scene(items=(), stacks=(stack(GONE, "s", tags={OWNER_TAG: "42/sha256:1"}),)), [], id="a-tag-of-nobody"
        ),
        pytest.param(
            scene(items=(item(present=False, said="could not be removed"),)),
            [(Kind.STANDING, "feature/login", STACK, "could not be removed")],
            id="F51-its-removal-failed",
        ),
        pytest.param(
            scene(items=(item(said=""),), places=(parked(retired=True),)),
            [(Kind.STANDING, "feature/login", STACK, "its removal has not come to its end")],
            id="parked-and-still-there",
        ),
        pytest.param(scene(places=(parked(),)), [], id="a-commit-that-is-left-out"),
        pytest.param(
            scene(items=(item(touched=LONG_AGO, source_at=LONG_AGO),)),
            [(Kind.IDLE, "feature/login", STACK, "nothing for 31 days")],
            id="F43c-idle",
        ),
        pytest.param(scene(items=(item(touched=LONG_AGO),)), [], id="built-since"),
        pytest.param(scene(items=(item(touched=LONG_AGO, source_at=0),), idle_days=0), [], id="idle-does-not-count"),
        pytest.param(scene(items=(item(STAGING, touched=0, source_at=0),)), [], id="staging-is-never-idle"),
        pytest.param(
            scene(items=(item(GONE, ref="refs/heads/gone", touched=0, source_at=0),)),
            [(Kind.GONE, "gone", STACK, "refs/heads/gone is gone")],
            id="the-first-reason-counts",
        ),
    ],
)
def test_what_is_left_over(found: Scene, expected: list[tuple[Kind, str, str, str]]) -> None:
    assert [(each.kind, each.environment.label, each.stack, each.why) for each in leftovers(found)] == expected


def looks(found: Scene) -> list[Leftover]:
    return list(leftovers(found))


def test_what_the_builder_can_prove_is_only_looked_at_and_the_rest_is_asked_to_go() -> None:
    [gone] = looks(scene(items=(item(GONE, ref="refs/heads/gone"),)))
    assert gone.look == look_at(NAME, GONE, "prune")
    [forgotten] = looks(scene(items=(), stacks=(stack(GONE, "s"),)))
    assert (forgotten.look.stack, forgotten.look.retire) == ("s", 0)
    [idle] = looks(scene(items=(item(touched=LONG_AGO, source_at=LONG_AGO),)))
    assert idle.look.retire == 7


def test_an_environment_whose_tag_is_a_hash_is_found_among_the_branches() -> None:
    long = EnvironmentId(42, Stage.DEVELOPMENT, "x" * 250)
    assert "sha256" in tag_value(long)
    [found] = looks(scene(items=(), tips={f"refs/heads/{long.branch}": OLD}, stacks=(stack(long, "s"),)))
    assert found.environment == long


def test_stacks_are_told_apart_by_the_repository_in_their_tag() -> None:
    mine, other = stack(LOGIN, "a"), stack(EnvironmentId(421, Stage.STAGING), "b")
    assert of_repository(42, [mine, other, replace(mine, tags={})]) == (mine,)
