"""Both sides of every operation served, against botocore's model; refusals; templates."""

from __future__ import annotations

from typing import Any

import pytest

from deployer_local.codepipeline import ServiceError
from deployer_local.codepipeline.operations import Operations
from deployer_local.codepipeline.rules import check, remarks
from deployer_local.codepipeline.shapes import CONTRACT, model
from deployer_local.codepipeline.template import declaration
from deployer_local.codepipeline.testing import ACCOUNT, BUCKET, REGION, ROLE, World, action, approval, pipeline
from deployer_local.contract import faults_of

ARN = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:app"
UUID = "12345678-1234-1234-1234-123456789012"


class Checked:
    """Calls operations, checks request and answer, remembers which were called."""

    def __init__(self, world: World) -> None:
        self.world, self.called = world, set[str]()

    def __call__(self, name: str, /, **body: Any) -> dict[str, Any]:
        self.called.add(name)
        CONTRACT.check_request(name, body)
        answer = self.world.call(name, **body)
        output = model().operation_model(name).output_shape
        if output is None:
            assert answer == {}
        else:
            assert list(faults_of(answer, output)) == []
        return answer


def test_every_answer_has_the_models_shape(world: World) -> None:
    world.put_source({"a": "b"})
    call = Checked(world)
    jobs: list[str] = []
    world.functions.known["job"] = lambda event: jobs.append(event["CodePipeline.job"]["id"]) or note(world)
    invoke = action("Invoke", "Lambda", {"FunctionName": "job"}, name="Job")
    call(
        "CreatePipeline",
        pipeline=pipeline([invoke], [approval()], pipelineType="V2"),
        tags=[{"key": "a", "value": "b"}],
    )
    first = call("ListPipelineExecutions", pipelineName="app")["pipelineExecutionSummaries"][0]["pipelineExecutionId"]
    where = {"pipelineName": "app", "stageName": "Stage1"}
    world.until(lambda: jobs)
    call("PutJobFailureResult", jobId=jobs[0], failureDetails={"type": "JobFailed", "message": "no"})
    world.until_run(first, "FAILED")
    call("GetPipelineState", name="app")
    call("RetryStageExecution", **where, pipelineExecutionId=first, retryMode="ALL_ACTIONS")
    world.until(lambda: len(jobs) == 2)
    call("PutJobSuccessResult", jobId=jobs[1], outputVariables={"x": "y"})
    world.until(lambda: ("Action", first, "Stage2", "Approve", "STARTED") in world.told())
    token = open_token(call, world)
    call("GetPipelineState", name="app")
    call(
        "PutApprovalResult",
        pipelineName="app",
        stageName="Stage2",
        actionName="Approve",
        token=token,
        result={"summary": "", "status": "Approved"},
    )
    world.until_run(first, "SUCCEEDED")
    call("ListActionExecutions", pipelineName="app", filter={"pipelineExecutionId": first})
    latest = {"pipelineExecutionId": first, "startTimeRange": "Latest"}
    counting = call("ListActionExecutions", pipelineName="app", filter={"latestInPipelineExecution": latest})
    assert [item["actionName"] for item in counting["actionExecutionDetails"]] == ["Approve", "Job", "Fetch"]
    page = call("ListActionExecutions", pipelineName="app", maxResults=1)
    call("ListActionExecutions", pipelineName="app", nextToken=page["nextToken"])
    call("GetPipelineExecution", pipelineName="app", pipelineExecutionId=first)
    call("DisableStageTransition", **where, transitionType="Inbound", reason="freeze")
    second = call("StartPipelineExecution", name="app", clientRequestToken="t")["pipelineExecutionId"]
    third = call("StartPipelineExecution", name="app", clientRequestToken="t")["pipelineExecutionId"]
    assert second != third
    world.until_run(second, "SUPERSEDED")
    call("GetPipelineState", name="app")
    call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=third, reason="r")
    call("EnableStageTransition", **where, transitionType="Inbound")
    call("TagResource", resourceArn=ARN, tags=[{"key": "c", "value": "d"}])
    call("UntagResource", resourceArn=ARN, tagKeys=["a"])
    assert call("ListTagsForResource", resourceArn=ARN)["tags"] == [{"key": "c", "value": "d"}]
    call("UpdatePipeline", pipeline=pipeline([approval()]))
    assert call("GetPipeline", name="app", version=1)["pipeline"]["pipelineType"] == "V2"
    assert call("ListPipelines")["pipelines"][0]["version"] == 2
    call("ListPipelineExecutions", pipelineName="app")
    call("DeletePipeline", name="app")
    assert call.called == set(Operations(ACCOUNT, REGION).names())


def note(world: World) -> None:
    with world.changed:
        world.changed.notify_all()


def open_token(call: Checked, world: World) -> str:
    def token() -> str:
        state = call("GetPipelineState", name="app")["stageStates"][2]["actionStates"][0]
        return str(state.get("latestExecution", {}).get("token", ""))

    with world.changed:
        for _ in range(400):
            if found := token():
                return found
            world.changed.wait(0.05)
    raise TimeoutError("no approval token")


def test_events_tell_their_numbers_as_floats_and_whose_they_are(world: World) -> None:
    world.put_source({"a": "b"})
    world.call("CreatePipeline", pipeline=pipeline([approval()]))
    world.until(lambda: any(told[3:] == ("Approve", "STARTED") for told in world.told()))
    for _, detail, resources in world.events:
        assert isinstance(detail["version"], float)
        assert isinstance(detail["pipeline-execution-attempt"], float)
        assert resources == [ARN]
    ended = next(d for k, d, _ in world.events if (k, d["state"]) == ("Action", "SUCCEEDED"))
    assert ended["execution-result"]["external-execution-summary"].startswith("Amazon S3 version id: ")


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        pytest.param("GetPipeline", {}, "ValidationException", id="missing-member"),
        pytest.param("GetPipeline", {"name": "a b"}, "ValidationException", id="pattern"),
        pytest.param("GetPipeline", {"name": "x" * 101}, "ValidationException", id="too-long"),
        pytest.param("GetPipeline", {"name": 1}, "ValidationException", id="type"),
        pytest.param("GetPipeline", {"name": "app", "nmae": "b"}, "ValidationException", id="unknown-member"),
        pytest.param("GetPipeline", {"name": "gone"}, "PipelineNotFoundException", id="no-pipeline"),
        pytest.param("GetPipeline", {"name": "app", "version": 9}, "PipelineVersionNotFoundException", id="no-version"),
        pytest.param("CreatePipeline", {"pipeline": pipeline([approval()])}, "PipelineNameInUseException", id="name"),
        pytest.param(
            "UpdatePipeline", {"pipeline": pipeline([approval()], name="b")}, "InvalidStructureException", id="b"
        ),
        pytest.param(
            "GetPipelineExecution",
            {"pipelineName": "app", "pipelineExecutionId": UUID},
            "PipelineExecutionNotFoundException",
            id="no-run",
        ),
        pytest.param("PutJobSuccessResult", {"jobId": UUID}, "JobNotFoundException", id="no-job"),
        pytest.param("ListPipelines", {"nextToken": "x"}, "InvalidNextTokenException", id="next-token"),
        pytest.param("ListTagsForResource", {"resourceArn": ARN + "x"}, "ResourceNotFoundException", id="no-resource"),
        pytest.param(
            "StartPipelineExecution",
            {
                "name": "app",
                "sourceRevisions": [
                    {"actionName": "Fetch", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "v"}
                ],
            },
            "ValidationException",
            id="override-on-v1",
        ),
        pytest.param(
            "StartPipelineExecution",
            {"name": "app", "variables": [{"name": "a", "value": "b"}]},
            "ValidationException",
            id="variable",
        ),
        pytest.param(
            "PollForJobs", {"actionTypeId": approval()["actionTypeId"]}, "UnknownOperationException", id="not-served"
        ),
        pytest.param("Dance", {}, "UnknownOperationException", id="no-such-operation"),
    ],
)
def test_refusals(world: World, name: str, body: dict[str, Any], code: str) -> None:
    """Strict: a request to CodePipeline that AWS would refuse."""
    world.put_source({"a": "b"})
    world.call("CreatePipeline", pipeline=pipeline([approval()]))
    with pytest.raises(ServiceError) as caught:
        world.call(name, **body)
    assert caught.value.code == code


BUILD = action("Build", "CodeBuild", {"ProjectName": "p"}, inputArtifacts=[{"name": "SourceOutput"}])
DEPLOY = {"ActionMode": "CREATE_UPDATE", "StackName": "s", "RoleArn": ROLE, "TemplatePath": "SourceOutput::t"}
INPUT = {"inputArtifacts": [{"name": "SourceOutput"}]}
WRONG_ACTION = "InvalidActionDeclarationException"
WRONG_STRUCTURE = "InvalidStructureException"


@pytest.mark.parametrize(
    ("declared", "code", "words"),
    [
        pytest.param(pipeline(), WRONG_STRUCTURE, "between 2 and 50", id="one-stage"),
        pytest.param(pipeline([approval()], executionMode="QUEUED"), WRONG_STRUCTURE, "V2", id="queued-on-v1"),
        pytest.param(
            pipeline([{**BUILD, "inputArtifacts": [{"name": "Nowhere"}]}]), WRONG_STRUCTURE, "Nowhere", id="no-artifact"
        ),
        pytest.param(
            pipeline([{**BUILD, "outputArtifacts": [{"name": "SourceOutput"}]}]),
            WRONG_STRUCTURE,
            "unique",
            id="same-output",
        ),
        pytest.param(
            pipeline(
                [
                    {**BUILD, "outputArtifacts": [{"name": "Out"}]},
                    {**BUILD, "name": "Second", "inputArtifacts": [{"name": "Out"}]},
                ]
            ),
            WRONG_STRUCTURE,
            "earlier action",
            id="artifact-of-the-same-run-order",
        ),
        pytest.param(pipeline([approval(), approval()]), WRONG_STRUCTURE, "2 times", id="same-action"),
        pytest.param(
            pipeline([action("Deploy", "ECS", {})]),
            WRONG_ACTION,
            "Deploy/AWS/ECS version 1 is not served",
            id="provider",
        ),
        pytest.param(
            pipeline([{**BUILD, "configuration": {"ProjectName": "p", "BatchEnabled": "true"}}]),
            WRONG_ACTION,
            "BatchEnabled",
            id="batch",
        ),
        pytest.param(
            pipeline([action("Deploy", "CloudFormation", {**DEPLOY, "ActionMode": "CHANGE_SET_REPLACE"}, **INPUT)]),
            WRONG_ACTION,
            "CHANGE_SET_REPLACE is not served",
            id="action-mode",
        ),
        pytest.param(
            pipeline([action("Deploy", "CloudFormation", {**DEPLOY, "TemplatePath": "Other::t"}, **INPUT)]),
            WRONG_ACTION,
            "InputArtifact::path",
            id="template-path",
        ),
        pytest.param(
            pipeline({"name": "Two", "actions": [approval()], "onFailure": {"result": "ROLLBACK"}}),
            "InvalidStageDeclarationException",
            "onFailure is not served",
            id="rollback",
        ),
        pytest.param(pipeline([{**BUILD, "region": "eu-west-1"}]), WRONG_ACTION, "one region", id="region"),
    ],
)
def test_declarations_refused(declared: dict[str, Any], code: str, words: str) -> None:
    CONTRACT.check_request("CreatePipeline", {"pipeline": declared})
    with pytest.raises(ServiceError) as caught:
        check(declared, REGION)
    assert caught.value.code == code
    assert words in caught.value.message


def test_F59_polling_is_said_to_be_not_honoured() -> None:
    declared = pipeline([approval()])
    assert remarks(declared) == []
    del declared["stages"][0]["actions"][0]["configuration"]["PollForSourceChanges"]
    assert remarks(declared) == ["Source/Fetch: PollForSourceChanges is not honoured: the source is not polled"]


PROPERTIES: dict[str, Any] = {
    "RoleArn": ROLE,
    "ArtifactStore": {"Type": "S3", "Location": BUCKET, "EncryptionKey": {"Id": "k", "Type": "KMS"}},
    "PipelineType": "V2",
    "ExecutionMode": "QUEUED",
    "RestartExecutionOnUpdate": "true",
    "DisableInboundStageTransitions": [{"StageName": "Go", "Reason": "later"}],
    "Variables": [{"Name": "v", "DefaultValue": 1}],
    "Triggers": [
        {"ProviderType": "CodeStarSourceConnection", "GitConfiguration": {"SourceActionName": "Fetch", "Push": []}}
    ],
    "Tags": [{"Key": "a", "Value": "b"}],
    "Stages": [
        {
            "Name": "Source",
            "Actions": [
                {
                    "Name": "Fetch",
                    "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "S3", "Version": 1},
                    "Configuration": {"S3Bucket": BUCKET, "S3ObjectKey": "k", "PollForSourceChanges": False},
                    "OutputArtifacts": [{"Name": "SourceOutput"}],
                    "RunOrder": "1",
                }
            ],
        },
        {
            "Name": "Go",
            "Actions": [
                {
                    "Name": "Approve",
                    "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
                }
            ],
        },
    ],
}


def test_template_properties_become_a_declaration() -> None:
    found = declaration(PROPERTIES, "generated")
    assert found["tags"] == [{"key": "a", "value": "b"}]
    declared = found["pipeline"]
    assert (declared["name"], declared["executionMode"], declared["pipelineType"]) == ("generated", "QUEUED", "V2")
    fetch = declared["stages"][0]["actions"][0]
    assert fetch["configuration"]["PollForSourceChanges"] == "false"
    assert (fetch["runOrder"], fetch["actionTypeId"]["version"]) == (1, "1")
    assert declared["variables"] == [{"name": "v", "defaultValue": "1"}]
    assert declared["artifactStore"]["encryptionKey"] == {"id": "k", "type": "KMS"}
    del declared["triggers"]
    CONTRACT.check_request("CreatePipeline", found)
    check(declared, REGION)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"Surprise": 1}, "unsupported property Surprise", id="unknown-property"),
        pytest.param({"Stages": {}}, "Stages must be a list", id="wrong-type"),
        pytest.param({"RoleArn": {"a": 1}}, "RoleArn must be a string", id="not-a-string"),
    ],
)
def test_template_properties_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ServiceError) as caught:
        declaration({**PROPERTIES, **change}, "x")
    assert words in caught.value.message
