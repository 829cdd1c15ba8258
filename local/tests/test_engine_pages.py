"""The engine's pages of runs, builds and stacks: where the links of a status lead on this machine."""

from __future__ import annotations

import html
import io
import re
import zipfile
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import urllib3
from botocore.exceptions import ClientError

from deployer_local.pages import links, runs

KIND = {"Owner": "AWS", "Version": "1"}


def get(aws: Any, path: str, status: int = 200) -> str:
    """The page's HTML, its line ends as blanks."""
    answer = urllib3.request("GET", aws.engine.web_url + path, retries=False, redirect=False)
    assert answer.status == status, answer.data
    return answer.data.decode()


def text(page: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2])))


def action(name: str, category: str, provider: str, configuration: dict[str, str], **artifacts: Any) -> dict[str, Any]:
    kind = KIND | {"Category": category, "Provider": provider}
    return {"Name": name, "ActionTypeId": kind, "Configuration": configuration, **artifacts}


@pytest.fixture
def failed(aws: Any) -> tuple[str, str, str]:
    """A pipeline whose build fails: its name, its stack, and the run's id."""
    return made(aws, "exit 3", "Failed")


@pytest.fixture
def waiting(aws: Any) -> tuple[str, str]:
    """A pipeline whose run waits for an approval: its name, and the run's id."""
    name, _, run = made(aws, "exit 0", "InProgress")
    aws.until(lambda: "waits for an approval" in get(aws, f"/runs/{name}/{run}"), "an approval")
    return name, run


def made(aws: Any, command: str, state: str) -> tuple[str, str, str]:
    bucket, s3, name = aws.unique("pages"), aws.client("s3"), aws.unique("pages")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("file", "text")
    metadata = {"codepipeline-artifact-revision-summary": "<b>the commit</b>"}
    s3.put_object(Bucket=bucket, Key="source.zip", Body=archive.getvalue(), Metadata=metadata)
    spec = '{"version": "0.2", "phases": {"build": {"commands": ["echo \'<script>alert(1)</script>\'", "COMMAND"]}}}'
    project = {
        "Name": name,
        "ServiceRole": "arn:aws:iam::000000000000:role/any",
        "Artifacts": {"Type": "CODEPIPELINE"},
        "Source": {"Type": "CODEPIPELINE", "BuildSpec": spec.replace("COMMAND", command)},
        "Environment": {"Type": "LINUX_CONTAINER", "ComputeType": "BUILD_GENERAL1_SMALL", "Image": "any"},
    }
    source = {"S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    code = [{"Name": "Code"}]
    pipeline = {
        "Name": name,
        "RoleArn": "arn:aws:iam::000000000000:role/any",
        "ArtifactStore": {"Type": "S3", "Location": bucket},
        "Stages": [
            {"Name": "Source", "Actions": [action("Commit", "Source", "S3", source, OutputArtifacts=code)]},
            {
                "Name": "Build",
                "Actions": [action("Site", "Build", "CodeBuild", {"ProjectName": name}, InputArtifacts=code)],
            },
            {"Name": "Wait", "Actions": [action("Wait", "Approval", "Manual", {})]},
        ],
    }
    stack = aws.create(
        {
            "Project": {"Type": "AWS::CodeBuild::Project", "Properties": project},
            "Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "DependsOn": "Project", "Properties": pipeline},
        }
    )
    assert aws.settled(stack) == "CREATE_COMPLETE"
    pipelines = aws.client("codepipeline")

    def ended() -> str:
        runs = pipelines.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
        return str(runs[0]["pipelineExecutionId"]) if runs and runs[0]["status"] == state else ""

    return name, stack, aws.until(ended, f"a run that is {state}")


def test_a_run_leads_to_its_build_and_the_build_to_its_log(aws: Any, failed: tuple[str, str, str]) -> None:
    name, _, run = failed
    listed = get(aws, f"/runs/{name}")
    assert f'href="/runs/{name}/{run}"' in listed
    assert "failed · just now" in text(listed)
    page = get(aws, f"/runs/{name}/{run}")
    said = text(page)
    for part in ("✓ Source succeeded", "<b>the commit</b>", "✕ Build failed", "exit status 3", "Wait not begun"):
        assert part in said, said
    assert "<b>" not in page
    [build] = set(re.findall(r'href="(/builds/[^"]+)"', page))
    log = get(aws, build)
    assert "<script>alert(1)</script>" in html.unescape(log.partition('<pre class="log">')[2])
    assert "<script>" not in log
    assert "✕ build" in text(log)
    assert f"✕ failed · {name}:" in text(log)
    assert len(get(aws, f"/runs/{name}/{run}?follow").split("http-equiv")) == 2


def test_a_run_that_goes_on_says_so(aws: Any, failed: tuple[str, str, str]) -> None:
    name, _, run = failed
    pipelines = aws.client("codepipeline")
    pipelines.retry_stage_execution(
        pipelineName=name, stageName="Build", pipelineExecutionId=run, retryMode="FAILED_ACTIONS"
    )
    assert re.search(r"Build (in progress|failed)", text(get(aws, f"/runs/{name}/{run}")))


def sent(aws: Any, path: str, answer: str, **changes: str) -> urllib3.BaseHTTPResponse:
    """The answer to the form on a page, as a browser sends it."""
    page = get(aws, path)
    [action] = re.findall(r'<form class="approval" method="post" action="([^"]*)">', page)
    given = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    origin = {"Origin": changes.pop("origin", aws.engine.web_url)}
    headers = origin | {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({**given, **changes, "answer": answer})
    return urllib3.request("POST", aws.engine.web_url + action, headers=headers, body=body, redirect=False)


@pytest.mark.parametrize(
    ("answer", "host", "becomes"), [("approve", "127.0.0.1", "succeeded"), ("reject", "localhost", "failed")]
)
def test_an_approval_is_answered_on_the_page_of_its_run(
    aws: Any, waiting: tuple[str, str], answer: str, host: str, becomes: str
) -> None:
    path = "/runs/{}/{}".format(*waiting)
    assert "Wait in progress" in text(get(aws, path))
    done = sent(aws, path, answer, origin=aws.engine.web_url.replace("127.0.0.1", host))
    assert (done.status, done.headers["Location"]) == (303, path)
    aws.until(lambda: f"{becomes} · run" in text(get(aws, path)), becomes)
    assert "waits for an approval" not in get(aws, path)


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"origin": "null"}, 403, "An approval is answered on the page of its run."),
        ({"origin": "http://evil.example"}, 403, "An approval is answered on the page of its run."),
        ({"token": "00000000-0000-4000-8000-000000000000"}, 409, "That is no longer waited for."),
        ({"token": ""}, 409, "That is no longer waited for."),
        ({"stage": "x" * 5000}, 409, "That is no longer waited for."),
    ],
    ids=["from-nowhere", "from-another-page", "another-token", "no-token", "no-stage"],
)
def test_an_approval_is_answered_by_nobody_else(
    aws: Any, waiting: tuple[str, str], changes: dict[str, str], status: int, says: str
) -> None:
    path = "/runs/{}/{}".format(*waiting)
    refused = sent(aws, path, "approve", **changes)
    assert refused.status == status, refused.data
    assert f"Not done {says}" in text(refused.data.decode())
    assert "waits for an approval" in get(aws, path)


def test_a_stack_shows_its_events(aws: Any, failed: tuple[str, str, str]) -> None:
    _, stack, _ = failed
    console = f"https://us-east-1.console.aws.amazon.com/cloudformation/home#/stacks/events?stackId={quote(stack)}"
    page = get(aws, links.here(console))
    assert "create complete" in text(page)
    assert "AWS::CodePipeline::Pipeline" in text(page)


@pytest.mark.parametrize(
    "path",
    [
        *("/runs/none", "/runs/none/1", "/runs/none/00000000-0000-4000-8000-000000000000"),
        *("/builds/none:1", "/stacks/none", "/stacks/arn%3Aaws%3Ax%2Fnone"),
    ],
)
def test_what_is_gone_is_said(aws: Any, path: str) -> None:
    assert re.search(r"Not here .*(There is no|has no run)", text(get(aws, path, 404)))


def test_what_aws_refuses_is_not_taken_for_gone() -> None:
    class Refusing:
        def list_pipeline_executions(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "ListPipelineExecutions")

    with pytest.raises(ClientError, match="Throttling"):
        runs.runs(lambda _: Refusing(), "site")


def test_github_and_slack_are_on_the_engines_pages(aws: Any) -> None:
    name = aws.unique("repository")
    aws.engine.github.create_repository(f"acme/{name}")
    assert f"{aws.engine.web_url}/acme/{name}.git" in text(get(aws, f"/github/acme/{name}"))
    assert "# deployments" in text(get(aws, "/slack"))
