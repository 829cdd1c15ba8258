"""Refs that get no environment: by their own name, or because the installation leaves them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.admission import Admission
from deployer.patterns import patterns_of
from deployer.refs import HEADS, TAGS, Stage

MAIN = f"{HEADS}main"
BOTS = Admission(excluded=("dependabot/**", "renovate/*"))
FEATURES = Admission(included=("feature/*", "fix-*"))


@pytest.mark.parametrize(
    ("admission", "ref", "stage", "reason"),
    [
        pytest.param(Admission(), f"{HEADS}feature/login", Stage.DEVELOPMENT, "", id="everything-by-default"),
        pytest.param(Admission(), f"{HEADS}wip-NOBUILD", Stage.DEVELOPMENT, "NOBUILD", id="says-so"),
        pytest.param(Admission(), f"{HEADS}NOBUILD/x", Stage.DEVELOPMENT, "NOBUILD", id="says-so-in-front"),
        pytest.param(Admission(), f"{HEADS}nobuild", Stage.DEVELOPMENT, "", id="in-capitals-only"),
        pytest.param(Admission(), f"{HEADS}NOBUILD", Stage.STAGING, "NOBUILD", id="the-default-branch-too"),
        pytest.param(BOTS, f"{HEADS}dependabot/npm/left-pad-1.0", Stage.DEVELOPMENT, "leaves out", id="a-bots"),
        pytest.param(BOTS, f"{HEADS}renovate/a/b", Stage.DEVELOPMENT, "leaves out", id="a-star-crosses-slashes"),
        pytest.param(BOTS, f"{HEADS}dependabot", Stage.DEVELOPMENT, "", id="only-alike"),
        pytest.param(BOTS, f"{HEADS}x/dependabot/y", Stage.DEVELOPMENT, "", id="anchored"),
        pytest.param(BOTS, f"{HEADS}Dependabot/x", Stage.DEVELOPMENT, "", id="case-counts"),
        pytest.param(FEATURES, f"{HEADS}feature/login", Stage.DEVELOPMENT, "", id="included"),
        pytest.param(FEATURES, f"{HEADS}spike", Stage.DEVELOPMENT, "none of the branches", id="not-included"),
        pytest.param(FEATURES, MAIN, Stage.STAGING, "", id="staging-is-not-asked"),
        pytest.param(FEATURES, f"{TAGS}v1.0.0", Stage.PRODUCTION, "", id="production-is-not-asked"),
        pytest.param(
            Admission(included=()), f"{HEADS}x", Stage.DEVELOPMENT, "none of the branches", id="no-branch-at-all"
        ),
    ],
)
def test_which_refs_are_left_out(admission: Admission, ref: str, stage: Stage, reason: str) -> None:
    said = admission.skips(ref, stage)
    assert (reason in said) if reason else said == ""
    assert ref in said or not said


@pytest.mark.parametrize(
    ("text", "patterns"),
    [("*", ("*",)), ("", ()), (" a/* ,, b ", ("a/*", "b"))],
    ids=["everything", "nothing", "a-list"],
)
def test_patterns_are_a_comma_list(text: str, patterns: tuple[str, ...]) -> None:
    assert patterns_of(text) == patterns


def leaving_out(world: Any, *patterns: str) -> None:
    """The installation's choice, changed under the running builder."""
    wishes = world.builder.observer.wishes
    installation = replace(wishes.installation, admission=Admission(excluded=patterns))
    observer = replace(world.builder.observer, wishes=replace(wishes, installation=installation))
    world.builder = replace(world.builder, observer=observer)


@pytest.mark.parametrize("branch", ["dependabot/npm/x", "x-NOBUILD"])
def test_a_ref_that_is_left_out_gets_nothing_and_is_not_spoken_of(world: Any, branch: str) -> None:
    leaving_out(world, "dependabot/**")
    sha = world.commit()
    world.look(world.push(HEADS + branch, sha))
    assert (world.cloud.operations, world.forge.statuses, world.item(HEADS + branch)) == ([], [], None)
    assert world.tape.calls.count("github.read") == 0


def test_an_environment_that_is_left_out_later_stays_until_its_branch_goes(world: Any) -> None:
    ref = f"{HEADS}feature/hello"
    first = world.live(ref)
    leaving_out(world, "feature/*")
    world.look(world.push(ref, world.commit()))
    assert world.built(ref) == [first]
    assert [operation for operation, *_ in world.cloud.operations] == ["create"]
    world.look(world.remove(ref))
    world.finish(ref)
    assert world.item(ref) is None
    assert [operation for operation, *_ in world.cloud.operations] == ["create", "delete"]
