"""CloudFormation tells the bus each status of a stack, in AWS's shape."""

from __future__ import annotations

import json
from typing import Any

QUEUE = {"Queue": {"Type": "AWS::SQS::Queue"}}
BROKEN = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not_Legal"}}}


def told(aws: Any, stack_id: str) -> list[dict[str, Any]]:
    return [event for event in aws.engine.events if event["detail"].get("stack-id") == stack_id]


def statuses(aws: Any, stack_id: str, last: str) -> list[str]:
    def found() -> list[str]:
        return [event["detail"]["status-details"]["status"] for event in told(aws, stack_id)]

    aws.until(lambda: last in found(), f"{last} on the bus")
    return found()


def test_an_event_has_aws_shape(aws: Any) -> None:
    stack_id = aws.create(QUEUE, ClientRequestToken="token-1")
    statuses(aws, stack_id, "CREATE_COMPLETE")

    event = told(aws, stack_id)[-1]

    assert event | {"id": "", "time": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "CloudFormation Stack Status Change",
        "source": "aws.cloudformation",
        "account": "000000000000",
        "time": "",
        "region": "us-east-1",
        "resources": [stack_id],
        "detail": {
            "stack-id": stack_id,
            "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
            "client-request-token": "token-1",
        },
    }


def test_a_stacks_life_is_told_in_order_and_its_resources_are_not(aws: Any) -> None:
    """Strict: a stack whose events nobody hears."""
    stack_id = aws.create(QUEUE)
    aws.settled(stack_id)
    body = json.dumps({"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}})
    aws.stacks.update_stack(StackName=stack_id, TemplateBody=body)
    aws.settled(stack_id)
    aws.stacks.delete_stack(StackName=stack_id)

    assert statuses(aws, stack_id, "DELETE_COMPLETE") == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]


def test_a_failed_creation_is_told_with_its_reason(aws: Any) -> None:
    stack_id = aws.create(BROKEN)

    assert statuses(aws, stack_id, "ROLLBACK_COMPLETE") == [
        "CREATE_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
    ]
    assert told(aws, stack_id)[1]["detail"]["status-details"]["status-reason"] == (
        "The following resource(s) failed to create: [Bucket]. Rollback requested by user."
    )


def test_when_the_event_arrives_the_stack_has_the_status_it_tells(aws: Any) -> None:
    stack_id = aws.create(BROKEN)
    statuses(aws, stack_id, "ROLLBACK_COMPLETE")

    assert aws.status(stack_id) == "ROLLBACK_COMPLETE"
