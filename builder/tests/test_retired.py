"""Environments that somebody wants removed although their branch stays: what a look that asks for it does, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builder.compare import Scene, compare
from builder.plan import plan
from builder.situation import Gone, Present, Situation
from builder.steps import Begin, Clear, Forget, Found, Operate, Park, Stop, Touch
from deployer.environments import EnvironmentId, owner_tags
from deployer.events import Look, RepositoryName
from deployer.notices import Removal
from deployer.ports import Baseline, Environment, Operation, Outcome, Parked, Run, Stack
from deployer.refs import Stage
from deployer.states import RunState

MAIN, HELLO = "refs/heads/main", "refs/heads/feature/hello"
FIRST, SECOND = "refs/tags/v1.0.0", "refs/tags/v1.1.0"
NAME = RepositoryName(42, "acme", "site")
COMMIT, PREFIX = "a" * 40, "opolis-deployer-prod"
HERE = Present("refs/heads/x", COMMIT, "x", digest="d", template="t")
RUNNING = {"s": (Run("r1", RunState.IN_PROGRESS, 1, {"Source": "v1"}),)}


def situation(stage: Stage, **changes: Any) -> Situation:
    environment = EnvironmentId(42, stage, "x" if stage is Stage.DEVELOPMENT else "")
    stack = Stack("arn:s", "s", "CREATE_COMPLETE", owner_tags(environment, PREFIX, "acme/site"))
    item = Environment(
        environment, NAME, "refs/heads/x", "s", 5, COMMIT, True, "d", "d", "v1", 1, outcome=Outcome.SUCCESS, version=3
    )
    made = Situation(environment, NAME, PREFIX, HERE, item, stack, "s", {"s": ()}, projects=("p",), now=10)
    return replace(made, **changes)


@pytest.mark.parametrize("stage", Stage)
def test_what_is_asked_to_go_is_parked_where_it_is_and_removed(stage: Stage) -> None:
    park, begin, *rest = plan(situation(stage, retire=5))
    assert isinstance(park, Park)
    assert (park.place.ref, park.place.object, park.place.retired) == ("refs/heads/x", COMMIT, True)
    assert park.place.reason == "removed by hand; a push brings it back"
    assert isinstance(begin, Begin)
    assert (begin.environment.present, begin.environment.generation) == (False, 6)
    assert rest == [Found(("s",)), Clear(("s",), ("p",)), Operate(Operation.DELETE)]


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"retire": 4}, id="an-earlier-generation"),
        pytest.param({"retire": 6}, id="one-that-is-not-yet"),
        pytest.param({"retire": 0}, id="nobody-asked"),
        pytest.param({"retire": 5, "wish": replace(HERE, commit="b" * 40)}, id="pushed-since"),
        pytest.param({"retire": 5, "request": "again"}, id="asked-to-be-built-at-once"),
    ],
)
def test_F28_a_later_wish_stands(stage: Stage, changes: dict[str, Any]) -> None:
    assert not any(isinstance(step, Park | Forget | Operate) for step in plan(situation(stage, **changes)))


def test_its_run_is_stopped_first() -> None:
    steps = plan(situation(Stage.DEVELOPMENT, retire=5, runs=RUNNING))
    assert Stop("s", "r1") in steps
    assert not any(isinstance(step, Operate) for step in steps)


@pytest.mark.parametrize(("retire", "again"), [(5, True), (4, False)], ids=["asked-again", "asked-before"])
def test_F51_a_removal_that_was_given_up_is_tried_again_when_somebody_asks(retire: int, *, again: bool) -> None:
    found = situation(Stage.DEVELOPMENT)
    assert found.item
    assert found.stack
    item = replace(found.item, present=False, operation=Operation.DELETE, outcome=Outcome.FAILURE, pipelines=("s",))
    stuck = replace(found, item=item, stack=replace(found.stack, status="DELETE_FAILED"), wish=Gone("parked"))
    steps = plan(replace(stuck, retire=retire))
    assert steps == ((Touch(10), Clear(("s",), ("p",)), Operate(Operation.DELETE)) if again else ())


# --- lives


def asking(world: Any, ref: str) -> Look:
    return Look(str(world.id(ref)), NAME, "by hand: removed", retire=world.item(ref).generation)


def removed(world: Any, ref: str) -> Look:
    look = asking(world, ref)
    world.look(look)
    world.finish(ref)
    assert world.item(ref) is None
    return look


def test_F43c_a_branchs_environment_that_was_removed_by_hand_comes_back_with_a_push_alone(world: Any) -> None:
    sha = world.live(HELLO)
    look = removed(world, HELLO)
    assert world.cloud.kept == {}
    assert [each.environment for each in world.shelf.notices if isinstance(each, Removal)] == [str(world.id(HELLO))]
    world.quiet()
    world.look(Look(str(world.id(HELLO)), NAME, "push", HELLO))
    assert world.item(HELLO) is None
    world.live(HELLO, sha)
    world.look(look)
    world.quiet()
    assert world.item(HELLO).present, "what was asked for then says nothing of what was pushed since"


def test_F23_asked_twice_it_is_removed_once(world: Any) -> None:
    world.live(HELLO)
    look = asking(world, HELLO)
    world.look(look)
    world.look(look)
    world.finish(HELLO)
    world.look(look)
    assert [operation for operation, *_ in world.cloud.operations] == ["create", "delete"]


def test_F32_staging_goes_by_name_alone_and_comes_back_with_a_push(world: Any) -> None:
    world.live(MAIN)
    removed(world, MAIN)
    world.quiet()
    assert world.cloud.kept == {}
    world.live(MAIN)
    assert world.item(MAIN).present


def test_F38_once_production_was_removed_by_hand_nothing_older_takes_its_place(world: Any) -> None:
    world.live(FIRST)
    sha = world.live(SECOND)
    removed(world, SECOND)
    world.quiet()
    assert world.item(SECOND) is None, "v1.0.0 is not asleep, and must not be taken for the newest"
    world.look(world.push("refs/tags/v1.0.1", world.commit()))
    assert world.item(SECOND) is None
    refused = world.repo.refs["refs/tags/v1.0.1"]
    assert "older than v1.1.0, which was in production" in world.prep(refused, "production/0-prep")
    world.look(world.remove(SECOND))
    world.quiet()
    assert world.item(SECOND) is None, "its tag is gone, and it is known all the same"
    world.live("refs/tags/v1.2.0", sha)
    assert world.item(SECOND).ref == "refs/tags/v1.2.0"


def test_F38_a_release_that_was_gone_back_from_does_not_return_when_production_is_removed(world: Any) -> None:
    world.live(FIRST)
    world.live(SECOND)
    world.look(Look(str(world.id(FIRST)), NAME, "by hand", FIRST, request="back"))
    world.run_to(FIRST)
    assert world.item(FIRST).ref == FIRST
    removed(world, FIRST)
    world.quiet()
    assert world.item(FIRST) is None
    world.look(Look(str(world.id(SECOND)), NAME, "somebody looks", SECOND))
    assert world.item(SECOND) is None, "a look alone is no wish"
    world.look(Look(str(world.id(SECOND)), NAME, "by hand", SECOND, request="forth"))
    world.quiet()
    assert world.item(SECOND).ref == SECOND, "asked for by hand, it is there again"


@pytest.mark.parametrize(
    ("tips", "found"),
    [
        pytest.param({SECOND: "c" * 40}, [], id="the-one-that-was-there"),
        pytest.param({FIRST: "c" * 40}, [], id="F38-an-older-one"),
        pytest.param({SECOND: "c" * 40, "refs/tags/v1.2.0": "d" * 40}, ["refs/tags/v1.2.0"], id="a-newer-one"),
    ],
)
def test_a_sweep_leaves_what_was_removed_alone(tips: dict[str, str], found: list[str]) -> None:
    production = EnvironmentId(42, Stage.PRODUCTION)
    place = Parked(production, SECOND, "a" * 40, 1, "removed by hand", retired=True)
    scene = Scene(42, "main", tips, Baseline(NAME, "main", 1, frozenset()), {}, {production: place}, None, 10)
    assert [finding.ref for finding in compare(scene).creations] == found
    assert compare(replace(scene, tips={})).stale == ()


def test_a_release_that_is_being_removed_is_not_taken_up_again(world: Any) -> None:
    world.live(FIRST)
    world.look(asking(world, FIRST))
    world.look(Look(str(world.id(FIRST)), NAME, "DELETE_FAILED"))
    assert not world.item(FIRST).present
    assert [operation for operation, *_ in world.cloud.operations] == ["create", "delete"]
