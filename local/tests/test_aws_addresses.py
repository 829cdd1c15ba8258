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
