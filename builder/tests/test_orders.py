"""F23, F58: in whatever order messages and events come, and however often, the same is there in the end."""

from __future__ import annotations

from typing import Any

import pytest
from builder.tests.test_events_alone import deliver, quiet, tell
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.events import Look, RunChange, StackChange
from deployer.ports import Baseline

MAIN, HELLO, OTHER = "refs/heads/main", "refs/heads/feature/hello", "refs/heads/other"


@pytest.fixture(scope="module")
def make(request: pytest.FixtureRequest) -> Any:
    """Makes worlds: hypothesis wants a new one for each order."""
    from builder.tests.conftest import World

    return World


def pushes(world: Any) -> list[tuple[str, str, list[Look]]]:
    """(ref, where it is in the end, the looks that led there): pushed, forced back, deleted and pushed again, gone."""
    one, two, three, four = (world.commit({"deploy/pipeline.json": world.template(word)}) for word in "abac")
    return [
        (MAIN, one, [world.push(MAIN, one), world.push(MAIN, two), world.push(MAIN, one)]),
        (HELLO, three, [world.push(HELLO, two), world.remove(HELLO), world.push(HELLO, three)]),
        (OTHER, "", [world.push(OTHER, four), world.remove(OTHER)]),
    ]


# Which look comes next, modulo how many there are: each comes at least once, some come again, in any order.
ORDERS = st.lists(st.integers(0, 7), max_size=16)
BETWEEN = st.lists(st.booleans(), min_size=24, max_size=24)


@settings(max_examples=60, deadline=None)
@given(order=ORDERS, between=BETWEEN)
def test_F23_the_order_of_messages_decides_nothing(make: Any, order: list[int], between: list[bool]) -> None:
    world = make()
    # Known for long: of an unknown repository only the refs that were pushed last wake.
    world.shelf.record(Baseline(world.repo.name, "main", 0, frozenset()))
    moved = pushes(world)
    looks = [look for _, _, looks in moved for look in looks]
    arriving = [looks[number] for number in order]
    arriving += [look for look in looks if look not in arriving]
    for look, rests in zip(arriving, between, strict=False):
        deliver(world, look)
        if rests:
            quiet(world)
    quiet(world)
    for ref, tip, _ in moved:
        assert (world.item(ref).commit if world.item(ref) else "") == tip
        if tip:
            assert world.built(ref) == [tip]
            assert world.prep(tip).startswith("success")
    stacks = {name.rpartition("-")[0] for name in world.cloud.kept}
    assert stacks == {"site", "site-feature-hello"}
    assert [operation for operation, _, _ in world.cloud.operations] == ["create"] * 2


ENDS = st.lists(st.integers(0, 3), max_size=8)


@settings(max_examples=30, deadline=None)
@given(again=ENDS)
def test_F58_an_event_that_comes_again_has_no_second_effect(make: Any, again: list[int]) -> None:
    world = make()
    sha = world.commit()
    deliver(world, world.push(MAIN, sha))
    quiet(world)
    stack = world.stack(MAIN)
    run = world.cloud.executions[stack.name][0].id
    told = [
        StackChange(stack.id, stack.name, "CREATE_IN_PROGRESS"),
        StackChange(stack.id, stack.name, "CREATE_COMPLETE"),
        RunChange(stack.name, run, "FAILED"),
        RunChange(stack.name, run, "SUCCEEDED", "Source"),
    ]
    said = len(world.forge.statuses)
    for number in again:
        tell(world, told[number])
    quiet(world)
    assert world.built(MAIN) == [sha]
    assert [operation for operation, _, _ in world.cloud.operations] == ["create"]
    assert len(world.forge.statuses) == said
