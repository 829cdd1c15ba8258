"""What of the installation itself may be wrong: stacks, functions, queues, rules, alarms.

Each function looks at one kind of thing and yields what it finds; a call that fails is left to the caller.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer_cli.findings import Finding, right, together, unknown, wrong
from deployer_cli.place import Place
from deployer_deploy import plan
from deployer_deploy.stacks import Stacks
from deployer_deploy.tree import FUNCTIONS, PARTS

INSTALL = "deployer deploy"
LOGS = "read the log of {prefix}-{function}; docs/operations.md says what to do"
# The core's queues: its output, what a message is, whose log says why one fails, and how many seconds one may wait.
# Cleanups are hidden again and again for up to an hour, as they are meant to.
QUEUES = {
    "LooksQueueUrl": ("looks", "builder", 1800),
    "ChangesQueueUrl": ("changes", "builder", 1800),
    "NoticesQueueUrl": ("notices", "notifier", 1800),
    "BucketCleanupsQueueUrl": ("bucket cleanups", "s3cleaner", 3900),
    "StackCleanupsQueueUrl": ("stack cleanups", "stack-cleaner", 3900),
}
RULES = {
    "sweep": "nothing finds what a webhook missed",
    "stack-changes": "stacks that are done are not noticed before the next sweep",
    "run-changes": "runs that end are not noticed before the next sweep",
    "run-notices": "GitHub and Slack hear of no run",
}


def credentials(place: Place) -> Iterator[Finding]:
    """Who asks, and where: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""
    found = place.client("sts").get_caller_identity()
    yield right("credentials", f"{found['Arn']}, {place.where}")


def stacks(place: Place) -> Iterator[Finding]:
    """Each part's stack stands, and its last update went well."""
    asked = Stacks(place.client("cloudformation"))
    found = [of_stack(asked.observe(place.configuration.stack(part))) for part in PARTS]
    yield from together("stacks", f"all {len(found)} stand, as they were deployed last", found)


def of_stack(stack: plan.Stack) -> Finding:
    """What a stack's status says."""
    subject = f"stack {stack.name}"
    if stack.status in (None, "DELETE_COMPLETE"):
        return wrong(subject, "it is not installed", INSTALL)
    if plan.moving(stack.status):
        return unknown(subject, f"it is being changed ({stack.status})", "look again when it is done")
    if plan.succeeded(stack.status):
        return right(subject, str(stack.status))
    why = f": {stack.reason}" if stack.reason else ""
    return wrong(
        subject, f"its last change failed ({stack.status}{why})", f"{INSTALL} (it says which resource, and why)"
    )


def functions(place: Place) -> Iterator[Finding]:
    """Each function can be called, and is."""
    client = place.client("lambda")
    found = []
    for function in FUNCTIONS:
        name = place.configuration.stack(function)
        try:
            state = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            found.append(wrong(f"function {name}", "it is not there", INSTALL))
            continue
        reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        found.append(of_function(name, state, reserved, mappings))
    yield from together("functions", f"all {len(found)} are active", found)


def of_function(
    name: str, state: Mapping[str, Any], reserved: int | None, mappings: list[Mapping[str, Any]]
) -> Finding:
    """What a function's state says. ``reserved``: its concurrency where it has one of its own.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    subject = f"function {name}"
    if state.get("State") == "Failed" or state.get("LastUpdateStatus") == "Failed":
        why = state.get("StateReason") or state.get("LastUpdateStatusReason") or "no reason given"
        return wrong(subject, f"it can't be run: {why}", INSTALL)
    if reserved == 0:
        return wrong(
            subject,
            "it is switched off: its concurrency is 0",
            f"aws lambda delete-function-concurrency --function-name {name}",
        )
    for mapping in mappings:
        if mapping.get("State") in ("Disabled", "Disabling"):
            fix = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
            return wrong(subject, f"it does not read {_last(mapping['EventSourceArn'])}: the mapping is disabled", fix)
    return right(subject, "active")


def queues(place: Place) -> Iterator[Finding]:
    """Nothing waits for long, and nothing was given up."""
    sqs, cloudwatch = place.client("sqs"), place.client("cloudwatch")
    now = datetime.now(UTC)
    found = []
    for output, (what, function, patience) in QUEUES.items():
        attributes = sqs.get_queue_attributes(QueueUrl=place.outputs[output], AttributeNames=["All"])["Attributes"]
        name = _last(attributes["QueueArn"])
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": name}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        age = max(points, key=lambda each: each["Timestamp"])["Maximum"] if points else 0.0
        dead = _last(json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"])
        counted = sqs.get_queue_attributes(
            QueueUrl=sqs.get_queue_url(QueueName=dead)["QueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        log = LOGS.format(prefix=place.configuration.prefix, function=function)
        found.append(of_waiting(name, what, age, patience, log))
        found.append(of_dead(dead, what, int(counted), log))
    yield from together("queues", "nothing waits for long, nothing was given up", found)


def of_waiting(name: str, what: str, age: float, patience: int, log: str) -> Finding:
    """``age``: seconds for which the oldest message waits; ``patience``: how many are usual."""
    if age > patience:
        return wrong(f"queue {name}", f"the oldest of its {what} waits for {age / 60:.0f} minutes", log)
    return right(f"queue {name}", "nothing waits for long")


def of_dead(name: str, what: str, count: int, log: str) -> Finding:
    """``count``: messages that were given up."""
    if count:
        return wrong(f"queue {name}", f"{count} of the {what} were given up", f"{log}; then `deployer redrive`")
    return right(f"queue {name}", "nothing was given up")


def rules(place: Place) -> Iterator[Finding]:
    """What has to come on the bus does, the sweep above all."""
    client = place.client("events")
    found = []
    for rule, otherwise in RULES.items():
        name = f"{place.configuration.prefix}-{rule}"
        try:
            state = client.describe_rule(Name=name)["State"]
        except client.exceptions.ResourceNotFoundException:
            found.append(wrong(f"rule {name}", f"it is not there: {otherwise}", INSTALL))
            continue
        if state.startswith("ENABLED"):
            found.append(right(f"rule {name}", "enabled"))
        else:
            found.append(wrong(f"rule {name}", f"it is disabled: {otherwise}", f"aws events enable-rule --name {name}"))
    yield from together("rules", "the sweep and the three for events are enabled", found)


def alarms(place: Place) -> Iterator[Finding]:
    """None of the installation's rings. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html"""
    pages = place.client("cloudwatch").get_paginator("describe_alarms")
    found = [
        alarm
        for page in pages.paginate(AlarmNamePrefix=f"{place.configuration.prefix}-")
        for alarm in page["MetricAlarms"]
    ]
    ringing = [
        wrong(
            f"alarm {alarm['AlarmName']}",
            str(alarm.get("AlarmDescription") or alarm.get("StateReason", "")),
            "docs/operations.md says what to do on it",
        )
        for alarm in found
        if alarm["StateValue"] == "ALARM"
    ]
    yield from together("alarms", f"none of {len(found)} rings", ringing)


LOOKS = {"functions": functions, "queues": queues, "rules": rules, "alarms": alarms}
"""What is looked at where the core stands."""


def _last(arn: str) -> str:
    return arn.rpartition(":")[2]
