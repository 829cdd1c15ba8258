"""S3, Lambda and custom resources refuse in stacks what AWS refuses."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer_local.aws.strict_s3 import legal_name


def reason(aws: Any, stack: str, status: str) -> str:
    """Why a resource of the stack got `status`."""
    events = aws.stacks.describe_stack_events(StackName=stack)["StackEvents"]
    return next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == status)


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        pytest.param("abc", True, id="short"),
        pytest.param("a.b-c", True, id="dots-and-dashes"),
        pytest.param("a" * 63, True, id="longest"),
        pytest.param("a" * 64, False, id="too-long"),
        pytest.param("ab", False, id="too-short"),
        pytest.param("Abc", False, id="upper-case"),
        pytest.param("a_b", False, id="underscore"),
        pytest.param("-abc", False, id="dash-first"),
        pytest.param("abc-", False, id="dash-last"),
        pytest.param("a..b", False, id="two-dots"),
        pytest.param("192.168.5.4", False, id="address"),
        pytest.param("xn--abc", False, id="prefix"),
        pytest.param("abc-s3alias", False, id="suffix"),
    ],
)
def test_bucket_names(name: str, legal: bool) -> None:
    assert legal_name(name) is legal


def bucket(name: str, versioned: bool = False) -> dict[str, Any]:
    properties: dict[str, Any] = {"BucketName": name}
    if versioned:
        properties["VersioningConfiguration"] = {"Status": "Enabled"}
    return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}


def test_an_illegal_bucket_name_fails_in_a_stack_and_over_the_api(aws: Any) -> None:
    """Strict: an illegal bucket name."""
    stack = aws.create(bucket("No_Bucket"))

    assert aws.settled(stack) == "ROLLBACK_COMPLETE"
    assert reason(aws, stack, "CREATE_FAILED").startswith("The specified bucket is not valid. (Service: S3")
    with pytest.raises(ClientError, match="InvalidBucketName"):
        aws.client("s3").create_bucket(Bucket="xn--bucket")


@pytest.mark.parametrize("versioned", [False, True], ids=["objects", "versions-only"])
def test_F76_a_bucket_that_is_not_empty_is_not_deleted_with_its_stack(aws: Any, versioned: bool) -> None:
    """Strict: a bucket with objects, deleted with its stack."""
    name, s3 = aws.unique("b"), aws.client("s3")
    stack = aws.create(bucket(name, versioned))
    aws.settled(stack)
    version = s3.put_object(Bucket=name, Key="k", Body=b"x").get("VersionId")
    if versioned:
        marker = s3.delete_object(Bucket=name, Key="k")["VersionId"]

    aws.stacks.delete_stack(StackName=stack)

    assert aws.settled(stack) == "DELETE_FAILED"
    assert reason(aws, stack, "DELETE_FAILED").startswith("The following resource(s) failed to delete: [Bucket].")
    resource = aws.stacks.describe_stack_resource(StackName=stack, LogicalResourceId="Bucket")["StackResourceDetail"]
    assert resource["ResourceStatusReason"].startswith("The bucket you tried to delete is not empty")
    if versioned:
        s3.delete_object(Bucket=name, Key="k", VersionId=version)
        s3.delete_object(Bucket=name, Key="k", VersionId=marker)
    else:
        s3.delete_object(Bucket=name, Key="k")
    aws.stacks.delete_stack(StackName=stack)
    assert aws.settled(stack) == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=name)


def test_stack_tags_reach_a_bucket(aws: Any) -> None:
    """Strict: stack tags that do not reach a bucket."""
    name = aws.unique("b")
    stack = aws.create(bucket(name), Tags=[{"Key": "owner", "Value": "me"}])
    aws.settled(stack)

    tags = {tag["Key"]: tag["Value"] for tag in aws.client("s3").get_bucket_tagging(Bucket=name)["TagSet"]}

    assert tags == {
        "owner": "me",
        "aws:cloudformation:stack-id": stack,
        "aws:cloudformation:stack-name": stack.split("/")[1],
        "aws:cloudformation:logical-id": "Bucket",
    }


def test_a_queue_that_shows_messages_too_early_is_not_polled(aws: Any) -> None:
    """Strict: a queue that shows messages too early."""
    function = aws.function("def handler(event, context): pass", Timeout=60)
    arn = f"arn:aws:sqs:us-east-1:000000000000:{(name := aws.unique('q'))}"
    aws.client("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})
    said = "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
    mapping = {"EventSourceArn": arn, "FunctionName": function}

    with pytest.raises(ClientError, match=said):
        aws.client("lambda").create_event_source_mapping(**mapping)
    stack = aws.create({"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}})
    assert aws.settled(stack) == "ROLLBACK_COMPLETE"
    assert said in reason(aws, stack, "CREATE_FAILED")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("dynamodb:us-east-1:000000000000:table/t/stream/2026-11-23T09:00:00.000", id="dynamodb"),
        pytest.param("kinesis:us-east-1:000000000000:stream/s", id="kinesis"),
    ],
)
def test_a_stream_is_not_polled(aws: Any, source: str) -> None:
    """Strict: a stream as an event source."""
    function = aws.function("def handler(event, context): pass")
    mapping = {"EventSourceArn": f"arn:aws:{source}", "FunctionName": function, "StartingPosition": "LATEST"}
    said = "Only queues are served as event sources by this engine"

    with pytest.raises(ClientError, match=said):
        aws.client("lambda").create_event_source_mapping(**mapping)
    stack = aws.create({"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}})
    assert aws.settled(stack) == "ROLLBACK_COMPLETE"
    assert said in reason(aws, stack, "CREATE_FAILED")


def test_a_secret_is_told_only_to_who_asks_for_its_decryption(aws: Any) -> None:
    """Strict: a secret read without decryption."""
    ssm, name, secret = aws.client("ssm"), f"/{aws.unique()}/token", "canary-of-a-secret"
    told = []
    for _ in range(2):
        ssm.put_parameter(Name=name, Value=secret, Type="SecureString", Overwrite=True)
        told += [
            ssm.get_parameter(Name=name)["Parameter"]["Value"],
            ssm.get_parameters(Names=[name])["Parameters"][0]["Value"],
            ssm.get_parameters_by_path(Path=name.rpartition("/")[0])["Parameters"][0]["Value"],
            ssm.get_parameter_history(Name=name)["Parameters"][-1]["Value"],
        ]

    assert len(set(told)) == 2
    for each in told:
        assert secret not in each
        assert secret.encode() not in base64.b64decode(each)
    assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == secret
    assert [each["Value"] for each in ssm.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]] == [
        secret
    ] * 2
    ssm.put_parameter(Name=name + "-plain", Value="plain", Type="String")
    assert ssm.get_parameter(Name=name + "-plain")["Parameter"]["Value"] == "plain"


ANSWERING = """
import json, urllib.request
def handler(event, context):
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"PhysicalResourceId": "id", **json.loads(event["ResourceProperties"].get("Answer", "{}"))}
    if event["RequestType"] == "Delete":
        answer |= {"Status": "SUCCESS", "Data": {}}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT",
                                     headers={"Content-Type": ""})
    urllib.request.urlopen(request)
"""


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        pytest.param({"Status": "SUCCESS"}, "CREATE_COMPLETE", "", id="success"),
        pytest.param(
            {"Status": "FAILED", "Reason": "no"},
            "ROLLBACK_COMPLETE",
            "Received response status [FAILED] from custom resource. Message returned: no (RequestId: ",
            id="F72-failed",
        ),
        pytest.param(
            {"Status": "SUCCESS", "Data": {"x": "x" * 4096}},
            "ROLLBACK_COMPLETE",
            "Response object is too long.",
            id="F74-too-long",
        ),
    ],
)
def test_answers_of_custom_resources(aws: Any, answer: dict[str, Any], status: str, said: str) -> None:
    """Strict: an answer of a custom resource that is too long."""
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{aws.function(ANSWERING, Timeout=10)}"
    properties = {"ServiceToken": arn, "ServiceTimeout": 20, "Answer": json.dumps(answer)}
    stack = aws.create({"Custom": {"Type": "Custom::Thing", "Properties": properties}})

    assert aws.settled(stack) == status
    if said:
        assert reason(aws, stack, "CREATE_FAILED").startswith(said)


def test_F73_an_answer_with_a_content_type_is_refused_as_s3_refuses_it(aws: Any) -> None:
    """Strict: an answer of a custom resource with a content type."""
    url = f"{aws.engine.aws_url}/_ministack/cfn-response/token"
    request = urllib.request.Request(url, b"{}", method="PUT", headers={"Content-Type": "application/json"})

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)

    assert caught.value.code == 403
    assert b"SignatureDoesNotMatch" in caught.value.read()
