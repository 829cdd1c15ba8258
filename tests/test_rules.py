"""The core stack's rules let through what may matter, by the laptop engine's word and by the benchmarks'."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from benchmarks.rules import event_of, matches, passes, patterns_to

from builder.handler import begins, may_matter
from deployer.events import RunChange, StackChange
from deployer.states import ACTION_EVENTS, RUN_EVENTS, STAGE_EVENTS
from deployer_local.engine import Engine

STATUSES = botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum
STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack/site/1"
CHANGES: list[StackChange | RunChange] = [
    *(StackChange(STACK, "site", status) for status in STATUSES),
    *(RunChange("site", "run", state) for state in sorted(RUN_EVENTS)),
    *(RunChange("site", "run", state, "Build") for state in sorted(STAGE_EVENTS)),
]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """EventBridge, as the engine has it."""
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine.client("events")


def lets_through(events: Any, queue: str, said: Mapping[str, Any]) -> bool:
    """What TestEventPattern says of the rules of a queue."""
    envelope = {"id": "1", "account": "000000000000", "time": "2026-01-01T00:00:00Z", "region": "us-east-1"}
    event = json.dumps({"version": "0", **envelope, "resources": [], **said})
    return any(
        events.test_event_pattern(EventPattern=json.dumps(pattern), Event=event)["Result"]
        for pattern in patterns_to(queue)
    )


def test_the_builder_gets_what_may_matter_and_nothing_else(events: Any) -> None:
    for change in CHANGES:
        matters = may_matter(change) or begins(change)
        assert lets_through(events, "ChangesQueue", event_of(change)) is matters, change
        assert passes("ChangesQueue", event_of(change)) is matters, change


def test_the_notifier_gets_every_state_of_runs_and_stages(events: Any) -> None:
    for change in CHANGES:
        told = isinstance(change, RunChange)
        assert lets_through(events, "NoticesQueue", event_of(change)) is told, change
        assert passes("NoticesQueue", event_of(change)) is told, change


@pytest.mark.parametrize("category", ["Approval", "Build", "Compute", "Deploy", "Invoke", "Source", "Test"])
def test_of_actions_the_notifier_gets_approvals(events: Any, category: str) -> None:
    """They begin and end between the events of their stage, where another action stands before them."""
    for state in sorted(ACTION_EVENTS):
        change = RunChange("site", "run", state, "Deploy", "Ask")
        event = event_of(change)
        event = {**event, "detail": {**event["detail"], "type": {"category": category, "provider": "Manual"}}}
        assert passes("NoticesQueue", event) is (category == "Approval")
        assert lets_through(events, "NoticesQueue", event) is (category == "Approval")
        assert not passes("ChangesQueue", event)


@pytest.mark.parametrize("other", [{"source": "mine"}, {"detail-type": "Another"}, {"detail": {}}], ids=str)
@pytest.mark.parametrize("change", [StackChange(STACK, "site", "UPDATE_COMPLETE"), RunChange("site", "run", "FAILED")])
def test_nothing_else_comes_to_the_builder(change: StackChange | RunChange, other: dict[str, Any]) -> None:
    assert passes("ChangesQueue", event_of(change))
    assert not passes("ChangesQueue", {**event_of(change), **other})


def test_an_operator_that_is_not_known_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        matches({"source": [{"prefix": "aws."}]}, {"source": "aws.codepipeline"})
