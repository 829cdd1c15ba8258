"""A scheduled rule fires by the engine's clock, and a schedule that AWS does not know is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local.tests.test_aws_bus import received
from tests.contracts import aws_events

from deployer_local.aws.schedules import OTHER_BUS, Schedules, next_after, problem_of

NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z"""


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        pytest.param("rate(1 minute)", 60, id="a-minute"),
        pytest.param("rate(5 minutes)", 300, id="minutes"),
        pytest.param("rate(1 hour)", 3600, id="an-hour"),
        pytest.param("rate(12 hours)", 43_200, id="hours"),
        pytest.param("rate(1 day)", 86_400, id="a-day"),
        pytest.param("rate(30 days)", 2_592_000, id="days"),
        pytest.param("cron(0/15 * * * ? *)", 900, id="cron-minutes"),
        pytest.param("cron(30 12 * * ? *)", 1800, id="cron-of-the-day"),
        pytest.param("cron(0 12 * * ? 2025)", None, id="cron-of-the-past"),
    ],
)
def test_when_a_schedule_is_due_again(expression: str, seconds: int | None) -> None:
    assert next_after(expression, NOON) == (None if seconds is None else NOON + seconds)


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "rate(-5 minutes)",
            "rate(5 seconds)",
            "rate(5minutes)",
        ),
        *("rate( 5 minutes )", "every 5 minutes", "at(2026-01-01T00:00:00)", "cron(* * * * * *)", "cron(0 12 * *)"),
    ],
)
def test_a_schedule_that_aws_does_not_know(expression: str) -> None:
    with pytest.raises(ValueError, match="ScheduleExpression is not valid"):
        next_after(expression, NOON)
    assert problem_of({"ScheduleExpression": expression})


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        pytest.param({"EventPattern": "{}"}, "", id="none"),
        pytest.param({"ScheduleExpression": "rate(1 day)", "EventBusName": "default"}, "", id="named"),
        pytest.param(
            {
                "ScheduleExpression": "rate(1 day)",
                "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/default",
            },
            "",
            id="by-arn",
        ),
        pytest.param({"ScheduleExpression": "rate(1 day)", "EventBusName": "own"}, OTHER_BUS, id="another-bus"),
    ],
)
def test_only_the_default_bus_has_schedules(rule: dict[str, Any], problem: str) -> None:
    assert problem_of(rule) == problem


def test_a_schedule_that_aws_does_not_know_is_refused(aws: Any) -> None:
    """Strict: a schedule that AWS does not know."""
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
        aws.client("events").put_rule(Name=aws.unique(), ScheduleExpression="rate(1 minutes)")
    stack = aws.create({"Rule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(5 minute)"}}})

    assert aws.settled(stack) == "ROLLBACK_COMPLETE"
    events = aws.stacks.describe_stack_events(StackName=stack)["StackEvents"]
    [reason] = [each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED"]
    assert reason == "Parameter ScheduleExpression is not valid."


def test_a_template_may_have_a_schedule(aws: Any) -> None:
    stack = aws.create({"Rule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(5 minutes)"}}})
    assert aws.settled(stack) == "CREATE_COMPLETE"


def scheduled(aws: Any, expression: str = "rate(5 minutes)", state: str = "ENABLED") -> tuple[str, str]:
    """A rule with a queue for its target; returns its name and the queue's URL."""
    sqs, name = aws.client("sqs"), aws.unique("rule")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    rule = aws.client("events").put_rule(Name=name, ScheduleExpression=expression, State=state)["RuleArn"]
    aws.client("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, url


def test_a_rule_fires_as_eventbridge_describes_it(aws: Any) -> None:
    """Strict: a schedule that fires beside the bus."""
    name, url = scheduled(aws)

    aws.engine.fire(name)

    [delivered] = received(aws, url)
    assert aws_events.faults(delivered) == []
    assert delivered in aws.engine.events
    assert delivered["resources"] == [f"arn:aws:events:us-east-1:000000000000:rule/{name}"]
    assert (delivered["source"], delivered["detail"]) == ("aws.events", {})


def test_a_tick_can_be_lost(aws: Any) -> None:
    name, url = scheduled(aws)
    drop = aws.engine.drop_event(
        lambda event: event["detail-type"] == "Scheduled Event" and name in event["resources"][0]
    )

    aws.engine.fire(name)
    assert drop.event is not None
    assert received(aws, url) == []


@pytest.mark.parametrize("state", ["DISABLED", "ENABLED"])
def test_only_an_enabled_rule_with_a_schedule_is_fired(aws: Any, state: str) -> None:
    name, url = scheduled(aws, state=state)
    if state == "ENABLED":
        aws.client("events").put_rule(Name=name, EventPattern='{"source": ["mine"]}')

    with pytest.raises(LookupError, match=name):
        aws.engine.fire(name)
    assert received(aws, url) == []


def times(aws: Any, url: str) -> list[str]:
    """When the rule fired, by its events."""
    return [event["time"] for event in received(aws, url)]


def test_a_rule_fires_each_time_that_it_is_due_by_the_clock(aws: Any, clock: Any) -> None:
    clock.now = NOON
    _, url = scheduled(aws)
    aws.engine.tick()
    clock.now = NOON + 299
    aws.engine.tick()
    assert times(aws, url) == []
    clock.now = NOON + 301
    aws.engine.tick()
    aws.engine.tick()
    assert times(aws, url) == ["2026-01-01T12:05:01Z"]
    # The countdown goes on from when it was due, and what was missed is made up for once.
    clock.now = NOON + 3590
    aws.engine.tick()
    assert times(aws, url) == ["2026-01-01T12:59:50Z"]
    clock.now = NOON + 3600
    aws.engine.tick()
    assert times(aws, url) == ["2026-01-01T13:00:00Z"]


def test_the_clock_is_read_without_being_asked_to(aws: Any, clock: Any) -> None:
    clock.now = NOON
    _, url = scheduled(aws, "cron(30 12 * * ? 2026)")
    aws.engine.tick()
    clock.now = NOON + 1800
    assert aws.until(lambda: times(aws, url)) == ["2026-01-01T12:30:00Z"]


def test_a_schedule_without_a_next_time_never_fires(aws: Any, clock: Any) -> None:
    clock.now = NOON
    _, url = scheduled(aws, "cron(30 11 1 1 ? 2026)")
    aws.engine.tick()
    clock.now = NOON + 86_400
    aws.engine.tick()
    assert times(aws, url) == []


def test_nothing_fires_without_a_host() -> None:
    with pytest.raises(RuntimeError, match="not installed"):
        Schedules().tick()
