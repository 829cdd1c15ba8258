"""What becomes of stacks that a killed engine left in the middle, and of invocations that it gives up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deployer_local.aws.async_invocation import last_failure
from deployer_local.aws.resume import REASON, go_on


class Stacks:
    """ministack's module of stacks: deletes what ``stuck`` does not name, keeps the events."""

    def __init__(self, *stuck: str) -> None:
        self._stuck = stuck
        self.deleted: list[str] = []
        self.events: list[tuple[str, str, str]] = []

    def _delete_resource(self, _type: str, physical: str, _properties: Any, _stack: str, _logical: str) -> None:
        if physical in self._stuck:
            raise ValueError(f"{physical} is not empty")
        self.deleted.append(physical)

    def _add_event(
        self, _id: str, _name: str, logical: str, _type: str, status: str, reason: str = "", _physical: str = ""
    ) -> None:
        self.events.append((logical, status, reason))


def stack(status: str, *names: str) -> dict[str, Any]:
    kept = {name: {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": f"{name}-1"} for name in names}
    return {"StackName": "app", "StackId": "arn:app", "StackStatus": status, "_resources": kept}


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_F98_a_creation_that_was_cut_off_is_rolled_back_from_its_end(status: str) -> None:
    stacks, left = Stacks(), stack(status, "First", "Second")
    asyncio.run(go_on(stacks, left))
    assert stacks.deleted == ["Second-1", "First-1"]
    assert stacks.events == [("app", "ROLLBACK_IN_PROGRESS", REASON), ("app", "ROLLBACK_COMPLETE", "")]
    assert (left["StackStatus"], left["_resources"]) == ("ROLLBACK_COMPLETE", {})


def test_F98_what_cannot_be_deleted_then_is_named_and_kept() -> None:
    stacks, left = Stacks("Second-1"), stack("CREATE_IN_PROGRESS", "First", "Second", "Third")
    asyncio.run(go_on(stacks, left))
    assert stacks.deleted == ["Third-1", "First-1"]
    reason = "The following resource(s) failed to delete: [Second]."
    assert stacks.events[1:] == [
        ("Second", "DELETE_FAILED", "Second-1 is not empty"),
        ("app", "ROLLBACK_FAILED", reason),
    ]
    assert (left["StackStatus"], left["StackStatusReason"], list(left["_resources"])) == (
        "ROLLBACK_FAILED",
        reason,
        ["Second"],
    )


def test_a_stack_that_waits_for_its_change_set_waits_on() -> None:
    stacks, left = Stacks(), stack("REVIEW_IN_PROGRESS")
    asyncio.run(go_on(stacks, left))
    assert (left["StackStatus"], stacks.events) == ("REVIEW_IN_PROGRESS", [])


class Attempts:
    """Invocations that end as told, and the pauses between them; ``stops`` after that many."""

    def __init__(self, *results: str, stops: int = 9) -> None:
        self._results, self._stops = list(results), stops
        self.pauses: list[float] = []

    def __call__(self) -> dict[str, Any]:
        return {"error": self._results.pop(0)}

    def stopped(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return len(self.pauses) >= self._stops


@pytest.mark.parametrize(
    ("attempts", "retries", "failure", "pauses"),
    [
        pytest.param(Attempts(""), None, None, [], id="at-once"),
        pytest.param(Attempts("a", ""), None, None, [1.0], id="at-the-second"),
        pytest.param(Attempts("a", "b", ""), None, None, [1.0, 2.0], id="at-the-third"),
        pytest.param(Attempts("a", "b", "c"), None, "c", [1.0, 2.0], id="never"),
        pytest.param(Attempts("a", "b"), 1, "b", [1.0], id="one-retry"),
        pytest.param(Attempts("a"), 0, "a", [], id="no-retry"),
        pytest.param(Attempts("a", "b", stops=1), None, None, [1.0], id="the-engine-stops-meanwhile"),
    ],
)
def test_asynchronous_invocations_are_tried_as_often_as_lambda_does(
    attempts: Attempts, retries: int | None, failure: str | None, pauses: list[float]
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    found = last_failure(attempts, retries, attempts.stopped)
    assert (found and found["error"], attempts.pauses) == (failure, pauses)
