"""What a push costs, in calls: CloudFormation is asked where there is something to be seen, never to pass the time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from deployer.errors import Transient
from deployer.events import RunChange, StackChange

MAIN, HELLO, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/tags/v1.0.0"


def first(world: Any, ref: str) -> None:
    """A stack is created."""
    world.look(world.push(ref, world.commit()))
    world.finish(ref)
    world.run_to(ref)


def changed(world: Any, ref: str) -> None:
    """A stack is updated."""
    world.look(world.push(ref, world.commit({"deploy/pipeline.json": world.template("other")})))
    world.finish(ref)
    world.run_to(ref)


def same(world: Any, ref: str) -> None:
    """The stack is what it has to be: a run is all that is wanted."""
    world.look(world.push(ref, world.commit()))
    world.run_to(ref)


@pytest.mark.parametrize("ref", [MAIN, HELLO], ids=["staging", "development"])
@pytest.mark.parametrize(
    ("push", "describes", "operations"),
    [
        pytest.param(first, 2, 1, id="first"),
        pytest.param(changed, 2, 1, id="changed"),
        pytest.param(same, 1, 0, id="same"),
    ],
)
def test_a_push_asks_cloudformation_twice_at_most(
    world: Any, ref: str, push: Any, describes: int, operations: int
) -> None:
    if push is not first:
        world.live(ref)
    world.tape.calls.clear()
    push(world, ref)
    asked = Counter(world.tape.calls)
    assert asked["cloudformation.describe"] == describes
    made = asked["cloudformation.create"] + asked["cloudformation.update"]
    assert made == operations
    starts = asked["codepipeline.start"]
    assert starts == (0 if push is first else 1), "a new pipeline starts by itself"
    assert asked["github.archive"] == asked["s3.put"] == 1
    assert asked["github.directory"] == asked["github.read"] == 1, "a commit's files are read once"


def test_aws_is_asked_while_github_is(world: Any) -> None:
    world.live(MAIN)
    look = world.push(MAIN, world.commit({"deploy/pipeline.json": world.template("other")}))
    asked: list[str] = []
    world.side.early = True
    world.tape.hook = lambda call, after: None if after else asked.append(call)
    world.look(look)
    beside = ["cloudformation.describe", "cloudformation.resources", "codepipeline.runs"]
    assert asked[: len(beside) + 2] == ["memory.environment", *beside, "github.repository"]
    assert not set(beside) & set(asked[len(beside) + 1 :]), "nothing is asked twice"


def test_a_repository_that_cannot_be_read_hides_that_aws_did_not_answer(world: Any) -> None:
    def fail(call: str, after: bool) -> None:
        if call == "cloudformation.describe":
            raise Transient("throttled")

    sha = world.live(MAIN)
    world.side.early, world.tape.hook = True, fail
    look = world.pushed(MAIN, sha)
    with pytest.raises(Transient):
        world.look(look)
    world.repo.readable = False
    world.look(look)
    assert world.prep(sha) == "success: staging: prepared"


def test_a_stack_that_takes_long_costs_nothing_meanwhile(world: Any) -> None:
    world.look(world.push(MAIN, world.commit()))
    asked = len(world.tape.calls)
    world.now += 3_600_000
    world.forwarded()
    assert len(world.tape.calls) == asked


def test_the_end_of_a_good_run_costs_two_reads_of_memory(world: Any) -> None:
    world.look(world.push(MAIN, world.commit()))
    world.finish(MAIN)
    world.tape.calls.clear()
    world.run_to(MAIN)
    assert world.tape.calls == ["memory.holder", "memory.environment"]


@pytest.mark.parametrize(
    ("change", "reads"),
    [
        pytest.param(StackChange("i", "site-staging", "UPDATE_IN_PROGRESS"), 0, id="stack-begins"),
        pytest.param(RunChange("site-staging", "run", "STARTED", "Build"), 0, id="stage-begins"),
        pytest.param(RunChange("site-staging", "run", "STOPPING"), 0, id="run-is-told-to-stop"),
        pytest.param(RunChange("site-staging", "run", "STARTED"), 2, id="run-begins-which-may-be-somebodys"),
        pytest.param(StackChange("i", "theirs", "UPDATE_COMPLETE"), 1, id="another-stack-ends"),
    ],
)
def test_an_event_from_which_nothing_follows_costs_next_to_nothing(world: Any, change: Any, reads: int) -> None:
    world.live(MAIN)
    world.tape.calls.clear()
    world.builder.forward(change)
    assert world.tape.calls == ["memory.holder", "memory.environment"][:reads]
    assert world.shelf.looks == []
