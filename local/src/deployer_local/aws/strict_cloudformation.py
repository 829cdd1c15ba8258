"""CloudFormation requests as strictly as AWS takes them: tokens, states, parameters, references, capabilities, tags.

Every rule runs before ministack sees the request and answers in AWS's words, so that a caller's mistake fails here as
it would there. A stack's tokens are kept with the stack, so they survive a restart.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import emulator
from .host import Host
from .strict_templates import GivenParameter, parameter_problem, template_problem

Params = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[Params], Answer]
Stack = dict[str, Any]

TOKENS = "_tokens"
TAG_PATTERN = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
LONGEST = {"Key": 128, "Value": 256}
MOST_TAGS = 50
_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]")
_UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
_BUSY_UPDATING = re.compile(r"(UPDATE|IMPORT)\w*_IN_PROGRESS")


class Refusal(Exception):  # noqa: N818 - an answer of the service, not a fault of ours
    """AWS's error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def install(_host: Host) -> None:
    """Extension for `Host`: put the rules in front of ministack's CloudFormation."""
    handlers = emulator.module("services.cloudformation.handlers")
    strict = StrictCloudFormation()
    actions: dict[str, Handler] = handlers._ACTION_HANDLERS
    actions["CreateStack"] = strict.refusing(strict.create(actions["CreateStack"]))
    actions["UpdateStack"] = strict.refusing(strict.update(actions["UpdateStack"]))
    actions["DeleteStack"] = strict.refusing(strict.delete(actions["DeleteStack"]))
    actions["CreateChangeSet"] = strict.refusing(strict.change_set(actions["CreateChangeSet"]))
    actions["DescribeStackResources"] = strict.refusing(strict.resources(actions["DescribeStackResources"]))
    for action in ("ListStackResources", "DescribeStackResource", "GetTemplate"):
        actions[action] = strict.refusing(strict.existing(actions[action]))
    # ministack asks for acknowledged capabilities only when it also checks permissions.
    emulator.wrap(handlers, "_capabilities_enforced", lambda _original: lambda: True)


class StrictCloudFormation:
    """The rules, each in front of one of ministack's handlers."""

    def __init__(self) -> None:
        self._service = emulator.module("services.cloudformation")
        self._handlers = emulator.module("services.cloudformation.handlers")
        self._helpers = emulator.module("services.cloudformation.helpers")
        self._engine = emulator.module("services.cloudformation.engine")

    def refusing(self, handler: Handler) -> Handler:
        """Answer a `Refusal` as the service's error."""

        def handle(params: Params) -> Answer:
            try:
                return handler(params)
            except Refusal as refusal:
                answer: Answer = self._helpers._error(refusal.code, refusal.message)
                return answer

        return handle

    def create(self, original: Handler) -> Handler:
        """A name is free only when no stack of that name exists, whatever its state."""

        def handle(params: Params) -> Answer:
            name = self._text(params, "StackName")
            existing = self._live(name)
            if existing is not None:
                if self._repeated(existing, "CreateStack", params):
                    return self._stack_id("CreateStack", existing)
                raise Refusal("AlreadyExistsException", f"Stack [{name}] already exists")
            self._check_tags(params)
            self._check_template(params, None)
            self._keep_deleted(name)
            answer = original(params)
            return self._remember(self._live(name), "CreateStack", params, answer)

        return handle

    def update(self, original: Handler) -> Handler:
        """Only a stack at rest is updated; a repeated token starts nothing."""

        def handle(params: Params) -> Answer:
            stack = self._live(self._text(params, "StackName"))
            if stack is not None:
                if self._repeated(stack, "UpdateStack", params):
                    return self._stack_id("UpdateStack", stack)
                self._check_updatable(stack)
                self._check_tags(params)
                self._check_template(params, stack)
            return self._remember(stack, "UpdateStack", params, original(params))

        return handle

    def change_set(self, original: Handler) -> Handler:
        """The same rules for what a change set would do."""

        def handle(params: Params) -> Answer:
            stack = self._live(self._text(params, "StackName"))
            if self._text(params, "ChangeSetType") in ("", "UPDATE") and stack is not None:
                self._check_updatable(stack)
            self._check_tags(params)
            self._check_template(params, stack)
            return original(params)

        return handle

    def delete(self, original: Handler) -> Handler:
        """A deletion is started once, and not while an update runs. A stack that is not there is deleted."""

        def handle(params: Params) -> Answer:
            stack = self._live(self._text(params, "StackName"))
            if stack is not None:
                status = stack["StackStatus"]
                if status == "DELETE_IN_PROGRESS" or self._repeated(stack, "DeleteStack", params):
                    done: Answer = self._helpers._xml(200, "DeleteStackResponse", "")
                    return done
                if _BUSY_UPDATING.fullmatch(status):
                    message = f"Stack [{stack['StackName']}] cannot be deleted while in status {status}"
                    raise Refusal("ValidationError", message)
            return self._remember(stack, "DeleteStack", params, original(params))

        return handle

    def resources(self, original: Handler) -> Handler:
        """DescribeStackResources also by PhysicalResourceId: all resources of the stack that owns it."""

        def handle(params: Params) -> Answer:
            physical = self._text(params, "PhysicalResourceId")
            if not physical:
                return self.existing(original)(params)
            if self._text(params, "StackName"):
                raise Refusal("ValidationError", "Both StackName and PhysicalResourceId were specified.")
            for stack in self._service._stacks.values():
                owned = stack.get("_resources", {}).values()
                if stack["StackStatus"] != "DELETE_COMPLETE" and any(
                    each.get("PhysicalResourceId") == physical for each in owned
                ):
                    rest = {key: value for key, value in params.items() if key != "PhysicalResourceId"}
                    return original({**rest, "StackName": [stack["StackId"]]})
            raise Refusal("ValidationError", f"Stack for {physical} does not exist")

        return handle

    def existing(self, original: Handler) -> Handler:
        """A deleted stack is known by its ARN only."""

        def handle(params: Params) -> Answer:
            name = self._text(params, "StackName")
            if name and not name.startswith("arn:") and self._live(name) is None:
                raise Refusal("ValidationError", f"Stack with id {name} does not exist")
            return original(params)

        return handle

    # The rules.

    def _repeated(self, stack: Stack, action: str, params: Params) -> bool:
        """Whether this very request was accepted before. Raises when its token was used for another one."""
        token = self._text(params, "ClientRequestToken")
        known: str | None = stack.get(TOKENS, {}).get(token) if token else None
        if known is None:
            return False
        if known == _digest(action, params):
            return True
        raise Refusal("TokenAlreadyExistsException", f"A client request token already exists: {token}")

    def _remember(self, stack: Stack | None, action: str, params: Params, answer: Answer) -> Answer:
        token = self._text(params, "ClientRequestToken")
        if stack is not None and token and answer[0] == 200:
            stack.setdefault(TOKENS, {})[token] = _digest(action, params)
        return answer

    def _check_updatable(self, stack: Stack) -> None:
        if stack["StackStatus"] not in _UPDATABLE:
            message = f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."
            raise Refusal("ValidationError", message)

    def _check_template(self, params: Params, stack: Stack | None) -> None:
        """References and parameter names. What cannot be read is left for ministack to refuse."""
        if self._text(params, "UsePreviousTemplate").lower() == "true":
            template = (stack or {}).get("_template") or {}
        else:
            body, refused = self._helpers._resolve_template(params)
            if refused or not body:
                return
            try:
                template = self._engine._parse_template(body)
            except (ValueError, self._engine.yaml.YAMLError):
                return
        given = [
            GivenParameter(each["Key"], bool(each.get("UsePreviousValue")))
            for each in self._helpers._extract_members(params, "Parameters")
        ]
        previous = (stack or {}).get("_resolved_params") or {}
        # A macro may still add what a reference names.
        problem = None if template.get("Transform") else template_problem(template)
        if problem := problem or parameter_problem(template, given, previous):
            raise Refusal("ValidationError", problem)

    def _check_tags(self, params: Params) -> None:
        number = 1
        problems = []
        while f"Tags.member.{number}.Key" in params:
            for field, longest in LONGEST.items():
                text = self._text(params, f"Tags.member.{number}.{field}")
                place = f"Value '{text}' at 'tags.{number}.member.{field.lower()}' failed to satisfy constraint: Member"
                if not text:
                    problems.append(f"{place} must have length greater than or equal to 1")
                elif len(text) > longest:
                    problems.append(f"{place} must have length less than or equal to {longest}")
                elif _NOT_IN_TAGS.search(text):
                    problems.append(f"{place} must satisfy regular expression pattern: {TAG_PATTERN}")
            if self._text(params, f"Tags.member.{number}.Key").lower().startswith("aws:"):
                raise Refusal("ValidationError", "Tag keys must not begin with aws:, which is reserved for AWS")
            number += 1
        if number - 1 > MOST_TAGS:
            raise Refusal("ValidationError", f"A stack can have at most {MOST_TAGS} tags")
        if problems:
            raise Refusal("ValidationError", str(self._helpers.validation_error_message(problems)))

    # ministack's records.

    def _live(self, name: str) -> Stack | None:
        """The stack of that name or ARN, unless it is deleted."""
        stack: Stack | None = self._handlers._resolve_stack(name) if name else None
        return stack if stack is not None and stack["StackStatus"] != "DELETE_COMPLETE" else None

    def _keep_deleted(self, name: str) -> None:
        """Let the deleted stack of that name be found by its ARN when the name is taken again."""
        deleted = self._service._stacks.get(name)
        if deleted is not None:
            self._service._stacks[deleted["StackId"]] = deleted

    def _text(self, params: Params, name: str) -> str:
        return str(self._helpers._p(params, name))

    def _stack_id(self, action: str, stack: Mapping[str, Any]) -> Answer:
        body = f"<{action}Result><StackId>{stack['StackId']}</StackId></{action}Result>"
        answer: Answer = self._helpers._xml(200, f"{action}Response", body)
        return answer


def _digest(action: str, params: Params) -> str:
    """What makes a request the same one again: everything but how it was signed and sent."""
    return hashlib.sha256(json.dumps([action, params], sort_keys=True).encode()).hexdigest()
