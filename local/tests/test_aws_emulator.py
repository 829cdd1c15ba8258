"""What the emulated AWS does beside the usual: other kinds of queues and APIs, updates that fail, small refusals."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer_local.aws.host import Host
from deployer_local.aws.queue_dispatch import deleting_on
from deployer_local.aws.serving import LoopbackServer
from deployer_local.codepipeline.testing import action

QUEUE: dict[str, Any] = {"Queue": {"Type": "AWS::SQS::Queue"}}
ACCOUNT = "000000000000"


def body(resources: dict[str, Any]) -> str:
    return json.dumps({"Resources": resources})


def refused(call: Any) -> tuple[str, str]:
    """Code and message of the error that `call` ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


class TestApis:
    def test_an_api_made_over_the_api_leads_here(self, aws: Any) -> None:
        made = aws.client("apigatewayv2").create_api(Name=aws.unique(), ProtocolType="HTTP")
        assert made["ApiEndpoint"] == f"{aws.engine.aws_url}/_aws/execute-api/{made['ApiId']}"
        assert aws.client("apigatewayv2").get_api(ApiId=made["ApiId"])["ApiEndpoint"] == made["ApiEndpoint"]

    def test_a_websocket_api_keeps_its_own_address(self, aws: Any) -> None:
        made = aws.client("apigatewayv2").create_api(
            Name=aws.unique(), ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        assert f"{made['ApiId']}.execute-api." in made["ApiEndpoint"]

    def test_an_api_that_is_refused_has_no_address(self, aws: Any) -> None:
        tags = {"ms-custom-id": aws.unique("api")}
        create = aws.client("apigatewayv2").create_api
        create(Name="first", ProtocolType="HTTP", Tags=tags)
        assert refused(lambda: create(Name="second", ProtocolType="HTTP", Tags=tags))[0] == "ConflictException"


def test_what_codebuild_does_not_run_here_the_emulator_answers(aws: Any) -> None:
    aws.client("codebuild").create_project(
        name=(name := aws.unique("project")),
        source={"type": "CODEPIPELINE"},
        artifacts={"type": "CODEPIPELINE"},
        environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=f"arn:aws:iam::{ACCOUNT}:role/r",
    )
    assert name in aws.client("codebuild").list_projects()["projects"]


def test_of_two_wishes_to_lose_an_event_only_the_one_that_matches_comes_true(aws: Any) -> None:
    first, second = f"aws.{aws.unique()}", f"aws.{aws.unique()}"
    drops = {name: aws.engine.drop_event(lambda event, name=name: event["source"] == name) for name in (first, second)}
    aws.engine.emit(second, "Lost", {}, [])
    assert [drops[name].event is not None for name in (first, second)] == [False, True]
    aws.engine.emit(first, "Lost", {}, [])
    assert drops[first].event["source"] == first


class TestFunctions:
    def test_an_invocation_that_succeeds_is_not_repeated(self, aws: Any) -> None:
        function = aws.function("def handler(event, context):\n    return event")
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")

        def ended() -> list[Any]:
            return [run for run in aws.engine.invocations if run.function == function and run.ended]

        [run] = aws.until(ended, "the invocation")
        assert not run.failed

    def test_a_destination_gets_what_was_given_up(self, aws: Any) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
        function = aws.function("def handler(event, context):\n    raise ValueError('no')")
        url = aws.client("sqs").create_queue(QueueName=(name := aws.unique("failed")))["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        aws.client("lambda").put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b'{"number": 7}')
        [message] = aws.until(lambda: aws.client("sqs").receive_message(QueueUrl=url).get("Messages"), "the record")
        record = json.loads(message["Body"])
        assert (record["requestPayload"], record["requestContext"]["condition"]) == ({"number": 7}, "RetriesExhausted")

    def test_a_pipeline_hears_of_its_function_that_raised(self, aws: Any, source: str) -> None:
        function = aws.function("def handler(event, context):\n    raise ValueError('no bucket')")
        aws.client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
        name, pipelines = aws.unique("pipeline"), aws.client("codepipeline")
        fetch = {"S3Bucket": source, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
        first = action("Source", "S3", fetch, outputArtifacts=[{"name": "Code"}])
        declared = {
            "name": name,
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
            "artifactStore": {"type": "S3", "location": source},
            "stages": [
                {"name": "First", "actions": [first]},
                {"name": "Then", "actions": [action("Invoke", "Lambda", {"FunctionName": function})]},
            ],
        }
        pipelines.create_pipeline(pipeline=declared)

        def failed() -> Any:
            state = pipelines.get_pipeline_state(name=name)["stageStates"][1]["actionStates"][0]
            return state.get("latestExecution", {}).get("errorDetails")

        assert aws.until(failed, "the failure") == {"code": "JobFailed", "message": "ValueError: no bucket"}


@pytest.fixture
def source(aws: Any) -> str:
    """A bucket with a source for pipelines."""
    aws.client("s3").create_bucket(Bucket=(bucket := aws.unique("source")))
    aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws.client("s3").put_object(Bucket=bucket, Key="source.zip", Body=b"")
    return str(bucket)


class TestQueues:
    def test_a_standard_queue_is_worked_off(self, aws: Any) -> None:
        sqs, function = aws.client("sqs"), aws.function("def handler(event, context):\n    return None")
        url = sqs.create_queue(QueueName=(name := aws.unique("q")))["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        aws.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
        sqs.send_message(QueueUrl=url, MessageBody="one")

        def left() -> int:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return sum(int(value) for value in found.values())

        aws.until(lambda: any(run.function == function and run.ended for run in aws.engine.invocations), "the run")
        aws.until(lambda: left() == 0, "the deletion")

    def test_f98_what_was_handled_after_the_engine_stopped_stays_for_the_next(
        self, aws: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        deleted: list[str] = []
        stopped = Host(tmp_path, LoopbackServer())
        with caplog.at_level("INFO"):
            deleting_on(stopped)(lambda queue_url, _handles: deleted.append(queue_url))("url", {"handle"})
        assert deleted == []
        assert "handled too late" in caplog.text
        stopped.stop()

    def test_a_mapping_to_nothing_is_refused_as_such(self, aws: Any) -> None:
        queue = aws.unique("q")
        aws.client("sqs").create_queue(QueueName=queue)
        mapping = {"EventSourceArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}", "FunctionName": "nothing"}
        create = aws.client("lambda").create_event_source_mapping
        assert refused(lambda: create(**mapping))[0] == "ResourceNotFoundException"

    @pytest.mark.parametrize(("visible", "status"), [(30, "CREATE_COMPLETE"), (2, "ROLLBACK_COMPLETE")])
    def test_a_mapping_in_a_stack_follows_the_same_rule(self, aws: Any, visible: int, status: str) -> None:
        function = aws.function("def handler(event, context):\n    return None", Timeout=5)
        properties = {"EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FunctionName": function}
        resources = {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": visible}},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties},
        }
        assert aws.settled(aws.create(resources)) == status


def bucket(name: str, **tags: str) -> dict[str, Any]:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, "Tags": listed}}}


def test_new_tags_of_a_stacks_bucket_reach_it(aws: Any) -> None:
    stack = aws.create(bucket(name := aws.unique("b"), colour="red"))
    aws.settled(stack)
    aws.stacks.update_stack(StackName=stack, TemplateBody=body(bucket(name, colour="blue")))
    assert aws.settled(stack) == "UPDATE_COMPLETE"
    tags = {tag["Key"]: tag["Value"] for tag in aws.client("s3").get_bucket_tagging(Bucket=name)["TagSet"]}
    assert tags["colour"] == "blue"


def reasons(aws: Any, stack: str, status: str) -> list[str]:
    """Why the stack itself got `status`, each time."""
    events = aws.stacks.describe_stack_events(StackName=stack)["StackEvents"]
    return [
        event.get("ResourceStatusReason", "")
        for event in events
        if (event["PhysicalResourceId"], event["ResourceStatus"]) == (stack, status)
    ]


class TestRollbacks:
    def test_an_update_that_fails_says_which_resource(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        aws.stacks.update_stack(StackName=stack, TemplateBody=body({**QUEUE, **bucket("No_Bucket")}))
        assert aws.settled(stack) == "UPDATE_ROLLBACK_COMPLETE"
        assert reasons(aws, stack, "UPDATE_ROLLBACK_IN_PROGRESS") == [
            "The following resource(s) failed to create: [Bucket]."
        ]

    def test_one_that_was_asked_for_says_who_asked(self, aws: Any) -> None:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html"""
        stack = aws.create(bucket("No_Bucket"), OnFailure="DO_NOTHING")
        assert aws.settled(stack) == "CREATE_FAILED"
        aws.stacks.rollback_stack(StackName=stack)
        assert aws.settled(stack) == "ROLLBACK_COMPLETE"
        assert reasons(aws, stack, "ROLLBACK_IN_PROGRESS") == ["User Initiated"]


class TestCloudFormationRules:
    def test_an_update_of_nothing_is_refused(self, aws: Any) -> None:
        name = aws.unique()
        assert refused(lambda: aws.stacks.update_stack(StackName=name, TemplateBody=body(QUEUE))) == (
            "ValidationError",
            f"Stack [{name}] does not exist",
        )

    def test_a_change_set_is_held_to_the_rules_of_what_it_would_do(self, aws: Any) -> None:
        name = aws.unique()
        change = {"StackName": name, "ChangeSetName": "c", "TemplateBody": body(QUEUE)}
        made = aws.stacks.create_change_set(**change, ChangeSetType="CREATE")
        assert made["StackId"].split("/")[1] == name
        assert refused(lambda: aws.stacks.create_change_set(**change))[1] == (
            f"Stack:{made['StackId']} is in REVIEW_IN_PROGRESS state and can not be updated."
        )
        wrong = {**change, "StackName": aws.unique(), "ChangeSetType": "CREATE"}
        assert (
            "failed to satisfy constraint"
            in refused(lambda: aws.stacks.create_change_set(**wrong, Tags=[{"Key": "a;", "Value": "b"}]))[1]
        )
        template = body({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Gone"}}}})
        assert "Gone" in refused(lambda: aws.stacks.create_change_set(**{**wrong, "TemplateBody": template}))[1]

    def test_resources_are_asked_for_by_one_name_only(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        assert refused(lambda: aws.stacks.describe_stack_resources(StackName=stack, PhysicalResourceId="q")) == (
            "ValidationError",
            "Both StackName and PhysicalResourceId were specified.",
        )

    def test_an_update_may_keep_its_template(self, aws: Any) -> None:
        parameter = {"Parameters": {"Seconds": {"Type": "Number", "Default": 30}}}
        queue = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}}
        stack = aws.create(queue, template=parameter)
        aws.settled(stack)
        given = {"StackName": stack, "UsePreviousTemplate": True}
        unknown = [{"ParameterKey": "Other", "ParameterValue": "1"}]
        assert refused(lambda: aws.stacks.update_stack(**given, Parameters=unknown))[1] == (
            "Parameters: [Other] do not exist in the template"
        )
        aws.stacks.update_stack(**given, Parameters=[{"ParameterKey": "Seconds", "ParameterValue": "40"}])
        assert aws.settled(stack) == "UPDATE_COMPLETE"

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            pytest.param({"TemplateBody": "{"}, "Template format error", id="no-json"),
            pytest.param({"TemplateURL": "https://gone.s3.amazonaws.com/t"}, "gone.s3.amazonaws.com/t", id="nowhere"),
        ],
    )
    def test_a_template_that_cannot_be_read_is_refused_by_the_service(
        self, aws: Any, given: dict[str, str], words: str
    ) -> None:
        code, message = refused(lambda: aws.stacks.create_stack(StackName=aws.unique(), **given))
        assert code == "ValidationError"
        assert words in message

    def test_a_tag_without_a_value_is_refused(self, aws: Any) -> None:
        careless = boto3.client(
            "cloudformation",
            region_name="us-east-1",
            endpoint_url=aws.engine.aws_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(parameter_validation=False),
        )
        given = {"StackName": aws.unique(), "TemplateBody": body(QUEUE), "Tags": [{"Key": "a", "Value": ""}]}
        assert refused(lambda: careless.create_stack(**given)) == (
            "ValidationError",
            "1 validation error detected: Value '' at 'tags.1.member.value' failed to satisfy constraint: Member must "
            "have length greater than or equal to 1",
        )


def test_an_error_document_that_is_missing_too_is_not_found(aws: Any) -> None:
    aws.client("s3").create_bucket(Bucket=(name := aws.unique("site")))
    website = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "gone.html"}}
    aws.client("s3").put_bucket_website(Bucket=name, WebsiteConfiguration=website)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(aws.engine.site_url(name), timeout=30)
    with caught.value as answer:
        assert (answer.code, answer.read().decode()[:14]) == (404, "404 NoSuchKey:")
