"""Whole runs over real actions: events, artifacts, results, in AWS's shapes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from tests.contracts import aws_events

from deployer_local.codepipeline import ServiceError
from deployer_local.codepipeline.testing import BUCKET, REGION, ROLE, World, action, approval, pipeline

SPEC = """\
version: 0.2
phases:
  build:
    commands:
      - mkdir dist && cd dist
      - echo "$GREETING $CODEBUILD_RESOLVED_SOURCE_VERSION $CODEBUILD_INITIATOR" > page.txt
artifacts:
  base-directory: dist
  files: ['**/*']
"""
BUILD = action(
    "Build",
    "CodeBuild",
    {"ProjectName": "web"},
    name="Build",
    inputArtifacts=[{"name": "SourceOutput"}],
    outputArtifacts=[{"name": "BuildOutput"}],
)
DEPLOY = action(
    "Deploy",
    "CloudFormation",
    {
        "ActionMode": "CREATE_UPDATE",
        "StackName": "app-stack",
        "TemplatePath": "SourceOutput::deploy/app.json",
        "TemplateConfiguration": "SourceOutput::deploy/settings.json",
        "ParameterOverrides": json.dumps(
            {
                "Version": "#{SourceVariables.VersionId}",
                "Key": {"Fn::GetArtifactAtt": ["SourceOutput", "ObjectKey"]},
                "Commit": {"Fn::GetParam": ["SourceOutput", ".deployer/commit.json", "commit"]},
            }
        ),
        "Capabilities": "CAPABILITY_IAM, CAPABILITY_AUTO_EXPAND",
        "RoleArn": ROLE,
        "OutputFileName": "outputs.json",
    },
    name="Deploy",
    inputArtifacts=[{"name": "SourceOutput"}],
    outputArtifacts=[{"name": "DeployOutput"}],
)
FILES = {
    "deploy/app.json": '{"Resources": {}}',
    "deploy/settings.json": '{"Parameters": {"Size": 3}, "Tags": {"a": "b"}, "StackPolicy": {"Statement": []}}',
    ".deployer/commit.json": '{"commit": "abc"}',
    "buildspec.yml": SPEC,
}
INVOKE = action(
    "Invoke",
    "Lambda",
    {"FunctionName": "release", "UserParameters": "hello"},
    name="Release",
    inputArtifacts=[{"name": "SourceOutput"}],
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = World(tmp_path, continuation_pause=0.0)
        made.projects.known["web"] = {
            "name": "web",
            "source": {"type": "CODEPIPELINE"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": [{"name": "GREETING", "value": "hello", "type": "PLAINTEXT"}],
            },
            "serviceRole": ROLE,
            "timeoutInMinutes": 5,
        }
        yield made
        made.engine.close()
    aws_events.check(aws_events.around(*event) for event in made.events)


def create(world: World, *stages: Any, **more: Any) -> str:
    world.call("CreatePipeline", pipeline=pipeline(*stages, **more))
    return str(world.runs()[0]["pipelineExecutionId"])


def content(world: World, place: dict[str, str]) -> dict[str, str]:
    body = world.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_run_from_source_to_build(world: World) -> None:
    version = world.put_source(FILES, **{"codepipeline-artifact-revision-summary": "abc"})
    run = create(world, [BUILD])
    world.until_run(run, "SUCCEEDED")
    assert [told[2:] for told in world.told()] == [
        ("", "", "STARTED"),
        ("Source", "", "STARTED"),
        ("Source", "Fetch", "STARTED"),
        ("Source", "Fetch", "SUCCEEDED"),
        ("Source", "", "SUCCEEDED"),
        ("Stage1", "", "STARTED"),
        ("Stage1", "Build", "STARTED"),
        ("Stage1", "Build", "SUCCEEDED"),
        ("Stage1", "", "SUCCEEDED"),
        ("", "", "SUCCEEDED"),
    ]
    kind, first, resources = world.events[0]
    assert (kind, resources) == ("Pipeline", [f"arn:aws:codepipeline:{REGION}:123456789012:app"])
    assert first["version"] == 1.0
    assert first["execution-trigger"]["trigger-type"] == "CreatePipeline"
    assert first["start-time"].endswith("Z")
    assert len(first["start-time"]) == len("2026-11-23T09:00:00.000Z")
    execution = world.call("GetPipelineExecution", pipelineName="app", pipelineExecutionId=run)["pipelineExecution"]
    revision = execution["artifactRevisions"][0]
    assert (revision["revisionId"], revision["revisionSummary"]) == (version, "abc")
    built = world.actions(run)["Build"]
    place = built["output"]["outputArtifacts"][0]["s3location"]
    assert place["key"].startswith("app/BuildOutpu/")
    assert content(world, place) == {"page.txt": f"hello {version} codepipeline/app\n"}
    done = world.events[7][1]
    assert done["type"] == {"owner": "AWS", "provider": "CodeBuild", "category": "Build", "version": "1"}
    assert done["output-artifacts"] == [{"name": "BuildOutput", "s3location": place}]
    assert done["execution-result"]["external-execution-id"].startswith("web:")


def test_a_failing_build_says_why_in_awss_words(world: World) -> None:
    world.put_source({"buildspec.yml": "version: 0.2\nphases: {build: {commands: [echo no, 'exit 3']}}"})
    run = create(world, [BUILD])
    world.until_run(run, "FAILED")
    result = world.actions(run)["Build"]["output"]["executionResult"]
    assert result["errorDetails"] == {
        "code": "JobFailed",
        "message": "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, "
        "Message: Error while executing command: exit 3. Reason: exit status 3",
    }
    build = world.engine.codebuild.handle("BatchGetBuilds", {"ids": [result["externalExecutionId"]]})
    assert build is not None
    phases = {phase["phaseType"]: phase for phase in build["builds"][0]["phases"]}
    assert phases["BUILD"]["contexts"] == [
        {
            "statusCode": "COMMAND_EXECUTION_ERROR",
            "message": "Error while executing command: exit 3. Reason: exit status 3",
        }
    ]
    assert phases["POST_BUILD"]["phaseStatus"] == "SUCCEEDED"
    logs = world.client("logs").get_log_events(
        logGroupName="/aws/codebuild/web", logStreamName=result["externalExecutionId"].split(":")[1]
    )
    messages = [event["message"] for event in logs["events"]]
    assert "no\n" in messages
    assert any("Phase complete: BUILD State: FAILED" in message for message in messages)
    assert world.told()[-2:] == [("Stage", run, "Stage1", "", "FAILED"), ("Pipeline", run, "", "", "FAILED")]
    state = world.call("GetPipelineState", name="app")["stageStates"][1]
    assert state["latestExecution"]["status"] == "Failed"
    assert state["actionStates"][0]["latestExecution"]["errorDetails"]["code"] == "JobFailed"


def test_cloudformation_creates_and_hands_over_its_outputs(world: World) -> None:
    version = world.put_source(FILES)
    run = create(world, [DEPLOY])
    assert world.stacks.begun.wait(10)
    kind, given = world.stacks.calls[0]
    assert kind == "create"
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in given["Parameters"]}
    key = world.actions(run)["Fetch"]["output"]["outputArtifacts"][0]["s3location"]["key"]
    assert parameters == {"Size": "3", "Version": version, "Key": key, "Commit": "abc"}
    assert given["Capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert given["Tags"] == [{"Key": "a", "Value": "b"}]
    assert given["RoleARN"] == ROLE
    stack = world.stacks.settle("app-stack", "CREATE_COMPLETE", {"Url": "http://here"})
    world.engine.stack_event(stack, "CREATE_COMPLETE")
    world.until_run(run, "SUCCEEDED")
    done = world.actions(run)["Deploy"]
    place = done["output"]["outputArtifacts"][0]["s3location"]
    assert {name: json.loads(text) for name, text in content(world, place).items()} == {
        "outputs.json": {"Url": "http://here"}
    }
    assert done["output"]["outputVariables"] == {"Url": "http://here"}
    assert done["output"]["executionResult"]["externalExecutionId"] == stack


def test_no_updates_is_success(world: World) -> None:
    world.put_source(FILES)
    world.stacks.create_stack(StackName="app-stack", ClientRequestToken="x")
    world.stacks.settle("app-stack", "UPDATE_COMPLETE", {"Url": "u"})
    world.stacks.changes = False
    run = create(world, [DEPLOY])
    world.until_run(run, "SUCCEEDED")
    assert "No updates" in world.actions(run)["Deploy"]["output"]["executionResult"]["externalExecutionSummary"]


@pytest.mark.parametrize(
    ("mode", "calls", "ending"),
    [
        pytest.param("CREATE_UPDATE", [], "FAILED", id="create-update-never-replaces"),
        pytest.param("REPLACE_ON_FAILURE", ["delete", "create"], "SUCCEEDED", id="F49-replace-on-failure-replaces"),
    ],
)
def test_over_rollback_complete(world: World, mode: str, calls: list[str], ending: str) -> None:
    world.put_source(FILES)
    world.stacks.create_stack(StackName="app-stack", ClientRequestToken="x")
    world.stacks.settle("app-stack", "ROLLBACK_COMPLETE")
    world.stacks.calls.clear()
    world.stacks.begun.clear()
    run = create(world, [{**DEPLOY, "configuration": {**DEPLOY["configuration"], "ActionMode": mode}}])
    for _ in calls:
        assert world.stacks.begun.wait(10)
        world.stacks.begun.clear()
        status = "DELETE_COMPLETE" if world.stacks.calls[-1][0] == "delete" else "CREATE_COMPLETE"
        world.engine.stack_event(world.stacks.settle("app-stack", status), status)
    world.until_run(run, ending)
    assert [kind for kind, _ in world.stacks.calls] == calls
    if ending == "FAILED":
        message = world.actions(run)["Deploy"]["output"]["executionResult"]["errorDetails"]["message"]
        assert "is in ROLLBACK_COMPLETE state and can not be updated" in message


def test_a_failed_stack_names_its_first_failed_resource(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [DEPLOY])
    assert world.stacks.begun.wait(10)
    identifier = next(iter(world.stacks.stacks))
    world.stacks.events[identifier] += [
        {
            "LogicalResourceId": "Bucket",
            "ResourceType": "AWS::S3::Bucket",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "already exists",
        },
        {
            "LogicalResourceId": "Role",
            "ResourceType": "AWS::IAM::Role",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "Resource creation cancelled",
        },
    ]
    world.engine.stack_event(world.stacks.settle("app-stack", "ROLLBACK_COMPLETE"), "ROLLBACK_COMPLETE")
    world.until_run(run, "FAILED")
    assert world.actions(run)["Deploy"]["output"]["executionResult"]["errorDetails"] == {
        "code": "JobFailed",
        "message": "Bucket (AWS::S3::Bucket): already exists. Stack app-stack is ROLLBACK_COMPLETE",
    }


def test_lambda_gets_awss_event_and_its_word_counts(world: World) -> None:
    version = world.put_source(FILES)
    seen: list[dict[str, Any]] = []

    def release(event: dict[str, Any]) -> None:
        seen.append(event["CodePipeline.job"])
        answer: dict[str, Any] = {"jobId": event["CodePipeline.job"]["id"]}
        if len(seen) == 1:
            world.call("PutJobSuccessResult", **answer, continuationToken="more")
        else:
            world.call(
                "PutJobSuccessResult", **answer, outputVariables={"Url": "u"}, executionDetails={"summary": "done"}
            )

    world.functions.known["release"] = release
    run = create(world, [INVOKE])
    world.until_run(run, "SUCCEEDED")
    first, second = seen
    assert first["accountId"] == "123456789012"
    data = first["data"]
    assert data["actionConfiguration"] == {"configuration": {"FunctionName": "release", "UserParameters": "hello"}}
    place = data["inputArtifacts"][0]["location"]["s3Location"]
    assert data["inputArtifacts"] == [
        {"name": "SourceOutput", "revision": version, "location": {"type": "S3", "s3Location": place}}
    ]
    assert place["bucketName"] == BUCKET
    assert set(data["artifactCredentials"]) == {"accessKeyId", "secretAccessKey", "sessionToken", "expirationTime"}
    assert "continuationToken" not in data
    assert second["data"]["continuationToken"] == "more"
    assert second["id"] != first["id"]
    output = world.actions(run)["Release"]["output"]
    assert output["outputVariables"] == {"Url": "u"}
    with pytest.raises(ServiceError) as caught:
        world.call("PutJobSuccessResult", jobId=second["id"])
    assert caught.value.code == "InvalidJobStateException"


def fails_by_word(world: World, event: dict[str, Any]) -> None:
    details = {"type": "JobFailed", "message": "no bucket"}
    world.call("PutJobFailureResult", jobId=event["CodePipeline.job"]["id"], failureDetails=details)


def fails_by_error(world: World, event: dict[str, Any]) -> None:
    world.engine.function_failed(event, "ZeroDivisionError")


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        pytest.param(None, "ConfigurationError", "does not exist", id="no-such-function"),
        pytest.param(fails_by_word, "JobFailed", "no bucket", id="failure-result"),
        pytest.param(fails_by_error, "JobFailed", "ZeroDivisionError", id="function-error"),
    ],
)
def test_lambda_failures(world: World, function: Any, code: str, message: str) -> None:
    world.put_source(FILES)
    if function is not None:
        world.functions.known["release"] = lambda event: function(world, event)
    run = create(world, [INVOKE])
    world.until_run(run, "FAILED")
    details = world.actions(run)["Release"]["output"]["executionResult"]["errorDetails"]
    assert details["code"] == code
    assert message in details["message"]


def test_a_silent_function_fails_after_the_reply_time(tmp_path: Path, world: World) -> None:
    silent = World(tmp_path / "other", reply_within=0.05)
    silent.put_source(FILES)
    silent.functions.known["release"] = lambda event: None
    run = create(silent, [INVOKE])
    silent.until_run(run, "FAILED")
    details = silent.actions(run)["Release"]["output"]["executionResult"]["errorDetails"]
    assert "failed to return a result" in details["message"]
    silent.engine.close()


def test_source_override_pins_the_version(world: World) -> None:
    old = world.put_source({"page": "old"})
    world.put_source({"page": "new"})
    first = create(world, [approval()], pipelineType="V2", executionMode="QUEUED")
    pinned = [{"actionName": "Fetch", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": old}]
    run = world.call("StartPipelineExecution", name="app", sourceRevisions=pinned)["pipelineExecutionId"]
    world.until(lambda: ("Stage", run, "Source", "", "SUCCEEDED") in world.told())
    place = world.actions(run)["Fetch"]["output"]["outputArtifacts"][0]["s3location"]
    assert content(world, place) == {"page": "old"}
    world.until(lambda: ("Action", first, "Stage1", "Approve", "STARTED") in world.told())


def test_a_missing_source_fails_the_run(world: World) -> None:
    run = create(world, [approval()])
    world.until_run(run, "FAILED")
    details = world.actions(run)["Fetch"]["output"]["executionResult"]["errorDetails"]
    assert details["code"] == "ConfigurationError"
    assert "sources/app.zip" in details["message"]


def token(world: World, name: str = "Approve") -> str:
    """The token of the open approval, once it is shown."""
    found: list[str] = []

    def look() -> bool:
        state = world.call("GetPipelineState", name="app")["stageStates"][1]["actionStates"][0]
        found.append(state.get("latestExecution", {}).get("token", ""))
        return bool(found[-1])

    deadline = 200
    while not look() and deadline:
        deadline -= 1
        with world.changed:
            world.changed.wait(0.05)
    return found[-1]


def answer(world: World, status: str) -> None:
    world.call(
        "PutApprovalResult",
        pipelineName="app",
        stageName="Stage1",
        actionName="Approve",
        result={"summary": "looked", "status": status},
        token=token(world),
    )


@pytest.mark.parametrize(("status", "ending"), [("Approved", "SUCCEEDED"), ("Rejected", "FAILED")])
def test_approval(world: World, status: str, ending: str) -> None:
    world.put_source(FILES)
    run = create(world, [approval()])
    answer(world, status)
    world.until_run(run, ending)


def test_retry_takes_the_failed_stage_up_again(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [approval()])
    answer(world, "Rejected")
    world.until_run(run, "FAILED")
    world.call(
        "RetryStageExecution",
        pipelineName="app",
        stageName="Stage1",
        pipelineExecutionId=run,
        retryMode="FAILED_ACTIONS",
    )
    world.until_run(run, "RESUMED")
    answer(world, "Approved")
    world.until_run(run, "SUCCEEDED")
    stages = [detail for kind, detail, _ in world.events if kind == "Stage" and detail["stage"] == "Stage1"]
    told = [(detail["state"], "stage-last-retry-attempt-time" in detail) for detail in stages]
    assert told == [("STARTED", False), ("FAILED", False), ("RESUMED", True), ("SUCCEEDED", True)]
    assert len({detail.get("stage-last-retry-attempt-time") for detail in stages[2:]}) == 1
    assert world.events[-1][1]["pipeline-execution-attempt"] == 2.0


def test_a_newer_run_supersedes_the_waiting_one(world: World) -> None:
    world.put_source(FILES)
    first = create(world, [approval()])
    world.until(lambda: ("Action", first, "Stage1", "Approve", "STARTED") in world.told())
    second = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until(lambda: ("Stage", second, "Source", "", "SUCCEEDED") in world.told())
    third = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until_run(second, "SUPERSEDED")
    state = world.call("GetPipelineState", name="app")["stageStates"][1]
    assert state["inboundExecution"]["pipelineExecutionId"] == third
    assert world.runs()[1]["status"] == "Superseded"
    answer(world, "Approved")
    world.until_run(first, "SUCCEEDED")
    world.until(lambda: ("Stage", third, "Stage1", "", "STARTED") in world.told())


def test_F60_an_update_cancels_the_run(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [approval()])
    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    answered = world.call("UpdatePipeline", pipeline=pipeline([approval()]))
    assert answered["pipeline"]["version"] == 2
    world.until_run(run, "CANCELED")
    assert [told[2:] for told in world.told()][-3:] == [
        ("Stage1", "Approve", "CANCELED"),
        ("Stage1", "", "CANCELED"),
        ("", "", "CANCELED"),
    ]
    assert world.runs()[0]["status"] == "Cancelled"
    later = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until(lambda: ("Pipeline", later, "", "", "STARTED") in world.told())
    assert world.events[-1][1]["version"] == 2.0


def test_stop_abandons_a_running_build(world: World) -> None:
    world.put_source({"buildspec.yml": "version: 0.2\nphases: {build: {commands: [echo begun, sleep 600]}}"})
    run = create(world, [BUILD])
    world.until(lambda: ("Action", run, "Stage1", "Build", "STARTED") in world.told())
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, abandon=True, reason="enough")
    world.until_run(run, "STOPPED")
    said = {d["state"]: d.get("stop-execution-comments") for kind, d, _ in world.events if kind == "Pipeline"}
    assert said == {"STARTED": None, "STOPPING": "enough", "STOPPED": None}
    assert [told[2:] for told in world.told()][-5:] == [
        ("", "", "STOPPING"),
        ("Stage1", "", "STOPPING"),
        ("Stage1", "Build", "ABANDONED"),
        ("Stage1", "", "STOPPED"),
        ("", "", "STOPPED"),
    ]
    assert world.actions(run)["Build"]["status"] == "Abandoned"
    assert world.runs()[0]["stopTrigger"] == {"reason": "enough"}


def test_stop_and_wait_lets_the_action_end(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [approval()], [approval("Last")])
    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run)
    assert world.runs()[0]["status"] == "Stopping"
    with pytest.raises(ServiceError) as caught:
        world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run)
    assert caught.value.code == "DuplicatedStopRequestException"
    answer(world, "Approved")
    world.until_run(run, "STOPPED")
    assert ("Stage", run, "Stage1", "", "SUCCEEDED") in world.told()


def test_a_closed_transition_holds_the_run(world: World) -> None:
    world.put_source(FILES)
    create(world, [approval()])
    where = {"pipelineName": "app", "stageName": "Stage1", "transitionType": "Inbound"}
    world.call("DisableStageTransition", **where, reason="freeze")
    run = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until(lambda: ("Stage", run, "Source", "", "SUCCEEDED") in world.told())
    state = world.call("GetPipelineState", name="app")["stageStates"][1]
    assert state["inboundTransitionState"]["disabledReason"] == "freeze"
    world.call("EnableStageTransition", **where)
    answer(world, "Approved")
    world.until(lambda: ("Stage", run, "Stage1", "", "STARTED") in world.told())


def test_F98_a_dead_engine_is_taken_up(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [approval(), DEPLOY])
    assert world.stacks.begun.wait(10)
    kept = token(world)
    world.engine.close()
    world.stacks.settle("app-stack", "CREATE_COMPLETE")
    world.open()
    world.engine.start()
    assert token(world) == kept
    answer(world, "Approved")
    world.until_run(run, "SUCCEEDED")
    assert [kind for kind, _ in world.stacks.calls] == ["create"]
    assert len(world.told()) == len(set(world.told()))


def test_deleting_cancels_and_forgets(world: World) -> None:
    world.put_source(FILES)
    run = create(world, [approval()])
    world.call("DeletePipeline", name="app")
    world.until_run(run, "CANCELED")
    with pytest.raises(ServiceError) as caught:
        world.call("GetPipeline", name="app")
    assert caught.value.code == "PipelineNotFoundException"
    assert world.call("DeletePipeline", name="app") == {}
