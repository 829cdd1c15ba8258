"""The loop around a custom resource's step: every request is answered, now or by way of the queue."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deployer.cleanups import Cleaner, Cleanup, Outcome, SqsQueue, Unfinished, pause
from deployer.custom_resource import Answer, Done, Failed, Request, parse
from deployer.deadline import TimeLeft, alarm
from deployer.errors import Broken, Rejected, Transient

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/site-staging/51af3dc0"
EVENT = {
    "RequestType": "Delete",
    "RequestId": "request-1",
    "ResponseURL": "https://example.invalid/answer?X-Amz-Signature=hush",
    "ResourceType": "Custom::S3Cleaner",
    "LogicalResourceId": "Cleaner",
    "PhysicalResourceId": "opolis-deployer/Cleaner/0123456789abcdef",
    "StackId": STACK,
    "ResourceProperties": {"Bucket": "site-bucket"},
}


@dataclass
class Message:
    body: str
    visible: float
    receives: int = 0


@dataclass
class World:
    """A clock, CloudFormation's mailbox, and the queue with its visibility; nothing here takes real time."""

    now: float = 1_000_000.0
    remaining: float = 900.0
    answers: list[tuple[float, Request, Answer]] = field(default_factory=list)
    deaf: int = 0  # how many answers are not taken
    refusing: bool = False  # the URL has expired
    full: int = 0  # how many sends fail
    fixed: bool = False  # no message can be hidden
    messages: dict[str, Message] = field(default_factory=dict)
    sent: int = 0
    pauses: list[int] = field(default_factory=list)
    ring: Callable[[], None] | None = None

    # CloudFormation
    def deliver(self, request: Request, answer: Answer) -> None:
        if self.refusing:
            raise Broken("HTTP 403")
        if self.deaf:
            self.deaf -= 1
            raise Transient("HTTP 503")
        self.answers.append((self.now, request, answer))

    # the queue
    def send(self, body: str, delay: int) -> None:
        if self.full:
            self.full -= 1
            raise Transient("no queue")
        self.sent += 1
        self.messages[f"m{self.sent}"] = Message(body, self.now + delay)

    def hide(self, receipt: str, seconds: int) -> None:
        if self.fixed:
            raise Transient("no queue")
        self.pauses.append(seconds)
        self.messages[receipt].visible = self.now + seconds

    # Lambda
    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining * 1000)

    @contextmanager
    def alarm(self, seconds: float, action: Callable[[], None]) -> Iterator[None]:
        self.ring = action
        yield

    def run(self, cleaner: Cleaner, for_: float = 7200.0) -> None:
        """Deliver messages in the order in which they become visible, until there are none or the time is over."""
        end = self.now + for_
        while self.messages:
            identifier, message = min(self.messages.items(), key=lambda item: item[1].visible)
            self.now = max(self.now, message.visible)
            if self.now > end:
                return
            message.receives += 1
            message.visible = self.now + 120
            answer = cleaner({"Records": [record(identifier, message)]}, self)
            if answer == {"batchItemFailures": []}:
                del self.messages[identifier]


def record(identifier: str, message: Message) -> dict[str, Any]:
    return {
        "messageId": identifier,
        "receiptHandle": identifier,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
    }


class Mailbox:
    def __init__(self, world: World) -> None:
        self.send = world.deliver


@dataclass
class Steps:
    """A step that does what it is told, one thing a call; the last one for ever."""

    script: deque[Outcome | Exception]
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        self.seen.append(dict(state))
        act = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if isinstance(act, Exception):
            raise act
        return act


def start(*script: Outcome | Exception, world: World | None = None) -> tuple[World, Steps, Cleaner]:
    world = world or World()
    steps = Steps(deque(script))
    return world, steps, Cleaner(steps, world, Mailbox(world), lambda: world.now, world.alarm)


@pytest.mark.parametrize(
    ("act", "answer"),
    [
        pytest.param(Done("3 removed"), Done("3 removed"), id="done"),
        pytest.param(Failed("kept"), Failed("kept"), id="failed"),
        pytest.param(Rejected("not yours"), Failed("not yours"), id="F72-rejected"),
        pytest.param(Broken("no permission"), Failed("no permission"), id="F72-broken"),
        pytest.param(
            ZeroDivisionError("secret"),
            Failed("Cleaner: unexpected ZeroDivisionError; the function's log has more"),
            id="F72-exception",
        ),
    ],
)
def test_a_request_is_answered_at_once(act: Outcome | Exception, answer: Answer) -> None:
    world, _, cleaner = start(act)
    assert cleaner(EVENT, world) is None
    assert [given for _, _, given in world.answers] == [answer]
    assert not world.messages


@pytest.mark.parametrize(
    "identifier",
    ["site-staging-Cleaner-1KQ7ZP0RWX2T", "opolis-deployer-not-created/Cleaner/01", ""],
    ids=["F75-made-up-by-cloudformation", "F75-our-failed-create", "F75-none"],
)
def test_what_was_never_created_needs_no_undoing(identifier: str) -> None:
    world, steps, cleaner = start(Failed("must not be asked"))
    cleaner({**EVENT, "PhysicalResourceId": identifier}, world)
    assert [answer for _, _, answer in world.answers] == [Done("never created")]
    assert steps.seen == []


def test_F72_a_call_that_hangs_is_answered_for() -> None:
    world = World()

    def hang(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        assert world.ring is not None
        world.ring()  # the deadline comes while the call hangs
        return Done("too late")

    Cleaner(hang, world, Mailbox(world), lambda: world.now, world.alarm)(EVENT, world)
    ((_, _, answer),) = world.answers
    assert isinstance(answer, Failed)
    assert "ran out of time" in answer.reason


def test_F72_the_alarm_is_silent_after_an_answer() -> None:
    world, _, cleaner = start(Done())
    cleaner(EVENT, world)
    assert world.ring is not None
    world.ring()
    assert len(world.answers) == 1


def test_the_real_alarm_rings_from_another_thread() -> None:
    rung, never = threading.Event(), threading.Event()
    with alarm(0, rung.set):
        assert rung.wait(30)
    with alarm(3600, never.set):
        pass
    assert not never.is_set()


def test_F73_a_last_word_that_is_being_spoken_is_waited_for_and_its_failure_is_the_invocations() -> None:
    """Lambda freezes what runs when the invocation ends, and tries again only where it failed."""
    speaking, may_end, spoken = threading.Event(), threading.Event(), threading.Event()

    def speak() -> None:
        speaking.set()
        assert may_end.wait(30)
        spoken.set()
        raise Transient("the answer was not taken: HTTP 503")

    def invocation() -> None:
        with alarm(0, speak):
            assert speaking.wait(30)
            threading.Timer(0.01, may_end.set).start()
        raise AssertionError("it ended well")

    with pytest.raises(Transient, match="503"):
        invocation()
    assert spoken.is_set()


def test_F73_an_answer_for_a_call_that_hangs_which_is_not_taken_fails_the_invocation() -> None:
    world, ringing = World(), threading.Event()

    def refuse(request: Request, answer: Answer) -> None:
        ringing.set()
        raise Transient("HTTP 503")

    def hang(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        assert ringing.wait(30)
        return Done()

    mailbox = Mailbox(world)
    mailbox.send = refuse  # type: ignore[method-assign]
    cleaner = Cleaner(hang, world, mailbox, lambda: world.now, lambda _, action: alarm(0, action))
    with pytest.raises(Transient, match="503"):
        cleaner(EVENT, world)
    assert not world.messages, "nobody has answered and nobody will: Lambda has to try again"


def test_a_long_cleanup_goes_on_by_one_message() -> None:
    world, steps, cleaner = start(*[Unfinished("busy")] * 9, Done())
    cleaner(EVENT, world)
    assert world.answers == []
    began = world.now
    world.run(cleaner)
    assert [answer for _, _, answer in world.answers] == [Done()]
    assert world.sent == 1
    assert world.pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert world.answers[0][0] - began == 1 + sum(world.pauses)
    assert len(steps.seen) == 10


def test_the_pauses_grow_to_a_minute() -> None:
    assert [pause(receives) for receives in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("3600", 3300), ("600", 550), ("60", 55)], ids=["an-hour", "ten-minutes", "a-minute"]
)
def test_failed_comes_before_cloudformation_gives_up(timeout: str, seconds: int) -> None:
    world, _, cleaner = start(Unfinished("stack site-staging-app is DELETE_IN_PROGRESS"))
    began = world.now
    cleaner({**EVENT, "ResourceProperties": {"Bucket": "b", "ServiceTimeout": timeout}}, world)
    world.run(cleaner)
    ((at, _, answer),) = world.answers
    assert seconds <= at - began <= seconds + 2
    assert isinstance(answer, Failed)
    assert "stack site-staging-app is DELETE_IN_PROGRESS" in answer.reason
    assert not world.messages
    assert world.sent == 1
    assert len(world.pauses) < 250


def test_nothing_is_acted_on_once_cloudformation_stops_listening() -> None:
    world, steps, cleaner = start(Unfinished("busy"))
    cleaner(EVENT, world)
    world.now += 3600
    world.run(cleaner)
    assert len(steps.seen) == 1
    assert isinstance(world.answers[0][2], Failed)


class TestTheAnswerIsNeverLost:
    def test_F73_an_answer_that_is_not_taken_is_given_again_later(self) -> None:
        world, _, cleaner = start(Done("3 removed"))
        world.deaf = 3
        cleaner(EVENT, world)
        world.run(cleaner)
        assert [answer for _, _, answer in world.answers] == [Done("3 removed")]

    def test_F73_an_answer_that_is_refused_ends_in_the_dead_letter_queue(self) -> None:
        world, _, cleaner = start(Unfinished("busy"), Done())
        cleaner(EVENT, world)
        world.refusing = True
        world.run(cleaner, for_=300)
        assert len(world.messages) == 1  # kept: its receives are bounded by the queue

    def test_F72_no_queue_is_answered_with_failed(self) -> None:
        world, _, cleaner = start(Unfinished("busy"))
        world.full = 1
        cleaner(EVENT, world)
        assert [answer for _, _, answer in world.answers] == [Failed("busy; then no queue")]

    def test_F72_neither_queue_nor_answer_lets_lambda_try_again(self) -> None:
        world, _, cleaner = start(Unfinished("busy"))
        world.full, world.deaf = 1, 1
        with pytest.raises(Transient):
            cleaner(EVENT, world)
        cleaner(EVENT, world)
        assert len(world.messages) == 1

    def test_F88_throttling_goes_on_later(self) -> None:
        world, _, cleaner = start(Transient("Throttling", retry_after=7), Transient("Throttling"), Done())
        cleaner(EVENT, world)
        assert next(iter(world.messages.values())).visible == world.now + 7
        world.run(cleaner)
        assert [answer for _, _, answer in world.answers] == [Done()]


class TestState:
    def test_it_is_kept_for_the_next_look(self) -> None:
        world, steps, cleaner = start(
            Unfinished("busy", {"child": "arn"}), Unfinished("busy", {"child": "arn"}), Done()
        )
        cleaner(EVENT, world)
        world.run(cleaner)
        assert steps.seen == [{}, {"child": "arn"}, {"child": "arn"}]
        assert world.sent == 1

    def test_a_change_replaces_the_message(self) -> None:
        world, steps, cleaner = start(Unfinished("throttled"), Unfinished("busy", {"child": "arn"}), Done())
        cleaner(EVENT, world)
        world.run(cleaner)
        assert steps.seen == [{}, {}, {"child": "arn"}]
        assert world.sent == 2
        assert not world.messages

    def test_it_is_tried_again_where_the_queue_did_not_take_it(self) -> None:
        world, steps, cleaner = start(
            Unfinished("throttled"), Unfinished("busy", {"child": "arn"}), Unfinished("busy", {"child": "arn"}), Done()
        )
        cleaner(EVENT, world)
        world.full = 1
        world.run(cleaner)
        assert steps.seen == [{}, {}, {}, {"child": "arn"}]


def test_F19_a_foreign_message_does_not_stop_the_others() -> None:
    world, _, cleaner = start(Done())
    world.messages = {
        "foreign": Message('{"hello": 1}', 0, 1),
        "ours": Message(Cleanup(parse(EVENT), world.now).to_json(), 0, 1),
    }
    batch = {"Records": [record(name, message) for name, message in world.messages.items()]}
    assert cleaner(batch, world) == {"batchItemFailures": [{"itemIdentifier": "foreign"}]}
    assert len(world.answers) == 1


def test_a_message_that_cannot_be_hidden_comes_back_at_the_queues_own_pace() -> None:
    world, steps, cleaner = start(Unfinished("busy"), Unfinished("busy"), Unfinished("busy"), Done("3 removed"))
    cleaner(EVENT, world)
    world.fixed = True
    began = world.now
    world.run(cleaner)
    assert [answer for _, _, answer in world.answers] == [Done("3 removed")]
    assert world.now - began == 1 + 120 + 120
    assert len(steps.seen) == 4


def test_messages_that_there_is_no_time_for_are_returned() -> None:
    world, steps, cleaner = start(Done())
    world.remaining = 5
    batch = {"Records": [record("m1", Message(Cleanup(parse(EVENT), world.now).to_json(), 0, 1))]}
    assert cleaner(batch, world) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert steps.seen == []


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{}", '{"request": {}, "began": 1, "state": {}}', '{"request": 1, "began": "x", "state": []}'],
)
def test_a_malformed_message_is_refused(body: str) -> None:
    with pytest.raises(Rejected):
        Cleanup.from_json(body)


def test_the_response_url_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world, _, cleaner = start(Unfinished("busy"), Transient("x"), ZeroDivisionError(), Done())
    cleaner(EVENT, world)
    world.run(cleaner)
    lines = [f"{entry.getMessage()} {getattr(entry, 'fields', '')} {entry.exc_text}" for entry in caplog.records]
    assert lines
    assert "hush" not in "\n".join(lines)


@mock_aws
def test_sqs() -> None:
    sqs = boto3.client("sqs", region_name="us-east-1")
    url = sqs.create_queue(QueueName="cleanups")["QueueUrl"]
    queue = SqsQueue(sqs, url)
    queue.send(json.dumps({"a": 1}), 0)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == {"a": 1}
    queue.hide(message["ReceiptHandle"], 0)
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"] == message["MessageId"]
    gone = SqsQueue(sqs, url + "-gone")
    with pytest.raises(Transient):
        gone.send("x", 0)
    with pytest.raises(Transient):
        gone.hide("x", 0)
