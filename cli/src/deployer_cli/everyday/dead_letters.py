"""The dead-letter queues of an installation: what is in them, and back to where it came from.

Sources: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.errors import Broken
from deployer.events import (
    Look,
    RunChange,
    StackChange,
    Sweep,
    is_bus_event,
    parse_bus_event,
    parse_look,
    parse_sweep,
)
from deployer.notices import Announcement, Removal, RunNotice, parse_notice
from deployer.queues import receives_of, sent_at
from deployer.stacks import translated

_URL = "QueueUrl"
# What one ReceiveMessage answers with at most, and how often in a row nothing new may come.
_PAGE, _STALE = 10, 3
# How many messages are named; of the others only their number is known.
MOST = 50


@dataclass(frozen=True)
class Letter:
    """One message, without anything of it that is secret. ``sent``: milliseconds since the epoch."""

    id: str
    what: str
    sent: int
    receives: int


@dataclass(frozen=True)
class DeadQueue:
    """A queue of what nobody could handle. ``source``: what it came from, by its name."""

    name: str
    url: str
    arn: str
    source: str
    count: int


def describe(body: str) -> str:
    """A message in one line. Of what it can't read it tells nothing but the length: it may hold a secret. Pure."""
    try:
        message = json.loads(body)
        return _described(message) if isinstance(message, dict) else _unknown(body)
    except (ValueError, RecursionError):
        return _unknown(body)


def _unknown(body: str) -> str:
    return f"{len(body)} characters that nobody of ours sent"


def _described(message: Mapping[str, Any]) -> str:
    """Raises ``Malformed``, a ``ValueError``, where it is none of ours."""
    if isinstance(message.get("request"), dict):
        # A cleanup's. It holds the address under which CloudFormation is answered, by whoever knows it.
        request = message["request"]
        return f"cleanup: {request.get('RequestType', '')} {request.get('LogicalResourceId', '')}"
    if is_bus_event(message):
        return _event(message)
    match parse_notice(message) or parse_sweep(message) or parse_look(message):
        case RunNotice(pipeline, execution):
            return f"notice: run {execution} of {pipeline}"
        case Announcement(environment):
            return f"notice: announcement for {environment}"
        case Removal(environment):
            return f"notice: removal of {environment}"
        case Sweep(repository):
            return f"sweep: {repository.full_name}"
        case Look(environment, _, reason):  # pragma: no branch - mypy holds the match complete
            return f"look: {environment} ({reason})"


def _event(message: Mapping[str, Any]) -> str:
    match parse_bus_event(message):
        case StackChange(_, name, status):
            return f"event: stack {name} {status}"
        case RunChange(pipeline, execution, state, stage):
            return f"event: run {execution} of {pipeline} {f'{stage} {state}'.strip()}"
    return f"event: {message['detail-type']}"


class DeadLetters:
    """Over a boto3 ``sqs`` client. ``pause`` waits for seconds."""

    def __init__(self, sqs: Any, pause: Callable[[float], None]) -> None:
        self._sqs, self._pause = sqs, pause

    def queues(self, outputs: Mapping[str, str]) -> tuple[DeadQueue, ...]:
        """The dead-letter queue of each queue that an installation's outputs name."""
        sources = [outputs[name] for name in sorted(outputs) if name.endswith(_URL)]
        policies = [(source, self._attributes(source, "RedrivePolicy").get("RedrivePolicy")) for source in sources]
        return tuple(self._dead(source, policy) for source, policy in policies if policy)

    def _dead(self, source: str, policy: str) -> DeadQueue:
        arn = str(json.loads(policy)["deadLetterTargetArn"])
        name = arn.rpartition(":")[2]
        with translated(f"queue {name}"):
            url = str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])
        count = int(self._attributes(url, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])
        return DeadQueue(name, url, arn, source.rpartition("/")[2], count)

    def _attributes(self, url: str, name: str) -> Mapping[str, str]:
        with translated(f"queue {url.rpartition('/')[2]}"):
            found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return dict(found.get("Attributes", {}))

    def letters(self, queue: DeadQueue) -> tuple[Letter, ...]:
        """What is in it, oldest first, as far as it is named. Nothing is hidden from whoever moves it."""
        return tuple(sorted(self._peeked(queue), key=lambda letter: (letter.sent, letter.id)))

    def _peeked(self, queue: DeadQueue) -> Iterator[Letter]:
        known: set[str] = set()
        stale = 0
        while stale < _STALE and len(known) < min(queue.count, MOST):
            with translated(f"messages of {queue.name}"):
                page = self._sqs.receive_message(
                    QueueUrl=queue.url,
                    MaxNumberOfMessages=_PAGE,
                    VisibilityTimeout=0,
                    AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                ).get("Messages", [])
            fresh = [message for message in page if message["MessageId"] not in known]
            stale = 0 if fresh else stale + 1
            for message in fresh:
                known.add(message["MessageId"])
                record = {"attributes": message.get("Attributes", {})}
                yield Letter(message["MessageId"], describe(message["Body"]), sent_at(record), receives_of(record))

    def redrive(self, queue: DeadQueue, patience: int = 60) -> int:
        """Move all of it back to where it came from; answers with how many messages were moved.

        ``patience``: how many looks, a second apart, at whether it is done.

        Raises:
            Broken: where SQS could not, or did not come to an end in time.
        """
        with translated(f"redrive {queue.name}"):
            # What EventBridge itself put there came from no queue: SQS would not know where it belongs.
            destination = f"{queue.arn.rpartition(':')[0]}:{queue.source}"
            self._sqs.start_message_move_task(SourceArn=queue.arn, DestinationArn=destination)
        for _ in range(patience):
            with translated(f"redrive {queue.name}"):
                [task] = self._sqs.list_message_move_tasks(SourceArn=queue.arn, MaxResults=1)["Results"]
            if task["Status"] == "COMPLETED":
                return int(task["ApproximateNumberOfMessagesMoved"])
            if task["Status"] in ("FAILED", "CANCELLED"):
                raise Broken(f"{queue.name} was not emptied: {task.get('FailureReason') or task['Status'].lower()}")
            self._pause(1.0)
        raise Broken(f"{queue.name} is still being emptied; look again later")
