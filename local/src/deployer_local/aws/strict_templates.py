"""What CloudFormation refuses about a template and its parameters before anything is made. Pure: no AWS, no state.

ministack accepts an undefined reference and provisions with its name, and ignores parameters the template does not
declare. The messages are AWS's.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Template = Mapping[str, Any]

_VARIABLE = re.compile(r"\$\{(?!!)\s*([^}\s]+)\s*\}")


@dataclass(frozen=True)
class GivenParameter:
    """One parameter of a request; `previous`: UsePreviousValue."""

    name: str
    previous: bool = False


def template_problem(template: Template) -> str | None:
    """The first thing AWS would refuse about references in the template, or None."""
    resources: Mapping[str, Any] = template.get("Resources") or {}
    known = {*resources, *(template.get("Parameters") or {})}
    for block in ("Resources", "Outputs"):
        body = template.get(block) or {}
        unresolved = sorted({name for name in _references(body) if name not in known and not name.startswith("AWS::")})
        if unresolved:
            return (
                f"Template format error: Unresolved resource dependencies [{', '.join(unresolved)}] "
                f"in the {block} block of the template"
            )
        for name in _attribute_owners(body):
            if name not in resources:
                return f"Template error: instance of Fn::GetAtt references undefined resource {name}"
    return None


def parameter_problem(template: Template, given: Iterable[GivenParameter], previous: Iterable[str] = ()) -> str | None:
    """The first thing AWS would refuse about the names of the parameters, or None.

    `previous`: the parameters that the stack has now (none for a new stack).
    """
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    given = list(given)
    unknown = [each.name for each in given if each.name not in declared]
    if unknown:
        return f"Parameters: [{', '.join(unknown)}] do not exist in the template"
    had = set(previous)
    for each in given:
        if each.previous and each.name not in had:
            return (
                f"Invalid input for parameter key {each.name}. Cannot specify usePreviousValue as true for a "
                "parameter key not in the previous template"
            )
    names = {each.name for each in given}
    missing = [name for name, definition in declared.items() if name not in names and "Default" not in definition]
    if missing:
        return f"Parameters: [{', '.join(missing)}] must have values"
    return None


def _references(node: Any) -> Iterator[str]:
    """Names used by Ref, by a plain variable of Fn::Sub, and by DependsOn."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                yield value
            elif key == "Fn::Sub":
                yield from (name for name in _sub_variables(value) if "." not in name)
                yield from _references(value)
            elif key == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _attribute_owners(node: Any) -> Iterator[str]:
    """Resources named by Fn::GetAtt and by a dotted variable of Fn::Sub."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Fn::GetAtt":
                yield value.split(".", 1)[0] if isinstance(value, str) else value[0]
            elif key == "Fn::Sub":
                yield from (name.split(".", 1)[0] for name in _sub_variables(value) if "." in name)
                yield from _attribute_owners(value)
            else:
                yield from _attribute_owners(value)
    elif isinstance(node, list):
        for each in node:
            yield from _attribute_owners(each)


def _sub_variables(value: Any) -> Iterator[str]:
    text, own = (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (value, {})
    if isinstance(text, str):
        yield from (name for name in _VARIABLE.findall(text) if name not in own)
