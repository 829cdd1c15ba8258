"""CodePipeline through the adapter, against a stub of botocore: every answer as AWS documents it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deployer.errors import Broken, Rejected, Transient
from deployer.pipelines import ActionRun, CodePipeline, RunDetails
from deployer.ports import Run, Source
from deployer.states import RunState

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
MILLISECONDS = int(START.timestamp() * 1000)
KEY = "sources/site-staging.zip"
SHA = "a" * 40


@pytest.fixture
def aws() -> Iterator[tuple[CodePipeline, Stubber]]:
    client = boto3.client("codepipeline", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield CodePipeline(client), stub


Aws = tuple[CodePipeline, Stubber]


def test_runs_newest_first(aws: Aws) -> None:
    pipelines, stub = aws
    revision = {"actionName": "GitHub", "revisionId": "version-9", "revisionSummary": SHA}
    summaries = [
        {"pipelineExecutionId": "run-2", "status": "InProgress", "startTime": START, "sourceRevisions": []},
        {"pipelineExecutionId": "run-1", "status": "Superseded", "sourceRevisions": [revision, {"actionName": "Lib"}]},
    ]
    stub.add_response(
        "list_pipeline_executions",
        {"pipelineExecutionSummaries": summaries},
        {"pipelineName": "site", "maxResults": 20},
    )
    assert pipelines.runs("site") == (
        Run("run-2", RunState.IN_PROGRESS, MILLISECONDS, {}),
        Run("run-1", RunState.SUPERSEDED, 0, {"GitHub": "version-9"}),
    )


def test_all_pages_of_pipelines_are_counted(aws: Aws) -> None:
    pipelines, stub = aws
    stub.add_response("list_pipelines", {"pipelines": [{"name": "a"}, {"name": "b"}], "nextToken": "2"}, {})
    stub.add_response("list_pipelines", {"pipelines": [{"name": "c"}]}, {"nextToken": "2"})
    assert pipelines.count() == 3


def test_what_cannot_be_counted_is_said(aws: Aws) -> None:
    pipelines, stub = aws
    stub.add_client_error("list_pipelines", "ThrottlingException")
    with pytest.raises(Transient, match="the region's pipelines"):
        pipelines.count()


@pytest.mark.parametrize("status", RunState, ids=str)
def test_every_state_is_known(aws: Aws, status: RunState) -> None:
    pipelines, stub = aws
    found = [{"pipelineExecutionId": "run-1", "status": str(status)}]
    stub.add_response("list_pipeline_executions", {"pipelineExecutionSummaries": found})
    assert pipelines.runs("site")[0].state is status


def test_a_state_of_tomorrow_is_not_guessed(aws: Aws) -> None:
    pipelines, stub = aws
    found = [{"pipelineExecutionId": "run-1", "status": "Paused"}]
    stub.add_response("list_pipeline_executions", {"pipelineExecutionSummaries": found})
    with pytest.raises(Broken, match="Paused"):
        pipelines.runs("site")


def test_no_such_pipeline(aws: Aws) -> None:
    pipelines, stub = aws
    stub.add_client_error("list_pipeline_executions", "PipelineNotFoundException")
    stub.add_client_error("get_pipeline_execution", "PipelineNotFoundException")
    stub.add_client_error("get_pipeline_execution", "PipelineExecutionNotFoundException")
    assert pipelines.runs("site") == ()
    assert pipelines.run("site", "run-1") is None
    assert pipelines.run("site", "run-1") is None


def declaration(key: str = KEY, kind: str | None = "V2", provider: str = "S3") -> dict[str, Any]:
    def action(name: str, category: str, provider: str, **configuration: str) -> dict[str, Any]:
        return {
            "name": name,
            "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
            "configuration": configuration,
        }

    return {
        "pipeline": {
            "name": "site",
            "roleArn": "arn:aws:iam::123456789012:role/pipeline",
            "version": 3,
            **({"pipelineType": kind} if kind else {}),
            "stages": [
                {"name": "Source", "actions": [action("Commit", "Source", provider, S3ObjectKey=key)]},
                {"name": "Build", "actions": [action("Lint", "Build", "CodeBuild"), action("T", "Test", "CodeBuild")]},
            ],
        }
    }


def connected(repository: str = "acme/site") -> dict[str, Any]:
    """A pipeline that reads the repository through a connection."""
    found = declaration(provider="CodeStarSourceConnection")
    [action] = found["pipeline"]["stages"][0]["actions"]
    action |= {"name": "GitHub", "configuration": {"FullRepositoryId": repository, "BranchName": "main"}}
    return found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(declaration(), Source("Commit", True), id="V2"),
        pytest.param(declaration(kind="V1"), Source("Commit", False), id="V1"),
        pytest.param(declaration(kind=None), Source("Commit", False), id="V1-by-default"),
        pytest.param(declaration(key="sources/another.zip"), None, id="another-key"),
        pytest.param(declaration(provider="CodeStarSourceConnection"), None, id="another-repositorys-connection"),
        pytest.param(connected(), Source("GitHub", True, connected=True), id="F38-a-connection"),
        pytest.param(connected("Acme/Site"), Source("GitHub", True, connected=True), id="F38-whatever-its-case"),
        pytest.param(connected("acme/other"), None, id="F38-a-connection-to-another"),
    ],
)
def test_the_source_action(aws: Aws, found: dict[str, Any], expected: Source | None) -> None:
    pipelines, stub = aws
    stub.add_response("get_pipeline", found, {"name": "site"})
    assert pipelines.source("site", KEY, "acme/site") == expected


@pytest.mark.parametrize("version", [0, 3])
def test_stages_of_the_version_that_a_run_had(aws: Aws, version: int) -> None:
    pipelines, stub = aws
    stub.add_response("get_pipeline", declaration(), {"name": "site"} | ({"version": version} if version else {}))
    assert pipelines.stages("site", version) == {"Source": 1, "Build": 2}


COMMIT = [{"actionName": "GitHub", "revisionType": "COMMIT_ID", "revisionValue": "version-9"}]
PINNED = [{"actionName": "Commit", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "version-9"}]


@pytest.mark.parametrize(
    ("source", "more"),
    [
        pytest.param(Source("Commit", True), {"sourceRevisions": PINNED}, id="pinned"),
        pytest.param(Source("Commit", False), {}, id="V1"),
        pytest.param(Source("GitHub", True, connected=True), {"sourceRevisions": COMMIT}, id="F38-pinned-to-a-commit"),
        pytest.param(Source("GitHub", False, connected=True), {}, id="V1-connection"),
        pytest.param(None, {}, id="a-source-of-its-own"),
    ],
)
def test_a_run_is_started(aws: Aws, source: Source | None, more: dict[str, Any]) -> None:
    pipelines, stub = aws
    expected = {"name": "site", "clientRequestToken": "token-1", **more}
    stub.add_response("start_pipeline_execution", {"pipelineExecutionId": "run-1"}, expected)
    assert pipelines.start("site", source, "version-9", "token-1") == "run-1"


def action(provider: str, status: str) -> dict[str, Any]:
    """As ListActionExecutions tells of one."""
    kind = {"category": "Approval", "owner": "AWS", "provider": provider, "version": "1"}
    about = {"stageName": "Build", "actionName": provider, "status": status, "startTime": START}
    return {**about, "input": {"actionTypeId": kind}}


@pytest.mark.parametrize(
    ("actions", "abandon"),
    [
        pytest.param([], False, id="between-two-actions"),
        pytest.param([action("CodeBuild", "InProgress")], False, id="what-runs-may-end"),
        pytest.param([action("CodeBuild", "Succeeded"), action("Manual", "InProgress")], True, id="waits-for-a-person"),
        pytest.param([action("CodeBuild", "InProgress"), action("Manual", "InProgress")], False, id="both"),
        pytest.param([action("Manual", "Succeeded"), action("CloudFormation", "InProgress")], False, id="approved"),
    ],
)
def test_a_run_is_stopped_and_its_actions_may_end(aws: Aws, actions: list[dict[str, Any]], *, abandon: bool) -> None:
    pipelines, stub = aws
    stub.add_response("list_action_executions", {"actionExecutionDetails": actions})
    expected = {"pipelineName": "site", "pipelineExecutionId": "run-1", "abandon": abandon, "reason": "x" * 200}
    stub.add_response("stop_pipeline_execution", {"pipelineExecutionId": "run-1"}, expected)
    pipelines.stop("site", "run-1", "x" * 300)


@pytest.mark.parametrize("code", ["PipelineExecutionNotStoppableException", "DuplicatedStopRequestException"])
def test_a_run_that_has_ended_meanwhile(aws: Aws, code: str) -> None:
    pipelines, stub = aws
    stub.add_response("list_action_executions", {"actionExecutionDetails": []})
    stub.add_client_error("stop_pipeline_execution", code)
    pipelines.stop("site", "run-1", "superseded")


def test_a_run_that_may_not_be_stopped(aws: Aws) -> None:
    pipelines, stub = aws
    stub.add_response("list_action_executions", {"actionExecutionDetails": []})
    stub.add_client_error("stop_pipeline_execution", "AccessDeniedException")
    with pytest.raises(Broken):
        pipelines.stop("site", "run-1", "superseded")


CALLS: list[Any] = [
    pytest.param("list_pipeline_executions", lambda pipelines: pipelines.runs("site"), id="runs"),
    pytest.param("get_pipeline_execution", lambda pipelines: pipelines.run("site", "run-1"), id="run"),
    pytest.param("list_action_executions", lambda pipelines: pipelines.stop("site", "run-1", "why"), id="stop"),
]


@pytest.mark.parametrize(("operation", "call"), CALLS)
@pytest.mark.parametrize(("code", "kind"), [("ThrottlingException", Transient), ("AccessDeniedException", Broken)])
def test_F88_throttled_or_refused_is_neither_gone_nor_ended(
    aws: Aws, operation: str, call: Callable[[CodePipeline], object], code: str, kind: type[Exception]
) -> None:
    pipelines, stub = aws
    stub.add_client_error(operation, code)
    with pytest.raises(kind):
        call(pipelines)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Transient),
        ("ConflictException", Transient),
        ("AccessDeniedException", Broken),
        ("ValidationException", Rejected),
    ],
)
def test_refusals(aws: Aws, code: str, kind: type[Exception]) -> None:
    pipelines, stub = aws
    stub.add_client_error("start_pipeline_execution", code)
    with pytest.raises(kind):
        pipelines.start("site", None, "", "token-1")


def test_what_a_run_read(aws: Aws) -> None:
    pipelines, stub = aws
    artifacts = [{"name": "Commit", "revisionId": "version-9", "revisionSummary": SHA}, {"name": "Lib"}]
    found = {"pipelineExecutionId": "run-1", "status": "Stopped", "pipelineVersion": 3, "artifactRevisions": artifacts}
    stub.add_response("get_pipeline_execution", {"pipelineExecution": found})
    assert pipelines.run("site", "run-1") == RunDetails(
        "run-1", RunState.STOPPED, 3, {"Commit": ("version-9", SHA), "Lib": ("", "")}
    )


def test_F64_a_run_that_has_read_nothing_yet(aws: Aws) -> None:
    pipelines, stub = aws
    found = {"pipelineExecutionId": "run-1", "status": "InProgress"}
    stub.add_response("get_pipeline_execution", {"pipelineExecution": found})
    assert pipelines.run("site", "run-1") == RunDetails("run-1", RunState.IN_PROGRESS, 0, {})


def test_actions_of_all_pages_in_the_order_in_which_they_started(aws: Aws) -> None:
    pipelines, stub = aws
    later = START + datetime.timedelta(seconds=5)
    failed = {
        "stageName": "Build",
        "actionName": "Lint",
        "status": "Failed",
        "startTime": later,
        "lastUpdateTime": later + datetime.timedelta(seconds=2),
        "input": {
            "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
            "inputArtifacts": [{"name": "Commit", "s3location": {"bucket": "store", "key": "site/Commit/x"}}],
        },
        "output": {
            "executionResult": {
                "externalExecutionId": "site:1",
                "externalExecutionSummary": "Build terminated",
                "externalExecutionUrl": "https://build",
                "errorDetails": {"code": "JobFailed", "message": "state: FAILED"},
            }
        },
    }
    first = {"stageName": "Source", "actionName": "Commit", "status": "Succeeded", "startTime": START}
    stub.add_response("list_action_executions", {"actionExecutionDetails": [failed], "nextToken": "1"})
    stub.add_response("list_action_executions", {"actionExecutionDetails": [first]})
    assert pipelines.actions("site", "run-1") == (
        ActionRun("Source", "Commit", "", "Succeeded", MILLISECONDS, MILLISECONDS),
        ActionRun(
            "Build",
            "Lint",
            "CodeBuild",
            "Failed",
            MILLISECONDS + 5000,
            MILLISECONDS + 7000,
            "Build terminated",
            "site:1",
            "https://build",
            "state: FAILED",
            (("store", "site/Commit/x"),),
        ),
    )


@pytest.mark.parametrize(
    ("provider", "read", "stack"),
    [
        pytest.param("CloudFormation", {"configuration": {"StackName": "site-app"}}, "site-app", id="as-declared"),
        pytest.param(
            "CloudFormation",
            {"configuration": {"StackName": "#{A.Name}"}, "resolvedConfiguration": {"StackName": "site-app"}},
            "site-app",
            id="with-its-variables",
        ),
        pytest.param("CloudFormation", {}, "", id="nobody-says"),
        pytest.param("CodeBuild", {"configuration": {"StackName": "site-app"}}, "", id="another-kind-of-action"),
    ],
)
def test_the_stack_that_an_action_operates(aws: Aws, provider: str, read: dict[str, Any], stack: str) -> None:
    pipelines, stub = aws
    kind = {"category": "Deploy", "owner": "AWS", "provider": provider, "version": "1"}
    entry = {"stageName": "Deploy", "actionName": "App", "status": "Failed", "startTime": START}
    stub.add_response(
        "list_action_executions", {"actionExecutionDetails": [entry | {"input": {"actionTypeId": kind, **read}}]}
    )
    assert [action.stack for action in pipelines.actions("site", "run-1")] == [stack]


def test_an_error_without_a_message_is_its_code(aws: Aws) -> None:
    pipelines, stub = aws
    failed = {"stageName": "Build", "actionName": "Lint", "status": "Failed", "startTime": START}
    result = {"executionResult": {"errorDetails": {"code": "JobFailed"}}}
    stub.add_response("list_action_executions", {"actionExecutionDetails": [failed | {"output": result}]})
    assert [action.error for action in pipelines.actions("site", "run-1")] == ["JobFailed"]
