"""Redrive of dead-letter queues, which ministack lacks: a task moves messages back to the queues that they came from.

A task is accepted at once and works on the loop a moment later, so that one sees it run. What a consumer has in flight
stays. A message that was moved is a new one: it has a new id and was never received; in a FIFO queue it keeps its group
and its place among those that are moved. Tasks do not outlive the engine; what they moved does.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from . import emulator
from .host import Host

RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"
_SOURCE = "DeadLetterQueueSourceArn"
# Seconds from a task's acceptance to its work.
_LATER = 0.05
# How many of a queue's tasks are listed at most.
_LISTED = 10

_ALONE = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."

Queue = dict[str, Any]


@dataclass
class Task:
    """One task. ``destination``: empty where each message goes back to where it came from. ``started``: seconds."""

    handle: str
    source: str
    destination: str
    wanted: int
    started: float
    status: str = RUNNING
    moved: int = 0
    reason: str = ""

    def entry(self) -> dict[str, Any]:
        """As ListMessageMoveTasks tells it: only what runs has a handle."""
        optional = {
            "TaskHandle": self.handle if self.status == RUNNING else "",
            "DestinationArn": self.destination,
            "FailureReason": self.reason,
        }
        return {
            "Status": self.status,
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.wanted,
            "StartedTimestamp": int(self.started * 1000),
            **{name: value for name, value in optional.items() if value},
        }


def install(host: Host) -> None:
    """Extension for `Host`."""
    queues = emulator.module("services.sqs")
    moves = Moves(host, queues)
    queues._HANDLERS.update({"StartMessageMoveTask": moves.start, "ListMessageMoveTasks": moves.listed})


class Moves:
    """The tasks of an engine. Everything here runs on the serving loop."""

    def __init__(self, host: Host, queues: Any) -> None:
        self._host, self._queues = host, queues
        self._tasks: list[Task] = []

    def start(self, data: dict[str, Any], _url: str) -> dict[str, Any]:
        """StartMessageMoveTask."""
        source = self._queue(data, "SourceArn")
        if not self._is_dead_letter_queue(data["SourceArn"]):
            raise self._wrong("Source queue must be configured as a Dead Letter Queue.")
        destination = str(data.get("DestinationArn") or "")
        if destination and self._queue(data, "DestinationArn")["is_fifo"] != source["is_fifo"]:
            raise self._wrong("The source queue and destination queue must be of the same queue type.")
        if any(task.source == data["SourceArn"] and task.status == RUNNING for task in self._tasks):
            raise self._wrong(_ALONE)
        task = Task(str(uuid.uuid4()), data["SourceArn"], destination, len(self._visible(source)), time.time())
        self._tasks.insert(0, task)
        asyncio.get_running_loop().call_later(_LATER, self._work, task, source)
        return {"TaskHandle": task.handle}

    def listed(self, data: dict[str, Any], _url: str) -> dict[str, Any]:
        """ListMessageMoveTasks: newest first; one, unless more are asked for."""
        self._queue(data, "SourceArn")
        most = int(data.get("MaxResults") or 1)
        if not 1 <= most <= _LISTED:
            raise self._wrong(f"Value {most} for parameter MaxResults is invalid. Reason: must be between 1 and 10.")
        found = [task.entry() for task in self._tasks if task.source == data["SourceArn"]]
        return {"Results": found[:most]}

    def _queue(self, data: dict[str, Any], name: str) -> Queue:
        queue = self._queues._queue_by_arn(str(data.get(name, "")))
        if queue is None:
            text = f"The resource that you specified for the {name} parameter doesn't exist."
            raise self._queues._Err("ResourceNotFoundException", text, 404)
        found: Queue = queue
        return found

    def _is_dead_letter_queue(self, arn: str) -> bool:
        policies = (queue["attributes"].get("RedrivePolicy") for queue in self._queues._queues.values())
        return any(json.loads(policy).get("deadLetterTargetArn") == arn for policy in policies if policy)

    def _wrong(self, text: str) -> Exception:
        error: Exception = self._queues._Err("InvalidParameterValue", text)
        return error

    def _visible(self, queue: Queue) -> list[dict[str, Any]]:
        self._queues._expire_retained(queue)
        now = time.time()
        return [message for message in queue["messages"] if message["visible_at"] <= now]

    def _work(self, task: Task, source: Queue) -> None:
        self._host.activity.touch("sqs")
        for message in self._visible(source):
            arn = task.destination or str(message["sys"].get(_SOURCE, ""))
            queue = self._queues._queue_by_arn(arn)
            if queue is None:
                task.status, task.reason = FAILED, "CouldNotDetermineMessageSource"
                return
            source["messages"].remove(message)
            self._queues._ensure_msg_fields(message)
            queue["messages"].append(self._anew(message, queue))
            task.moved += 1
        task.status = COMPLETED
        self._queues.esm_wake.set()

    def _anew(self, message: dict[str, Any], queue: Queue) -> dict[str, Any]:
        """The message as it is sent again."""
        now = time.time()
        told = {name: value for name, value in message["sys"].items() if name != _SOURCE}
        again = {
            **message,
            "id": str(uuid.uuid4()),
            "receipt_handle": None,
            "sent_at": now,
            "enqueued_at": now,
            "visible_at": now,
            "receive_count": 0,
            "first_receive_at": None,
            "sys": {**told, "SentTimestamp": str(int(now * 1000))},
        }
        if queue["is_fifo"]:
            queue["fifo_seq"] += 1
            again["seq"] = str(queue["fifo_seq"]).zfill(20)
        return again
