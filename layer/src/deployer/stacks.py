"""CloudFormation through boto3: describe and operate stacks, say what failed first.

Never waits: an operation is accepted or refused at once and its end arrives as an event.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken, Rejected, Transient
from deployer.ports import Stack, StackRequest, StackResource

MAX_INLINE_TEMPLATE = 51_200
NESTED = "AWS::CloudFormation::Stack"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"),
        *("RequestThrottled", "RequestThrottledException", "ProvisionedThroughputExceededException"),
        # CodePipeline: somebody changes the same pipeline or run.
        *("ConcurrentModificationException", "ConflictException"),
    }
)
# Somebody, perhaps a former self, was here first: look again.
_OBSERVE_AGAIN = frozenset({"AlreadyExistsException", "OperationInProgressException"})
# The very operation was accepted before.
_ACCEPTED = "TokenAlreadyExistsException"
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId"})
_BEGINNINGS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
# How a stack's own trouble shows; what is no trouble but somebody's wish, and who wished that it be rolled back.
_TROUBLES = ("ROLLBACK_IN_PROGRESS", "_FAILED")
_ASKED_FOR = "User Initiated"
_ROLLED_BACK = " Rollback requested by user."
_CASCADE = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")


def code_of(error: ClientError) -> str:
    """The error code in an AWS answer."""
    return str(error.response["Error"].get("Code", ""))


def message_of(error: ClientError) -> str:
    """The message in an AWS answer."""
    return str(error.response["Error"].get("Message", ""))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn boto3's errors into ours, naming what was attempted."""
    try:
        yield
    except ClientError as error:
        code, message = code_of(error), message_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        busy = "_IN_PROGRESS" in message and ("can not be updated" in message or "cannot be deleted" in message)
        if code in _THROTTLED or code in _OBSERVE_AGAIN or status >= 500 or busy:
            raise Transient(f"{what}: {message or code}") from error
        if code in _REFUSED:
            raise Broken(f"{what}: {code}: {message}") from error
        raise Rejected(f"{what}: {message or code}") from error
    except BotoCoreError as error:
        raise Transient(f"{what}: AWS did not answer ({type(error).__name__})") from error


def _is_missing(error: ClientError) -> bool:
    return code_of(error) == "ValidationError" and "does not exist" in message_of(error)


@contextmanager
def _once() -> Iterator[None]:
    """An operation whose token was taken before has been accepted: nothing more is to be asked."""
    try:
        yield
    except ClientError as error:
        if code_of(error) != _ACCEPTED:
            raise


class CloudFormation:
    """Implements ``Stacks`` and ``Resources`` over a boto3 ``cloudformation`` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def describe(self, name: str) -> Stack | None:
        """DescribeStacks for one name or ARN. Throttling is never "not there"."""
        with translated(f"describe stack {name}"):
            try:
                found = self._client.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
        if not found or found[0]["StackStatus"] == "DELETE_COMPLETE":
            return None
        return _stack(found[0])

    def every(self) -> Iterator[Stack]:
        """DescribeStacks without a name, page by page."""
        with translated("list the stacks"):
            for page in self._client.get_paginator("describe_stacks").paginate():
                yield from (_stack(stack) for stack in page["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE")

    def create(self, request: StackRequest) -> None:
        """CreateStack; AlreadyExists is Transient, which means: observe again."""
        with translated(f"create stack {request.name}"), _once():
            self._client.create_stack(**_arguments(request))

    def update(self, request: StackRequest) -> bool:
        """UpdateStack; False where CloudFormation says that there is nothing to update."""
        with translated(f"update stack {request.name}"), _once():
            try:
                self._client.update_stack(**_arguments(request))
            except ClientError as error:
                if code_of(error) == "ValidationError" and "No updates are to be performed" in message_of(error):
                    return False
                raise
        return True

    def delete(self, stack_id: str, token: str) -> None:
        """DeleteStack by ARN, so that a namesake made later is never hit."""
        with translated(f"delete stack {stack_id}"), _once():
            self._client.delete_stack(StackName=stack_id, ClientRequestToken=token)

    def continue_rollback(self, stack_id: str, token: str) -> None:
        """ContinueUpdateRollback, by ARN; with the role that the stack remembers.

        Transient where the stack is in another status by now.
        """
        with translated(f"continue the rollback of stack {stack_id}"), _once():
            try:
                self._client.continue_update_rollback(StackName=stack_id, ClientRequestToken=token)
            except ClientError as error:
                if code_of(error) == "ValidationError" and "state" in message_of(error):
                    raise Transient(f"stack {stack_id} is in another state by now") from error
                raise

    def failure(self, stack_id: str, token: str = "", since: int = 0) -> str:
        """The first failed resource of the latest operation: ``Site (AWS::S3::Bucket): reason``; empty if none failed.

        The cascade ("Resource creation cancelled") is left out; of a nested stack it is what failed in there, named
        by its way: ``Web/Site (AWS::S3::Bucket): reason``. Where no resource failed, what was wrong with the stack
        itself, as with an export that is missing or has the name of another: only its own rollback tells.
        ``since``: milliseconds since the epoch; what happened before is not looked at.
        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
        """
        first, of_stack = _Failed(), ""
        with translated(f"events of stack {stack_id}"):
            pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
            for event in (event for page in pages for event in page["StackEvents"]):
                if event["Timestamp"].timestamp() * 1000 < since:
                    break
                if token and event.get("ClientRequestToken") != token:
                    continue
                reason = event.get("ResourceStatusReason", "")
                is_stack = event.get("PhysicalResourceId") == event.get("StackId")
                if event["ResourceStatus"].endswith("_FAILED") and not is_stack and not reason.startswith(_CASCADE):
                    first = _Failed(
                        event["LogicalResourceId"], event["ResourceType"], reason, event.get("PhysicalResourceId", "")
                    )
                # An operation that was refused after all, as the deletion of a stack whose export is in use: the stack
                # is again what it was.
                refused = bool(token) and event["ResourceStatus"].endswith("_COMPLETE")
                troubled = refused or event["ResourceStatus"].endswith(_TROUBLES)
                if is_stack and troubled and reason not in ("", _ASKED_FOR):
                    of_stack = reason.removesuffix(_ROLLED_BACK)
                if is_stack and event["ResourceStatus"] in _BEGINNINGS:
                    break
        if first.type == NESTED and first.physical_id:
            # Its own latest operation: whether that has our token, CloudFormation does not say.
            inner = self.failure(first.physical_id)
            return f"{first.logical_id}/{inner}" if inner else str(first)
        return str(first) or of_stack

    def resources(self, stack_id: str) -> tuple[StackResource, ...]:
        """ListStackResources, all pages; none where the stack is gone."""
        with translated(f"resources of stack {stack_id}"):
            try:
                pages = self._client.get_paginator("list_stack_resources").paginate(StackName=stack_id)
                return _resources(entry for page in pages for entry in page["StackResourceSummaries"])
            except ClientError as error:
                if _is_missing(error):
                    return ()
                raise

    def holder(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None:
        """DescribeStackResources by physical id: CloudFormation's own word on which stack owns it."""
        with translated(f"owner of {physical_id}"):
            try:
                found = self._client.describe_stack_resources(PhysicalResourceId=physical_id)["StackResources"]
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
        held = _resources(found)
        return (str(found[0]["StackId"]), held) if any(entry.physical_id == physical_id for entry in held) else None


@dataclass(frozen=True, slots=True)
class _Failed:
    """The event of a resource that failed."""

    logical_id: str = ""
    type: str = ""
    reason: str = ""
    physical_id: str = ""

    def __str__(self) -> str:
        return f"{self.logical_id} ({self.type}): {self.reason}" if self.logical_id else ""


def _stack(stack: dict[str, Any]) -> Stack:
    return Stack(
        id=stack["StackId"],
        name=stack["StackName"],
        status=stack["StackStatus"],
        tags={tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])},
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        role=stack.get("RoleARN", ""),
        protected=bool(stack.get("EnableTerminationProtection", False)),
        parent=stack.get("ParentId", ""),
    )


def _resources(entries: Iterable[dict[str, Any]]) -> tuple[StackResource, ...]:
    """Those that a stack has now: one that was deleted, or left behind, is its own no longer."""
    return tuple(
        StackResource(entry["ResourceType"], entry["LogicalResourceId"], entry.get("PhysicalResourceId", ""))
        for entry in entries
        if entry.get("ResourceStatus") not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
    )


def _arguments(request: StackRequest) -> dict[str, Any]:
    body = {"TemplateURL": request.template_url} if request.template_url else {"TemplateBody": request.template}
    return {
        "StackName": request.name,
        **body,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(request.parameters.items())],
        "Tags": [{"Key": k, "Value": v} for k, v in sorted(request.tags.items())],
        "Capabilities": CAPABILITIES,
        "RoleARN": request.role,
        "ClientRequestToken": request.token,
    }
