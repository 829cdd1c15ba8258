"""CloudFormation through the adapter, against a stub of botocore: every answer as AWS documents it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError
from botocore.stub import Stubber

from deployer.consoles import console, events_url
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.ports import Stack, StackRequest, StackResource
from deployer.stacks import CAPABILITIES, CloudFormation, translated

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/site-staging/9b0a"
NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


@pytest.fixture
def aws() -> Iterator[tuple[CloudFormation, Stubber]]:
    client = boto3.client("cloudformation", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield CloudFormation(client), stub


Aws = tuple[CloudFormation, Stubber]


def described(status: str, **more: Any) -> dict[str, Any]:
    return {
        "Stacks": [
            {"StackId": ARN, "StackName": "site-staging", "CreationTime": NOW, "StackStatus": status, **more},
        ]
    }


def request(**changes: Any) -> StackRequest:
    given: dict[str, Any] = {
        "name": "site-staging",
        "template": "{}",
        "template_url": "",
        "parameters": {"Stage": "staging", "ArtifactStore": "store"},
        "tags": {"opolis:deployer:environment": "7/staging"},
        "role": "arn:aws:iam::123456789012:role/staging",
        "token": "token-1",
    }
    return StackRequest(**given | changes)


ARGUMENTS = {
    "StackName": "site-staging",
    "TemplateBody": "{}",
    "Parameters": [
        {"ParameterKey": "ArtifactStore", "ParameterValue": "store"},
        {"ParameterKey": "Stage", "ParameterValue": "staging"},
    ],
    "Tags": [{"Key": "opolis:deployer:environment", "Value": "7/staging"}],
    "Capabilities": CAPABILITIES,
    "RoleARN": "arn:aws:iam::123456789012:role/staging",
    "ClientRequestToken": "token-1",
}


def test_a_stack_is_described(aws: Aws) -> None:
    stacks, stub = aws
    more = {
        "Tags": [{"Key": "a", "Value": "b"}],
        "Outputs": [{"OutputKey": "Url", "OutputValue": "https://x"}],
        "RoleARN": "arn:aws:iam::123456789012:role/staging",
        "EnableTerminationProtection": True,
    }
    stub.add_response("describe_stacks", described("CREATE_COMPLETE", **more), {"StackName": "site-staging"})
    role = "arn:aws:iam::123456789012:role/staging"
    assert stacks.describe("site-staging") == Stack(
        ARN, "site-staging", "CREATE_COMPLETE", {"a": "b"}, {"Url": "https://x"}, role, True
    )


def test_all_stacks_are_listed_but_those_that_are_gone(aws: Aws) -> None:
    stacks, stub = aws
    first = {**described("UPDATE_IN_PROGRESS"), "NextToken": "more"}
    stub.add_response("describe_stacks", first, {})
    stub.add_response("describe_stacks", described("DELETE_COMPLETE"), {"NextToken": "more"})
    assert [stack.status for stack in stacks.every()] == ["UPDATE_IN_PROGRESS"]


def test_F88_a_listing_that_is_throttled_is_not_an_empty_one(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_client_error("describe_stacks", "Throttling", "Rate exceeded")
    with pytest.raises(Transient):
        list(stacks.every())


def test_F88_gone_is_what_aws_says_is_gone(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_client_error("describe_stacks", "ValidationError", "Stack with id site-staging does not exist")
    stub.add_response("describe_stacks", described("DELETE_COMPLETE"))
    assert stacks.describe("site-staging") is None
    assert stacks.describe(ARN) is None


@pytest.mark.parametrize("code", ["Throttling", "RequestLimitExceeded", "ServiceUnavailable"])
def test_F88_throttled_is_not_gone(aws: Aws, code: str) -> None:
    stacks, stub = aws
    status = 503 if code == "ServiceUnavailable" else 400
    stub.add_client_error("describe_stacks", code, "Rate exceeded", http_status_code=status)
    with pytest.raises(Transient):
        stacks.describe("site-staging")


def test_a_stack_is_created_and_updated(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_response("create_stack", {"StackId": ARN}, ARGUMENTS)
    stub.add_response("update_stack", {"StackId": ARN}, ARGUMENTS)
    stacks.create(request())
    assert stacks.update(request())


def test_F54_a_long_template_is_named_by_its_url(aws: Aws) -> None:
    stacks, stub = aws
    expected = {name: value for name, value in ARGUMENTS.items() if name != "TemplateBody"}
    stub.add_response("create_stack", {"StackId": ARN}, {**expected, "TemplateURL": "https://s3/template"})
    stacks.create(request(template_url="https://s3/template"))


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_F52_an_operation_that_was_accepted_before_is_not_asked_for_again(aws: Aws, operation: str) -> None:
    stacks, stub = aws
    stub.add_client_error(f"{operation}_stack", "TokenAlreadyExistsException", "taken")
    if operation == "delete":
        stacks.delete(ARN, "token-1")
    else:
        getattr(stacks, operation)(request())


def test_F50_nothing_to_update(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_client_error("update_stack", "ValidationError", "No updates are to be performed.")
    assert stacks.update(request()) is False


def test_F90_a_stack_is_deleted_by_its_arn(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_response("delete_stack", {}, {"StackName": ARN, "ClientRequestToken": "token-1"})
    stacks.delete(ARN, "token-1")


def test_F51_a_failed_rollback_is_taken_up_again_by_arn(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_response("continue_update_rollback", {}, {"StackName": ARN, "ClientRequestToken": "token-1"})
    stacks.continue_rollback(ARN, "token-1")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        pytest.param(
            "ValidationError",
            f"Stack:{ARN} is in UPDATE_ROLLBACK_COMPLETE state and can not continue update rollback.",
            Transient,
            id="F51-over-by-now",
        ),
        pytest.param("ValidationError", "RoleArn is not valid", Rejected, id="F51-the-role"),
        pytest.param("AccessDenied", "not authorized", Broken, id="F51-not-ours-to-do"),
        pytest.param("TokenAlreadyExistsException", "token", None, id="F51-accepted-before"),
    ],
)
def test_what_a_rollback_is_answered(aws: Aws, code: str, message: str, kind: type[DeployerError] | None) -> None:
    stacks, stub = aws
    stub.add_client_error("continue_update_rollback", code, message)
    if kind is None:
        stacks.continue_rollback(ARN, "token-1")
    else:
        with pytest.raises(kind):
            stacks.continue_rollback(ARN, "token-1")


REFUSALS = [
    pytest.param("AlreadyExistsException", "exists", Transient, id="F44-somebody-was-here-first"),
    pytest.param(
        "ValidationError",
        f"Stack:{ARN} is in UPDATE_IN_PROGRESS state and can not be updated.",
        Transient,
        id="F27-busy",
    ),
    pytest.param(
        "ValidationError",
        f"Stack [{ARN}] cannot be deleted while in status UPDATE_IN_PROGRESS",
        Transient,
        id="F28-busy",
    ),
    pytest.param(
        "ValidationError", f"Stack:{ARN} is in ROLLBACK_COMPLETE state and can not be updated.", Rejected, id="F49-dead"
    ),
    pytest.param("ThrottlingException", "Rate exceeded", Transient, id="F46-throttled"),
    pytest.param("AccessDenied", "not authorized", Broken, id="not-ours-to-do"),
    pytest.param("ValidationError", "Template format error", Rejected, id="the-template"),
    pytest.param("InsufficientCapabilitiesException", "needs", Rejected, id="capabilities"),
    pytest.param("LimitExceededException", "2000 stacks", Rejected, id="too-many"),
]


@pytest.mark.parametrize("call", ["create", "update"])
@pytest.mark.parametrize(("code", "message", "kind"), REFUSALS)
def test_refusals(aws: Aws, call: str, code: str, message: str, kind: type[DeployerError]) -> None:
    stacks, stub = aws
    stub.add_client_error(f"{call}_stack", code, message)
    with pytest.raises(DeployerError) as refusal:
        getattr(stacks, call)(request())
    assert type(refusal.value) is kind
    assert "site-staging" in str(refusal.value)
    assert refusal.value.__cause__ is not None


@pytest.mark.parametrize(
    "error", [ConnectTimeoutError(endpoint_url="https://x"), EndpointConnectionError(endpoint_url="https://x")]
)
def test_F46_no_answer(error: Exception) -> None:
    with pytest.raises(Transient, match="did not answer"), translated("anything"):
        raise error


# --- why it failed


def event(name: str, status: str, reason: str = "", *, token: str = "token-1") -> dict[str, Any]:  # noqa: S107 - no secret
    stack = name == "site-staging"
    return {
        "StackId": ARN,
        "EventId": f"{name}-{status}",
        "StackName": "site-staging",
        "LogicalResourceId": name,
        "PhysicalResourceId": ARN if stack else "",
        "ResourceType": "AWS::CloudFormation::Stack" if stack else "AWS::S3::Bucket",
        "Timestamp": NOW,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "ClientRequestToken": token,
    }


FAILED = [
    event("site-staging", "CREATE_IN_PROGRESS"),
    event("Site", "CREATE_IN_PROGRESS"),
    event("Site", "CREATE_FAILED", "site-bucket already exists"),
    event("Other", "CREATE_FAILED", "Resource creation cancelled"),
    event("Third", "CREATE_FAILED", "a later one"),
    event("site-staging", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Site]"),
    event("site-staging", "ROLLBACK_COMPLETE"),
]
UPDATED = [
    event("site-staging", "UPDATE_IN_PROGRESS", token="token-2"),
    event("New", "UPDATE_FAILED", "no", token="token-2"),
]
DELETED = [
    event("site-staging", "DELETE_IN_PROGRESS", token="token-3"),
    event("New", "DELETE_FAILED", "full", token="token-3"),
]
NO_EXPORT = [
    event("site-staging", "UPDATE_IN_PROGRESS", "User Initiated", token="token-4"),
    event("Site", "UPDATE_IN_PROGRESS", token="token-4"),
    event("Site", "UPDATE_FAILED", "Resource update cancelled", token="token-4"),
    event(
        "site-staging",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "No export named vpc found. Rollback requested by user.",
        token="token-4",
    ),
    event("site-staging", "UPDATE_ROLLBACK_FAILED", "[Site] failed to update.", token="token-4"),
]
TAKEN_UP = [
    event("site-staging", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated", token="token-5"),
    event("site-staging", "UPDATE_ROLLBACK_COMPLETE", token="token-5"),
]
CANCELLED = [
    event("site-staging", "UPDATE_IN_PROGRESS", "Transformation succeeded"),
    event("site-staging", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
]
EXPORT_IN_USE = [
    event("site-staging", "DELETE_IN_PROGRESS", "User Initiated"),
    event("site-staging", "DELETE_FAILED", "Export vpc cannot be deleted as it is in use by other"),
]
GIVEN_UP = [
    event("site-staging", "DELETE_IN_PROGRESS", "User Initiated", token="token-6"),
    event("site-staging", "UPDATE_COMPLETE", "Export vpc cannot be deleted as it is in use by other", token="token-6"),
]
SITE = "Site (AWS::S3::Bucket): site-bucket already exists"


@pytest.mark.parametrize(
    ("events", "token", "expected"),
    [
        pytest.param(FAILED, "", SITE, id="the-first-and-not-the-cascade"),
        pytest.param(FAILED, "token-1", SITE, id="by-its-token"),
        pytest.param(FAILED, "token-9", "", id="another-token"),
        pytest.param(FAILED + UPDATED, "", "New (AWS::S3::Bucket): no", id="the-latest-operation"),
        pytest.param(FAILED + UPDATED, "token-1", SITE, id="an-earlier-operation"),
        pytest.param(FAILED + UPDATED, "token-2", "New (AWS::S3::Bucket): no", id="by-the-latest-token"),
        pytest.param(FAILED + UPDATED[1:], "token-2", "New (AWS::S3::Bucket): no", id="whose-beginning-is-not-listed"),
        pytest.param(FAILED + DELETED, "", "New (AWS::S3::Bucket): full", id="a-deletion-is-an-operation-too"),
        pytest.param(NO_EXPORT, "", "No export named vpc found.", id="the-stacks-own-where-no-resource-failed"),
        pytest.param(NO_EXPORT, "token-4", "No export named vpc found.", id="the-stacks-own-by-its-token"),
        pytest.param(NO_EXPORT + TAKEN_UP, "", "No export named vpc found.", id="the-stacks-own-and-not-the-latest"),
        pytest.param(FAILED + NO_EXPORT, "", "No export named vpc found.", id="the-stacks-own-and-none-before-it"),
        pytest.param(CANCELLED, "", "", id="what-somebody-asked-for-is-no-reason"),
        pytest.param(EXPORT_IN_USE, "", EXPORT_IN_USE[1]["ResourceStatusReason"], id="of-a-deletion-the-stacks-own"),
        pytest.param(GIVEN_UP, "token-6", GIVEN_UP[1]["ResourceStatusReason"], id="of-a-deletion-that-is-given-up"),
        pytest.param(GIVEN_UP, "", "", id="of-which-nothing-but-the-token-tells"),
        pytest.param([], "", "", id="none"),
    ],
)
@pytest.mark.parametrize("size", [2, 100], ids=["in-pages", "in-one"])
def test_what_failed_first(aws: Aws, events: list[Any], token: str, expected: str, size: int) -> None:
    stacks, stub = aws
    newest_first = events[::-1]
    pages = [newest_first[at : at + size] for at in range(0, len(newest_first), size)] or [[]]
    for number, page in enumerate(pages):
        more = {"NextToken": str(number)} if number + 1 < len(pages) else {}
        stub.add_response("describe_stack_events", {"StackEvents": page, **more})
    assert stacks.failure(ARN, token) == expected


INNER = f"{ARN}-Web-1ABC"
EMBEDDED = f"Embedded stack {INNER} was not successfully deleted: The following resource(s) failed to delete: [Site]."
OUTER = [
    event("site-staging", "DELETE_IN_PROGRESS"),
    event("Web", "DELETE_FAILED", EMBEDDED)
    | {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": INNER},
]
FULL = event("Site", "DELETE_FAILED", "The bucket is not empty", token="another")


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        pytest.param(OUTER, [FULL], "Web/Site (AWS::S3::Bucket): The bucket is not empty", id="what-failed-in-there"),
        pytest.param(OUTER, [], f"Web (AWS::CloudFormation::Stack): {EMBEDDED}", id="nothing-is-told-in-there"),
        pytest.param(
            [OUTER[0], {**OUTER[1], "PhysicalResourceId": ""}],
            None,
            f"Web (AWS::CloudFormation::Stack): {EMBEDDED}",
            id="it-was-never-made",
        ),
    ],
)
def test_of_a_nested_stack_what_failed_in_it(
    aws: Aws, outer: list[Any], inner: list[Any] | None, expected: str
) -> None:
    stacks, stub = aws
    stub.add_response("describe_stack_events", {"StackEvents": outer[::-1]}, {"StackName": ARN})
    if inner is not None:
        stub.add_response("describe_stack_events", {"StackEvents": inner}, {"StackName": INNER})
    assert stacks.failure(ARN, "token-1") == expected
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("since", "reason"),
    [(NOW, "Site (AWS::S3::Bucket): taken"), (NOW + datetime.timedelta(milliseconds=1), "")],
    ids=["while-it-was", "before-that"],
)
def test_what_failed_before_is_no_failure(aws: Any, since: datetime.datetime, reason: str) -> None:
    stacks, stub = aws
    stub.add_response("describe_stack_events", {"StackEvents": [event("Site", "CREATE_FAILED", "taken")]})
    assert stacks.failure(ARN, since=int(since.timestamp() * 1000)) == reason


# --- what belongs to which stack

RESOURCE = {
    "LogicalResourceId": "Site",
    "PhysicalResourceId": "site-bucket",
    "ResourceType": "AWS::S3::Bucket",
    "ResourceStatus": "CREATE_COMPLETE",
}


def test_F79_resources_of_all_pages(aws: Aws) -> None:
    stacks, stub = aws
    summary = {**RESOURCE, "LastUpdatedTimestamp": NOW}
    stub.add_response("list_stack_resources", {"StackResourceSummaries": [summary], "NextToken": "1"})
    made = {name: value for name, value in summary.items() if name != "PhysicalResourceId"}
    stub.add_response("list_stack_resources", {"StackResourceSummaries": [made]})
    assert stacks.resources(ARN) == (
        StackResource("AWS::S3::Bucket", "Site", "site-bucket"),
        StackResource("AWS::S3::Bucket", "Site", ""),
    )


def test_F79_who_holds_a_resource(aws: Aws) -> None:
    stacks, stub = aws
    found = {**RESOURCE, "StackId": ARN, "Timestamp": NOW}
    stub.add_response("describe_stack_resources", {"StackResources": [found]}, {"PhysicalResourceId": "site-bucket"})
    assert stacks.holder("site-bucket") == (ARN, (StackResource("AWS::S3::Bucket", "Site", "site-bucket"),))


def test_F79_nobody_holds_it(aws: Aws) -> None:
    stacks, stub = aws
    stub.add_client_error("describe_stack_resources", "ValidationError", "Stack for site-bucket does not exist")
    stub.add_client_error("list_stack_resources", "ValidationError", "Stack with id x does not exist")
    assert stacks.holder("site-bucket") is None
    assert stacks.resources("x") == ()


@pytest.mark.parametrize(
    ("operation", "method"), [("describe_stack_resources", "holder"), ("list_stack_resources", "resources")]
)
def test_F88_throttled_is_not_nobody(aws: Aws, operation: str, method: str) -> None:
    stacks, stub = aws
    stub.add_client_error(operation, "Throttling", "Rate exceeded")
    with pytest.raises(Transient):
        getattr(stacks, method)("site-bucket")


@pytest.mark.parametrize(
    ("stack_id", "start"),
    [
        pytest.param(ARN, "https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1#", id="aws"),
        pytest.param(
            ARN.replace("arn:aws:", "arn:aws-cn:").replace("us-east-1", "cn-north-1"),
            "https://cn-north-1.console.amazonaws.cn/cloudformation/home?region=cn-north-1#",
            id="china",
        ),
        pytest.param(ARN.replace("arn:aws:", "arn:aws-elsewhere:"), "", id="unknown-partition"),
        pytest.param(ARN.replace("us-east-1", ""), "", id="no-region"),
        pytest.param("site-staging", "", id="a-name"),
    ],
)
def test_the_events_of_a_stack_are_linked_to(stack_id: str, start: str) -> None:
    url = events_url(stack_id)
    assert url.partition("/stacks/")[0] == start
    if start:
        assert url.endswith("/stacks/events?stackId=" + stack_id.replace(":", "%3A").replace("/", "%2F"))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_its_console(region: str, host: str) -> None:
    assert console(region) == host
