"""What our own AWS services may answer: nothing that botocore's models do not know, over the wire as in process."""

from __future__ import annotations

import ast
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deployer_local
from deployer_local.aws.json_services import JsonService, answer_to
from deployer_local.codebuild.service import CONTRACT as BUILDS
from deployer_local.codepipeline import ServiceError
from deployer_local.codepipeline.actions.lambda_invoke import check_job
from deployer_local.codepipeline.operations import Operations
from deployer_local.codepipeline.shapes import CONTRACT
from deployer_local.codepipeline.testing import ACCOUNT, REGION, World, approval, pipeline
from deployer_local.contract import COMMON

RUN = "12345678-1234-1234-1234-123456789012"
DETAIL: dict[str, Any] = {"pipelineExecutionId": RUN, "status": "InProgress", "lastUpdateTime": 1.5}


def fault(check: Callable[[], None]) -> str:
    with pytest.raises(ServiceError) as caught:
        check()
    assert (caught.value.code, caught.value.status) == ("InternalFailure", 500)
    return caught.value.message


@pytest.mark.parametrize(
    ("action", "answer", "said"),
    [
        pytest.param("StartPipelineExecution", {"pipelineExecutionID": RUN}, "pipelineExecutionID", id="misspelt"),
        pytest.param("StartPipelineExecution", {"pipelineExecutionId": "r1"}, "pattern", id="pattern"),
        pytest.param("StartPipelineExecution", {"pipelineExecutionId": None}, "Invalid type", id="null"),
        pytest.param("EnableStageTransition", {"a": 1}, "where none is", id="an-answer-where-none-is"),
        pytest.param(
            "ListActionExecutions", {"actionExecutionDetails": [{**DETAIL, "status": "Stopped"}]}, "enum", id="enum"
        ),
        pytest.param(
            "ListActionExecutions",
            {"actionExecutionDetails": [{**DETAIL, "lastUpdateTime": "2026-11-23T09:00:00Z"}]},
            "seconds since the epoch",
            id="time-as-text",
        ),
    ],
)
def test_an_answer_that_aws_could_not_give_is_a_defect(action: str, answer: dict[str, Any], said: str) -> None:
    """Strict: an answer of CodePipeline or CodeBuild that is none of AWS's."""
    assert said in fault(lambda: CONTRACT.check_answer(action, answer))


def test_an_answer_of_aws_passes() -> None:
    CONTRACT.check_answer("ListActionExecutions", {"actionExecutionDetails": [DETAIL]})
    CONTRACT.check_answer("EnableStageTransition", {})
    BUILDS.check_answer("BatchGetBuilds", {"builds": [{"id": "a:b", "buildStatus": "FAULT"}], "buildsNotFound": ["x"]})


@pytest.mark.parametrize(
    ("action", "error"),
    [
        pytest.param("UpdatePipeline", ServiceError("PipelineNotFoundException", "none"), id="another-operations"),
        pytest.param("GetPipeline", ServiceError("PipelineGoneException", "none"), id="nobodys"),
        pytest.param("GetPipeline", ServiceError("PipelineNotFoundException", "none", 404), id="another-status"),
        pytest.param("Dance", ServiceError("ValidationException", "no"), id="of-no-operation"),
    ],
)
def test_an_error_that_the_operation_does_not_declare_is_a_defect(action: str, error: ServiceError) -> None:
    def answer() -> None:
        with CONTRACT.errors(action):
            raise error

    assert f"{action} answers no {error.code}" in fault(answer)


class Lying(Operations):
    """Does what it is asked and tells something else."""

    def named(self, action: str) -> Any:
        operation = super().named(action)
        return lambda turn, body: operation and operation(turn, body) and {"done": True}


def test_what_was_answered_wrongly_was_not_done(world: World) -> None:
    world.engine._operations = Lying(ACCOUNT, REGION)
    assert "CreatePipeline" in fault(lambda: world.call("CreatePipeline", pipeline=pipeline([approval()])))
    world.engine._operations = Operations(ACCOUNT, REGION)
    assert world.call("ListPipelines") == {"pipelines": []}
    assert world.events == []


JOB: dict[str, Any] = {
    "id": RUN,
    "accountId": ACCOUNT,
    "data": {
        "actionConfiguration": {"configuration": {"FunctionName": "f", "UserParameters": "hello"}},
        "inputArtifacts": [
            {
                "name": "In",
                "revision": None,
                "location": {"type": "S3", "s3Location": {"bucketName": "b", "objectKey": "k"}},
            }
        ],
        "outputArtifacts": [],
        "artifactCredentials": {
            "accessKeyId": "a",
            "secretAccessKey": "s",
            "sessionToken": "t",
            "expirationTime": 1_575_493_418_000,
        },
    },
}


def test_the_job_that_a_function_gets_has_the_shape_of_the_api() -> None:
    check_job(JOB)
    check_job({**JOB, "data": {**JOB["data"], "continuationToken": "c"}})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"continuationtoken": "c"}, id="unknown-member"),
        pytest.param({"artifactCredentials": {"accessKeyId": "a"}}, id="credentials-without-their-secret"),
        pytest.param({"inputArtifacts": [{"name": "spaces are illegal"}]}, id="artifact-name"),
        pytest.param({"actionConfiguration": {"FunctionName": "f"}}, id="configuration-one-level-up"),
    ],
)
def test_a_job_of_another_shape_is_not_given_out(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="none of AWS's"):
        check_job({**JOB, "data": {**JOB["data"], **data}})


def raised() -> list[tuple[str, str]]:
    """Package and code of every ServiceError that the sources name."""
    found = []
    root = Path(deployer_local.__file__).parent
    for package in ("codepipeline", "codebuild"):
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ServiceError"
                if called and isinstance(node.args[0], ast.Constant):
                    found.append((package, str(node.args[0].value)))
    return found


def test_every_error_that_is_raised_is_one_of_the_services() -> None:
    served = {"codepipeline": Operations(ACCOUNT, REGION).names(), "codebuild": ["StartBuild"]}
    known = {
        package: {
            error.name for action in served[package] for error in contract.model.operation_model(action).error_shapes
        }
        for package, contract in (("codepipeline", CONTRACT), ("codebuild", BUILDS))
    }
    assert len(raised()) > 30
    assert [(package, code) for package, code in raised() if code not in known[package] | COMMON.keys()] == []


def broken(_action: str, _body: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "SerializationException", id="no-json"),
        pytest.param(b"[" * 100_000, 400, "SerializationException", id="deep"),
        pytest.param(b"\xff", 400, "SerializationException", id="no-text"),
        pytest.param(b"{}", 500, "InternalFailure", id="a-bug-of-ours"),
    ],
)
def test_whatever_goes_wrong_has_a_name_of_aws(body: bytes, status: int, code: str) -> None:
    answered, told = answer_to(JsonService("codepipeline", "T", broken, ServiceError), "T.GetPipeline", body)
    assert told is not None
    assert (answered, told["__type"]) == (status, code)


@pytest.mark.parametrize(
    ("target", "body", "status", "code"),
    [
        pytest.param("CodePipeline_20150709.ListPipelines", b"{}", 200, None, id="answer"),
        pytest.param(
            "CodePipeline_20150709.GetPipeline", b'{"name": "gone"}', 400, "PipelineNotFoundException", id="error"
        ),
        pytest.param("CodePipeline_20150709.Dance", b"{}", 404, "UnknownOperationException", id="no-such-operation"),
        pytest.param("CodePipeline_20150709.PollForJobs", b"{}", 400, "ValidationException", id="shape-comes-first"),
        pytest.param("CodePipeline_20150709.ListPipelines", b"[]", 400, "SerializationException", id="no-object"),
        pytest.param("CodePipeline_20150709.ListPipelines", b"{", 400, "SerializationException", id="no-json"),
        pytest.param("CodeBuild_20161006.BatchGetBuilds", b"{}", 400, "InvalidInputException", id="codebuild"),
    ],
)
def test_the_wire_is_aws_json_1_1(aws: Any, target: str, body: bytes, status: int, code: str | None) -> None:
    """https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html"""
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    request = urllib.request.Request(aws.engine.aws_url, body, headers, method="POST")
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        told = json.loads(answer.read())
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
        assert answer.headers["x-amzn-RequestId"]
        assert (told.get("__type"), answer.headers.get("x-amzn-errortype")) == (code, code)
        assert bool(told.get("message")) is (code is not None)
