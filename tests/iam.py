"""What IAM answers to a request: as much of its policy language as our own policies use.

An explicit deny wins; otherwise the role's policies and its boundary must both allow.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """``context``: the condition keys that the request has, in any case."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)

    def key(self, name: str) -> Any:
        """The value of a condition key; None where the request has none."""
        return {each.lower(): value for each, value in self.context.items()}.get(name.lower())


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """A template's value with ``Fn::Sub`` filled in."""
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([^}]+)}", lambda name: known[name.group(1)], value["Fn::Sub"])
    return {key: filled(item, known) for key, item in value.items()}


def allowed(request: Request, policies: Iterable[Policy], boundary: Policy | None = None) -> bool:
    """Whether a role with these policies and this boundary may do it."""
    own = [statement for policy in policies for statement in policy["Statement"]]
    sides = [own, list(boundary["Statement"])] if boundary else [own]
    if any(statement["Effect"] == "Deny" and _applies(statement, request) for side in sides for statement in side):
        return False
    return all(any(each["Effect"] == "Allow" and _applies(each, request) for each in side) for side in sides)


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    known = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
    assert set(statement) <= known, f"not understood: {set(statement) - known}"
    return (
        _named(statement, "Action", request.action.lower(), str.lower)
        and _named(statement, "Resource", request.resource, str)
        and all(
            _holds(operator, request.key(key), _as_list(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _named(statement: Mapping[str, Any], what: str, asked: str, form: Any) -> bool:
    if f"Not{what}" in statement:
        return not any(fnmatchcase(asked, form(each)) for each in _as_list(statement[f"Not{what}"]))
    return any(fnmatchcase(asked, form(each)) for each in _as_list(statement[what]))


def _holds(operator: str, given: Any, wanted: list[Any]) -> bool:
    """A negated operator holds for a key that the request has not, and so does any ``…IfExists``."""
    if operator.startswith("ForAllValues:"):
        return all(_holds(operator.removeprefix("ForAllValues:"), each, wanted) for each in given or ())
    if operator.endswith("IfExists"):
        return given is None or _holds(operator.removesuffix("IfExists"), given, wanted)
    match operator:
        case "Null":
            return (given is None) is bool(wanted[0])
        case "StringEquals":
            return given in wanted
        case "StringNotEquals":
            return given not in wanted
        case "StringLike" | "ArnEquals":
            return given is not None and any(fnmatchcase(given, each) for each in wanted)
        case "ArnNotLike":
            return given is None or not any(fnmatchcase(given, each) for each in wanted)
    raise AssertionError(f"a condition that is not understood: {operator}")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
