"""The AWS CLI, unmodified, against the engine: it lists, starts, shows, answers, stops and tags pipelines.

It pins another botocore than the emulator does, so it has an environment of its own, made by uv from its cache.
Each call costs about a second of start-up: what one call shows is asserted in one place.
https://docs.aws.amazon.com/cli/latest/reference/codepipeline/
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

VERSION = "1.46.3"
REFUSED = 255
"""What version 1, which is what PyPI has, ends with where the service refused; version 2 says 254.
https://docs.aws.amazon.com/cli/v1/userguide/cli-usage-returncodes.html"""


@dataclass(frozen=True)
class Cli:
    """Runs the installed `aws` with nothing of this machine's configuration."""

    program: Path
    endpoint: str

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
        }
        return subprocess.run(
            [self.program, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *words: str) -> Any:
        """The JSON that a command prints, None where it prints nothing."""
        done = self.run(*words, "--output", "json")
        assert done.returncode == 0, f"aws {' '.join(words)} ended with {done.returncode}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="module")
def cli(aws: Any, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """It is installed or the tests fail: without it the contract is not proven, so nothing is skipped."""
    place = tmp_path_factory.mktemp("aws-cli") / "venv"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(place)],
        ["pip", "install", "--quiet", "--python", str(place / "bin" / "python"), f"awscli=={VERSION}"],
    ):
        done = subprocess.run([find_uv_bin(), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return Cli(place / "bin" / "aws", aws.engine.aws_url)


@dataclass(frozen=True)
class Built:
    """A stack with a pipeline whose first run waits for its approval; `build` was built before that."""

    stack: str
    pipeline: str
    run: str
    build: str


def declared(bucket: str, project: str) -> dict[str, Any]:
    def action(name: str, category: str, provider: str, configuration: dict[str, str], **artifacts: Any) -> Any:
        kind = {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"}
        return {"Name": name, "ActionTypeId": kind, "Configuration": configuration, **artifacts}

    source = {"S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    code = [{"Name": "Code"}]
    stages = {
        "Source": action("Fetch", "Source", "S3", source, OutputArtifacts=code),
        "Build": action("Build", "Build", "CodeBuild", {"ProjectName": project}, InputArtifacts=code),
        "Wait": action("Approve", "Approval", "Manual", {}),
    }
    role = "arn:aws:iam::000000000000:role/any"
    return {
        "Project": {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                "Name": project,
                "ServiceRole": role,
                "Artifacts": {"Type": "CODEPIPELINE"},
                "Source": {"Type": "CODEPIPELINE"},
                "Environment": {
                    "Type": "LINUX_CONTAINER",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "Image": "aws/codebuild/standard:7.0",
                },
            },
        },
        "Pipeline": {
            "Type": "AWS::CodePipeline::Pipeline",
            "DependsOn": "Project",
            "Properties": {
                "RoleArn": role,
                "ArtifactStore": {"Type": "S3", "Location": bucket},
                "Stages": [{"Name": name, "Actions": [each]} for name, each in stages.items()],
                "Tags": [{"Key": "team", "Value": "web"}],
            },
        },
    }


@pytest.fixture(scope="module")
def built(aws: Any, zipped: Callable[[dict[str, str]], bytes]) -> Built:
    bucket, project, s3 = aws.unique("source"), aws.unique("project"), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    spec = "version: 0.2\nphases: {build: {commands: [echo built by hand]}}\n"
    s3.put_object(Bucket=bucket, Key="source.zip", Body=zipped({"buildspec.yml": spec}))
    stack = aws.create(declared(bucket, project))
    assert aws.settled(stack) == "CREATE_COMPLETE"
    pipelines = aws.client("codepipeline")
    name = aws.stacks.describe_stack_resource(StackName=stack, LogicalResourceId="Pipeline")["StackResourceDetail"]
    name = name["PhysicalResourceId"]
    [run] = pipelines.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
    aws.until(lambda: waiting(aws, name), "an approval")
    [build] = aws.client("codebuild").list_builds_for_project(projectName=project)["ids"]
    return Built(stack, name, run["pipelineExecutionId"], build)


def waiting(aws: Any, name: str) -> str:
    """The token of the open approval, or nothing."""
    state = aws.client("codepipeline").get_pipeline_state(name=name)["stageStates"][2]["actionStates"][0]
    found = state.get("latestExecution", {})
    return str(found.get("token", "")) if found.get("status") == "InProgress" else ""


def of(built: Built, *stage: str) -> list[str]:
    return ["--pipeline-name", built.pipeline, *(["--stage-name", *stage] if stage else [])]


def test_it_lists_page_by_page(aws: Any, cli: Cli, built: Built) -> None:
    other = aws.client("codepipeline").get_pipeline(name=built.pipeline)["pipeline"]
    aws.client("codepipeline").create_pipeline(pipeline={**other, "name": f"{built.pipeline}-b", "version": 1})
    every = sorted(each["name"] for each in aws.client("codepipeline").list_pipelines()["pipelines"])

    first = cli("codepipeline", "list-pipelines", "--max-items", str(len(every) - 1), "--page-size", "1")
    rest = cli("codepipeline", "list-pipelines", "--starting-token", first["NextToken"])

    assert sorted(each["name"] for each in first["pipelines"] + rest["pipelines"]) == every
    assert (len(rest["pipelines"]), "NextToken" in rest) == (1, False)


def test_it_shows_a_pipeline_its_state_and_its_run(cli: Cli, built: Built) -> None:
    shown = cli.run(
        *("codepipeline", "get-pipeline", "--name", built.pipeline),
        *("--query", "[pipeline.stages[].name, [metadata.pipelineArn]]", "--output", "text"),
    )
    state = cli("codepipeline", "get-pipeline-state", "--name", built.pipeline)["stageStates"]
    run = cli("codepipeline", "get-pipeline-execution", *of(built), "--pipeline-execution-id", built.run)
    chosen = f"pipelineExecutionId={built.run}"
    actions = cli("codepipeline", "list-action-executions", *of(built), "--filter", chosen)["actionExecutionDetails"]

    arn = f"arn:aws:codepipeline:us-east-1:000000000000:{built.pipeline}"
    assert shown.stdout == f"Source\tBuild\tWait\n{arn}\n"
    assert [each["latestExecution"]["status"] for each in state] == ["Succeeded", "Succeeded", "InProgress"]
    assert run["pipelineExecution"]["status"] == "InProgress"
    assert run["pipelineExecution"]["artifactRevisions"][0]["name"] == "Code"
    assert [(each["actionName"], each["status"]) for each in actions] == [
        ("Approve", "InProgress"),
        ("Build", "Succeeded"),
        ("Fetch", "Succeeded"),
    ]
    assert actions[1]["output"]["executionResult"]["externalExecutionId"] == built.build


def test_it_answers_retries_starts_and_stops(aws: Any, cli: Cli, built: Built) -> None:
    wait = of(built, "Wait")
    rejected = cli(
        *("codepipeline", "put-approval-result", *wait, "--action-name", "Approve"),
        *("--token", waiting(aws, built.pipeline), "--result", "summary=not yet,status=Rejected"),
    )
    assert "approvedAt" in rejected
    runs = aws.client("codepipeline")
    ended = {"pipelineName": built.pipeline, "pipelineExecutionId": built.run}
    aws.until(lambda: runs.get_pipeline_execution(**ended)["pipelineExecution"]["status"] == "Failed", "its end")

    retried = cli(
        *("codepipeline", "retry-stage-execution", *wait, "--pipeline-execution-id", built.run),
        *("--retry-mode", "FAILED_ACTIONS"),
    )
    assert retried == {"pipelineExecutionId": built.run}
    aws.until(lambda: waiting(aws, built.pipeline), "another approval")

    stopped = cli(
        *("codepipeline", "stop-pipeline-execution", *of(built), "--pipeline-execution-id", built.run),
        *("--abandon", "--reason", "enough"),
    )
    assert stopped == {"pipelineExecutionId": built.run}
    aws.until(lambda: runs.get_pipeline_execution(**ended)["pipelineExecution"]["status"] == "Stopped", "its stop")

    started = cli("codepipeline", "start-pipeline-execution", "--name", built.pipeline)["pipelineExecutionId"]
    listed = cli("codepipeline", "list-pipeline-executions", *of(built), "--max-items", "2")
    assert [each["pipelineExecutionId"] for each in listed["pipelineExecutionSummaries"]] == [started, built.run]
    assert listed["pipelineExecutionSummaries"][1]["stopTrigger"] == {"reason": "enough"}
    assert listed["pipelineExecutionSummaries"][0]["trigger"]["triggerType"] == "StartPipelineExecution"


def test_it_closes_and_opens_a_stage(aws: Any, cli: Cli, built: Built) -> None:
    build = [*of(built, "Build"), "--transition-type", "Inbound"]
    pipelines = aws.client("codepipeline")

    assert cli("codepipeline", "disable-stage-transition", *build, "--reason", "freeze") is None
    closed = pipelines.get_pipeline_state(name=built.pipeline)["stageStates"][1]["inboundTransitionState"]
    assert (closed["enabled"], closed["disabledReason"]) == (False, "freeze")

    assert cli("codepipeline", "enable-stage-transition", *build) is None
    opened = pipelines.get_pipeline_state(name=built.pipeline)["stageStates"][1]["inboundTransitionState"]
    assert opened["enabled"] is True


def test_it_tags(aws: Any, cli: Cli, built: Built) -> None:
    arn = ["--resource-arn", f"arn:aws:codepipeline:us-east-1:000000000000:{built.pipeline}"]

    assert not cli("codepipeline", "tag-resource", *arn, "--tags", "key=colour,value=blue")
    assert not cli("codepipeline", "untag-resource", *arn, "--tag-keys", "team")

    tags = cli("codepipeline", "list-tags-for-resource", *arn)["tags"]
    assert {tag["key"]: tag["value"] for tag in tags if not tag["key"].startswith("aws:")} == {"colour": "blue"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ["codepipeline", "get-pipeline", "--name", "gone"],
            "An error occurred (PipelineNotFoundException) when calling the GetPipeline operation: "
            "The account does not have a pipeline with the name 'gone'",
            id="not-found",
        ),
        pytest.param(
            ["codepipeline", "list-pipelines", "--no-paginate", "--next-token", "x"],
            "An error occurred (InvalidNextTokenException) when calling the ListPipelines operation: ",
            id="token",
        ),
        pytest.param(
            ["codepipeline", "list-webhooks"],
            "An error occurred (UnknownOperationException) when calling the ListWebhooks operation: "
            "ListWebhooks exists on AWS and is not served by this engine",
            id="not-served",
        ),
    ],
)
def test_what_is_refused_is_said_as_aws_says_it(cli: Cli, words: list[str], said: str) -> None:
    done = cli.run(*words)

    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert done.stderr.strip().removeprefix("aws: [ERROR]: ").startswith(said)


def test_it_shows_the_stack_the_build_and_its_log(cli: Cli, built: Built) -> None:
    stacks = cli("cloudformation", "describe-stacks", "--stack-name", built.stack)["Stacks"]
    [build] = cli("codebuild", "batch-get-builds", "--ids", built.build)["builds"]
    place = ["--log-group-name", build["logs"]["groupName"], "--log-stream-name", build["logs"]["streamName"]]
    log = cli("logs", "get-log-events", *place)["events"]

    assert [(each["StackId"], each["StackStatus"]) for each in stacks] == [(built.stack, "CREATE_COMPLETE")]
    assert (build["buildStatus"], build["buildComplete"]) == ("SUCCEEDED", True)
    assert any(event["message"].strip() == "built by hand" for event in log)
