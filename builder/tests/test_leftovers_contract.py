"""Leftovers: the in-memory twin and AWS, held to one contract.

moto knows no history of actions: botocore's stub tells it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from builder.leftovers import Remains, built, failed_builds, ours, written
from deployer.errors import Broken, Transient
from deployer.ports import Leftovers, StackRequest
from deployer.testing import Cloud

STORE, ELSEWHERE = "store", "elsewhere"
START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
# Two pipelines whose keys begin alike: CodePipeline cuts the name to 20 characters.
ONE, TWO = "opolis-frontend-feature-one", "opolis-frontend-feature-two"


@dataclass
class Account:
    """``run``: a pipeline runs and logs. ``left``: the pipelines with artifacts, and the projects with logs."""

    leftovers: Leftovers
    run: Callable[[str], None]
    left: Callable[[], tuple[set[str], set[str]]]


def in_memory() -> Account:
    cloud = Cloud()

    def run(pipeline: str) -> None:
        cloud.create(StackRequest(pipeline, "{}", "", {}, {}, "role", f"create-{pipeline}"))
        cloud.finish(pipeline)
        cloud.read(pipeline)

    return Account(cloud, run, lambda: (set(cloud.artifacts), set(cloud.logs)))


@dataclass
class Aws:
    """S3 and CloudWatch Logs of moto; what CodePipeline is asked next is scripted by ``history``."""

    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clients = {name: boto3.client(name, "us-east-1") for name in ("s3", "logs", "codepipeline", "codebuild")}
        self.s3, self.logs = clients["s3"], clients["logs"]
        for bucket in (STORE, ELSEWHERE):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.leftovers = Remains(clients.__getitem__, STORE)
        self.stub, self.builds = Stubber(clients["codepipeline"]), Stubber(clients["codebuild"])
        self.stub.activate()
        self.builds.activate()

    def clear_artifacts(self, pipeline: str) -> None:
        """As the adapter does, with the history that the pipeline has."""
        asked = {"pipelineName": pipeline}
        if pipeline in self.histories:
            answer = {"actionExecutionDetails": self.histories[pipeline]}
            self.stub.add_response("list_action_executions", answer, asked)
        else:
            self.stub.add_client_error("list_action_executions", "PipelineNotFoundException", expected_params=asked)
        self.leftovers.clear_artifacts(pipeline)

    def clear_log(self, project: str) -> None:
        self.leftovers.clear_log(project)

    def put(self, key: str, bucket: str = STORE) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=b"artifact")

    def write(self, pipeline: str, key: str, bucket: str = STORE) -> None:
        self.put(key, bucket)
        self.histories.setdefault(pipeline, []).append(action(key, bucket))

    def run(self, pipeline: str) -> None:
        self.write(pipeline, f"{pipeline[:20]}/SourceOut/{pipeline[-3:]}")
        self.logs.create_log_group(logGroupName=f"/aws/codebuild/{pipeline}")

    def versions(self, bucket: str = STORE) -> set[str]:
        """The keys of all versions and markers."""
        found = self.s3.list_object_versions(Bucket=bucket)
        return {entry["Key"] for kind in ("Versions", "DeleteMarkers") for entry in found.get(kind, ())}

    def left(self) -> tuple[set[str], set[str]]:
        keys = self.versions()
        groups = {group["logGroupName"] for group in self.logs.describe_log_groups()["logGroups"]}
        return {each for each in (ONE, TWO) if f"{each[:20]}/SourceOut/{each[-3:]}" in keys}, {
            name.removeprefix("/aws/codebuild/") for name in groups
        }


def action(*places: str, **output: Any) -> dict[str, Any]:
    """An ActionExecutionDetail that wrote (key, bucket)."""
    made = [{"name": "SourceOutput", "s3location": {"key": places[0], "bucket": places[1]}}] if places else []
    return {
        "pipelineExecutionId": "11111111-aaaa-1111-aaaa-111111111111",
        "actionExecutionId": "22222222-aaaa-1111-aaaa-111111111111",
        "stageName": "Source",
        "actionName": "Source",
        "startTime": START,
        "status": "Succeeded",
        "output": {"outputArtifacts": made, **output},
    }


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with mock_aws():
        yield Aws()


@pytest.fixture(params=["in-memory", "aws"])
def account(request: pytest.FixtureRequest) -> Account:
    if request.param == "in-memory":
        return in_memory()
    found: Aws = request.getfixturevalue("aws")
    return Account(found, found.run, found.left)


def test_what_a_pipeline_wrote_is_removed_and_nobody_elses(account: Account) -> None:
    for pipeline in (ONE, TWO):
        account.run(pipeline)
    account.leftovers.clear_artifacts(ONE)
    assert account.left() == ({TWO}, {ONE, TWO})
    account.leftovers.clear_log(ONE)
    assert account.left() == ({TWO}, {TWO})


def test_what_is_not_there_is_removed_without_complaint(account: Account) -> None:
    account.run(ONE)
    for _ in range(2):
        account.leftovers.clear_artifacts(ONE)
        account.leftovers.clear_log(ONE)
        account.leftovers.clear_artifacts("unknown")
        account.leftovers.clear_log("unknown")
    assert account.left() == (set(), set())


def test_every_version_and_marker_goes(aws: Aws) -> None:
    aws.write(ONE, "opolis-frontend-feat/BuildOut/abc")
    aws.put("opolis-frontend-feat/BuildOut/abc")
    aws.s3.delete_object(Bucket=STORE, Key="opolis-frontend-feat/BuildOut/abc")
    aws.put("opolis-frontend-feat/BuildOut/abcd")
    aws.clear_artifacts(ONE)
    assert aws.versions() == {"opolis-frontend-feat/BuildOut/abcd"}, "a longer key is another one"


def test_no_other_bucket_and_no_source_is_touched(aws: Aws) -> None:
    aws.write(ONE, "a/b/c", ELSEWHERE)
    aws.write(ONE, "sources/site-staging.zip")
    aws.clear_artifacts(ONE)
    assert (aws.versions(), aws.versions(ELSEWHERE)) == ({"sources/site-staging.zip"}, {"a/b/c"})


def test_more_artifacts_than_one_listing_holds(aws: Aws) -> None:
    for number in range(1005):
        aws.write(ONE, f"opolis-frontend-feat/BuildOut/{number}")
    aws.put("opolis-frontend-feat/BuildOut/other")
    aws.clear_artifacts(ONE)
    assert aws.versions() == {"opolis-frontend-feat/BuildOut/other"}


@pytest.mark.parametrize(
    ("actions", "keys"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([{}], [], id="an-action-without-output"),
        pytest.param([action()], [], id="an-action-without-artifacts"),
        pytest.param([{"output": {"outputArtifacts": [{"name": "x"}]}}], [], id="an-artifact-without-a-place"),
        pytest.param([{"output": {"outputArtifacts": [{"s3location": {"bucket": STORE}}]}}], [], id="without-a-key"),
        pytest.param([action("b/1/x", STORE), action("a/2/y", STORE)], ["a/2/y", "b/1/x"], id="sorted"),
        pytest.param([action("a/1/x", STORE), action("a/1/x", STORE)], ["a/1/x"], id="once"),
        pytest.param([action("a/1/x", ELSEWHERE)], [], id="another-bucket"),
        pytest.param([action("sources/s.zip", STORE)], [], id="a-source"),
        pytest.param(
            [action("sources", STORE), action("sources-x/1/2", STORE)], ["sources", "sources-x/1/2"], id="alike"
        ),
        # By folder first, so that each folder is listed once.
        pytest.param(
            [action("a/b/z", STORE), action("a/c", STORE), action("a/b/a", STORE)],
            ["a/c", "a/b/a", "a/b/z"],
            id="by-folder",
        ),
    ],
)
def test_what_actions_wrote(actions: list[dict[str, Any]], keys: list[str]) -> None:
    assert ours(written(actions), STORE) == keys


def build(number: int, status: str = "Failed", provider: str = "CodeBuild") -> dict[str, Any]:
    """An ActionExecutionDetail of a build without an artifact that the history would show."""
    kind = {"category": "Build", "owner": "AWS", "provider": provider, "version": "1"}
    result = {"executionResult": {"externalExecutionId": f"{ONE}-build:{number}"}}
    return {**action(), "status": status, "input": {"actionTypeId": kind}, "output": result}


def test_what_a_failed_build_uploaded_goes_too(aws: Aws) -> None:
    """CodeBuild uploads whatever the build came to; only the build itself says where to."""
    aws.histories[ONE] = [build(number) for number in range(102)]
    key = f"{ONE[:20]}/BuildOut/abc"
    aws.put(key)
    for first, last in ((0, 100), (100, 102)):
        found = [
            {"id": f"{ONE}-build:{number}", "initiator": f"codepipeline/{ONE}", "artifacts": {"location": ""}}
            for number in range(first, last)
        ]
        found[-1]["artifacts"] = {"location": f"arn:aws:s3:::{STORE}/{key}"}
        asked = {"ids": [f"{ONE}-build:{number}" for number in range(first, last)]}
        aws.builds.add_response("batch_get_builds", {"builds": found}, asked)
    aws.clear_artifacts(ONE)
    assert aws.versions() == set()
    aws.builds.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("actions", "builds"),
    [
        pytest.param([build(1), build(2, "Abandoned")], [f"{ONE}-build:1", f"{ONE}-build:2"], id="failed-or-abandoned"),
        pytest.param([build(1, provider="Lambda")], [], id="no-build"),
        pytest.param([{**build(1), "output": {}}], [], id="never-begun"),
        pytest.param(
            [{**build(1), "output": {**build(1)["output"], **action("a/b", STORE)["output"]}}], [], id="shown"
        ),
        pytest.param([{}], [], id="nothing-told"),
    ],
)
def test_the_builds_that_are_asked(actions: list[dict[str, Any]], builds: list[str]) -> None:
    assert failed_builds(actions) == builds


@pytest.mark.parametrize(
    ("told", "places"),
    [
        pytest.param(
            {"initiator": f"codepipeline/{ONE}", "artifacts": {"location": "arn:aws:s3:::store/a/b/c"}},
            [("store", "a/b/c")],
            id="the-pipelines",
        ),
        pytest.param(
            {"initiator": f"codepipeline/{TWO}", "artifacts": {"location": "arn:aws:s3:::store/a/b/c"}},
            [],
            id="another-pipelines",
        ),
        # Where such a build's artifact lies, its template chose: it may name what is somebody else's.
        pytest.param(
            {"initiator": "a-role/a-session", "artifacts": {"location": "arn:aws:s3:::store/a/b/c"}},
            [],
            id="somebodys",
        ),
        pytest.param({"initiator": f"codepipeline/{ONE}"}, [("", "")], id="without-one"),
    ],
)
def test_where_a_builds_artifact_lies(told: dict[str, Any], places: list[tuple[str, str]]) -> None:
    assert list(built([told], ONE)) == places


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        pytest.param("OperationAbortedException", 400, Transient, id="somebody-else-changes-it"),
        pytest.param("ThrottlingException", 400, Transient, id="throttled"),
        pytest.param("ServiceUnavailableException", 503, Transient, id="unavailable"),
        pytest.param("AccessDeniedException", 400, Broken, id="denied"),
    ],
)
def test_a_log_that_is_not_removed(code: str, status: int, raised: type[Exception]) -> None:
    logs = boto3.client("logs", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(logs) as stub:
        stub.add_client_error("delete_log_group", code, http_status_code=status)
        with pytest.raises(raised):
            Remains({"logs": logs}.__getitem__, STORE).clear_log("project")


def test_a_history_that_is_not_told(aws: Aws) -> None:
    aws.stub.add_client_error("list_action_executions", "ThrottlingException")
    with pytest.raises(Transient):
        aws.leftovers.clear_artifacts(ONE)
