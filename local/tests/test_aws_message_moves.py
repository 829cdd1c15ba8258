"""Redrive of dead-letter queues: what is moved, as what, and what is refused as AWS refuses it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError


@dataclass
class Pair:
    """A queue and its dead-letter queue."""

    aws: Any
    fifo: bool = False

    def __post_init__(self) -> None:
        self.sqs = self.aws.client("sqs")
        name, end = self.aws.unique("q"), ".fifo" if self.fifo else ""
        kind = {"FifoQueue": "true"} if self.fifo else {}
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead{end}", Attributes=kind)["QueueUrl"]
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": 1})}
        self.url = self.sqs.create_queue(QueueName=f"{name}{end}", Attributes={**kind, **policy})["QueueUrl"]

    def arn(self, url: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def send(self, body: str, group: str = "g") -> None:
        more = {"MessageGroupId": group, "MessageDeduplicationId": body} if self.fifo else {}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def die(self) -> None:
        """Receive everything once, so that the next receive finds it dead."""
        while self.receive(self.url):
            pass

    def receive(self, url: str, hidden: int = 0) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=hidden, AttributeNames=["All"]
        )
        return list(found.get("Messages", []))

    def task(self) -> dict[str, Any]:
        return dict(self.sqs.list_message_move_tasks(SourceArn=self.arn(self.dead))["Results"][0])

    def redrive(self, **more: Any) -> dict[str, Any]:
        self.sqs.start_message_move_task(SourceArn=self.arn(self.dead), **more)
        return dict(self.aws.until(lambda: (task := self.task())["Status"] != "RUNNING" and task))


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_F21_what_died_is_moved_back_as_new_messages_in_its_order(aws: Any, *, fifo: bool) -> None:
    """Strict: a queue that can't be redriven, or one of which nothing died."""
    pair = Pair(aws, fifo)
    for body in ("one", "two"):
        pair.send(body)
    pair.die()
    dead = pair.receive(pair.dead)
    assert [message["Body"] for message in dead] == ["one", "two"]
    done = pair.redrive()
    assert (done["Status"], done["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert "TaskHandle" not in done
    assert pair.receive(pair.dead) == []
    again = pair.receive(pair.url, hidden=30)
    assert [message["Body"] for message in again] == ["one", "two"]
    assert not {message["MessageId"] for message in dead} & {message["MessageId"] for message in again}
    for message in again:
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        assert "DeadLetterQueueSourceArn" not in message["Attributes"]
        assert message["Attributes"].get("MessageGroupId") == ("g" if fifo else None)
    refused(pair.sqs, "must be configured as a Dead Letter Queue", SourceArn=pair.arn(pair.url))


def refused(sqs: Any, text: str, **arguments: Any) -> None:
    with pytest.raises(ClientError, match=text):
        sqs.start_message_move_task(**arguments)


def test_a_task_runs_alone_and_is_seen_to_run(aws: Any) -> None:
    pair = Pair(aws)
    pair.send("one")
    pair.die()
    source = pair.arn(pair.dead)
    handle = pair.sqs.start_message_move_task(SourceArn=source)["TaskHandle"]
    running = pair.task()
    assert (running["TaskHandle"], running["Status"]) == (handle, "RUNNING")
    assert running["ApproximateNumberOfMessagesToMove"] == 1
    refused(pair.sqs, "Only one active task is allowed", SourceArn=source)
    aws.until(lambda: pair.task()["Status"] == "COMPLETED")
    pair.redrive()
    tasks = pair.sqs.list_message_move_tasks(SourceArn=source, MaxResults=10)["Results"]
    assert [task["ApproximateNumberOfMessagesMoved"] for task in tasks] == [0, 1]


def test_what_is_in_flight_stays_and_another_destination_is_honoured(aws: Any) -> None:
    pair, other = Pair(aws), Pair(aws)
    pair.send("one")
    pair.send("two")
    pair.die()
    [held] = pair.sqs.receive_message(QueueUrl=pair.dead, MaxNumberOfMessages=1, VisibilityTimeout=30)["Messages"]
    done = pair.redrive(DestinationArn=pair.arn(other.url))
    assert done["DestinationArn"] == pair.arn(other.url)
    assert done["ApproximateNumberOfMessagesMoved"] == 1
    [moved] = pair.receive(other.url)
    assert {held["Body"], moved["Body"]} == {"one", "two"}


def test_a_message_that_was_sent_to_the_dead_letters_themselves_goes_nowhere(aws: Any) -> None:
    pair = Pair(aws)
    pair.sqs.send_message(QueueUrl=pair.dead, MessageBody="stray")
    done = pair.redrive()
    assert (done["Status"], done["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert [message["Body"] for message in pair.receive(pair.dead)] == ["stray"]


def test_what_aws_refuses_is_refused(aws: Any) -> None:
    pair, fifo = Pair(aws), Pair(aws, fifo=True)
    source = pair.arn(pair.dead)
    refused(pair.sqs, "specified for the SourceArn parameter", SourceArn=f"{source}-not")
    refused(pair.sqs, "specified for the DestinationArn parameter", SourceArn=source, DestinationArn=f"{source}-not")
    refused(pair.sqs, "same queue type", SourceArn=source, DestinationArn=pair.arn(fifo.url))
    with pytest.raises(ClientError, match="MaxResults is invalid"):
        pair.sqs.list_message_move_tasks(SourceArn=source, MaxResults=11)
