"""SQS: send looks, answer partial batches, hide a message for a while.

A message is only a hint: losing or doubling one costs time, never truth.
"""

from __future__ import annotations

import hashlib
import math
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import DeployerError, Transient
from deployer.events import Look, Malformed, Sweep
from deployer.metrics import FAILURES
from deployer.notices import Notice
from deployer.observability import logger

_log = logger("queues")
# What is logged of a message that trying again may not mend; the functions' templates make alarms of it.
FAILED, UNEXPECTED = "failed", "failed unexpectedly"
# Seconds. SQS hides a message for 12 hours at most, counted from its receipt.
LONGEST = 11 * 3600


class LookQueue:
    """The FIFO queue of looks: one message group for each environment, and one for each repository's sweeps.

    A look's deduplication id is unique for each send, since a redelivery is a new look.
    """

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, look: Look) -> None:
        """Queue a look.

        Raises:
            Transient: where SQS did not take it.
        """
        self._send(look.to_json(), look.environment, uuid.uuid4().hex)

    def sweep(self, sweep: Sweep, tick: str) -> None:
        """Queue a sweep; the same for the same tick within five minutes is one.

        Raises:
            Transient: where SQS did not take it.
        """
        group = f"sweep/{sweep.repository.full_name}"
        self._send(sweep.to_json(), group, hashlib.sha256(f"{group} {tick}".encode()).hexdigest())

    def _send(self, body: str, group: str, deduplication: str) -> None:
        with _taken("looks"):
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=group_id(group),
                MessageDeduplicationId=deduplication,
            )


class NoticeQueue:
    """The notifier's queue."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    def notify(self, notice: Notice) -> None:
        """Queue a notice.

        Raises:
            Transient: where SQS did not take it.
        """
        with _taken("notices"):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=notice.to_json())


@contextmanager
def _taken(queue: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Transient(f"the queue of {queue} did not take the message: {type(error).__name__}") from error


def group_id(environment: str) -> str:
    """A legal MessageGroupId: 1-128 ASCII letters, digits and punctuation. Long or foreign ids are hashed.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    legal = environment.isascii() and environment.isprintable() and " " not in environment
    if legal and len(environment) <= 128:
        return environment
    return hashlib.sha256(environment.encode("utf-8", "surrogatepass")).hexdigest()


Record = Mapping[str, Any]
Hide = Callable[[Record, int], None]


def process(event: Mapping[str, Any], receive: Callable[[Record], None], hidden: Hide) -> dict[str, Any]:
    """Handle a batch of messages; answers with those to try again (``ReportBatchItemFailures``).

    One failure holds up only itself and, in a FIFO queue, the later messages of its own group. A message that is to
    be tried again is hidden for a jittered backoff, or for as long as the other side asked.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    failures: list[dict[str, str]] = []
    blocked: dict[str, int] = {}
    for record in event["Records"]:
        group = record.get("attributes", {}).get("MessageGroupId", "")
        # A group's later messages stay away as long as its failed one: in flight, they would keep SQS from giving it.
        wait = blocked[group] if group in blocked else _received(record, receive)
        if wait is None:
            continue
        if group:
            blocked[group] = wait
        failures.append({"itemIdentifier": record["messageId"]})
        try:
            hidden(record, wait)
        except DeployerError as error:
            _log.warning("not hidden; it comes back when the queue's own timeout is over", reason=str(error))
    return {"batchItemFailures": failures}


def _received(record: Record, receive: Callable[[Record], None]) -> int | None:
    """Handle one message; answers with the seconds after which to try it again, or None where it is done with."""
    wait = backoff(receives_of(record))
    try:
        receive(record)
    except Malformed as error:
        _log.error("a message that nobody of ours sent was dropped", reason=str(error))
        _log.measure(FAILURES, Class="Malformed")
        return None
    except Transient as error:
        if error.retry_after is not None:
            wait = min(LONGEST, max(1, math.ceil(error.retry_after)))
        _log.info("to be tried again", reason=str(error), seconds=wait)
        _log.measure(FAILURES, Class="Transient")
    except DeployerError as error:
        _log.error(FAILED, reason=str(error), kind=type(error).__name__, seconds=wait)
        _log.measure(FAILURES, Class=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - a bug met by one message must not take the batch to the dead letters
        _log.exception(UNEXPECTED, kind=type(error).__name__, seconds=wait)
        _log.measure(FAILURES, Class="Unexpected")
    else:
        return None
    return wait


def receives_of(record: Record) -> int:
    """How often a message was received, this time included."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))


def sent_at(record: Record) -> int:
    """When a message was sent, in milliseconds since the epoch."""
    return int(record.get("attributes", {}).get("SentTimestamp", "0"))


def hider(sqs: Any) -> Hide:
    """``hide`` for the records of an event, over a boto3 ``sqs`` client."""
    return lambda record, seconds: hide(sqs, record["eventSourceARN"], record["receiptHandle"], seconds)


def backoff(receives: int, *, base: float = 2.0, ceiling: float = 300.0) -> int:
    """Seconds to hide a message that failed for the ``receives``-th time: full jitter, at least one second."""
    return max(1, round(random.uniform(base, min(ceiling, base * 2 ** min(receives, 30)))))  # noqa: S311 - jitter, no secret


def hide(sqs: Any, queue_arn: str, receipt: str, seconds: int) -> None:
    """Hide a received message for ``seconds`` (0-43,200). An expired receipt is no error: it is back already."""
    arn = queue_arn.split(":")
    try:
        url = sqs.get_queue_url(QueueName=arn[5], QueueOwnerAWSAccountId=arn[4])["QueueUrl"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
    except ClientError as error:
        code = error.response["Error"]["Code"].rpartition(".")[2]  # `AWS.SimpleQueueService.MessageNotInflight`
        if code not in ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"):
            raise Transient(f"the message could not be hidden: {code}") from error
    except BotoCoreError as error:
        raise Transient(f"SQS did not answer: {type(error).__name__}") from error
