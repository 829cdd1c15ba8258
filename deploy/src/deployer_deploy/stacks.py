"""CloudFormation as the installer uses it: look at a stack, take one step, say why one failed.

Decides nothing; `plan` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken
from deployer_deploy.plan import Stack, Step, token

_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


@dataclass(frozen=True)
class Failure:
    """Why a stack isn't as wanted: its first failed resource, and CloudFormation's words for it.

    ``status``: the stack's, None where there is none. ``resource``: its logical name, empty for the request itself.
    """

    stack: str
    status: str | None
    resource: str
    reason: str

    def __str__(self) -> str:
        if self.resource:
            return f"{self.stack} is {self.status}: {self.resource}: {self.reason}"
        return f"{self.stack}: {self.reason}"


class StacksFailed(Broken):
    """One or more stacks failed; ``failures`` says which and why."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__("; ".join(map(str, failures)))
        self.failures = failures


class Stacks:
    """The stacks of one account and region. Every method raises ``Broken`` in AWS's words where a call fails."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def observe(self, name: str) -> Stack:
        """The stack as it is now; without a status where there is none."""
        try:
            found = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return Stack(name)
            raise Broken(f"{name}: {error}") from error
        except BotoCoreError as error:
            raise Broken(f"{name}: {error}") from error
        return _stack(found)

    def every(self) -> tuple[Stack, ...]:
        """All that there are in this account and region."""
        try:
            pages = self._client.get_paginator("describe_stacks").paginate()
            return tuple(_stack(stack) for page in pages for stack in page["Stacks"])
        except (ClientError, BotoCoreError) as error:
            raise Broken(f"stacks can't be listed: {error}") from error

    def template(self, stack: Stack) -> str:
        """The template that a stack has, as it was sent."""
        try:
            return str(self._client.get_template(StackName=stack.id, TemplateStage="Original")["TemplateBody"])
        except (ClientError, BotoCoreError) as error:
            raise Broken(f"{stack.name}: {error}") from error

    def take(self, step: Step, stack: Stack, template: str, parameters: Mapping[str, str | None]) -> bool:
        """Start one step. False where there was nothing to update. ``parameters``: None keeps the stack's value.

        Raises ``StacksFailed`` where CloudFormation refuses it.
        """
        key = token(step, stack, [template, dict(parameters)])
        try:
            match step:
                case Step.CREATE | Step.UPDATE:
                    call = self._client.create_stack if step is Step.CREATE else self._client.update_stack
                    call(
                        StackName=stack.name,
                        TemplateBody=template,
                        Capabilities=_CAPABILITIES,
                        Parameters=[parameter(name, value) for name, value in parameters.items()],
                        ClientRequestToken=key,
                    )
                case Step.DELETE:
                    # By id: another stack may get the name meanwhile.
                    self._client.delete_stack(StackName=stack.id, ClientRequestToken=key)
                case Step.CONTINUE_ROLLBACK:  # pragma: no branch - an Operation waits before it asks for a step
                    self._client.continue_update_rollback(StackName=stack.id, ClientRequestToken=key)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            if error.response["Error"]["Code"] in {"AlreadyExistsException", "TokenAlreadyExistsException"}:
                return True
            raise StacksFailed((Failure(stack.name, stack.status, "", str(error)),)) from error
        except BotoCoreError as error:
            raise Broken(f"{stack.name}: {error}") from error
        return True

    def failure(self, stack: Stack) -> Failure:
        """Why the last operation on ``stack`` failed."""
        first = ("", stack.reason or "no reason given")
        try:
            # Newest first: the last failure met before the operation's beginning is its first.
            for event in self._events(stack):
                status = event["ResourceStatus"]
                if event["PhysicalResourceId"] == stack.id:
                    if status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}:
                        break
                elif status.endswith("_FAILED") and "cancelled" not in event.get("ResourceStatusReason", ""):
                    first = (event["LogicalResourceId"], event.get("ResourceStatusReason", "no reason given"))
        except (ClientError, BotoCoreError) as error:
            first = (first[0], f"{first[1]} (its events can't be read: {error})")
        return Failure(stack.name, stack.status, *first)

    def _events(self, stack: Stack) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack.id):
            yield from page["StackEvents"]


def _stack(found: dict[str, Any]) -> Stack:
    return Stack(
        found["StackName"],
        found["StackId"],
        found["StackStatus"],
        found.get("StackStatusReason", ""),
        str(found.get("LastUpdatedTime") or found.get("CreationTime") or ""),
        {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])},
        {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
        found.get("ParentId", ""),
    )


def parameter(name: str, value: str | None) -> dict[str, Any]:
    """A parameter of an update; ``value``: None keeps the stack's own."""
    if value is None:
        return {"ParameterKey": name, "UsePreviousValue": True}
    return {"ParameterKey": name, "ParameterValue": value}
