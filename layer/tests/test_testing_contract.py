"""Stacks and Looks: the in-memory twins, CloudFormation and SQS, held to one contract as far as moto is honest.

moto's operations end at once, never roll back, ignore repeated tokens and take an update that changes nothing: what
rests on those is the twin's alone here, and held to AWS's word in test_stacks.py and by the laptop engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import boto3
import pytest
from moto import mock_aws

from deployer.errors import Rejected, Transient
from deployer.events import Look, RepositoryName, Sweep, parse_look
from deployer.ports import Looks, Resources, StackRequest, Stacks
from deployer.queues import LookQueue
from deployer.stacks import CloudFormation
from deployer.states import RunState, StackPhase
from deployer.testing import Cloud, Forge, Shelf, Tape

NAME = RepositoryName(42, "acme", "site")


def request(title: str = "one", token: str = "t1", **changes: str) -> StackRequest:  # noqa: S107 - no secret
    body = {"Description": title, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    made = StackRequest(
        "site-staging", json.dumps(body), "", {}, {"owner": "42/staging"}, "arn:aws:iam::1:role/r", token
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class Both(Stacks, Resources, Protocol):
    """What CloudFormation is to the builder."""


@dataclass
class Account:
    """``settle`` lets a stack's operation come to its end."""

    stacks: Both
    settle: Callable[[str], object]


@pytest.fixture(params=["in-memory", "cloudformation"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    if request.param == "in-memory":
        cloud = Cloud()
        yield Account(cloud, cloud.finish)
        return
    with mock_aws():
        yield Account(CloudFormation(boto3.client("cloudformation", region_name="us-east-1")), lambda _: None)


def test_what_is_not_there_is_none(account: Account) -> None:
    assert account.stacks.describe("site-staging") is None
    assert account.stacks.describe("arn:aws:cloudformation:us-east-1:000000000000:stack/site-staging/1") is None
    assert account.stacks.holder("nothing") is None


def test_a_stack_is_described_by_name_and_by_arn(account: Account) -> None:
    account.stacks.create(request())
    account.settle("site-staging")
    stack = account.stacks.describe("site-staging")
    assert stack
    assert (stack.name, stack.phase, dict(stack.tags), stack.role) == (
        "site-staging",
        StackPhase.STABLE,
        {"owner": "42/staging"},
        "arn:aws:iam::1:role/r",
    )
    assert account.stacks.describe(stack.id) == stack
    assert account.stacks.failure(stack.id) == ""


def test_a_name_that_is_taken_means_look_again(account: Account) -> None:
    account.stacks.create(request())
    account.settle("site-staging")
    with pytest.raises(Transient):
        account.stacks.create(request("two", "t2"))


def test_an_update_is_accepted(account: Account) -> None:
    account.stacks.create(request())
    account.settle("site-staging")
    assert account.stacks.update(request("two", "t3")) is True
    account.settle("site-staging")
    stack = account.stacks.describe("site-staging")
    assert stack
    assert stack.status == "UPDATE_COMPLETE"


def test_nothing_that_is_not_there_is_updated(account: Account) -> None:
    with pytest.raises(Rejected):
        account.stacks.update(request())


def test_a_stack_is_deleted_by_its_arn_and_its_namesake_is_not(account: Account) -> None:
    account.stacks.create(request())
    account.settle("site-staging")
    first = account.stacks.describe("site-staging")
    assert first
    account.stacks.delete(first.id, "t2")
    account.settle("site-staging")
    assert account.stacks.describe("site-staging") is None
    account.stacks.create(request(token="t3"))
    account.settle("site-staging")
    account.stacks.delete(first.id, "t4")
    second = account.stacks.describe("site-staging")
    assert second
    assert second.phase is StackPhase.STABLE
    assert second.id != first.id


# --- what moto does not do, and the twin must


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_an_update_without_a_change_is_none(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    assert cloud.update(request(token="t2")) is False
    assert cloud.operations == [("create", "site-staging", "t1")]


def test_F52_a_repeated_token_has_no_second_effect(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.create(request())
    cloud.finish("site-staging")
    assert cloud.update(request("two", "t2")) is True
    cloud.finish("site-staging")
    assert cloud.update(request("two", "t2")) is True
    stack = cloud.describe("site-staging")
    assert stack
    assert stack.status == "UPDATE_COMPLETE"
    cloud.delete(stack.id, "t3")
    cloud.delete(stack.id, "t3")
    assert [operation for operation, _, _ in cloud.operations] == ["create", "update", "delete"]


def test_F52_without_a_token_each_call_has_its_effect(cloud: Cloud) -> None:
    cloud.create(request(token=""))
    cloud.finish("site-staging")
    for title in ("two", "three"):
        assert cloud.update(request(title, "")) is True
        cloud.finish("site-staging")
    assert [operation for operation, _, _ in cloud.operations] == ["create", "update", "update"]


@pytest.mark.parametrize("operate", ["create", "update"])
def test_F49_a_failed_creation_can_only_be_deleted(cloud: Cloud, operate: str) -> None:
    cloud.create(request())
    cloud.failing = "Topic (AWS::SNS::Topic): no"
    assert cloud.finish("site-staging") == "ROLLBACK_COMPLETE"
    stack = cloud.describe("site-staging")
    assert stack
    assert cloud.failure(stack.id) == "Topic (AWS::SNS::Topic): no"
    with pytest.raises((Transient, Rejected)):
        getattr(cloud, operate)(request("two", "t2"))
    cloud.delete(stack.id, "t3")
    assert cloud.finish("site-staging") == "DELETE_COMPLETE"


def test_an_update_that_fails_leaves_what_was(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    cloud.update(request("two", "t2"))
    with pytest.raises(Transient):
        cloud.update(request("three", "t3"))
    cloud.failing = "Topic (AWS::SNS::Topic): no"
    assert cloud.finish("site-staging") == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.update(request(token="t4")) is False
    assert cloud.update(request("two", "t5")) is True


def test_F51_a_rollback_that_failed_can_only_be_taken_up_again(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    cloud.update(request("two", "t2"))
    cloud.failing, cloud.irreversible = "Topic (AWS::SNS::Topic): no", True
    assert cloud.finish("site-staging") == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(Rejected):
        cloud.update(request("three", "t3"))
    stack = cloud.describe("site-staging")
    assert stack
    for _ in range(2):
        cloud.continue_rollback(stack.id, "t4")
    assert cloud.finish("site-staging") == "UPDATE_ROLLBACK_COMPLETE"
    with pytest.raises(Transient):
        cloud.continue_rollback(stack.id, "t5")
    assert cloud.update(request(token="t6")) is False


def test_F60_a_pipeline_starts_by_itself_and_its_change_cancels_its_run(cloud: Cloud) -> None:
    cloud.create(request())
    assert cloud.runs("site-staging") == ()
    cloud.finish("site-staging")
    assert [run.state for run in cloud.runs("site-staging")] == [RunState.IN_PROGRESS]
    cloud.update(request("two", "t2"))
    cloud.finish("site-staging")
    assert [run.state for run in cloud.runs("site-staging")] == [RunState.CANCELLED]


def test_a_run_reads_its_source_when_told_unless_it_was_pinned(cloud: Cloud) -> None:
    cloud.version = lambda _: "newest"
    cloud.create(request())
    cloud.finish("site-staging")
    source = cloud.source("site-staging", "sources/site-staging.zip", "acme/site")
    pinned = cloud.start("site-staging", source, "wanted", "t")
    assert cloud.start("site-staging", source, "wanted", "t") != pinned
    assert [dict(run.revisions) for run in cloud.runs("site-staging")] == [
        {"Source": "wanted"},
        {"Source": "wanted"},
        {},
    ]
    cloud.read("site-staging")
    assert dict(cloud.runs("site-staging")[-1].revisions) == {"Source": "newest"}


def test_a_stopped_run_ends_as_stopped(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    [run] = cloud.runs("site-staging")
    cloud.stop("site-staging", run.id, "why")
    assert cloud.runs("site-staging")[0].state is RunState.STOPPING
    cloud.end("site-staging")
    assert cloud.runs("site-staging")[0].state is RunState.STOPPED


def test_a_stack_that_somebody_made_before_is_there_and_was_not_operated(cloud: Cloud) -> None:
    cloud.stand(request())
    stack = cloud.describe("site-staging")
    assert stack
    assert (stack.status, stack.tags, cloud.resources(stack.id)) == ("CREATE_COMPLETE", {"owner": "42/staging"}, ())
    assert cloud.operations == []
    cloud.update(request("two"))
    assert cloud.finish("site-staging") == "UPDATE_COMPLETE"


def test_a_run_that_has_ended_stays_as_it_is(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    [run] = cloud.runs("site-staging")
    cloud.end("site-staging")
    for pipeline in ("site-staging", "gone"):
        cloud.stop(pipeline, run.id, "why")
    assert [each.state for each in cloud.runs("site-staging")] == [RunState.SUCCEEDED]


def test_F28_a_stack_is_not_deleted_while_it_is_updated_and_may_be_while_it_is_made(cloud: Cloud) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html"""
    cloud.create(request())
    stack = cloud.describe("site-staging")
    assert stack
    cloud.finish("site-staging")
    cloud.update(request("two", "t2"))
    with pytest.raises(Transient, match="cannot be deleted while in status UPDATE_IN_PROGRESS"):
        cloud.delete(stack.id, "t3")
    cloud.finish("site-staging")
    cloud.delete(stack.id, "t3")
    cloud.finish("site-staging")
    cloud.create(request(token="t4"))
    stack = cloud.describe("site-staging")
    assert stack
    cloud.delete(stack.id, "t5")
    assert cloud.finish("site-staging") == "DELETE_COMPLETE"


def test_what_listens_to_the_calls_is_told_before_and_after_each_and_may_break_it() -> None:
    heard: list[tuple[str, bool]] = []
    shelf = Shelf(Tape(hook=lambda name, after: heard.append((name, after))))
    shelf.holder("stack", "site-staging")
    assert heard == [("memory.holder", False), ("memory.holder", True)]

    def broken(name: str, after: bool) -> None:
        if after:
            raise Transient("the answer was lost")

    shelf.tape.hook = broken
    with pytest.raises(Transient):
        shelf.put_text("sources/x.template", "{}")
    assert shelf.texts == {"sources/x.template": "{}"}


def test_a_test_that_ends_what_is_not_under_way_is_told(cloud: Cloud) -> None:
    cloud.create(request())
    cloud.finish("site-staging")
    with pytest.raises(AssertionError, match="site-staging has no operation to finish: CREATE_COMPLETE"):
        cloud.finish("site-staging")


def test_a_source_of_another_commit_is_never_kept_unnoticed() -> None:
    forge = Forge()
    forge.add(NAME).commits["a" * 40] = {"index.html": b"hello"}
    with forge.archive(NAME, "a" * 40) as archive, pytest.raises(AssertionError, match="another commit"):
        Shelf().put("sources/s.zip", archive, "b" * 40, 1)


# --- the queue of looks


@dataclass
class Queue:
    """``received``: what is in it, in order."""

    looks: Looks
    received: Callable[[], list[Look]]


@pytest.fixture(params=["in-memory", "sqs"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    if request.param == "in-memory":
        shelf = Shelf()
        yield Queue(shelf, lambda: shelf.looks)
        return
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName="looks.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]

        def received() -> list[Look]:
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return [parse_look(json.loads(message["Body"])) for message in found]

        yield Queue(LookQueue(sqs, url), received)


def test_every_look_arrives_even_one_like_another(queue: Queue) -> None:
    look = Look("42/refs/heads/ü", NAME, "push", "refs/heads/ü", "a" * 40, 7)
    for each in (look, look, replace(look, after="b" * 40)):
        queue.looks.send(each)
    assert queue.received() == [look, look, replace(look, after="b" * 40)]


def test_a_tick_that_comes_twice_is_one() -> None:
    shelf = Shelf()
    sweep = Sweep(RepositoryName(42, "acme", "site"))
    for tick in ("one", "one", "two"):
        shelf.sweep(sweep, tick)
    assert shelf.sweeps == [sweep, sweep]
