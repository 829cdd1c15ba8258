"""What a role's policies say to a request: ministack's evaluation, statement by statement.

The role's own policies and those attached to it; no boundary, no policy of the resource, no session's. They are parsed
once for as long as they do not change.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import emulator
from .permission_checks import Check


@dataclass(frozen=True)
class Rule:
    """One statement with one of its resources: the `position`-th of the statement with that `sid`."""

    sid: str
    position: int
    statement: Any


@dataclass(frozen=True)
class Decision:
    """`granted`: every statement and resource by which it is allowed. `forbidden`: a statement denies it."""

    granted: tuple[tuple[str, int], ...]
    forbidden: bool

    @property
    def allowed(self) -> bool:
        """A denial wins."""
        return bool(self.granted) and not self.forbidden


def role_of(arn: str) -> dict[str, Any] | None:
    """The role of that ARN in the emulated IAM; None where there is none."""
    name = arn.rpartition("/")[2]
    role: dict[str, Any] | None = emulator.module("services.iam")._roles.get_scoped(emulator.ACCOUNT, None, name)
    return role if role is not None and role["Arn"] == arn else None


def documents_of(role: dict[str, Any]) -> tuple[str, ...]:
    """The policies of a role, as JSON."""
    attached = emulator.module("core.iam_evaluator")._resolve_managed_policy_document
    found = [*role["InlinePolicies"].values(), *(attached(arn, emulator.ACCOUNT) for arn in role["AttachedPolicies"])]
    return tuple(each if isinstance(each, str) else json.dumps(each) for each in found if each)


@functools.lru_cache(maxsize=256)
def rules(documents: tuple[str, ...]) -> tuple[Rule, ...]:
    """The statements of policies, each once for each of its resources."""
    parse = emulator.module("core.iam_evaluator").parse_policy_document
    return tuple(
        Rule(statement.sid, position, replace(statement, resources=[resource] if resource else []))
        for document in documents
        for statement in parse(document)
        for position, resource in enumerate(statement.resources or [""])
    )


def decide(check: Check, given: Sequence[Rule], principal: str) -> Decision:
    """What `given` says to `check`. `principal`: the role's ARN.

    Where the resource is not known, an allowing statement is taken at its action, and a denying one is not applied.
    """
    evaluator = emulator.module("core.iam_evaluator")
    contexts = [_context(evaluator, check, resource, principal) for resource in check.resources or ("*",)]

    def applies(rule: Rule, effect: str) -> bool:
        statement = rule.statement
        if statement.effect != effect or (not check.resources and effect == "Deny"):
            return False
        if not check.resources:
            statement = replace(statement, resources=["*"], not_resources=[])
        return any(evaluator._first_match(context, [statement], effect) is not None for context in contexts)

    return Decision(
        tuple((rule.sid, rule.position) for rule in given if applies(rule, "Allow")),
        any(applies(rule, "Deny") for rule in given),
    )


def held(role_arn: str, check: Check) -> tuple[Decision, tuple[str, ...]] | None:
    """What the policies of the role with that ARN say, and the policies; None where there is no such role."""
    role = role_of(role_arn)
    if role is None:
        return None
    documents = documents_of(role)
    return decide(check, rules(documents), role_arn), documents


def _context(evaluator: Any, check: Check, resource: str, principal: str) -> Any:
    return evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=emulator.ACCOUNT,
        action=check.action,
        resource_arn=resource,
        region=emulator.REGION,
        # What comes over loopback would come over TLS on AWS.
        secure_transport=True,
        service_context={"aws:tagkeys": None, **check.context},
    )
