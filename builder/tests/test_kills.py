"""F45: whatever call the process is killed at, the message comes again and the environment converges, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.errors import Transient
from deployer.testing import Killed

MAIN, HELLO = "refs/heads/main", "refs/heads/feature/hello"


def survive(world: Any, act: Callable[[], None]) -> None:
    """As SQS would: the message comes again until it is done."""
    for _ in range(5):
        try:
            act()
        except Killed:
            world.tape.kill_at = None
            world.now += 1_800_000  # as long as the queue hides what was received
        except Transient as error:
            world.now += int((error.retry_after or 5) * 1000)
        else:
            return
    raise AssertionError("it never converged")


def life(world: Any) -> tuple[str, str]:
    """Two pushes to staging and one to a branch that is deleted; the two commits of staging."""
    first, second, hello = world.commit(), world.commit(), world.commit()
    look = world.push(MAIN, first)
    survive(world, lambda: world.look(look))
    settle(world, MAIN)
    look = world.push(MAIN, second)
    survive(world, lambda: world.look(look))
    settle(world, MAIN)
    look = world.push(HELLO, hello)
    survive(world, lambda: world.look(look))
    settle(world, HELLO)
    look = world.remove(HELLO)
    survive(world, lambda: world.look(look))
    settle(world, HELLO)
    return first, second


def settle(world: Any, ref: str) -> None:
    """Let everything end; events come again where the one who received them was killed."""
    for _ in range(4):
        item = world.item(ref)
        if item is None:
            return
        kept = world.cloud.kept.get(item.stack)
        if kept and kept.stack.status.endswith("IN_PROGRESS"):
            world.now += 60_000
            world.cloud.finish(item.stack)
        elif kept and any(run.state.active for run in world.cloud.executions.get(item.stack, ())):
            world.now += 60_000
            world.cloud.read(item.stack)
            world.cloud.end(item.stack)
        again = world.pushed(ref, world.repo.refs.get(ref, ""))
        survive(world, lambda again=again: world.look(again))


def calls_of_a_life(make: Callable[[], Any]) -> int:
    world = make()
    life(world)
    return len(world.tape.calls)


@pytest.mark.parametrize("after", [False, True], ids=["F45-before-each-call", "F45-after-each-call"])
def test_a_kill_at_any_call_changes_nothing_in_the_end(world: Any, *, after: bool) -> None:
    make = type(world)
    for number in range(calls_of_a_life(make)):
        killed = make()
        killed.tape.kill_at = (number, after)
        first, second = life(killed)
        where = f"killed {'after' if after else 'before'} call {number}, {killed.tape.calls[number]}"
        assert killed.built(MAIN) == [first, second], where
        assert [operation for operation, name, _ in killed.cloud.operations if name == "site-staging"] == ["create"]
        assert [operation for operation, name, _ in killed.cloud.operations if name != "site-staging"] == [
            "create",
            "delete",
        ], where
        assert killed.item(HELLO) is None, where
        assert list(killed.cloud.kept) == ["site-staging"], where
        assert (list(killed.cloud.artifacts), killed.cloud.logs) == (["site-staging"], {"site-staging"}), where
        assert killed.prep(second).startswith("success"), where
        assert {kind for kind, _ in killed.shelf.holders} <= {"commit", "stack", "pipeline"}
        assert [name for kind, name in killed.shelf.holders if kind != "commit"] == ["site-staging", "site-staging"]
