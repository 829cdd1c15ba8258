"""The engine as its users see it: URLs, sites, pipelines in stacks, faults."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.error
import urllib.request
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError
from github import Auth, Github
from slack_sdk import WebClient


def get(url: str) -> tuple[int, str, str]:
    """Status, content type and text."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


def site(aws: Any, **website: Any) -> str:
    bucket, s3 = aws.unique("site"), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, **website})
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"home", ContentType="text/html", CacheControl="max-age=7")
    s3.put_object(Bucket=bucket, Key="docs/index.html", Body=b"docs", ContentType="text/html; charset=utf-8")
    s3.put_object(Bucket=bucket, Key="app.wasm", Body=b"wasm", ContentType="application/wasm")
    return str(bucket)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("", (200, "text/html", "home"), id="index"),
        pytest.param("index.html", (200, "text/html", "home"), id="page"),
        pytest.param("docs/", (200, "text/html; charset=utf-8", "docs"), id="folder"),
        pytest.param("app.wasm", (200, "application/wasm", "wasm"), id="own-content-type"),
    ],
)
def test_a_site_serves_its_objects(aws: Any, path: str, expected: tuple[int, str, str]) -> None:
    assert get(aws.engine.site_url(site(aws)) + path) == expected


def test_a_site_sends_the_cache_headers_of_the_object(aws: Any) -> None:
    with urllib.request.urlopen(aws.engine.site_url(site(aws))) as answer:
        assert answer.headers["cache-control"] == "max-age=7"


def test_a_deleted_object_is_gone_at_once(aws: Any) -> None:
    bucket = site(aws)
    url = aws.engine.site_url(bucket)
    assert get(url)[0] == 200

    aws.client("s3").delete_object(Bucket=bucket, Key="index.html")

    assert get(url)[0] == 404


def test_a_missing_object_shows_the_error_document_with_404(aws: Any) -> None:
    bucket = site(aws, ErrorDocument={"Key": "docs/index.html"})

    assert get(aws.engine.site_url(bucket) + "nothing") == (404, "text/html; charset=utf-8", "docs")


@pytest.mark.parametrize("configured", [True, False], ids=["no-bucket", "no-website"])
def test_what_is_no_site_is_not_served(aws: Any, configured: bool) -> None:
    bucket = aws.unique("none")
    if not configured:
        aws.client("s3").create_bucket(Bucket=bucket)
        aws.client("s3").put_object(Bucket=bucket, Key="index.html", Body=b"private")

    assert get(aws.engine.site_url(bucket))[0] == 404


def test_the_clients_of_github_and_slack_and_git_reach_the_local_ones(aws: Any) -> None:
    engine, repository = aws.engine, f"acme/{aws.unique()}"
    engine.github.create_repository(repository)

    github = Github(base_url=engine.github_url, auth=Auth.Token(engine.github_token), retry=None)
    assert github.get_repo(repository).full_name == repository
    assert WebClient(engine.slack_token, base_url=engine.slack_url).auth_test()["ok"]
    subprocess.run(["git", "ls-remote", engine.git_url(repository)], check=True, timeout=30)


def pipeline(bucket: str, topic: str = "first", **more: Any) -> dict[str, Any]:
    """A stack's resources: a pipeline that reads an object and waits for an approval."""

    def action(name: str, category: str, provider: str, configuration: dict[str, str], **artifacts: Any) -> Any:
        kind = {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"}
        return {"Name": name, "ActionTypeId": kind, "Configuration": configuration, **artifacts}

    source = {"S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    return {
        "Pipeline": {
            "Type": "AWS::CodePipeline::Pipeline",
            "Properties": {
                "RoleArn": "arn:aws:iam::000000000000:role/any",
                "ArtifactStore": {"Type": "S3", "Location": bucket},
                "Stages": [
                    {
                        "Name": "Source",
                        "Actions": [action("Source", "Source", "S3", source, OutputArtifacts=[{"Name": "Code"}])],
                    },
                    {
                        "Name": "Wait",
                        "Actions": [action("Wait", "Approval", "Manual", {"CustomData": topic})],
                    },
                ],
                **more,
            },
        }
    }


@pytest.fixture
def source(aws: Any) -> str:
    bucket, s3 = aws.unique("source"), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        archive.writestr("file", "text")
    s3.put_object(Bucket=bucket, Key="source.zip", Body=contents.getvalue())
    return str(bucket)


class TestPipelinesInStacks:
    def test_a_stack_makes_updates_and_deletes_its_pipeline(self, aws: Any, source: str) -> None:
        pipelines = aws.client("codepipeline")
        outputs = {"Outputs": {"Version": {"Value": {"Fn::GetAtt": ["Pipeline", "Version"]}}}}
        stack = aws.create(pipeline(source), template=outputs)
        assert aws.settled(stack) == "CREATE_COMPLETE"
        resource = aws.stacks.describe_stack_resource(StackName=stack, LogicalResourceId="Pipeline")
        name = resource["StackResourceDetail"]["PhysicalResourceId"]
        assert name.startswith(stack.split("/")[1])
        assert pipelines.get_pipeline(name=name)["pipeline"]["version"] == 1

        body = json.dumps({"Resources": pipeline(source, "second"), **outputs})
        aws.stacks.update_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])

        assert aws.settled(stack) == "UPDATE_COMPLETE"
        assert pipelines.get_pipeline(name=name)["pipeline"]["version"] == 2
        described = aws.stacks.describe_stacks(StackName=stack)["Stacks"][0]
        assert described["Outputs"][0]["OutputValue"] == "2"
        aws.stacks.delete_stack(StackName=stack)
        assert aws.settled(stack) == "DELETE_COMPLETE"
        with pytest.raises(ClientError, match="PipelineNotFoundException"):
            pipelines.get_pipeline(name=name)

    def test_F60_a_created_pipeline_starts_by_itself_and_tells_the_bus(self, aws: Any, source: str) -> None:
        name = aws.unique("pipeline")
        stack = aws.create(pipeline(source, Name=name))

        event = aws.until(
            lambda: next((e for e in aws.engine.events if e["detail"].get("pipeline") == name), None), "an event"
        )

        assert (event["source"], event["detail-type"], event["detail"]["state"]) == (
            "aws.codepipeline",
            "CodePipeline Pipeline Execution State Change",
            "STARTED",
        )
        assert event["resources"] == [f"arn:aws:codepipeline:us-east-1:000000000000:{name}"]
        aws.settled(stack)

    def test_a_changed_name_replaces_the_pipeline(self, aws: Any, source: str) -> None:
        old, new = aws.unique("old"), aws.unique("new")
        stack = aws.create(pipeline(source, Name=old))
        aws.settled(stack)

        aws.stacks.update_stack(StackName=stack, TemplateBody=json.dumps({"Resources": pipeline(source, Name=new)}))

        assert aws.settled(stack) == "UPDATE_COMPLETE"
        names = [each["name"] for each in aws.client("codepipeline").list_pipelines()["pipelines"]]
        assert (old in names, new in names) == (False, True)

    def test_an_update_that_leaves_the_pipeline_alone_does_not_stop_its_run(self, aws: Any, source: str) -> None:
        name = aws.unique("pipeline")
        stack = aws.create(pipeline(source, Name=name))
        aws.settled(stack)

        resources = {**pipeline(source, Name=name), "Queue": {"Type": "AWS::SQS::Queue"}}
        aws.stacks.update_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}))

        assert aws.settled(stack) == "UPDATE_COMPLETE"
        runs = aws.client("codepipeline").list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
        assert [run["status"] for run in runs] == ["InProgress"]

    def test_a_pipeline_that_is_refused_fails_its_stack_with_the_reason(self, aws: Any, source: str) -> None:
        stack = aws.create(pipeline(source, Stages=[]))

        assert aws.settled(stack) == "ROLLBACK_COMPLETE"
        events = aws.stacks.describe_stack_events(StackName=stack)["StackEvents"]
        [failed] = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
        assert "(Service: CodePipeline, Status Code: 400" in failed["ResourceStatusReason"]


def test_F47_while_a_stack_is_held_no_cloudformation_call_is_made(aws: Any) -> None:
    name = aws.unique()
    with aws.engine.hold_stack(lambda operation: operation.stack == name) as hold:
        stack = aws.create({"Queue": {"Type": "AWS::SQS::Queue"}}, name)
        assert hold.wait().kind == "CREATE"
        before = len(aws.engine.calls)
        aws.client("sqs").list_queues()

        assert [(call.service, call.action) for call in aws.engine.calls[before:]] == [("sqs", "ListQueues")]
        assert aws.status(stack) == "CREATE_IN_PROGRESS"
        assert (aws.engine.calls[-1].service, aws.engine.calls[-1].action) == ("cloudformation", "DescribeStacks")
    assert aws.settled(stack) == "CREATE_COMPLETE"


def test_a_function_that_raises_is_tried_again_and_its_invocations_are_recorded(aws: Any) -> None:
    function = aws.function("def handler(event, context):\n    raise ValueError(event)")

    aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b'"x"')

    def ended() -> list[Any]:
        runs = [run for run in aws.engine.invocations if run.function == function]
        return runs if len(runs) == 3 and all(run.ended for run in runs) else []

    runs = aws.until(ended, "three attempts")
    assert [run.failed for run in runs] == [True, True, True]
