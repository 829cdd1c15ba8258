"""What is there: stacks with their parameters and templates, and what CloudFormation says it would change.

A change set is made, read and deleted again; it is never executed.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from deployer.errors import Rejected
from deployer.stacks import CAPABILITIES, MAX_INLINE_TEMPLATE, code_of, message_of, translated
from deployer.templates import load
from deployer_deploy.stacks import parameter

_WORKING = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_LOOKS = 120


@dataclass(frozen=True)
class Standing:
    """A stack that is there. ``parameters``: their values, NoEcho as asterisks. ``template``: as it was sent."""

    id: str
    name: str
    status: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    template: Mapping[str, Any] = field(default_factory=dict)


class Unasked(Exception):  # noqa: N818 - the answer is found another way
    """No change set could be had; the message says why."""


@dataclass(frozen=True)
class Live:
    """Looks through a boto3 ``cloudformation`` client. ``poll``: seconds between two looks at a change set."""

    client: Any
    poll: float
    sleep: Callable[[float], None] = time.sleep

    def stack(self, name: str) -> Standing | None:
        """A stack with its template, or None where there is none."""
        with translated(f"describe stack {name}"):
            try:
                found = self.client.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in message_of(error):
                    return None
                raise
            body = self.client.get_template(StackName=found["StackId"], TemplateStage="Original")["TemplateBody"]
        return Standing(
            found["StackId"],
            found["StackName"],
            found["StackStatus"],
            {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
            {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])},
            body if isinstance(body, dict) else template_of(body),
        )

    def changes(self, stack: Standing, template: str, parameters: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """What CloudFormation says that an update would change. ``parameters``: None keeps the stack's value.

        Raises:
            Unasked: where it does not say.
        """
        if len(template.encode()) > MAX_INLINE_TEMPLATE:
            raise Unasked(f"the template has more than {MAX_INLINE_TEMPLATE:,} bytes")
        if unknown := sorted(
            name for name, value in parameters.items() if value is None and name not in stack.parameters
        ):
            raise Unasked(f"a run makes the value of {', '.join(unknown)}")
        name = f"deployer-diff-{uuid.uuid4().hex}"
        try:
            made = self.client.create_change_set(
                StackName=stack.id,
                ChangeSetName=name,
                ChangeSetType="UPDATE",
                TemplateBody=template,
                Parameters=[parameter(key, value) for key, value in sorted(parameters.items())],
                Capabilities=CAPABILITIES,
            )
        except ClientError as error:
            raise Unasked(f"{code_of(error)}: {message_of(error)}") from error
        try:
            return self._read(made["Id"])
        finally:
            with translated(f"delete change set {name}"):
                self.client.delete_change_set(ChangeSetName=made["Id"])

    def _read(self, change_set: str) -> list[dict[str, Any]]:
        with translated("read a change set"):
            for _ in range(_LOOKS):
                found = self.client.describe_change_set(ChangeSetName=change_set)
                if found["Status"] not in _WORKING:
                    break
                self.sleep(self.poll)
            if found["Status"] != "CREATE_COMPLETE":
                reason = found.get("StatusReason", "")
                if any(text in reason for text in _UNCHANGED):
                    return []
                raise Unasked(reason or f"the change set is {found['Status']}")
            changes = list(found["Changes"])
            while found.get("NextToken"):
                found = self.client.describe_change_set(ChangeSetName=change_set, NextToken=found["NextToken"])
                changes.extend(found["Changes"])
        return changes


def template_of(text: str) -> dict[str, Any]:
    """A template that a stack has; nothing of it where it can't be read."""
    try:
        value = load("template.json" if text.lstrip().startswith("{") else "template.yaml", text.encode())
    except Rejected:
        return {}
    return value if isinstance(value, dict) else {}
