"""Whether a stack is its caller's child and may be deleted, and the next step of deleting it.

``gather`` looks, ``decide`` is a pure function of what was seen, and a step asks for the deletion at most once. The
child is found by its name once and known by its ARN from then on, so that another stack that takes the name later is
never touched. Never waits: ``deployer.cleanups`` comes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from deployer.cleanups import Outcome, Unfinished
from deployer.custom_resource import Done, Failed, Request, RequestType
from deployer.deadline import TimeLeft
from deployer.environments import OWNER_TAG, ancestors
from deployer.events import stack_name_of
from deployer.ports import Stack, StackResource
from deployer.states import GOING

ROLE_TYPE = "AWS::IAM::Role"


class Stacks(Protocol):
    """CloudFormation: look at stacks, ask for a deletion, learn why one failed."""

    def describe(self, name: str) -> Stack | None: ...

    def delete(self, stack_id: str, token: str) -> None: ...

    def failure(self, stack_id: str, token: str = "") -> str: ...


class Resources(Protocol):
    """CloudFormation's word about what belongs to a stack."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...


class Environments(Protocol):
    """Which stacks are environments' own: the deployer's memory, which only the builder writes."""

    def holder(self, kind: str, name: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen. ``refusal``: why the child is not the parent's, empty where it is. ``asked``: this request has
    already asked for its deletion. ``failure``: the first failed resource and why, where the deletion failed.
    """

    parent: Stack | None
    child: Stack | None
    refusal: str = ""
    asked: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Ask CloudFormation to delete the child."""

    stack_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The child is busy; look again later."""

    note: str


def decide(sight: Sight) -> Delete | Wait | Done | Failed:
    """What to do about a Delete now."""
    child = sight.child
    if child is None or child.status == "DELETE_COMPLETE":
        return Done("the stack is gone")
    if sight.asked:
        # Without an event of this very deletion, a status may be that of before it was asked for.
        if sight.failure:
            return Failed(f"stack {child.name} could not be deleted: {sight.failure}")
        return Wait(f"stack {child.name} is {child.status}")
    if sight.refusal:
        return Failed(f"stack {child.name} is not deleted: {sight.refusal}")
    if sight.parent is None or sight.parent.status not in GOING:
        return Done("the calling stack lives on: the stack is left as it is")
    if child.protected:
        return Failed(
            f"stack {child.name} has termination protection; disable it (update-termination-protection "
            "--no-enable-termination-protection) and delete again"
        )
    if child.status.endswith("_IN_PROGRESS") and child.status != "REVIEW_IN_PROGRESS":
        return Wait(f"stack {child.name} is {child.status}")
    return Delete(child.id)


def refusal(parent: Stack, child: Stack, resources: Resources, environments: Environments) -> str:
    """Why ``child`` is not ``parent``'s, or empty where it is: named under it, or carrying a role that is its resource.

    A name alone misleads where one environment is called like the beginning of another (``shop`` and ``shop-web``):
    what is named under a nearer environment is that one's, and an environment's own stack is nobody's child. Nor is a
    nested stack, which goes with the stack that it is nested in.
    """
    if child.id == parent.id:
        return "it is the calling stack itself"
    if child.parent:
        return f"it is nested in {stack_name_of(child.parent)}, which deletes it"
    if OWNER_TAG in child.tags or environments.holder("stack", child.name) is not None:
        return "it is an environment's own stack"
    if child.name.startswith(f"{parent.name}-"):
        between = (name for name in ancestors(child.name)[1:] if len(name) > len(parent.name))
        nearer = next((name for name in between if environments.holder("stack", name) is not None), None)
        return f"it belongs to {nearer}, not to {parent.name}" if nearer else ""
    role = child.role.rpartition("/")[2]
    if role and any(
        resource.type == ROLE_TYPE and resource.physical_id == role for resource in resources.resources(parent.id)
    ):
        return ""
    return f"it is neither named {parent.name}-… nor carries a role of {parent.name}"


def token(request: Request, stack_id: str) -> str:
    """The ClientRequestToken: the same for every look of one request, so that a repeated call deletes once."""
    digest = hashlib.sha256(f"{request.stack_id}\n{request.request_id}\n{stack_id}".encode()).hexdigest()
    return f"stack-cleaner-{digest[:32]}"


@dataclass(frozen=True, slots=True)
class StackCleaner:
    """The custom resource's step. The state: ``child`` (its ARN) and ``asked`` (the token of the deletion)."""

    stacks: Stacks
    resources: Resources
    environments: Environments

    def __call__(self, request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        """Create and Update only check the property; Delete looks once and acts at most once."""
        name = request.text("StackName")
        if request.type is not RequestType.DELETE:
            return Done()
        sight = self.gather(request, state, name)
        known = {**state, "child": sight.child.id} if sight.child else dict(state)
        match decide(sight):
            case Delete(stack_id):
                asked = token(request, stack_id)
                self.stacks.delete(stack_id, asked)
                return Unfinished(f"stack {name} is being deleted", {**known, "asked": asked})
            case Wait(note):
                return Unfinished(note, known)
            case answer:
                return answer

    def gather(self, request: Request, state: Mapping[str, str], name: str) -> Sight:
        """Look at the child by its ARN, by its name only as long as that is not known."""
        child = self.stacks.describe(state.get("child", name))
        if child is None:
            return Sight(None, None)
        failure, asked = "", bool(state.get("asked"))
        if child.status == "DELETE_FAILED" or (asked and not child.status.endswith("_IN_PROGRESS")):
            # Events that carry our token: this request's own deletion failed, even if its state was not kept. A stack
            # whose export is in use goes back to what it was.
            failure = self.stacks.failure(child.id, token(request, child.id))
        if failure or asked:
            return Sight(None, child, asked=True, failure=failure)
        parent = self.stacks.describe(request.stack_id)
        if parent is None:
            return Sight(None, child, "the calling stack does not exist")
        return Sight(parent, child, refusal(parent, child, self.resources, self.environments))
