"""Queues: looks sent to SQS (moto), batches answered in part, messages hidden for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from deployer.errors import Broken, Rejected, Transient
from deployer.events import Look, Malformed, RepositoryName, Sweep, decode, parse_look, parse_sweep
from deployer.notices import RunNotice, parse_notice
from deployer.queues import LONGEST, LookQueue, NoticeQueue, backoff, group_id, hide, hider, process

KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs", "us-east-1", **KEYS)


@pytest.fixture
def url(sqs: Any) -> str:
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "60"}
    return str(sqs.create_queue(QueueName="looks.fifo", Attributes=attributes)["QueueUrl"])


def look(environment: str = "7/staging") -> Look:
    return Look(environment, RepositoryName(7, "acme", "site"), "push", "refs/heads/main", "a" * 40, 5)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
    return list(answer.get("Messages", []))


def test_a_look_travels(sqs: Any, url: str) -> None:
    LookQueue(sqs, url).send(look())
    [message] = received(sqs, url)
    assert parse_look(decode(message["Body"])) == look()
    assert message["Attributes"]["MessageGroupId"] == "7/staging"


def test_F14_a_redelivery_is_a_new_look(sqs: Any, url: str) -> None:
    queue = LookQueue(sqs, url)
    queue.send(look())
    queue.send(look())
    assert len(received(sqs, url)) == 2


def test_a_sweep_is_queued_once_for_each_tick_and_one_at_a_time_for_each_repository(sqs: Any, url: str) -> None:
    queue = LookQueue(sqs, url)
    sweep = Sweep(RepositoryName(7, "acme", "site"))
    for tick in ("one", "one", "two"):
        queue.sweep(sweep, tick)
    queue.sweep(Sweep(RepositoryName(8, "acme", "other")), "one")
    messages = received(sqs, url)
    assert sorted(message["Attributes"]["MessageGroupId"] for message in messages) == [
        "sweep/acme/other",
        "sweep/acme/site",
        "sweep/acme/site",
    ]
    assert parse_sweep(decode(messages[0]["Body"])) == sweep


def test_a_notice_travels(sqs: Any) -> None:
    queue = str(sqs.create_queue(QueueName="notices")["QueueUrl"])
    NoticeQueue(sqs, queue).notify(RunNotice("site-staging", "run"))
    [message] = received(sqs, queue)
    assert parse_notice(decode(message["Body"])) == RunNotice("site-staging", "run")


def test_a_notice_that_is_not_taken_is_tried_again(sqs: Any) -> None:
    with Stubber(sqs) as stub:
        stub.add_client_error("send_message", "ServiceUnavailable", http_status_code=503)
        with pytest.raises(Transient, match="the queue of notices did not take the message"):
            NoticeQueue(sqs, "https://queue").notify(RunNotice("site-staging", "run"))


@pytest.mark.parametrize("branch", ["a\x7fb", "\ufffe", "\ud800", "grüße", "x" * 300, "a b", "🚀"], ids=ascii)
def test_F30_any_branch_can_be_sent(sqs: Any, url: str, branch: str) -> None:
    LookQueue(sqs, url).send(look(f"7/refs/heads/{branch}"))
    [message] = received(sqs, url)
    assert parse_look(decode(message["Body"])).environment == f"7/refs/heads/{branch}"


@given(st.text())
def test_a_group_is_legal_and_an_environments_own(name: str) -> None:
    group = group_id(name)
    assert 0 < len(group) <= 128 or not name
    assert all("!" <= character <= "~" for character in group)
    assert group_id(name) == group
    assert group_id(name + "x") != group


@pytest.mark.parametrize("failure", ["client", "network"])
def test_F16_the_queue_is_away(failure: str) -> None:
    client: Any = boto3.client("sqs", "us-east-1", **KEYS)
    if failure == "network":

        class Silent:
            def send_message(self, **_: object) -> None:
                raise ConnectTimeoutError(endpoint_url="https://sqs")

        client = Silent()
        with pytest.raises(Transient):
            LookQueue(client, "https://sqs/x").send(look())
        return
    with Stubber(client) as stub:
        stub.add_client_error("send_message", "AWS.SimpleQueueService.NonExistentQueue")
        with pytest.raises(Transient):
            LookQueue(client, "https://sqs/x").send(look())


# --- batches


def record(identifier: str, body: str = "", group: str = "", receives: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receives)} | ({"MessageGroupId": group} if group else {})
    return {"messageId": identifier, "body": body, "attributes": attributes, "receiptHandle": f"r-{identifier}"}


class Work:
    """Does what a message's body says, and keeps what was done and hidden."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.hidden: dict[str, int] = {}

    def receive(self, message: Any) -> None:
        self.seen.append(message["messageId"])
        match message["body"]:
            case "transient":
                raise Transient("later")
            case "wait":
                raise Transient("later", 76.2)
            case "wait-for-ever":
                raise Transient("later", 10.0**9)
            case "broken":
                raise Broken("alarm")
            case "rejected":
                raise Rejected("no")
            case "malformed":
                raise Malformed("what?")
            case "bug":
                raise KeyError("bug")

    def hide(self, message: Any, seconds: int) -> None:
        self.hidden[message["messageId"]] = seconds

    def batch(self, *records: dict[str, Any]) -> list[str]:
        answer = process({"Records": list(records)}, self.receive, self.hide)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_F19_what_nobody_sent_is_dropped_and_the_rest_is_done() -> None:
    work = Work()
    assert work.batch(record("1", "malformed", "g"), record("2", group="g"), record("3")) == []
    assert work.seen == ["1", "2", "3"]


@pytest.mark.parametrize("failure", ["transient", "broken", "rejected", "bug"])
def test_F20_one_failure_holds_up_only_the_later_ones_of_its_group(failure: str) -> None:
    work = Work()
    failed = work.batch(
        record("1", group="a"), record("2", failure, "a"), record("3", group="b"), record("4", group="a"), record("5")
    )
    assert failed == ["2", "4"]
    assert work.seen == ["1", "2", "3", "5"]


def test_F20_without_groups_only_itself() -> None:
    work = Work()
    assert work.batch(record("1", "transient"), record("2"), record("3", "broken")) == ["1", "3"]
    assert work.seen == ["1", "2", "3"]


def test_F20_a_groups_later_messages_stay_away_as_long_as_its_failed_one() -> None:
    """In flight they would keep SQS from handing out the failed one again."""
    work = Work()
    work.batch(record("1", "wait", "a"), record("2", group="a"), record("3", group="a"))
    assert work.hidden == {"1": 77, "2": 77, "3": 77}


@pytest.mark.parametrize(("body", "seconds"), [("wait", 77), ("wait-for-ever", LONGEST)])
def test_F67_as_long_as_the_other_side_asks(body: str, seconds: int) -> None:
    work = Work()
    work.batch(record("1", body))
    assert work.hidden == {"1": seconds}


def test_F20_a_message_that_cannot_be_hidden_holds_up_nothing() -> None:
    def fail(_: Any, __: int) -> None:
        raise Transient("SQS did not answer")

    answer = process({"Records": [record("1", "transient"), record("2")]}, Work().receive, fail)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


@given(st.integers(1, 5000))
def test_backoff_is_bounded(receives: int) -> None:
    assert 1 <= backoff(receives) <= 300
    assert backoff(receives, ceiling=10) <= 10


# --- hiding


def test_a_message_is_hidden(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({}))
    [message] = received(sqs, url)
    hidden = hider(sqs)
    hidden({"eventSourceARN": arn, "receiptHandle": message["ReceiptHandle"]}, 0)
    [again] = received(sqs, url)
    hidden({"eventSourceARN": arn, "receiptHandle": again["ReceiptHandle"]}, 300)
    assert received(sqs, url) == []


def test_a_message_that_sqs_gives_no_answer_about_is_hidden_later() -> None:
    class Silent:
        def get_queue_url(self, **_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://sqs")

    with pytest.raises(Transient, match="SQS did not answer: ConnectTimeoutError"):
        hide(Silent(), "arn:aws:sqs:us-east-1:1:notices", "receipt", 5)


@pytest.mark.parametrize(
    ("code", "tolerated"),
    [
        ("ReceiptHandleIsInvalid", True),
        ("AWS.SimpleQueueService.MessageNotInflight", True),
        ("InvalidParameterValue", True),
        ("AccessDenied", False),
        ("RequestThrottled", False),
    ],
)
def test_an_expired_receipt_is_no_error(code: str, tolerated: bool) -> None:
    client = boto3.client("sqs", "us-east-1", **KEYS)
    with Stubber(client) as stub:
        stub.add_response("get_queue_url", {"QueueUrl": "https://sqs/x"})
        stub.add_client_error("change_message_visibility", code)
        if tolerated:
            hide(client, "arn:aws:sqs:us-east-1:1:notices", "receipt", 5)
        else:
            with pytest.raises(Transient):
                hide(client, "arn:aws:sqs:us-east-1:1:notices", "receipt", 5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Transient("throttled"), "Transient"),
        (Rejected("no"), "Rejected"),
        (Broken("no permission"), "Broken"),
        (Malformed("not ours"), "Malformed"),
        (KeyError("a bug"), "Unexpected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_is_measured_by_class(error: Exception, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_record: Any) -> None:
        raise error

    caplog.set_level("INFO")
    process({"Records": [{"messageId": "1", "body": ""}]}, fail, lambda *_: None)
    fields = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "measured"]
    assert [(line["Failures"], line["Class"]) for line in fields] == [(1, kind)]


def test_what_is_done_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    process({"Records": [{"messageId": "1", "body": ""}]}, lambda _: None, lambda *_: None)
    assert not caplog.records
