"""Operations that AWS refuses for what the pipeline is in, and lists that are narrowed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from deployer_local.codepipeline import ServiceError
from deployer_local.codepipeline.testing import ACCOUNT, BUCKET, REGION, World, action, approval, pipeline


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose actions begin and never do anything, so that tests need not wait and can share it."""
    with mock_aws():
        made = World(tmp_path_factory.mktemp("still"), executor=lambda _work: None)
        yield made
        made.engine.close()


@pytest.fixture
def name() -> str:
    """A pipeline of the test's own."""
    return f"app-{uuid.uuid4()}"


def refusal(world: World, name: str, /, **body: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        world.call(name, **body)
    return caught.value


def create(world: World, *stages: Any, **more: Any) -> str:
    world.call("CreatePipeline", pipeline=pipeline(*stages, **more))
    return str(world.runs()[0]["pipelineExecutionId"])


def approving(world: World) -> tuple[str, dict[str, Any]]:
    """A run that waits for its approval, and what answers it."""
    world.put_source({"a": "b"})
    run = create(world, [approval()])
    token = ""

    def asked() -> str:
        state = world.call("GetPipelineState", name="app")["stageStates"][1]["actionStates"][0]
        return str(state.get("latestExecution", {}).get("token", ""))

    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    with world.changed:
        for _ in range(400):
            if token := asked():
                break
            world.changed.wait(0.05)
    where = {"pipelineName": "app", "stageName": "Stage1", "actionName": "Approve"}
    return run, {**where, "token": token, "result": {"summary": "", "status": "Rejected"}}


def test_approvals_are_answered_where_they_are_asked_for_and_once(world: World) -> None:
    run, answer = approving(world)
    for wrong, code in (
        ({"pipelineName": "gone"}, "PipelineNotFoundException"),
        ({"stageName": "gone"}, "StageNotFoundException"),
        ({"actionName": "gone"}, "ActionNotFoundException"),
        ({"stageName": "Source", "actionName": "Fetch"}, "InvalidApprovalTokenException"),
        ({"token": "12345678-1234-1234-1234-123456789012"}, "InvalidApprovalTokenException"),
    ):
        assert refusal(world, "PutApprovalResult", **{**answer, **wrong}).code == code
    world.call("PutApprovalResult", **answer)
    assert refusal(world, "PutApprovalResult", **answer).code == "ApprovalAlreadyCompletedException"
    world.until_run(run, "FAILED")


def test_what_is_over_cannot_be_stopped_and_what_did_not_fail_cannot_be_retried(world: World) -> None:
    run, answer = approving(world)
    named = {"pipelineName": "app", "pipelineExecutionId": run}
    retry = {**named, "retryMode": "FAILED_ACTIONS"}
    assert refusal(world, "RetryStageExecution", **retry, stageName="Stage1").message.endswith("has not failed")
    world.call("PutApprovalResult", **answer)
    world.until_run(run, "FAILED")
    assert refusal(world, "StopPipelineExecution", **named).code == "PipelineExecutionNotStoppableException"
    succeeded = refusal(world, "RetryStageExecution", **retry, stageName="Source")
    assert (succeeded.code, succeeded.message) == (
        "StageNotRetryableException",
        f"Stage Source of execution {run} has not failed",
    )
    assert refusal(world, "RetryStageExecution", **retry, stageName="Gone").code == "StageNotFoundException"

    newer = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until(lambda: ("Stage", newer, "Stage1", "", "STARTED") in world.told())
    late = refusal(world, "RetryStageExecution", **retry, stageName="Stage1")
    assert (late.code, late.message) == (
        "NotLatestPipelineExecutionException",
        f"Execution {newer} is later in Stage1",
    )

    world.call("UpdatePipeline", pipeline=pipeline([approval("Other")]))
    changed = refusal(world, "RetryStageExecution", **retry, stageName="Stage1")
    assert (changed.code, changed.message) == (
        "StageNotRetryableException",
        "The pipeline was changed after this execution",
    )


def test_what_was_abandoned_takes_no_answer(world: World) -> None:
    run, answer = approving(world)
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, abandon=True)
    assert refusal(world, "PutApprovalResult", **answer).code == "ApprovalAlreadyCompletedException"

    jobs: list[str] = []

    def silent(event: dict[str, Any]) -> None:
        with world.changed:
            jobs.append(event["CodePipeline.job"]["id"])
            world.changed.notify_all()

    world.functions.known["release"] = silent
    world.call("UpdatePipeline", pipeline=pipeline([action("Invoke", "Lambda", {"FunctionName": "release"})]))
    run = world.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    world.until(lambda: jobs)
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, abandon=True)
    assert refusal(world, "PutJobSuccessResult", jobId=jobs[0]).code == "InvalidJobStateException"


def test_runs_are_listed_by_the_stage_they_got_through(world: World) -> None:
    run, _ = approving(world)
    through = {"succeededInStage": {"stageName": "Source"}}
    listed = world.call("ListPipelineExecutions", pipelineName="app", filter=through)["pipelineExecutionSummaries"]
    assert [each["pipelineExecutionId"] for each in listed] == [run]
    stuck = {"succeededInStage": {"stageName": "Stage1"}}
    assert world.call("ListPipelineExecutions", pipelineName="app", filter=stuck)["pipelineExecutionSummaries"] == []


def test_a_jobs_variables_are_bounded(world: World) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html: 122,880 bytes for one action."""
    refused: list[str] = []

    def release(event: dict[str, Any]) -> None:
        job = event["CodePipeline.job"]["id"]
        with pytest.raises(ServiceError) as caught:
            world.call("PutJobSuccessResult", jobId=job, outputVariables={"x": "y" * 122_880})
        refused.append(caught.value.code)
        world.call("PutJobSuccessResult", jobId=job, outputVariables={"x": "y"})

    world.put_source({"a": "b"})
    world.functions.known["release"] = release
    run = create(world, [action("Invoke", "Lambda", {"FunctionName": "release"})])
    world.until_run(run, "SUCCEEDED")
    assert refused == ["OutputVariablesSizeExceededException"]


@pytest.mark.parametrize("mode", ["QUEUED", "SUPERSEDED"])
def test_fifty_runs_at_once_are_the_most(still: World, name: str, mode: str) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html; only where runs wait for each other."""
    still.call("CreatePipeline", pipeline=pipeline([approval()], name=name, pipelineType="V2", executionMode=mode))
    for _ in range(49):
        still.call("StartPipelineExecution", name=name)
    if mode == "SUPERSEDED":
        still.call("StartPipelineExecution", name=name)
    else:
        code = "ConcurrentPipelineExecutionsLimitExceededException"
        assert refusal(still, "StartPipelineExecution", name=name).code == code


TYPED = {"pipelineType": "V2", "executionMode": "QUEUED"}


def revision(**change: str) -> dict[str, Any]:
    usual = {"actionName": "Fetch", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "v"}
    return {"sourceRevisions": [{**usual, **change}]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({}, "variables without a value: Needed", id="no-value"),
        pytest.param(revision(actionName="Approve"), "Approve: no such source action", id="no-source"),
        pytest.param(revision(revisionType="COMMIT_ID"), "COMMIT_ID does not fit S3", id="commit-of-an-object"),
        pytest.param(revision(revisionType="S3_OBJECT_KEY"), "AllowOverrideForS3ObjectKey is not set", id="other-key"),
    ],
)
def test_runs_refused(still: World, name: str, given: dict[str, Any], words: str) -> None:
    variables = [] if given else [{"name": "Needed"}]
    still.call("CreatePipeline", pipeline=pipeline([approval()], name=name, **TYPED, variables=variables))
    refused = refusal(still, "StartPipelineExecution", name=name, **given)
    assert refused.code == "ValidationException"
    assert words in refused.message


def test_another_key_may_be_built_where_the_source_allows_it(world: World) -> None:
    world.put_source({"page": "usual"})
    world.put_source({"page": "other"}, key="sources/other.zip")
    declared = pipeline([approval()], **TYPED)
    declared["stages"][0]["actions"][0]["configuration"]["AllowOverrideForS3ObjectKey"] = "true"
    world.call("CreatePipeline", pipeline=declared)
    given = revision(revisionType="S3_OBJECT_KEY", revisionValue="sources/other.zip")
    run = world.call("StartPipelineExecution", name="app", **given)["pipelineExecutionId"]
    world.until(lambda: ("Stage", run, "Source", "", "SUCCEEDED") in world.told())
    output = world.actions(run)["Fetch"]["output"]
    assert output["outputVariables"]["ObjectKey"] == "sources/other.zip"
    place = output["outputArtifacts"][0]["s3location"]
    other = world.s3.get_object(Bucket=BUCKET, Key="sources/other.zip")["Body"].read()
    assert world.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read() == other


def tags(count: int) -> list[dict[str, str]]:
    return [{"key": f"k{number}", "value": "v"} for number in range(count)]


@pytest.mark.parametrize(
    ("region", "given", "code"),
    [
        pytest.param(REGION, [{"key": "aws:x", "value": "v"}], "InvalidTagsException", id="key-of-aws"),
        pytest.param(REGION, tags(51), "TooManyTagsException", id="51-tags"),
        pytest.param("eu-west-1", tags(1), "InvalidArnException", id="another-region"),
    ],
)
def test_tags_refused(still: World, name: str, region: str, given: list[dict[str, str]], code: str) -> None:
    still.call("CreatePipeline", pipeline=pipeline([approval()], name=name))
    arn = f"arn:aws:codepipeline:{region}:{ACCOUNT}:{name}"
    assert refusal(still, "TagResource", resourceArn=arn, tags=given).code == code
    assert still.call("ListTagsForResource", resourceArn=arn.replace(region, REGION))["tags"] == []


def test_F59_what_is_not_honoured_is_logged_when_a_pipeline_is_made(
    still: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    declared = pipeline([approval()], name=name)
    del declared["stages"][0]["actions"][0]["configuration"]["PollForSourceChanges"]
    still.call("CreatePipeline", pipeline=declared)
    assert f"pipeline {name}: Source/Fetch: PollForSourceChanges is not honoured" in caplog.text


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        pytest.param([], "SerializationException", "JSON object", id="no-object"),
        pytest.param(
            {"pipelineName": "app", "stageName": "Stage1", "transitionType": "Sideways", "reason": "r"},
            "ValidationException",
            "enum value set: ['Inbound', 'Outbound']",
            id="not-one-of",
        ),
    ],
)
def test_requests_of_another_shape_are_refused(still: World, body: Any, code: str, words: str) -> None:
    with pytest.raises(ServiceError) as caught:
        still.engine.handle("DisableStageTransition", body)
    assert caught.value.code == code
    assert words in caught.value.message
