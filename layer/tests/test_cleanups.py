"""The loop around a custom resource's step: every request is answered, now or by way of the queue."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from moto import mock_aws

from deployer.cleanups import LONGEST_PAUSE, MOST_RECEIVES, Cleaner, Cleanup, Outcome, SqsQueue, Unfinished, pause
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


VISIBILITY = 360  # the queue's own


class Killed(BaseException):
    """Lambda's way to end an invocation that lasts too long, or takes too much memory."""


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
    expired: int = 0  # how many are refused
    refusing: bool = False  # the URL has expired for good
    full: int = 0  # how many sends fail
    fixed: bool = False  # no message can be hidden
    messages: dict[str, Message] = field(default_factory=dict)
    sent: int = 0
    hidden: list[int] = field(default_factory=list)
    pauses: list[int] = field(default_factory=list)  # between looks
    invoked: float = 1_000_000.0
    rings: float = math.inf
    ring: Callable[[], None] | None = None
    unsaid: list[Exception] = field(default_factory=list)

    # CloudFormation
    def deliver(self, request: Request, answer: Answer) -> None:
        if self.refusing or self.expired:
            self.expired = max(0, self.expired - 1)
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
        self.hidden.append(seconds)
        self.messages[receipt].visible = self.now + seconds

    # Lambda
    def get_remaining_time_in_millis(self) -> int:
        return int((self.invoked + self.remaining - self.now) * 1000)

    @contextmanager
    def alarm(self, seconds: float, action: Callable[[], None]) -> Iterator[None]:
        self.rings, self.ring = self.now + seconds, action
        yield
        if self.unsaid:
            raise self.unsaid.pop()

    def passes(self, seconds: float = math.inf) -> None:
        """Time within a call; the alarm rings in it if it is set for so early. Lambda ends what lasts too long."""
        assert self.ring is not None
        end = self.invoked + self.remaining
        then = min(self.now + seconds, end)
        if self.rings < then:
            self.now = max(self.now, self.rings)
            try:
                self.ring()
            except (Transient, Broken) as error:
                self.unsaid.append(error)
        self.now = then
        if then == end:
            raise Killed

    def run(self, cleaner: Cleaner, for_: float = 7200.0) -> None:
        """Deliver messages in the order in which they become visible, until there are none or the time is over."""
        end = self.now + for_
        while self.messages:
            identifier, message = min(self.messages.items(), key=lambda item: item[1].visible)
            self.now = max(self.now, message.visible)
            if self.now > end:
                return
            message.receives += 1
            message.visible = self.now + VISIBILITY
            self.invoked, seen = self.now, len(self.hidden)
            with suppress(Killed, Transient):
                answer = cleaner({"Records": [record(identifier, message)]}, self)
                if answer == {"batchItemFailures": []}:
                    del self.messages[identifier]
            self.pauses += self.hidden[seen + 1 :]  # the first is for as long as the invocation may last


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


Act = Outcome | BaseException | Callable[[], None]


@dataclass
class Steps:
    """A step that does what it is told, one thing a call; the last one for ever."""

    script: deque[Act]
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        self.seen.append(dict(state))
        act = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if callable(act):
            act()
        if isinstance(act, BaseException):
            raise act
        assert not callable(act)
        return act


def start(*script: Act, world: World | None = None) -> tuple[World, Steps, Cleaner]:
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


@pytest.mark.parametrize(
    ("kind", "full"), [("Create", False), ("Update", False), ("Delete", True)], ids=["create", "update", "no-queue"]
)
def test_F72_a_call_that_hangs_is_answered_for(kind: str, full: bool) -> None:
    world = World()

    def hang(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        assert world.ring is not None
        world.ring()  # the deadline comes while the call hangs
        return Done("too late")

    event = {**EVENT, "RequestType": kind}
    world.full = int(full)
    Cleaner(hang, world, Mailbox(world), lambda: world.now, world.alarm)(event, world)
    ((_, _, answer),) = world.answers
    assert isinstance(answer, Failed)
    assert "ran out of time" in answer.reason


def test_F72_a_deletion_whose_call_hangs_goes_on_later() -> None:
    """Nothing is lost by it, and the next look may find that the call has done its work."""
    world, looks = World(), list[int]()

    def hang(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        looks.append(1)
        if len(looks) == 1:
            assert world.ring is not None
            world.ring()
        return Done()

    cleaner = Cleaner(hang, world, Mailbox(world), lambda: world.now, world.alarm)
    cleaner(EVENT, world)
    assert (world.answers, world.sent) == ([], 1)
    world.run(cleaner)
    assert [answer for _, _, answer in world.answers] == [Done()]
    assert world.answers[0][0] - 1_000_000 == LONGEST_PAUSE


def test_F72_so_is_one_that_hangs_when_cloudformation_is_about_to_stop_listening() -> None:
    """By the queue; the call comes back afterwards, and its message is done with."""
    world = World(remaining=60.0)
    message = Message(Cleanup(parse(EVENT), world.now - 3_440).to_json(), 0, 1)
    world.messages["m1"] = message

    def hang(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        world.passes(20)
        return Done("too late")

    cleaner = Cleaner(hang, world, Mailbox(world), lambda: world.now, world.alarm)
    assert cleaner({"Records": [record("m1", message)]}, world) == {"batchItemFailures": []}
    ((at, _, answer),) = world.answers
    assert isinstance(answer, Failed)
    assert at - 1_000_000 == 10


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
        cleaner({**EVENT, "RequestType": "Create"}, world)
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


TIMEOUTS = [3600, 600, 120, 30]


def deletion(timeout: int) -> dict[str, Any]:
    return {**EVENT, "ResourceProperties": {"Bucket": "b", "ServiceTimeout": str(timeout)}}


@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_F72_a_step_has_no_longer_than_until_the_answer_is_due(timeout: int) -> None:
    world, given = World(remaining=60.0), list[float]()

    def step(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        given.append(left())
        return Unfinished("busy", after=10) if len(given) == 1 else Done()

    cleaner = Cleaner(step, world, Mailbox(world), lambda: world.now, world.alarm)
    cleaner(deletion(timeout), world)
    world.run(cleaner)
    assert given == [min(30.0, timeout * 11 / 12), min(30.0, timeout * 11 / 12 - 10)]
    assert world.rings <= 1_000_000 + timeout * 23 / 24


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("late", [0, 1, 2], ids=["the-first-look", "the-second", "the-third"])
@pytest.mark.parametrize("how", ["hangs", "killed"])
def test_F72_failed_comes_in_time_though_every_look_from_one_on_never_ends(how: str, late: int, timeout: int) -> None:
    """And though a killed one tells nobody anything: the message is back before the queue itself would bring it."""
    world = World(remaining=60.0)

    def never_ends() -> None:
        world.passes(math.inf if how == "hangs" else 10)
        raise Killed

    _, _, cleaner = start(*[Unfinished("busy")] * late, never_ends, world=world)
    with suppress(Killed):
        cleaner(deletion(timeout), world)
    if how == "killed" and late == 0:
        assert not world.answers, "this one Lambda itself tries again"
        return
    world.run(cleaner)
    answered = [at - 1_000_000 for at, _, answer in world.answers if isinstance(answer, Failed)]
    assert answered
    assert answered[0] < timeout
    assert not world.messages


@pytest.mark.parametrize(("receives", "answered"), [(MOST_RECEIVES - 1, False), (MOST_RECEIVES, True)])
def test_F72_failed_comes_before_the_queue_puts_the_message_away(receives: int, answered: bool) -> None:
    """As where Lambda has no concurrency left: SQS counts a receive that comes to nothing."""
    world, _, cleaner = start(Unfinished("busy", after=0))
    message = Message(Cleanup(parse(EVENT), world.now).to_json(), 0, receives)
    world.messages["m1"] = message
    cleaner({"Records": [record("m1", message)]}, world)
    said = Failed(f"Cleaner: not done after {receives} looks: busy")
    assert [answer for _, _, answer in world.answers] == [said] * answered


@pytest.mark.parametrize("timeout", [3600, 600, 120])
def test_F73_there_are_several_tries_to_deliver_failed_before_cloudformation_gives_up(timeout: int) -> None:
    world, _, cleaner = start(Unfinished("busy"))
    cleaner(deletion(timeout), world)
    world.deaf = 3
    world.run(cleaner)
    ((at, _, answer),) = world.answers
    assert isinstance(answer, Failed)
    assert at - 1_000_000 < timeout


def test_a_pause_is_no_longer_than_until_the_answer_is_due() -> None:
    world, _, cleaner = start(Transient("throttled", retry_after=500))
    cleaner(deletion(120), world)
    world.run(cleaner)
    assert [at - 1_000_000 for at, _, _ in world.answers] == [110]


def test_nothing_is_acted_on_once_cloudformation_stops_listening() -> None:
    world, steps, cleaner = start(Unfinished("busy"))
    cleaner(EVENT, world)
    world.now += 3600
    world.run(cleaner)
    assert len(steps.seen) == 1
    assert isinstance(world.answers[0][2], Failed)
    assert world.hidden == [905], "nobody else receives it meanwhile"


class TestTheAnswerIsNeverLost:
    def test_F73_an_answer_that_is_not_taken_is_given_again_later(self) -> None:
        world, _, cleaner = start(Done("3 removed"))
        world.deaf = 3
        cleaner(EVENT, world)
        world.run(cleaner)
        assert [answer for _, _, answer in world.answers] == [Done("3 removed")]

    @pytest.mark.parametrize("resumed", [False, True], ids=["at-once", "by-the-queue"])
    @pytest.mark.parametrize(
        ("trouble", "act"),
        [
            pytest.param({trouble: times}, act, id=f"F73-{times}-{trouble}-{name}")
            for trouble in ("deaf", "expired")
            for times in (1, 5)
            for name, act in (("done", Done("3 removed")), ("failed", Failed("kept")), ("bug", ZeroDivisionError()))
        ],
    )
    def test_whatever_becomes_of_the_put(
        self, trouble: dict[str, int], act: Outcome | Exception, resumed: bool
    ) -> None:
        """The step is asked again before each: whatever it says must be as true the second time."""
        world, steps, cleaner = start(*[Unfinished("busy")] * resumed, act, world=World(**trouble))  # type: ignore[arg-type]
        cleaner(EVENT, world)
        world.run(cleaner)
        ((at, _, answer),) = world.answers
        assert isinstance(answer, type(act) if not isinstance(act, Exception) else Failed)
        assert at - 1_000_000 < 120
        assert len(steps.seen) == 1 + resumed + sum(trouble.values())
        assert not world.messages

    def test_F73_an_answer_that_is_refused_ends_in_the_dead_letter_queue(self) -> None:
        world, _, cleaner = start(Unfinished("busy"), Done())
        cleaner(EVENT, world)
        world.refusing = True
        world.run(cleaner, for_=300)
        assert len(world.messages) == 1  # kept: its receives are bounded by the queue

    def test_F73_a_url_that_has_expired_is_no_reason_to_act_again(self) -> None:
        world, steps, cleaner = start(Unfinished("busy"), Done())
        world.refusing = True
        cleaner(EVENT, world)
        world.now += 3600
        world.run(cleaner, for_=3600)
        assert len(steps.seen) == 1
        assert len(world.messages) == 1
        assert world.messages["m1"].receives < 250

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


class Anything:
    """What a look may come to."""

    outcomes = st.one_of(
        st.builds(Unfinished, st.just("busy"), after=st.none() | st.floats(0, 5000)),
        st.builds(Unfinished, st.just("busy"), st.sampled_from([{"child": "a"}, {"child": "a", "asked": "b"}])),
        st.builds(Transient, st.just("throttled"), st.none() | st.floats(0, 5000)),
        st.sampled_from(["hangs", "killed", "slow"]),
        st.sampled_from([Done(), Failed("kept"), Broken("no"), Rejected("no"), KeyError("x")]),
    )


@given(
    script=st.lists(Anything.outcomes, min_size=1, max_size=12),
    timeout=st.sampled_from([3600, 600, 120]),
    full=st.integers(0, 2),
    deaf=st.integers(0, 1),
)
def test_F72_whatever_happens_it_is_answered_before_cloudformation_gives_up(
    *, script: list[Any], timeout: int, full: int, deaf: int
) -> None:
    assume(not deaf or timeout == 3600)  # a second try to deliver takes as long as a short time has left
    world = World(remaining=60.0, full=full, deaf=deaf)

    def killed() -> None:
        world.passes(30)
        raise Killed

    acts = {"hangs": world.passes, "killed": killed, "slow": lambda: world.passes(30)}
    looks = iter([acts[each] if isinstance(each, str) else each for each in script])

    def step(request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        act = next(looks, None)
        if callable(act):
            act()
        if isinstance(act, BaseException):
            raise act
        if isinstance(act, (Done, Failed)):
            return act
        act = act if isinstance(act, Unfinished) else Unfinished("busy")
        return replace(act, state={**state, **act.state})  # what is known stays known

    cleaner = Cleaner(step, world, Mailbox(world), lambda: world.now, world.alarm)
    heard = False
    for wait in (60, 120, 0):  # as Lambda tries an event again that failed
        world.invoked = world.now
        try:
            cleaner(deletion(timeout), world)
        except (Killed, Transient):
            world.now += wait
        else:
            heard = True
            break
    first = world.invoked
    world.run(cleaner)
    assert not world.messages, "nothing goes round for ever"
    assert world.sent <= 3, "no chain"
    # Lambda tries an event three times; after that, nobody is left to answer.
    assert world.answers or not heard
    # From when it was first heard of: Lambda's own pauses come before that.
    assert all(at - first < timeout for at, _, _ in world.answers[:1])


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
    assert world.now - began == 1 + VISIBILITY + VISIBILITY
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
