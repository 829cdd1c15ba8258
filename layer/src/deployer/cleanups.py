"""The loop around a custom resource's step: act, answer, or go on later through the function's own queue.

A step looks, acts at most once and returns; nothing waits inside a function. A cleanup that outlives one invocation
becomes one message in the queue, hidden again until it is done; never a chain of new messages, which Lambda cuts
after 16. The message holds the request with its ResponseURL, so the queue is encrypted and its body never logged.
"""

from __future__ import annotations

import json
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
RESERVE = 20.0
LONGEST_PAUSE = 60


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
        once = deadline.Once()

        def last_word() -> None:
            if once.claim():
                log.error("the deadline came first", **_names(cleanup.request))
                reason = f"{cleanup.request.logical_id}: the function ran out of time within one call"
                self._responder.send(cleanup.request, Failed(reason))

        with self._alarm(left() + RESERVE - deadline.LAST_WORD, last_word):
            outcome = self._look(cleanup, left)
            if not once.claim():
                return
        if not isinstance(outcome, Unfinished):
            try:
                self._responder.send(cleanup.request, outcome)
            except Transient as error:
                outcome = Unfinished(str(error), cleanup.state)
            else:
                return
        try:
            self._queue.send(Cleanup(cleanup.request, cleanup.began, outcome.state).to_json(), _seconds(outcome, 0))
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
        over = self._clock() >= cleanup.last_look
        outcome = Unfinished("its time is over") if over else self._look(cleanup, left)
        remaining = cleanup.limit - self._clock()
        if isinstance(outcome, Unfinished) and remaining <= 0:
            minutes = round((cleanup.limit - cleanup.began) / 60)
            outcome = Failed(f"{cleanup.request.logical_id}: not done within {minutes} minutes: {outcome.note}")
        if not isinstance(outcome, Unfinished):
            try:
                self._responder.send(cleanup.request, outcome)
            except (Transient, Broken) as error:
                log.error("the answer is not delivered", reason=str(error), **_names(cleanup.request))
                self._hide(record, pause(receives))
                return False
            return True
        seconds = max(0, min(_seconds(outcome, receives), round(remaining)))
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

    def _hide(self, record: Mapping[str, Any], seconds: int) -> None:
        try:
            self._queue.hide(record["receiptHandle"], seconds)
        except Transient as error:
            log.warning("comes back at the queue's own pace", reason=str(error), message_id=record["messageId"])

    def _look(self, cleanup: Cleanup, left: deadline.TimeLeft) -> Outcome:
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


def _seconds(outcome: Unfinished, receives: int) -> int:
    return min(900, max(0, round(outcome.after))) if outcome.after is not None else pause(receives)


def _names(request: Request) -> dict[str, str]:
    return {"request_type": str(request.type), "stack": request.stack_name, "resource": request.logical_id}
