"""The examples in docs/functions.md, each deployed on the engine, used, and deleted again."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployer_cli.demo.expect import until
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import install
from s3deployer.parameters import parameters

PAGE = Path(__file__).resolve().parents[1] / "docs" / "functions.md"
SITE, BUCKET, APP = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
PATIENCE = 60.0


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine into which the deployer is installed; no repository is ever pushed to it."""
    with Engine(tmp_path_factory.mktemp("engine"), clock=lambda: 0.0) as engine:
        install(engine, Tree.here())
        yield engine


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def status(engine: Engine, name: str) -> str:
    """A stack's status; empty where there is no such stack."""
    found = engine.client("cloudformation").list_stacks()["StackSummaries"]
    living = [each for each in found if each["StackName"] == name and each["StackStatus"] != "DELETE_COMPLETE"]
    return str(living[0]["StackStatus"]) if living else ""


def comes(engine: Engine, name: str, wanted: str) -> None:
    """Wait until a stack has a status; empty for none."""

    def check() -> str | None:
        seen = status(engine, name)
        return None if seen == wanted else seen or "no such stack"

    until(f"{name} is {wanted or 'gone'}", check, PATIENCE)


@contextmanager
def deployed(engine: Engine, name: str, template: str) -> Iterator[dict[str, str]]:
    """A stack of a template, by its outputs; deleted at the end, and gone."""
    cloudformation = engine.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    comes(engine, name, "CREATE_COMPLETE")
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    yield {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    cloudformation.delete_stack(StackName=name)
    comes(engine, name, "")


def run(engine: Engine, pipeline: str) -> dict[str, Any]:
    """Start a run and wait for its end; answers with its Publish action."""
    codepipeline = engine.client("codepipeline")
    execution = codepipeline.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]

    def going() -> str | None:
        found = codepipeline.get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=execution)
        seen = str(found["pipelineExecution"]["status"])
        return None if seen in ("Succeeded", "Failed") else seen

    until(f"{pipeline} ends", going, PATIENCE)
    found = codepipeline.list_action_executions(pipelineName=pipeline, filter={"pipelineExecutionId": execution})
    [publish] = [each for each in found["actionExecutionDetails"] if each["actionName"] == "Publish"]
    return dict(publish)


def encrypt(engine: Engine, bucket: str) -> None:
    """Have a bucket encrypt with a key that the account made, which its writer needs a permission for."""
    key = engine.client("kms").create_key()["KeyMetadata"]["Arn"]
    by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    engine.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [by_default]})


def test_a_site_from_a_zip(engine: Engine) -> None:
    s3, cloudfront = engine.client("s3"), engine.client("cloudfront")

    def keys() -> set[str]:
        return {each["Key"] for each in s3.list_objects_v2(Bucket=outputs["Site"])["Contents"]}

    with deployed(engine, "docs-site", SITE) as outputs:
        encrypt(engine, outputs["Site"])
        files = {"index.html": "<h1>one</h1>", "app.3f2a1b9c.js": "1", "old.css": "a{}"}
        s3.put_object(Bucket=outputs["Uploads"], Key="site.zip", Body=zipped(files))
        first = run(engine, "docs-site")
        assert first["status"] == "Succeeded", first
        assert keys() == {*files, ".deployer/published"}
        served = s3.head_object(Bucket=outputs["Site"], Key="app.3f2a1b9c.js")
        assert served["CacheControl"] == "public, max-age=31536000, immutable"
        assert served["ContentType"] == "text/javascript; charset=utf-8"
        assert s3.head_object(Bucket=outputs["Site"], Key="index.html")["CacheControl"] == "no-cache"

        del files["old.css"]
        files["index.html"] = "<h1>two</h1>"
        s3.put_object(Bucket=outputs["Uploads"], Key="site.zip", Body=zipped(files))
        second = run(engine, "docs-site")
        assert second["output"]["outputVariables"] == {
            "bucket": outputs["Site"],
            "uploaded": "1",
            "unchanged": "1",
            "deleted": "1",
            "bytes": "12",
        }
        assert keys() == {*files, ".deployer/published"}
        told = cloudfront.list_invalidations(DistributionId=outputs["Distribution"])["InvalidationList"]
        assert told["Quantity"] == 3  # a first time, after the second's pages, and after its deletion

        third = run(engine, "docs-site")
        assert third["output"]["outputVariables"]["uploaded"] == "0"
        told = cloudfront.list_invalidations(DistributionId=outputs["Distribution"])["InvalidationList"]
        assert told["Quantity"] == 3  # a first time, after the second's pages, and after its deletion
    for bucket in (outputs["Site"], outputs["Uploads"]):
        assert bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}


def test_F86_a_pipeline_writes_into_no_stack_but_its_own(engine: Engine) -> None:
    s3 = engine.client("s3")
    with deployed(engine, "victim", BUCKET) as victim:
        hostile = SITE.replace('"bucket": "${Site}"', f'"bucket": "{victim["Bucket"]}"')
        assert hostile != SITE
        with deployed(engine, "hostile", hostile) as outputs:
            s3.put_object(Bucket=outputs["Uploads"], Key="site.zip", Body=zipped({"index.html": "mine"}))
            publish = run(engine, "hostile")
            assert publish["status"] == "Failed"
            said = publish["output"]["executionResult"]["errorDetails"]["message"]
            assert f"bucket {victim['Bucket']} is refused" in said
            assert s3.list_objects_v2(Bucket=victim["Bucket"])["KeyCount"] == 0


def test_a_bucket_that_can_be_deleted(engine: Engine) -> None:
    s3 = engine.client("s3")
    with deployed(engine, "docs-bucket", BUCKET) as outputs:
        for key in ("a", "a", "b//c", "d/"):
            s3.put_object(Bucket=outputs["Bucket"], Key=key, Body=b"1")
        s3.delete_object(Bucket=outputs["Bucket"], Key="a")
        s3.create_multipart_upload(Bucket=outputs["Bucket"], Key="big")
    assert outputs["Bucket"] not in {each["Name"] for each in s3.list_buckets()["Buckets"]}


def test_a_bucket_that_takes_longer_than_an_invocation(engine: Engine) -> None:
    """It goes on from the function's queue, once there is time."""
    function, functions = "opolis-deployer-prod-s3cleaner", engine.client("lambda")
    queue = engine.client("sqs").get_queue_url(QueueName="opolis-deployer-prod-cleanups-buckets")["QueueUrl"]
    [mapping] = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]

    def later() -> str | None:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        found = engine.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return None if sum(map(int, found.values())) else "no message"

    with deployed(engine, "docs-long", BUCKET) as outputs:
        engine.client("s3").put_object(Bucket=outputs["Bucket"], Key="a", Body=b"1")
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        # Less than what an invocation keeps for its last word: nothing is begun.
        functions.update_function_configuration(FunctionName=function, Timeout=20)
        engine.client("cloudformation").delete_stack(StackName="docs-long")
        until("the cleanup is queued", later, PATIENCE)
        assert status(engine, "docs-long") == "DELETE_IN_PROGRESS"
        functions.update_function_configuration(FunctionName=function, Timeout=60)
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert outputs["Bucket"] not in {each["Name"] for each in engine.client("s3").list_buckets()["Buckets"]}


def test_a_stack_that_a_pipeline_made(engine: Engine) -> None:
    cloudformation, iam = engine.client("cloudformation"), engine.client("iam")
    with deployed(engine, "docs-app", APP):
        [role] = [each for each in iam.list_roles()["Roles"] if each["RoleName"].startswith("docs-app-DeployRole")]
        child = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
        cloudformation.create_stack(StackName="docs-app-app", TemplateBody=child, RoleARN=role["Arn"])
        comes(engine, "docs-app-app", "CREATE_COMPLETE")
    assert status(engine, "docs-app-app") == ""


def test_a_stack_that_cannot_go_yet(engine: Engine) -> None:
    """What keeps it is said on its parent, and another try ends it."""
    cloudformation, s3 = engine.client("cloudformation"), engine.client("s3")
    with deployed(engine, "docs-full", APP):
        [arn] = [
            each["Arn"]
            for each in engine.client("iam").list_roles()["Roles"]
            if each["RoleName"].startswith("docs-full-DeployRole")
        ]
        child = json.dumps({"Resources": {"Full": {"Type": "AWS::S3::Bucket"}}})
        cloudformation.create_stack(StackName="docs-full-app", TemplateBody=child, RoleARN=arn)
        comes(engine, "docs-full-app", "CREATE_COMPLETE")
        [resource] = cloudformation.describe_stack_resources(StackName="docs-full-app")["StackResources"]
        s3.put_object(Bucket=resource["PhysicalResourceId"], Key="a", Body=b"1")
        cloudformation.delete_stack(StackName="docs-full")
        comes(engine, "docs-full", "DELETE_FAILED")
        events = cloudformation.describe_stack_events(StackName="docs-full")["StackEvents"]
        assert "Full (AWS::S3::Bucket)" in str([each.get("ResourceStatusReason") for each in events])
        s3.delete_object(Bucket=resource["PhysicalResourceId"], Key="a")
    assert status(engine, "docs-full-app") == ""


@pytest.mark.parametrize("template", [SITE, BUCKET, APP], ids=["site", "bucket", "app"])
def test_cfn_lint(template: str, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(template)
    lint = [sys.executable, "-c", "from cfnlint.runner import main; raise SystemExit(main())", "--", str(path)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_user_parameters_are_taken() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    found = parameters(example)
    assert (found.prefix, found.strip, found.delete) == ("docs", 1, False)
    assert found.invalidate
    assert found.invalidate.distribution == "DocsDistribution"
    assert len(json.dumps(json.loads(example))) <= 1000
