"""The loop around a custom resource's step: act, answer, or go on later through the function's own queue.

A step looks, acts at most once and returns; nothing waits inside a function. A cleanup that outlives one invocation
becomes one message in the queue, hidden again until it is done; never a chain of new messages, which Lambda cuts
after 16. The message holds the request with its ResponseURL, so the queue is encrypted and its body never logged.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from deployer import deadline
from deployer.custom_resource import Answer, Done, Failed, Request, RequestType, Responder, created_by_us, parse
from deployer.errors import Broken, Rejected, Transient
from deployer.observability import logger

log = logger(__name__)

# Seconds kept back from a step: what one more call may take.
RESERVE = 30.0
LONGEST_PAUSE = 60
_AFTER_THE_END = 5  # seconds; by then an invocation that is killed is dead
# Looks from one message; after 250 receives the queue puts it away unanswered, and some may come to nothing.
MOST_RECEIVES = 240


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Look again later. ``note`` says what is awaited; ``state`` is kept for the next look.

    ``after``: seconds until then, where the step knows better than the growing pauses (1, 2, 4, … 60 s).
    """

    note: str
    state: Mapping[str, str] = field(default_factory=dict)
    after: float | None = None


Outcome = Answer | Unfinished
Step = Callable[[Request, Mapping[str, str], deadline.TimeLeft], Outcome]


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a message holds. ``began``: seconds since the epoch at which the request was first seen."""

    request: Request
    began: float
    state: Mapping[str, str] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """When FAILED is answered: 55 minutes after the beginning, or 11/12 of a shorter ``ServiceTimeout``."""
        return self.began + self.request.timeout * 11 / 12

    @property
    def last_look(self) -> float:
        """After this nothing is acted on any more, only answered: CloudFormation is about to stop listening."""
        return self.began + self.request.timeout * 23 / 24

    def to_json(self) -> str:
        return json.dumps({"request": self.request.event(), "began": self.began, "state": dict(self.state)})

    @classmethod
    def from_json(cls, body: str) -> Cleanup:
        """Read a message.

        Raises:
            Rejected: where it is none of ours.
        """
        try:
            document = json.loads(body)
            state = {str(key): str(value) for key, value in document["state"].items()}
            return cls(parse(document["request"]), float(document["began"]), state)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Rejected(f"not a cleanup's message: {type(error).__name__}") from None


def pause(receives: int) -> int:
    """Seconds until the look after the ``receives``-th one from the queue: 1, 2, 4, 8, … at most 60."""
    return min(LONGEST_PAUSE, 1 << min(receives, 10))


class Queue(Protocol):
    """The function's own queue of cleanups."""

    def send(self, body: str, delay: int) -> None: ...

    def hide(self, receipt: str, seconds: int) -> None: ...


class SqsQueue:
    """``Queue`` over SQS. Both calls raise ``Transient`` where SQS did not take them."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, body: str, delay: int) -> None:
        """Queue a message that appears after ``delay`` seconds (0-900)."""
        try:
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay)
        except (ClientError, BotoCoreError) as error:
            raise Transient(f"the cleanups queue did not take the message: {type(error).__name__}") from error

    def hide(self, receipt: str, seconds: int) -> None:
        """Hide a received message for ``seconds``."""
        try:
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except (ClientError, BotoCoreError) as error:
            raise Transient(f"the message could not be hidden: {type(error).__name__}") from error


class Answers(Protocol):
    """How answers are delivered; ``custom_resource.Responder`` over the network."""

    def send(self, request: Request, answer: Answer) -> None: ...


class Cleaner:
    """A custom resource's function around its ``step``: takes CloudFormation's requests and its own queue's messages.

    Every request is answered: by the step's result, by an exception's, by the deadline's, or by ``Cleanup.limit``.
    """

    def __init__(
        self,
        step: Step,
        queue: Queue,
        responder: Answers | None = None,
        clock: Callable[[], float] = time.time,
        alarm: deadline.Alarm = deadline.alarm,
    ) -> None:
        self._step, self._queue, self._clock, self._alarm = step, queue, clock, alarm
        self._responder = responder or Responder()

    def __call__(self, event: Mapping[str, Any], context: deadline.Context) -> dict[str, Any] | None:
        """Handle either kind of event; a batch answers with its ``batchItemFailures``."""
        left = deadline.time_left(context, RESERVE)
        if "Records" not in event:
            self._begin(Cleanup(parse(event), self._clock()), left)
            return None
        failures = [record["messageId"] for record in event["Records"] if not self._resume(record, left)]
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failures]}

    def _begin(self, cleanup: Cleanup, left: deadline.TimeLeft) -> None:
        def later() -> bool:
            """Go on from the queue, once this invocation is over; whether there is still time for that."""
            if cleanup.request.type is not RequestType.DELETE or self._clock() >= cleanup.limit:
                return False
            try:
                self._queue.send(cleanup.to_json(), LONGEST_PAUSE)
            except Transient as error:
                log.warning("cannot go on later", reason=str(error), **_names(cleanup.request))
                return False
            return True

        outcome = self._look(cleanup, left, left() + RESERVE - deadline.LAST_WORD, later)
        if outcome is None:
            return
        if not isinstance(outcome, Unfinished):
            try:
                self._responder.send(cleanup.request, outcome)
            except (Transient, Broken) as error:
                log.error("the answer is not delivered", reason=str(error), **_names(cleanup.request))
                outcome = Unfinished(str(error), cleanup.state)
            else:
                return
        kept = Cleanup(cleanup.request, cleanup.began, outcome.state)
        try:
            self._queue.send(kept.to_json(), self._seconds(kept, outcome, 0))
        except Transient as error:
            log.exception("cannot go on later", **_names(cleanup.request))
            self._responder.send(cleanup.request, Failed(f"{outcome.note}; then {error}"))
        else:
            log.info("goes on later", note=outcome.note, **_names(cleanup.request))

    def _resume(self, record: Mapping[str, Any], left: deadline.TimeLeft) -> bool:
        """One message; True where it may be deleted."""
        if left() <= 0:
            return False
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        try:
            cleanup = Cleanup.from_json(record["body"])
        except Rejected as error:
            log.error("left for the dead-letter queue", message_id=record["messageId"], reason=str(error))
            self._hide(record, LONGEST_PAUSE)
            return False
        ends, silence = left() + RESERVE + _AFTER_THE_END, cleanup.last_look - self._clock()
        over = silence <= 0
        # Should this invocation be killed, the queue's own timeout would bring the message back too late.
        self._hide(record, math.ceil(ends if over else min(ends, silence)))
        outcome = Unfinished("its time is over") if over else self._look(cleanup, left)
        if outcome is None:
            return True
        if isinstance(outcome, Unfinished):
            outcome = self._given_up(cleanup, outcome, receives)
        if not isinstance(outcome, Unfinished):
            try:
                self._responder.send(cleanup.request, outcome)
            except (Transient, Broken) as error:
                log.error("the answer is not delivered", reason=str(error), **_names(cleanup.request))
                heard = cleanup.began + cleanup.request.timeout - self._clock()
                # Several tries as long as somebody listens; then some more, in case that our clock is wrong.
                self._hide(record, min(pause(receives), max(1, round(heard / 2))) if heard > 0 else LONGEST_PAUSE)
                return False
            return True
        seconds = self._seconds(cleanup, outcome, receives)
        if outcome.state != cleanup.state:
            # A message cannot be changed. A state changes at most twice, so this is no chain.
            try:
                self._queue.send(Cleanup(cleanup.request, cleanup.began, outcome.state).to_json(), seconds)
            except Transient as error:
                log.warning("the state is not kept yet", reason=str(error), **_names(cleanup.request))
            else:
                return True
        self._hide(record, seconds)
        return False

    def _given_up(self, cleanup: Cleanup, outcome: Unfinished, receives: int) -> Outcome:
        """FAILED where nobody would wait for another look: CloudFormation, or the queue itself."""
        if self._clock() >= cleanup.limit:
            minutes = round((cleanup.limit - cleanup.began) / 60)
            return Failed(f"{cleanup.request.logical_id}: not done within {minutes} minutes: {outcome.note}")
        if receives >= MOST_RECEIVES:
            return Failed(f"{cleanup.request.logical_id}: not done after {receives} looks: {outcome.note}")
        return outcome

    def _seconds(self, cleanup: Cleanup, outcome: Unfinished, receives: int) -> int:
        """Until the next look; that is never later than the answer is due."""
        wanted = pause(receives) if outcome.after is None else min(900, round(outcome.after))
        return max(0, min(wanted, round(cleanup.limit - self._clock())))

    def _hide(self, record: Mapping[str, Any], seconds: int) -> None:
        try:
            self._queue.hide(record["receiptHandle"], seconds)
        except Transient as error:
            log.warning("comes back at the queue's own pace", reason=str(error), message_id=record["messageId"])

    def _look(
        self,
        cleanup: Cleanup,
        left: deadline.TimeLeft,
        most: float = math.inf,
        later: Callable[[], bool] = lambda: False,
    ) -> Outcome | None:
        """The step's outcome; None where the deadline came first, within one call: it goes on ``later``, or FAILED was
        answered.

        The deadline: ``most`` seconds from now, or that at which CloudFormation is about to stop listening.
        """
        once = deadline.Once()

        def last_word() -> None:
            if once.claim():
                log.error("the deadline came first", **_names(cleanup.request))
                if later():
                    return
                reason = f"{cleanup.request.logical_id}: the function ran out of time within one call"
                self._responder.send(cleanup.request, Failed(reason))

        def due() -> float:
            return min(left(), cleanup.limit - self._clock())

        with self._alarm(min(most, cleanup.last_look - self._clock()), last_word):
            outcome = self._stepped(cleanup, due)
            return outcome if once.claim() else None

    def _stepped(self, cleanup: Cleanup, left: deadline.TimeLeft) -> Outcome:
        request = cleanup.request
        if request.type is RequestType.DELETE and not created_by_us(request):
            log.info("never created, nothing to undo", **_names(request))
            return Done("never created")
        try:
            outcome = self._step(request, cleanup.state, left)
        except Transient as error:
            return Unfinished(str(error), cleanup.state, error.retry_after)
        except Rejected as error:
            outcome = Failed(str(error))
        except Broken as error:
            log.exception("broken", **_names(request))
            outcome = Failed(str(error))
        except Exception as error:  # whatever it is, CloudFormation waits for an answer
            log.exception("unexpected", **_names(request))
            outcome = Failed(f"{request.logical_id}: unexpected {type(error).__name__}; the function's log has more")
        match outcome:
            case Done(reason):
                log.info("done", reason=reason, **_names(request))
            case Failed(reason):
                log.warning("failed", reason=reason, **_names(request))
        return outcome


def _names(request: Request) -> dict[str, str]:
    return {"request_type": str(request.type), "stack": request.stack_name, "resource": request.logical_id}
