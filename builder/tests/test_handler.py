"""Batches, foreign messages, and which events matter."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.contracts.aws_events import examples

from builder.handler import matters, receive
from deployer.environments import EnvironmentId
from deployer.errors import Broken, Transient
from deployer.events import Look, RepositoryName, RunChange, StackChange, StackSeen, Sweep, Tick
from deployer.ports import Environment, Outcome
from deployer.queues import process
from deployer.refs import Stage

NAME = RepositoryName(42, "acme", "site")


def record(number: int, body: str, group: str = "") -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1", **({"MessageGroupId": group} if group else {})}
    return {"messageId": str(number), "body": body, "attributes": attributes}


def look(environment: str) -> str:
    return Look(environment, NAME, "push", "refs/heads/main").to_json()


class Recorder:
    """A builder that fails for some environments."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.looked, self.changes = failing, list[str](), list[object]()

    def look(self, look: Look, receives: int = 1) -> None:
        self.looked.append(look.environment)
        if look.environment in self.failing:
            raise Transient("throttled", 7)

    def forward(self, change: object) -> None:
        self.changes.append(change)

    sweep = forward

    def tick(self, tick: Tick, sent: int) -> None:
        self.changes.append(tick)


def run(builder: Recorder, *records: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    waits: list[int] = []
    answer = process(
        {"Records": list(records)}, functools.partial(receive, builder), lambda _, wait: waits.append(wait)
    )  # type: ignore[arg-type]
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]], waits


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", "[" * 5000, '{"environment": 1}', '{"detail-type": "x"}'])
def test_F19_a_foreign_message_is_dropped_and_the_rest_is_processed(body: str) -> None:
    builder = Recorder()
    assert run(builder, record(1, body), record(2, look("42/staging"))) == ([], [])
    assert builder.looked == ["42/staging"]


def test_a_sweep_is_told_from_a_look() -> None:
    builder = Recorder()
    sweep = Sweep(NAME, (StackSeen("site-staging", "42/staging", "CREATE_COMPLETE"),))
    assert run(builder, record(1, sweep.to_json()), record(2, look("42/staging"))) == ([], [])
    assert (builder.changes, builder.looked) == ([sweep], ["42/staging"])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(Transient("throttled"), "the sweep broke off; the next one goes on", id="F46-throttled"),
        pytest.param(Broken("no token"), "sweep stopped", id="no-token"),
    ],
)
def test_a_sweep_that_fails_is_not_tried_again(world: Any, log: Any, error: Exception, message: str) -> None:
    class Failing:
        def sweep(self, sweep: Sweep) -> None:
            raise error

    replace(world.builder, sweeper=Failing()).sweep(Sweep(NAME))
    assert [(line["message"], line["reason"]) for line in log()] == [(message, str(error))]


def test_F20_one_failure_holds_up_only_the_later_messages_of_its_group() -> None:
    builder = Recorder("a")
    failed, waits = run(
        builder,
        record(1, look("a"), "a"),
        record(2, look("b"), "b"),
        record(3, look("a"), "a"),
        record(4, look("c"), "c"),
    )
    assert failed == ["1", "3"]
    assert builder.looked == ["a", "b", "c"]
    assert waits == [7, 7]


def test_bus_events_are_forwarded_as_what_they_are() -> None:
    builder = Recorder()
    other = {"source": "aws.s3", "detail-type": "Object Created", "detail": {}}
    bodies = [*examples().values(), other]
    assert run(builder, *(record(number, json.dumps(body)) for number, body in enumerate(bodies))) == ([], [])
    assert builder.changes[-2:] == [
        StackChange("arn:aws:cloudformation:us-west-1:111122223333:stack/teststack", "teststack", "CREATE_COMPLETE"),
        Tick("89d1a02d-5ec7-412e-82f5-13505f849b41"),
    ]
    assert builder.changes[0] == RunChange("myPipeline", "12345678-1234-5678-abcd-12345678abcd", "STARTED")
    assert len(builder.changes) == len(examples())


@pytest.mark.parametrize("name", examples())
def test_F19_whatever_an_event_lacks_the_rest_is_processed(name: str) -> None:
    event = examples()[name]
    lacking = [{**event, "detail": {k: v for k, v in event["detail"].items() if k != each}} for each in event["detail"]]
    lacking += [{k: v for k, v in event.items() if k != each} for each in event]
    builder = Recorder()
    bodies = [*(json.dumps(each) for each in lacking), look("42/staging")]
    assert run(builder, *(record(number, body) for number, body in enumerate(bodies))) == ([], [])
    assert builder.looked == ["42/staging"]
    assert len(builder.changes) < len(lacking)


@pytest.mark.parametrize(
    ("change", "source", "expected"),
    [
        pytest.param(StackChange("i", "s", "UPDATE_IN_PROGRESS"), "v", False, id="stack-begins"),
        pytest.param(StackChange("i", "s", "UPDATE_COMPLETE"), "v", True, id="stack-ends"),
        pytest.param(RunChange("p", "r", "STARTED"), "v", False, id="run-starts"),
        pytest.param(RunChange("p", "r", "STOPPED"), "v", True, id="run-ends"),
        pytest.param(RunChange("p", "r", "SUCCEEDED", "Source"), "v", False, id="stage-ends"),
        pytest.param(RunChange("p", "r", "SUCCEEDED", "Source"), "", True, id="source-was-read-at-last"),
        pytest.param(RunChange("p", "r", "STARTED", "Source"), "", False, id="source-is-being-read"),
        pytest.param(RunChange("p", "r", "SUCCEEDED", "Source", "Read"), "", False, id="an-action-ends"),
    ],
)
def test_which_events_matter(change: StackChange | RunChange, source: str, *, expected: bool) -> None:
    item = Environment(EnvironmentId(42, Stage.STAGING), NAME, "refs/heads/main", "s", 1, source=source)
    assert matters(change, item) is expected


DONE = Environment(
    EnvironmentId(42, Stage.STAGING),
    *(NAME, "refs/heads/main", "s", 1),
    digest="d",
    applied="d",
    source="v",
    outcome=Outcome.SUCCESS,
)


@pytest.mark.parametrize(
    ("item", "state", "expected"),
    [
        pytest.param(DONE, "SUCCEEDED", False, id="all-is-done"),
        pytest.param(DONE, "STOPPED", False, id="somebody-stopped-it"),
        pytest.param(DONE, "SUPERSEDED", False, id="another-run-overtook-it"),
        pytest.param(DONE, "FAILED", True, id="it-may-have-read-nothing-yet"),
        pytest.param(DONE, "CANCELED", True, id="its-pipeline-was-changed"),
        pytest.param(replace(DONE, outcome=Outcome.PENDING), "SUCCEEDED", True, id="the-next-commit-waits"),
        pytest.param(replace(DONE, applied=""), "SUCCEEDED", True, id="the-stack-is-behind"),
        pytest.param(replace(DONE, present=False), "STOPPED", True, id="it-is-removed-next"),
    ],
)
def test_a_runs_end_matters_only_where_something_may_follow(item: Environment, state: str, *, expected: bool) -> None:
    assert matters(RunChange("p", "r", state), item) is expected
