"""The CloudFormation action: brings one stack to a template of an artifact, or deletes it, and waits for the end.

CREATE_UPDATE never replaces a stack: over ROLLBACK_COMPLETE it fails with CloudFormation's own words, as on AWS;
REPLACE_ON_FAILURE deletes a failed stack first. The operation's token is derived from the action execution, so that
an execution taken up again after a kill finds its own operation in the stack's events and waits for it.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .artifacts import ArtifactError, read_file, write_file
from .job import Failed, Job, Outcome, StackChanged, Succeeded
from .stack_parameters import ParameterError, override

REPLACED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"}
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
_GONE = "DELETE_COMPLETE"
_INLINE = 51_200


@dataclass(frozen=True)
class Stack:
    """What DescribeStacks said."""

    id: str
    status: str
    reason: str
    outputs: Mapping[str, str]


class _FailedError(Exception):
    """The action fails with this message."""


def run(job: Job, poll: Callable[[], float]) -> Outcome:
    """Do what ``ActionMode`` says; ``poll`` gives the seconds between looks when no stack event comes."""
    work = _Work(job, poll)
    try:
        if job.configuration["ActionMode"] == "DELETE_ONLY":
            return work.delete_only()
        return work.create_or_update()
    except (_FailedError, ArtifactError, ParameterError) as error:
        return Failed("JobFailed", str(error), external_id=work.stack_id, url=work.url())
    except (ClientError, BotoCoreError) as error:
        text = error.response["Error"]["Message"] if isinstance(error, ClientError) else str(error)
        code = "PermissionError" if "AccessDenied" in str(error) else "JobFailed"
        return Failed(code, text, external_id=work.stack_id, url=work.url())


class _Work:
    def __init__(self, job: Job, poll: Callable[[], float]) -> None:
        self._job, self._poll = job, poll
        self._name = job.configuration["StackName"]
        self._cloudformation = job.around.client("cloudformation")
        self._s3 = job.around.client("s3")
        self.stack_id: str = job.memory.get("stack", "")

    def url(self) -> str:
        region = self._job.around.region
        start = f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks"
        return f"{start}/stackinfo?stackId={self.stack_id}" if self.stack_id else start

    def delete_only(self) -> Outcome:
        """Succeeds when there is no such stack."""
        stack = self._describe(self.stack_id or self._name)
        if stack is not None and stack.status != _GONE:
            self._delete(stack)
        return Succeeded(f"Stack {self._name} was deleted.", self.stack_id, self.url())

    def create_or_update(self) -> Outcome:
        """Create, update, or wait for what an earlier life of this execution began."""
        stack = self._describe(self._name)
        if stack is not None and stack.status in {_GONE, "REVIEW_IN_PROGRESS"}:
            stack = None
        operation = self._job.memory.get("operation")
        if operation in {"create", "update"} and stack is not None and self._began(stack, operation):
            self._see(stack.id)
            return self._end(self._wait(stack.id), operation)
        replace = self._job.configuration["ActionMode"] == "REPLACE_ON_FAILURE"
        if stack is not None and replace and (stack.status in REPLACED or operation == "delete"):
            self._delete(stack)
            stack = None
        arguments = self._arguments()
        operation = "create" if stack is None else "update"
        self._job.remember(operation=operation)
        try:
            if stack is None:
                identifier = self._cloudformation.create_stack(**arguments, **self._token("create"))["StackId"]
            else:
                self._see(stack.id)
                identifier = self._cloudformation.update_stack(**arguments, **self._token("update"))["StackId"]
        except ClientError as error:
            if "No updates are to be performed" not in str(error) or stack is None:
                raise
            return self._end(self._describe(stack.id) or stack, "update", changed=False)
        self._see(identifier)
        return self._end(self._wait(identifier), operation)

    def _end(self, stack: Stack, operation: str, *, changed: bool = True) -> Outcome:
        if changed and stack.status not in _GOOD:
            raise _FailedError(self._why(stack, operation))
        if name := self._job.configuration.get("OutputFileName"):
            write_file(self._s3, self._job.outputs[0], name, json.dumps(stack.outputs, indent=2, sort_keys=True))
        done = f"was {operation}d" if changed else "is up to date: No updates are to be performed"
        return Succeeded(f"Stack {stack.id} {done}.", stack.id, self.url(), variables=stack.outputs)

    def _arguments(self) -> dict[str, Any]:
        configuration = self._job.configuration
        template = self._file(configuration["TemplatePath"])
        found: dict[str, Any] = {"StackName": self._name, "RoleARN": configuration["RoleArn"]}
        if len(template.encode()) <= _INLINE:
            found["TemplateBody"] = template
        else:
            key = f"{self._job.pipeline[:20]}/templates/{self._job.id}"
            self._s3.put_object(Bucket=self._job.bucket, Key=key, Body=template.encode())
            found["TemplateURL"] = f"https://{self._job.bucket}.s3.amazonaws.com/{key}"
        settings = self._settings()
        parameters = {name: str(value) for name, value in settings.get("Parameters", {}).items()}
        parameters |= override(self._s3, configuration.get("ParameterOverrides", "{}"), self._job.inputs)
        found["Parameters"] = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        if tags := settings.get("Tags"):
            found["Tags"] = [{"Key": name, "Value": str(value)} for name, value in tags.items()]
        if policy := settings.get("StackPolicy"):
            found["StackPolicyBody"] = json.dumps(policy)
        if capabilities := configuration.get("Capabilities"):
            found["Capabilities"] = [name.strip() for name in capabilities.split(",")]
        return found

    def _settings(self) -> dict[str, Any]:
        path = self._job.configuration.get("TemplateConfiguration")
        if path is None:
            return {}
        try:
            found = json.loads(self._file(path))
        except json.JSONDecodeError as error:
            raise _FailedError(f"TemplateConfiguration {path} is not JSON: {error}") from error
        known = {"Parameters", "Tags", "StackPolicy"}
        if not isinstance(found, dict) or set(found) - known or not all(isinstance(v, dict) for v in found.values()):
            raise _FailedError(
                f"TemplateConfiguration {path} must be an object of {', '.join(sorted(known))}, all objects"
            )
        return found

    def _file(self, reference: str) -> str:
        name, _, path = reference.partition("::")
        artifact = next(item for item in self._job.inputs if item.name == name)
        return read_file(self._s3, artifact, path)

    def _delete(self, stack: Stack) -> None:
        self._see(stack.id)
        if stack.status != "DELETE_IN_PROGRESS":
            self._job.remember(operation="delete")
            role = {"RoleARN": found} if (found := self._job.configuration.get("RoleArn")) else {}
            self._cloudformation.delete_stack(StackName=stack.id, **role, **self._token("delete"))
        ended = self._wait(stack.id)
        if ended.status != _GONE:
            raise _FailedError(self._why(ended, "delete"))

    def _wait(self, identifier: str) -> Stack:
        """The stack once its operation is over; Interrupted leaves it running, as an abandoned action does."""
        pause: float | None = None
        while True:
            stack = self._describe(identifier) or Stack(identifier, _GONE, "", {})
            if not stack.status.endswith("_IN_PROGRESS"):
                return stack
            message = self._job.receive(self._poll() if pause is None else pause)
            while isinstance(message, StackChanged) and message.stack not in {identifier, self._name}:
                message = self._job.receive(self._poll() if pause is None else pause)
            if isinstance(message, StackChanged) and not message.status.endswith("_IN_PROGRESS"):
                pause = 0.05  # the event said it is over; DescribeStacks may lag behind

    def _describe(self, name: str) -> Stack | None:
        try:
            found = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
        return Stack(found["StackId"], found["StackStatus"], found.get("StackStatusReason", ""), outputs)

    def _began(self, stack: Stack, operation: str) -> bool:
        """Whether the stack shows that this execution's operation was accepted before the engine died."""
        token = self._token(operation)["ClientRequestToken"]
        return stack.status.endswith("_IN_PROGRESS") or any(
            event.get("ClientRequestToken") == token for event in self._events(stack.id)
        )

    def _why(self, stack: Stack, operation: str) -> str:
        text = f"Stack {self._name} is {stack.status}" + (f": {stack.reason}" if stack.reason else "")
        token = self._token(operation)["ClientRequestToken"]
        first = next(
            (
                event
                for event in reversed(self._events(stack.id))
                if event.get("ResourceStatus", "").endswith("_FAILED")
                and event.get("ClientRequestToken", token) == token
                and event.get("PhysicalResourceId") != stack.id
                and "cancelled" not in event.get("ResourceStatusReason", "").lower()
            ),
            None,
        )
        if first is None:
            return text
        return (
            f"{first['LogicalResourceId']} ({first['ResourceType']}): {first.get('ResourceStatusReason', '')}. {text}"
        )

    def _events(self, identifier: str) -> list[dict[str, Any]]:
        """The newest page of the stack's events, newest first."""
        events: list[dict[str, Any]] = self._cloudformation.describe_stack_events(StackName=identifier)["StackEvents"]
        return events

    def _token(self, operation: str) -> dict[str, str]:
        return {"ClientRequestToken": f"{self._job.id}-{operation}"}

    def _see(self, identifier: str) -> None:
        self.stack_id = identifier
        self._job.remember(stack=identifier)
        self._job.desk.show(self._job.id, identifier, self.url(), "")
