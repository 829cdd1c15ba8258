"""A small AWS around the engine, for tests: stateful fakes of Lambda, CloudFormation and CodeBuild's projects.

S3, logs, SSM and STS are boto3's, to be used inside moto's ``mock_aws``. Never imported by the engine.
"""

from __future__ import annotations

import functools
import io
import json
import stat
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from . import CodePipeline

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "artifact-store"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
DEADLINE = 20.0


def zipped(files: Mapping[str, str | bytes], executable: tuple[str, ...] = ()) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(info, content)
    return packed.getvalue()


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "operation")


@functools.cache
def boto_client(service: str) -> Any:
    """A client for every world: making one takes longer than most tests."""
    return boto3.client(service, region_name=REGION)


class Functions:
    """Lambda: known functions get the event on a thread of their own, as an asynchronous invocation does."""

    def __init__(self) -> None:
        self.known: dict[str, Callable[[dict[str, Any]], None]] = {}

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        if InvocationType != "Event":  # pragma: no cover - only an action that invokes wrongly would do that
            raise error("InvalidParameterValueException", "pipelines invoke asynchronously")
        if FunctionName not in self.known:
            raise error("ResourceNotFoundException", f"Function not found: {FunctionName}")
        event = json.loads(Payload)
        threading.Thread(target=self.known[FunctionName], args=(event,), daemon=True).start()
        return {"StatusCode": 202}


class Stacks:
    """CloudFormation: every operation stays in progress until ``settle`` ends it."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.begun = threading.Event()
        self.changes = True
        self.looks = 0

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        self.looks += 1
        for stack in self.stacks.values():
            if StackName == stack["StackId"] or (
                StackName == stack["StackName"] and stack["StackStatus"] != "DELETE_COMPLETE"
            ):
                return {"Stacks": [dict(stack)]}
        raise error("ValidationError", f"Stack with id {StackName} does not exist")

    def create_stack(self, **given: Any) -> dict[str, Any]:
        identifier = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{given['StackName']}/{len(self.stacks)}"
        self.stacks[identifier] = {"StackId": identifier, "StackName": given["StackName"]}
        return self._begin("create", identifier, "CREATE_IN_PROGRESS", given)

    def update_stack(self, **given: Any) -> dict[str, Any]:
        stack = self.describe_stacks(given["StackName"])["Stacks"][0]
        if stack["StackStatus"] == "ROLLBACK_COMPLETE":
            message = f"Stack:{stack['StackId']} is in ROLLBACK_COMPLETE state and can not be updated."
            raise error("ValidationError", message)
        if not self.changes:
            self.calls.append(("update", given))
            raise error("ValidationError", "No updates are to be performed.")
        return self._begin("update", stack["StackId"], "UPDATE_IN_PROGRESS", given)

    def delete_stack(self, **given: Any) -> dict[str, Any]:
        stack = self.describe_stacks(given["StackName"])["Stacks"][0]
        return self._begin("delete", stack["StackId"], "DELETE_IN_PROGRESS", given)

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        return {"StackEvents": list(reversed(self.events.get(StackName, [])))}

    def settle(self, name: str, status: str, outputs: Mapping[str, str] | None = None, reason: str = "") -> str:
        stack = next(
            s for s in self.stacks.values() if s["StackName"] == name and s["StackStatus"] != "DELETE_COMPLETE"
        )
        stack["Outputs"] = [{"OutputKey": k, "OutputValue": v} for k, v in (outputs or {}).items()]
        stack["StackStatusReason"] = reason
        stack["StackStatus"] = status
        return str(stack["StackId"])

    def _begin(self, kind: str, identifier: str, status: str, given: dict[str, Any]) -> dict[str, Any]:
        self.stacks[identifier]["StackStatus"] = status
        self.events.setdefault(identifier, []).append(
            {"StackId": identifier, "PhysicalResourceId": identifier, "ClientRequestToken": given["ClientRequestToken"]}
        )
        self.calls.append((kind, given))
        self.begun.set()
        return {"StackId": identifier}


class Projects:
    """CodeBuild as ministack has it: projects only."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}

    def batch_get_projects(self, names: list[str]) -> dict[str, Any]:
        return {"projects": [self.known[name] for name in names if name in self.known]}


class World:
    """The engine with everything around it. Make it inside ``mock_aws``."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root, self.options = root, options
        self.functions, self.stacks, self.projects = Functions(), Stacks(), Projects()
        self.real: dict[str, Any] = {}
        self.events: list[tuple[str, dict[str, Any], list[str]]] = []
        self.changed = threading.Condition()
        self.s3 = self.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.open()

    def open(self) -> None:
        self.engine = CodePipeline(self.root, self.client, self.emit, ACCOUNT, REGION, **self.options)

    def client(self, service: str) -> Any:
        fakes = {"lambda": self.functions, "cloudformation": self.stacks, "codebuild": self.projects}
        if service in fakes:
            return fakes[service]
        if service not in self.real:
            self.real[service] = boto_client(service)
        return self.real[service]

    def emit(self, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        with self.changed:
            self.events.append((kind.split()[1], detail, resources))
            self.changed.notify_all()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition that an event brings about."""
        with self.changed:
            if not self.changed.wait_for(condition, DEADLINE):  # pragma: no cover - only in a test that fails
                raise TimeoutError(f"never came about; told so far: {self.told()}")

    def until_run(self, run: str, state: str) -> None:
        self.until(lambda: ("Pipeline", run, "", "", state) in self.told())

    def told(self) -> list[tuple[str, str, str, str, str]]:
        """Events as (kind, run, stage, action, state)."""
        return [(k, d["execution-id"], d.get("stage", ""), d.get("action", ""), d["state"]) for k, d, _ in self.events]

    def put_source(self, files: Mapping[str, str | bytes], key: str = "sources/app.zip", **metadata: str) -> str:
        answer = self.s3.put_object(Bucket=BUCKET, Key=key, Body=zipped(files), Metadata=metadata)
        return str(answer["VersionId"])

    def call(self, action: str, /, **body: Any) -> dict[str, Any]:
        return self.engine.handle(action, body)

    def runs(self, name: str = "app") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("ListPipelineExecutions", pipelineName=name)[
            "pipelineExecutionSummaries"
        ]
        return found

    def actions(self, run: str, name: str = "app") -> dict[str, dict[str, Any]]:
        details = self.call("ListActionExecutions", pipelineName=name, filter={"pipelineExecutionId": run})
        return {item["actionName"]: item for item in reversed(details["actionExecutionDetails"])}


def source() -> dict[str, Any]:
    return {
        "name": "Source",
        "actions": [
            {
                "name": "Fetch",
                "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"},
                "configuration": {
                    "S3Bucket": BUCKET,
                    "S3ObjectKey": "sources/app.zip",
                    "PollForSourceChanges": "false",
                },
                "outputArtifacts": [{"name": "SourceOutput"}],
                "namespace": "SourceVariables",
            }
        ],
    }


def action(category: str, provider: str, configuration: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": more.pop("name", provider),
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": dict(configuration or {}),
        **more,
    }


def approval(name: str = "Approve", **more: Any) -> dict[str, Any]:
    return action("Approval", "Manual", name=name, **more)


def pipeline(*stages: dict[str, Any] | list[dict[str, Any]], name: str = "app", **more: Any) -> dict[str, Any]:
    later = [s if isinstance(s, dict) else {"name": f"Stage{n}", "actions": s} for n, s in enumerate(stages, 1)]
    return {
        "name": name,
        "roleArn": ROLE,
        "artifactStore": {"type": "S3", "location": BUCKET},
        "stages": [source(), *later],
        **more,
    }
