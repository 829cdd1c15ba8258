"""Every function from layer and zip alone, in a bare interpreter, with a real event against the emulated AWS.

Without tracing nothing of X-Ray may be imported, and without a GitHub App nothing that signs, whatever it does with its
event.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer_deploy.manifest import read
from deployer_deploy.packaging import package
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform

TREE = Tree.here()
PROGRAM = """
import importlib, json, sys

class Context:
    aws_request_id = "request-1"
    def get_remaining_time_in_millis(self):
        return 60_000

sys.path[:0] = sys.argv[1:3]
module, _, name = sys.argv[3].rpartition(".")
handler = getattr(importlib.import_module(module), name)
try:
    answer = handler(json.loads(sys.argv[4]), Context())
except Exception as error:
    answer = type(error).__name__
print(json.dumps({"answer": answer, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
VARIABLES = {
    "ALLOWED_REPOSITORIES": "*",
    "ARTIFACT_STORE": "none",
    "BOUNDARY_ARN": "none",
    "CLEANUPS_QUEUE_URL": "none",
    "DEPLOYER_PREFIX": "alone",
    "DEVELOPMENT_ROLE_ARN": "none",
    "ENVIRONMENTS_TABLE": "no-such-table",
    "GITHUB_HMAC_PARAMETER": "no.such.parameter",
    "GITHUB_TOKEN_PARAMETER": "no.such.parameter",
    "LOOKS_QUEUE_URL": "none",
    "NOTICES_QUEUE_URL": "none",
    "PRODUCTION_ROLE_ARN": "none",
    "SLACK_TOKEN_PARAMETER": "no.such.parameter",
    "STAGING_ROLE_ARN": "none",
}
WEBHOOK = {
    "version": "2.0",
    "requestContext": {"http": {"method": "POST", "path": "/webhook"}},
    "headers": {
        "x-hub-signature-256": f"sha256={'0' * 64}",
        "x-github-event": "push",
        "content-type": "application/json",
    },
    "body": "{}",
    "isBase64Encoded": False,
}
LOOK = {"environment": "1/refs/heads/x", "repository": {"id": 1, "owner": "acme", "name": "site"}, "reason": "push"}
RUN = {
    "source": "aws.codepipeline",
    "detail-type": "CodePipeline Pipeline Execution State Change",
    "account": "000000000000",
    "region": "us-east-1",
    "detail": {"pipeline": "alone", "execution-id": "12345678-1234-1234-1234-123456789012", "state": "SUCCEEDED"},
}
RESOURCE = {
    "RequestType": "Delete",
    "ResponseURL": "http://local.web/answer",
    "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/alone/1",
    "RequestId": "r",
    "LogicalResourceId": "Cleaner",
    "PhysicalResourceId": "opolis-deployer/Cleaner/1",
    "ResourceProperties": {"ServiceToken": "t", "BucketName": "no-such-bucket", "StackName": "no-such-stack"},
}


def message(body: dict[str, Any]) -> dict[str, Any]:
    """A batch of one message."""
    record = {"messageId": "m", "receiptHandle": "r", "body": json.dumps(body), "attributes": {}, "eventSourceARN": "q"}
    return {"Records": [record]}


# An event for each function, and a call that it makes on its way, there where nothing is installed.
EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "listener": (WEBHOOK, "GetParameter"),
    "builder": (message(LOOK), "GetItem"),
    "notifier": (message(RUN), "GetItem"),
    "s3deployer": ({"CodePipeline.job": {"id": "00000000-0000-0000-0000-000000000000"}}, "PutJobFailureResult"),
    "s3cleaner": (RESOURCE, "DescribeStacks"),
    "stack-cleaner": (RESOURCE, "DescribeStacks"),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where a part's zip lies, unpacked as Lambda does it."""
    done: dict[str, Path] = {}

    def get(part: str) -> Path:
        if part not in done:
            done[part] = tmp_path_factory.mktemp(part)
            with zipfile.ZipFile(package(TREE, part, Platform.here()).path) as whole:
                whole.extractall(done[part])
        return done[part]

    return get


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_tracing_nothing_of_xray_is_imported(aws: Any, unpacked: Callable[[str], Path], function: str) -> None:
    event, call = EVENTS[function]
    text = json.dumps(event).replace("http://local.web", aws.engine.web_url)
    code, layer = unpacked(function), unpacked(LAYER) / "python"
    before = len(aws.engine.calls)
    handler = read(TREE.manifest(function)).document["Resources"]["Function"]["Properties"]["Handler"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, code, layer, handler, text],
        cwd="/",
        env={
            **VARIABLES,
            "AWS_ENDPOINT_URL": aws.engine.aws_url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "LAMBDA_TASK_ROOT": str(code),
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert call in {each.action for each in aws.engine.calls[before:]}, (ended["answer"], done.stderr)
    assert {"boto3", "deployer", TREE.package(function)} <= set(ended["modules"])
    assert not {"aws_xray_sdk", "wrapt", "slack_sdk", "jwt", "cryptography"} & set(ended["modules"])
