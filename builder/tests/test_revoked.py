"""F42: from any call on the token may see nothing. Nothing is removed, and once it may again, nothing is missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from deployer.errors import DeployerError

MAIN, HELLO, NEW, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/heads/new", "refs/tags/v1.0.0"


def place(make: Callable[[], Any], push: str, revoked_at: int = -1) -> tuple[Any, Any]:
    """Staging, a branch and production at rest; a push that is on its way, with the token revoked at a call."""
    world = make()
    for ref in (MAIN, HELLO, TAG):
        world.live(ref)
    world.swept(3)
    look = world.push(push, world.commit())
    world.tape.calls.clear()

    def revoke(_: str, after: bool) -> None:
        if not after and len(world.tape.calls) == revoked_at + 1:
            world.repo.readable = False

    world.tape.hook = revoke
    return world, look


def attempted(act: Callable[[], None]) -> None:
    with suppress(DeployerError):  # the message comes again
        act()


@pytest.mark.parametrize("push", [MAIN, HELLO, NEW], ids=["F42-staging", "F42-a-branch", "F42-a-new-branch"])
def test_a_token_that_is_revoked_between_two_calls(make: Callable[[], Any], push: str) -> None:
    world, look = place(make, push)
    world.look(look)
    for number in range(len(world.tape.calls)):
        world, look = place(make, push, number)
        kept = set(world.cloud.kept)
        attempted(partial(world.look, look))
        attempted(partial(world.look, look, 2))
        where = f"revoked before call {number}, {world.tape.calls[number]}"
        assert not [name for operation, name, _ in world.cloud.operations if operation == "delete"], where
        assert kept <= set(world.cloud.kept), where
        world.repo.readable = True
        world.quiet(6)
        assert world.built(push)[-1] == world.repo.refs[push], where


def test_F42_a_sweep_while_the_token_is_revoked_removes_nothing(make: Callable[[], Any]) -> None:
    """At any of its calls; and then as long as it lasts."""
    world, _ = place(make, MAIN)
    world.swept()
    for number in range(len(world.tape.calls)):
        world, _ = place(make, MAIN, number)
        kept = set(world.cloud.kept)
        for _ in range(3):
            attempted(world.swept)
        where = f"revoked before call {number}, {world.tape.calls[number]}"
        assert not [name for operation, name, _ in world.cloud.operations if operation == "delete"], where
        assert set(world.cloud.kept) == kept, where
        world.repo.readable = True
        world.quiet(6)
        assert world.built(MAIN)[-1] == world.repo.refs[MAIN], where
