"""Every event takes the bus, in order, and can be lost on purpose."""

from __future__ import annotations

import json
import queue
import threading
from typing import Any


def rule_to_queue(aws: Any, source: str, allowed: bool = True) -> str:
    """A queue that gets the events of `source`; returns its URL."""
    sqs, name = aws.client("sqs"), aws.unique("q")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    rule = aws.client("events").put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    aws.client("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    if allowed:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        clear = {"Bool": {"aws:SecureTransport": "false"}}
        tls_only = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn, "Condition": clear}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [tls_only, statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url


def received(aws: Any, url: str) -> list[dict[str, Any]]:
    messages = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_an_event_of_an_aws_service_reaches_its_rule_as_it_was_recorded(aws: Any) -> None:
    url = rule_to_queue(aws, "aws.thing")

    aws.engine.emit("aws.thing", "Thing State Change", {"pipeline": "p", "version": 1.0}, ["arn:aws:x"])

    [delivered] = received(aws, url)
    assert delivered == aws.engine.events[-1]
    assert delivered | {"id": "", "time": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "Thing State Change",
        "source": "aws.thing",
        "account": "000000000000",
        "time": "",
        "region": "us-east-1",
        "resources": ["arn:aws:x"],
        "detail": {"pipeline": "p", "version": 1.0},
    }


def test_put_events_takes_the_same_bus_but_may_not_speak_for_aws(aws: Any) -> None:
    """Strict: PutEvents in AWS's name."""
    entry = {"DetailType": "Said", "Detail": json.dumps({"word": (word := aws.unique())})}

    answer = aws.client("events").put_events(Entries=[{**entry, "Source": "mine"}, {**entry, "Source": "aws.mine"}])

    assert answer["FailedEntryCount"] == 1
    assert [event["source"] for event in aws.engine.events if event["detail"].get("word") == word] == ["mine"]


def test_a_subscriber_gets_every_later_event_in_order_from_any_thread(aws: Any) -> None:
    seen: queue.Queue[str] = queue.Queue()
    end = aws.engine.subscribe(lambda event: seen.put(event["detail"].get("number", "")))
    threads = [
        threading.Thread(target=lambda n=n: aws.engine.emit("aws.test", "N", {"number": n}, [])) for n in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end()

    passed = [event["detail"]["number"] for event in aws.engine.events if event["source"] == "aws.test"]
    assert sorted(passed) == list(range(8))
    assert [seen.get(timeout=30) for _ in passed] == passed


def test_F58_a_dropped_event_reaches_nobody_and_is_kept_for_the_test(aws: Any) -> None:
    source = f"aws.{aws.unique()}"
    url = rule_to_queue(aws, source)
    drop = aws.engine.drop_event(lambda event: event["source"] == source)

    aws.engine.emit(source, "Lost", {"number": 1}, [])
    aws.engine.emit(source, "Found", {"number": 2}, [])

    assert drop.event is not None
    assert drop.event["detail"] == {"number": 1}
    assert [event["detail"] for event in received(aws, url)] == [{"number": 2}]
    assert [event["detail"] for event in aws.engine.events if event["source"] == source] == [{"number": 2}]


def test_a_queue_without_a_policy_gets_no_events(aws: Any) -> None:
    """Strict: an event for a queue whose policy does not let it in."""
    source = f"aws.{aws.unique()}"
    url = rule_to_queue(aws, source, allowed=False)

    aws.engine.emit(source, "Said", {}, [])

    assert received(aws, url) == []
