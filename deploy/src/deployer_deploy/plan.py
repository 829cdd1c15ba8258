"""What to do next to bring a stack to its template: pure functions of data, no call anywhere.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html#cfn-stack-status-codes
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from deployer.errors import Broken
from deployer_deploy.manifest import Manifest
from deployer_deploy.tree import CORE, FUNCTIONS, LAYER, PARTS


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it. ``status``: None where there is none of that name.

    ``updated``: its last update (or creation), as text. ``parameters``: the values it has. ``parent``: the stack that
    it is nested in.
    """

    name: str
    id: str = ""
    status: str | None = None
    reason: str = ""
    updated: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""


class Step(Enum):
    """The next call for a stack."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"
    # What never came to life can only be deleted; then it is created anew.
    DELETE = "delete"
    CONTINUE_ROLLBACK = "continue rollback"


_DEAD = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
_ALIVE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


def moving(status: str | None) -> bool:
    """Whether CloudFormation is still at work on a stack with this status."""
    return status is not None and status.endswith("_IN_PROGRESS") and status not in _DEAD


def next_step(stack: Stack) -> Step:
    """What brings ``stack`` nearer to its template. Raises ``Broken`` for a status that wants a person."""
    if stack.status is None or stack.status == "DELETE_COMPLETE":
        return Step.CREATE
    if stack.status in _DEAD:
        return Step.DELETE
    if moving(stack.status):
        return Step.WAIT
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return Step.CONTINUE_ROLLBACK
    if stack.status in _ALIVE:
        return Step.UPDATE
    raise Broken(f"{stack.name} is {stack.status}: CloudFormation's console says what to do")


def succeeded(status: str | None) -> bool:
    """Whether the status that an operation ended in says that it did what was asked."""
    return status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", None}


def parameters(manifest: Manifest, values: Mapping[str, str], stack: Stack) -> dict[str, str | None]:
    """Exactly the parameters that the template declares, matched by name; None: keep the stack's own value.

    What nobody gave a value keeps the one the stack has, else takes the template's default: so deploying one function
    doesn't undo what the installation was configured with. Raises ``Broken`` naming all that have neither.
    """
    kept = stack.parameters if next_step(stack) is Step.UPDATE else {}
    given: dict[str, str | None] = {}
    for name in sorted(manifest.parameters):
        if name in values:
            given[name] = values[name]
        elif name in kept:
            given[name] = None
    if missing := sorted(manifest.required - given.keys()):
        raise Broken(f"{stack.name}: no value for {', '.join(missing)}; are the stacks before it installed?")
    return given


def holds(stack: Stack, template: str, manifest: Manifest, wanted: Mapping[str, str | None]) -> bool:
    """Whether a stack at rest has just this template and these values: then CloudFormation need not be asked.

    ``template``: the stack's own. One that stopped in the middle of an update (UPDATE_FAILED) never has.
    """
    settled = next_step(stack) is Step.UPDATE and stack.status != "UPDATE_FAILED"
    return (
        settled
        and template == manifest.text
        and all(value in (None, stack.parameters.get(name)) for name, value in wanted.items())
    )


def token(step: Step, stack: Stack, wanted: object) -> str:
    """The request token of one operation: the same call again is the same operation, a later one isn't.

    It takes in the stack as observed, so that a failed operation can be tried again.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html
    """
    seen = [step.value, stack.name, stack.id, stack.status, stack.updated, wanted]
    return "deploy-" + hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:40]


def waves(parts: Collection[str] = PARTS) -> tuple[tuple[str, ...], ...]:
    """The parts in the order in which they need each other; those of one wave go at the same time.

    Raises ``Broken`` for a part that there isn't.
    """
    if unknown := sorted(set(parts) - set(PARTS)):
        raise Broken(f"no such part: {', '.join(unknown)} (there are {', '.join(PARTS)})")
    ordered = ((CORE,), (LAYER,), FUNCTIONS)
    return tuple(wave for group in ordered if (wave := tuple(part for part in group if part in parts)))
