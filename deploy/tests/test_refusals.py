"""What is said where AWS refuses or does not answer: always a reason, in AWS's own words."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from deployer.errors import Broken
from deployer_deploy import Failure, StacksFailed, code_bucket, manifest
from deployer_deploy.operation import Operation, finish
from deployer_deploy.packaging import Package
from deployer_deploy.plan import Stack, Step
from deployer_deploy.progress import silent
from deployer_deploy.stacks import Stacks

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/opolis-deployer-prod-core/9b0a"
STACK = Stack("opolis-deployer-prod-core", ARN, "UPDATE_ROLLBACK_FAILED", "it rolled back")
NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def stubbed(service: str) -> Iterator[Stubber]:
    client = boto3.client(service, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def cloudformation() -> Iterator[Stubber]:
    yield from stubbed("cloudformation")


@pytest.fixture
def s3() -> Iterator[Stubber]:
    yield from stubbed("s3")


class Silent:
    """A client that nobody answers."""

    def __getattr__(self, _: str) -> Callable[..., Any]:
        def call(*_: object, **__: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://aws")

        return call


# --- stacks

CALLS: list[Any] = [
    pytest.param(lambda stacks: stacks.observe(STACK.name), "describe_stacks", id="observe"),
    pytest.param(lambda stacks: stacks.every(), "describe_stacks", id="every"),
    pytest.param(lambda stacks: stacks.template(STACK), "get_template", id="template"),
    pytest.param(lambda stacks: stacks.take(Step.DELETE, STACK, "", {}), "delete_stack", id="delete"),
    pytest.param(
        lambda stacks: stacks.take(Step.CONTINUE_ROLLBACK, STACK, "", {}), "continue_update_rollback", id="roll-back"
    ),
]


@pytest.mark.parametrize(("call", "operation"), CALLS)
def test_a_refusal_is_said(cloudformation: Stubber, call: Callable[[Stacks], object], operation: str) -> None:
    cloudformation.add_client_error(operation, "AccessDenied", "User ada may not do that")
    with pytest.raises(Broken, match="User ada may not do that"):
        call(Stacks(cloudformation.client))


@pytest.mark.parametrize(("call", "operation"), CALLS)
def test_no_answer_is_said(call: Callable[[Stacks], object], operation: str) -> None:
    with pytest.raises(Broken, match="https://aws"):
        call(Stacks(Silent()))


@pytest.mark.parametrize("code", ["AlreadyExistsException", "TokenAlreadyExistsException"])
def test_F93_what_an_earlier_try_asked_for_is_gone_on_with(cloudformation: Stubber, code: str) -> None:
    cloudformation.add_client_error("create_stack", code, "there is one")
    assert Stacks(cloudformation.client).take(Step.CREATE, Stack("core"), "{}", {})


def test_a_failed_rollback_is_gone_on_with(cloudformation: Stubber) -> None:
    cloudformation.add_response("continue_update_rollback", {})
    assert Stacks(cloudformation.client).take(Step.CONTINUE_ROLLBACK, STACK, "", {})


def event(resource: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "StackId": ARN,
        "EventId": f"{resource}-{status}",
        "StackName": STACK.name,
        "Timestamp": NOW,
        "PhysicalResourceId": resource,
        "LogicalResourceId": resource,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_a_failure_whose_beginning_is_not_listed_any_more_is_named_all_the_same(cloudformation: Stubber) -> None:
    """CloudFormation keeps the events of 90 days."""
    events = [event("Role", "UPDATE_FAILED", "no"), event("Queue", "UPDATE_FAILED", "too long a name")]
    cloudformation.add_response("describe_stack_events", {"StackEvents": events})
    found = Stacks(cloudformation.client).failure(STACK)
    assert found == Failure(STACK.name, STACK.status, "Queue", "too long a name")


def test_a_failure_whose_events_cannot_be_read_has_the_stacks_own_reason(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stack_events", "AccessDenied", "User ada may not")
    text = str(Stacks(cloudformation.client).failure(STACK))
    assert text.startswith(f"{STACK.name}: it rolled back (its events can't be read: ")
    assert "User ada may not" in text


class Still:
    """One stack that CloudFormation goes on with for ever, or whose deletion fails."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)

    def observe(self, name: str) -> Stack:
        return Stack(name, ARN, self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    def take(self, *_: object) -> bool:
        return True

    def failure(self, stack: Stack) -> Failure:
        return Failure(stack.name, stack.status, "ArtifactStore", "the bucket is not empty")


def removal(*statuses: str) -> dict[str, Operation]:
    stacks: Any = Still(*statuses)
    return {"core": Operation(stacks, "core", STACK.name, listener=silent)}


def test_what_takes_longer_than_half_an_hour_is_left_to_the_next_try() -> None:
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += 60

    with pytest.raises(Broken, match="CloudFormation is still at work on core; run this again to go on"):
        finish(removal("DELETE_IN_PROGRESS"), 3.0, sleep, lambda: now[0])
    assert pauses == [3.0] * 31


def test_a_removal_that_fails_names_what_stays() -> None:
    with pytest.raises(StacksFailed, match="is DELETE_FAILED: ArtifactStore: the bucket is not empty"):
        finish(removal("UPDATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED"), 0, lambda _: None)


# --- the code bucket


@pytest.fixture
def package(tmp_path: Path) -> Package:
    path = tmp_path / "builder.zip"
    path.write_bytes(b"zip")
    return Package("builder", "builder/1.zip", path)


@pytest.mark.parametrize("operation", ["head_object", "put_object"])
def test_code_that_s3_does_not_take_is_said(s3: Stubber, package: Package, operation: str) -> None:
    if operation == "put_object":
        s3.add_client_error("head_object", "404", http_status_code=404)
    s3.add_client_error(operation, "403", "Forbidden", http_status_code=403)
    words = "looked up in" if operation == "head_object" else "uploaded to"
    with pytest.raises(Broken, match=rf"builder can't be {words} code: .*Forbidden"):
        code_bucket.upload(s3.client, "code", package)


def test_code_of_which_s3_says_nothing_is_said(package: Package) -> None:
    with pytest.raises(Broken, match=r"builder can't be looked up in code: .*https://aws"):
        code_bucket.upload(Silent(), "code", package)


def test_an_object_that_s3_keeps_is_named(s3: Stubber) -> None:
    s3.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
    s3.add_response("delete_objects", {"Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "Object Lock"}]})
    with pytest.raises(Broken, match="store/a can't be deleted: Object Lock"):
        code_bucket.empty(s3.client, "store")


def test_a_bucket_that_is_empty_or_gone_needs_no_emptying(s3: Stubber) -> None:
    s3.add_response("list_object_versions", {})
    s3.add_client_error("list_object_versions", "NoSuchBucket", http_status_code=404)
    code_bucket.empty(s3.client, "store")
    code_bucket.empty(s3.client, "store")


def test_a_bucket_that_cannot_be_listed_is_said(s3: Stubber) -> None:
    s3.add_client_error("list_object_versions", "AccessDenied", "not yours", http_status_code=403)
    with pytest.raises(Broken, match=r"store can't be emptied: .*not yours"):
        code_bucket.empty(s3.client, "store")
    with pytest.raises(Broken, match=r"store can't be emptied: .*https://aws"):
        code_bucket.empty(Silent(), "store")


# --- manifests


def test_short_forms_are_read_as_their_long_ones() -> None:
    text = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Condition: !Condition Wanted
    Properties:
      TopicName: !If [Named, !Ref Name, !Sub "${AWS::StackName}-x"]
      More: !Transform {Name: AWS::Include, Parameters: {Location: !GetAtt Bucket.Arn}}
"""
    topic = manifest.parse(text).document["Resources"]["Topic"]
    assert topic["Condition"] == {"Condition": "Wanted"}
    assert topic["Properties"] == {
        "TopicName": {"Fn::If": ["Named", {"Ref": "Name"}, {"Fn::Sub": "${AWS::StackName}-x"}]},
        "More": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": {"Fn::GetAtt": "Bucket.Arn"}}}},
    }


@pytest.mark.parametrize("text", [None, "Resources: [", "Outputs: {}"], ids=["not-there", "no-yaml", "no-template"])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "template.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Broken, match=str(path)):
        manifest.read(path)
