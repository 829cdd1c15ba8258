"""F45, without a sweep: whatever call the process is killed at, messages and events alone bring the environment home.

Nothing here looks a second time "to be sure": a message comes again until it is done with, an event until it was
forwarded, and that is all that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.errors import Transient
from deployer.events import Look, RunChange, StackChange
from deployer.states import RunState
from deployer.testing import Killed

# Milliseconds until a message comes again whose receiver was killed: what the queues have in the core's template.
VISIBILITY = 1_800_000
MAIN, HELLO, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/tags/v1.0.0"


def again(world: Any, act: Callable[[int], None]) -> None:
    """As SQS would: the message comes again until it is done with."""
    for receives in range(1, 9):
        try:
            return act(receives)
        except Killed:
            world.tape.kill_at = None
            world.now += VISIBILITY
        except Transient as error:
            world.now += int((error.retry_after or 5) * 1000)
    raise AssertionError("it never converged")


def deliver(world: Any, *looks: Look) -> None:
    """Hand out looks, and those that they led to, one after the other."""
    world.shelf.looks.extend(looks)
    while world.shelf.looks:
        look = world.shelf.looks[0]
        again(world, lambda receives, look=look: world.look(look, receives))
        world.shelf.looks.pop(0)


def tell(world: Any, change: StackChange | RunChange) -> None:
    again(world, lambda _: world.builder.forward(change))
    deliver(world)


def read(world: Any) -> None:
    """Let every run read its source: its stage ends, and somebody is told."""
    for name, runs in list(world.cloud.executions.items()):
        if any(run.state is RunState.IN_PROGRESS and not run.revisions for run in runs):
            world.cloud.read(name)
            tell(world, RunChange(name, "run", "SUCCEEDED", "Source"))


def quiet(world: Any, failing: str = "") -> None:
    """Let stacks and runs come to their ends, and each end be told, until nothing moves."""
    for _ in range(20):
        world.now += 60_000
        busy = [kept.stack for kept in world.cloud.kept.values() if kept.stack.status.endswith("IN_PROGRESS")]
        running = [name for name, runs in world.cloud.executions.items() if any(run.state.active for run in runs)]
        if busy:
            world.cloud.failing, failing = failing, ""
            status = world.cloud.finish(busy[0].name)
            tell(world, StackChange(busy[0].id, busy[0].name, status))
        elif running:
            world.cloud.read(running[0])
            world.cloud.end(running[0])
            tell(world, RunChange(running[0], "run", "SUCCEEDED"))
        else:
            return
    raise AssertionError("it never came to rest")


def files(world: Any, title: str) -> dict[str, bytes]:
    return {"deploy/pipeline.json": world.template(title)}


def grows_and_goes(world: Any) -> dict[str, Any]:
    """A branch: created, pushed while it runs, its template changed while it runs, deleted while it runs, back."""
    one, two, three, four = (world.commit(files(world, title)) for title in ("a", "a", "b", "a"))
    deliver(world, world.push(HELLO, one))
    quiet(world)
    deliver(world, world.push(HELLO, two))
    read(world)
    deliver(world, world.push(HELLO, three))
    quiet(world)
    gone = world.remove(HELLO)
    deliver(world, gone)
    quiet(world)
    assert world.item(HELLO) is None
    assert world.shelf.objects == {}
    deliver(world, world.push(HELLO, four))
    quiet(world)
    return {
        "built": world.built(HELLO) == [four],
        "says": [world.prep(sha).partition(":")[0] for sha in (one, three, four)],
        "did": [operation for operation, _, _ in world.cloud.operations],
    }


GROWN = {
    "built": True,
    "says": ["success"] * 3,
    "did": ["create", "update", "delete", "create"],
}


def fails_and_mends(world: Any) -> dict[str, Any]:
    """Staging: its creation fails, the fix; its update fails, the fix; a push while it runs."""
    bad, good, worse, better, last = (world.commit(files(world, title)) for title in "xabcd")
    deliver(world, world.push(MAIN, bad))
    quiet(world, "Role (AWS::IAM::Role): no")
    deliver(world, world.push(MAIN, good))
    quiet(world)
    deliver(world, world.push(MAIN, worse))
    quiet(world, "Role (AWS::IAM::Role): no")
    deliver(world, world.push(MAIN, better))
    quiet(world)
    deliver(world, world.push(MAIN, last))
    quiet(world)
    return {
        "built": world.built(MAIN) == [good, better, last],
        "says": [world.prep(sha).partition(":")[0] for sha in (bad, good, worse, better, last)],
        "did": [operation for operation, _, _ in world.cloud.operations],
    }


MENDED = {
    "built": True,
    "says": ["failure", "success", "failure", "success", "success"],
    "did": ["create", "delete", "create", "update", "update", "update"],
}


def is_overtaken(world: Any) -> dict[str, Any]:
    """Production: a version while the one before is being created, another while its stack is being changed."""
    one, two, three = (world.commit(files(world, title)) for title in "aba")
    deliver(world, world.push("refs/tags/v1.0.0", one))
    deliver(world, world.push("refs/tags/v1.0.1", two))
    quiet(world)
    deliver(world, world.push("refs/tags/v1.0.2", three))
    quiet(world)
    return {
        "built": world.built(TAG)[-2:] == [two, three],
        "says": [world.prep(sha, "production/0-prep").partition(":")[0] for sha in (two, three)],
        "did": [operation for operation, _, _ in world.cloud.operations],
    }


OVERTAKEN = {"built": True, "says": ["success"] * 2, "did": ["create", "update", "update"]}


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        pytest.param(grows_and_goes, GROWN, id="development"),
        pytest.param(fails_and_mends, MENDED, id="staging"),
        pytest.param(is_overtaken, OVERTAKEN, id="production"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["F45-before-each-call", "F45-after-each-call"])
def test_a_kill_at_any_call_costs_time_alone(
    world: Any, life: Callable[[Any], dict[str, Any]], expected: dict[str, Any], *, after: bool
) -> None:
    make = type(world)
    unhurt = make()
    assert life(unhurt) == expected
    wrong = []
    for number in range(len(unhurt.tape.calls)):
        killed = make()
        killed.tape.kill_at = (number, after)
        try:
            found: object = life(killed)
        except AssertionError as error:
            found = str(error)
        if found != expected:
            wrong.append(f"killed at call {number}, {killed.tape.calls[number]}: {found}")
    assert not wrong, "\n".join(wrong)
