"""SQS to Lambda: groups overlap, order holds within each, a failure stays with its group."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from deployer_local.aws.queue_dispatch import failures

RECORDER = """
import json, os, time, urllib.request
def handler(event, context):
    records = [json.loads(record["body"]) for record in event["Records"]]
    started = time.time()
    time.sleep(max(record.get("sleep", 0) for record in records))
    failed = []
    for record, message in zip(records, event["Records"]):
        if failed or int(message["attributes"]["ApproximateReceiveCount"]) <= record.get("fail", 0):
            failed.append({"itemIdentifier": message["messageId"]})
    print("RAN " + json.dumps({"started": started, "ended": time.time(), "names": [r["name"] for r in records],
                               "failed": len(failed)}))
    return {"batchItemFailures": failed}
"""


class Worked:
    """A FIFO queue whose function records each batch."""

    def __init__(self, aws: Any, visibility: int = 30, dead: str = "") -> None:
        self._aws, self._sqs = aws, aws.client("sqs")
        self.function = aws.function(RECORDER, Timeout=visibility if visibility < 10 else 10)
        name = aws.unique("q") + ".fifo"
        attributes = {"FifoQueue": "true", "VisibilityTimeout": str(visibility)}
        if dead:
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
        self.url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        aws.client("lambda").create_event_source_mapping(
            EventSourceArn=f"arn:aws:sqs:us-east-1:000000000000:{name}",
            FunctionName=self.function,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )

    def send(self, group: str, **message: Any) -> None:
        self._sqs.send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(message),
            MessageGroupId=group,
            MessageDeduplicationId=self._aws.unique(),
        )

    def batches(self, messages: int) -> list[dict[str, Any]]:
        """The batches that were run, once they hold that many messages."""

        def found() -> list[dict[str, Any]]:
            logs = self._aws.client("logs")
            try:
                events = logs.filter_log_events(logGroupName=f"/aws/lambda/{self.function}")["events"]
            except logs.exceptions.ResourceNotFoundException:
                return []
            ran = [json.loads(e["message"].partition("RAN ")[2]) for e in events if "RAN " in e["message"]]
            return ran if sum(len(batch["names"]) for batch in ran) >= messages else []

        return sorted(self._aws.until(found, f"{messages} messages"), key=lambda batch: batch["started"])


def test_three_groups_with_a_slow_handler_overlap_and_each_keeps_its_order(aws: Any) -> None:
    """Strict: message groups one after the other."""
    queue = Worked(aws)
    for number in range(3):
        for group in "abc":
            queue.send(group, name=f"{group}{number}", sleep=0.5)

    batches = queue.batches(9)

    first = {}
    order = defaultdict(list)
    for batch in batches:
        groups = {name[0] for name in batch["names"]}
        assert len(groups) == 1
        first.setdefault(*groups, batch)
        order[groups.pop()] += batch["names"]
    assert max(batch["started"] for batch in first.values()) < min(batch["ended"] for batch in first.values())
    assert dict(order) == {group: [f"{group}{number}" for number in range(3)] for group in "abc"}


def test_a_group_has_one_batch_in_flight(aws: Any) -> None:
    queue = Worked(aws)
    for number in range(3):
        queue.send("a", name=f"a{number}", sleep=0.2)

    batches = queue.batches(3)

    assert all(earlier["ended"] <= later["started"] for earlier, later in pairwise(batches))


def test_F20_a_failing_head_keeps_only_its_own_group_back_and_in_order(aws: Any) -> None:
    queue = Worked(aws, visibility=2)
    queue.send("bad", name="bad-0", fail=1)
    queue.send("bad", name="bad-1")
    queue.send("good", name="good-0")

    batches = queue.batches(4)

    names = [name for batch in batches for name in batch["names"]]
    assert names.index("good-0") < len(names) - 1 - names[::-1].index("bad-0")
    succeeded = [name for batch in batches for name in batch["names"][: len(batch["names"]) - batch["failed"]]]
    assert [name for name in succeeded if name.startswith("bad")] == ["bad-0", "bad-1"]


def test_F21_a_poison_message_goes_to_the_dead_letter_queue_and_its_group_goes_on(aws: Any) -> None:
    sqs, name = aws.client("sqs"), aws.unique("dead") + ".fifo"
    dead = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    queue = Worked(aws, visibility=1, dead=f"arn:aws:sqs:us-east-1:000000000000:{name}")
    queue.send("a", name="poison", fail=99)
    queue.batches(1)
    queue.send("a", name="next")

    assert queue.batches(2)[-1]["names"] == ["next"]
    [message] = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert json.loads(message["Body"])["name"] == "poison"


REPORTING = ["ReportBatchItemFailures"]


@pytest.mark.parametrize(
    ("result", "types", "kept"),
    [
        pytest.param({"body": {"batchItemFailures": []}}, REPORTING, set(), id="none-failed"),
        pytest.param({"body": None}, REPORTING, set(), id="null-is-success"),
        pytest.param({"body": {}}, REPORTING, set(), id="empty-object-is-success"),
        pytest.param({"body": {"batchItemFailures": None}}, REPORTING, set(), id="null-list-is-success"),
        pytest.param({"body": {"batchItemFailures": [{"itemIdentifier": "b"}]}}, REPORTING, {"b"}, id="F20-one-failed"),
        pytest.param({"body": '{"batchItemFailures": [{"itemIdentifier": "b"}]}'}, REPORTING, {"b"}, id="as-text"),
        pytest.param({"error": True, "body": {}}, REPORTING, {"a", "b"}, id="handler-failed"),
        pytest.param({"body": "not json"}, REPORTING, {"a", "b"}, id="no-json-fails-all"),
        pytest.param({"body": ["a"]}, REPORTING, {"a", "b"}, id="no-object-fails-all"),
        pytest.param({"body": {"batchItemFailures": [{"itemIdentifier": ""}]}}, REPORTING, {"a", "b"}, id="empty-id"),
        pytest.param({"body": {"batchItemFailures": [{"itemIdentifier": None}]}}, REPORTING, {"a", "b"}, id="null-id"),
        pytest.param({"body": {"batchItemFailures": [{"id": "a"}]}}, REPORTING, {"a", "b"}, id="wrong-key"),
        pytest.param(
            {"body": {"batchItemFailures": [{"itemIdentifier": "z"}]}}, REPORTING, {"a", "b"}, id="foreign-id"
        ),
        pytest.param({"body": {"batchItemFailures": [{"itemIdentifier": "a"}]}}, [], set(), id="not-asked-for"),
    ],
)
def test_which_messages_stay_in_the_queue(result: dict[str, Any], types: list[str], kept: set[str]) -> None:
    assert failures(result, types, ["a", "b"]) == kept
