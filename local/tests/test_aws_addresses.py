"""What stacks tell as an address can be called: HTTP APIs (with permission only) and websites."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

ECHO = """
def handler(event, context):
    return {"statusCode": 202, "body": event["requestContext"]["http"]["method"] + " " + event["headers"]["x-word"]}
"""
SOURCE = "arn:aws:execute-api:us-east-1:000000000000:${Api}/prod/POST/webhook"


def api(aws: Any, **permission: Any) -> str:
    """A stack with `POST /webhook` on a function; returns its endpoint."""
    function = aws.function(ECHO)
    resources: dict[str, Any] = {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": function, "ProtocolType": "HTTP"}},
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "prod", "AutoDeploy": True},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "PayloadFormatVersion": "2.0",
                "IntegrationUri": f"arn:aws:lambda:us-east-1:000000000000:function:{function}",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "POST /webhook",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
    }
    if permission:
        properties = {"FunctionName": function, "Action": "lambda:InvokeFunction", **permission}
        resources["Permission"] = {"Type": "AWS::Lambda::Permission", "Properties": properties}
    outputs = {"Outputs": {"Endpoint": {"Value": {"Fn::Sub": "${Api.ApiEndpoint}/prod/webhook"}}}}
    stack = aws.create(resources, template=outputs)
    assert aws.settled(stack) == "CREATE_COMPLETE"
    return str(aws.stacks.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"][0]["OutputValue"])


def post(url: str) -> tuple[int, str]:
    request = urllib.request.Request(url, b"{}", headers={"X-Word": "hello"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_endpoint_of_the_stack_can_be_called(aws: Any) -> None:
    url = api(aws, Principal="apigateway.amazonaws.com", SourceArn={"Fn::Sub": SOURCE})

    assert url.startswith(aws.engine.aws_url)
    assert post(url) == (202, "POST hello")


@pytest.mark.parametrize(
    "permission",
    [
        pytest.param({}, id="none"),
        pytest.param({"Principal": "events.amazonaws.com"}, id="another-service"),
        pytest.param(
            {"Principal": "apigateway.amazonaws.com", "SourceArn": {"Fn::Sub": SOURCE.replace("webhook", "other")}},
            id="another-route",
        ),
    ],
)
def test_without_permission_the_function_is_not_invoked(aws: Any, permission: dict[str, Any]) -> None:
    """Strict: an HTTP API without permission for its function."""
    before = len(aws.engine.invocations)

    assert post(api(aws, **permission)) == (500, json.dumps({"message": "Internal Server Error"}))
    assert len(aws.engine.invocations) == before


ROOTED = """
import json

def handler(event, context):
    return json.dumps({"stage": event["requestContext"]["stage"], "path": event["rawPath"]})
"""


def rooted(aws: Any, stage: str) -> str:
    """An API whose one route takes everything; returns its endpoint."""
    function = aws.function(ROOTED)
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "Stage": ("AWS::ApiGatewayV2::Stage", {"StageName": stage, "AutoDeploy": True}),
        "Route": ("AWS::ApiGatewayV2::Route", {"RouteKey": "$default", "Target": {"Fn::Sub": "integrations/${Proxy}"}}),
        "Proxy": (
            "AWS::ApiGatewayV2::Integration",
            {
                "IntegrationType": "AWS_PROXY",
                "PayloadFormatVersion": "2.0",
                "IntegrationUri": f"arn:aws:lambda:us-east-1:000000000000:function:{function}",
            },
        ),
    }
    resources = {
        name: {"Type": kind, "Properties": {"ApiId": {"Ref": "Api"}, **properties}}
        for name, (kind, properties) in made.items()
    }
    resources["Api"] = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": function, "ProtocolType": "HTTP"}}
    resources["Permission"] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
        },
    }
    stack = aws.create(resources, template={"Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}}})
    assert aws.settled(stack) == "CREATE_COMPLETE"
    return str(aws.stacks.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"][0]["OutputValue"])


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_default_stage_is_served_from_the_root_of_the_endpoint(aws: Any) -> None:
    url = rooted(aws, "$default")
    asked = {path: get(url + path) for path in ("", "/", "/one", "/one/two")}
    assert asked == {path: (200, {"stage": "$default", "path": path or "/"}) for path in asked}


@pytest.mark.parametrize("path", ["", "/", "/one", "/dev/one"])
def test_without_a_default_stage_only_the_named_one_is_served(aws: Any, path: str) -> None:
    """Strict: an HTTP API without the stage that is asked for."""
    url = rooted(aws, "prod")
    assert get(url + path) == (404, {"message": "Not Found"})
    status, told = get(f"{url}/prod/one")
    assert (status, told["stage"]) == (200, "prod")


def test_the_website_of_a_stacks_bucket_is_served_here(aws: Any) -> None:
    website = {"IndexDocument": "index.html"}
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"WebsiteConfiguration": website}}}
    outputs = {"Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Bucket", "WebsiteURL"]}}}}
    stack = aws.create(resources, template=outputs)
    aws.settled(stack)
    bucket = aws.stacks.describe_stack_resources(StackName=stack)["StackResources"][0]["PhysicalResourceId"]
    aws.client("s3").put_object(Bucket=bucket, Key="index.html", Body=b"home")

    url = aws.stacks.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"][0]["OutputValue"]

    assert aws.engine.site_url(bucket) == url + "/"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"home"
