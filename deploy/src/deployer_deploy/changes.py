"""What deploying would change, resource by resource: two templates and their parameters compared, no call anywhere.

Our templates have no transforms, mappings or nested stacks, so that a resource changes where what its definition comes
to does. A change set would be CloudFormation's own word, but it is written: for a stack that is not there yet it leaves
an empty one behind. What CloudFormation replaces, and what follows from that, only it knows: see `_REPLACED`.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer_deploy.manifest import Manifest

# Stands for a value that is not there before another stack is.
LATER = "\N{HORIZONTAL ELLIPSIS}"
# Nothing of theirs can be changed, so that each change is a new one.
_REPLACED = frozenset({"AWS::Lambda::LayerVersion"})
_NAMED = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_REFERRED = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")


@dataclass(frozen=True)
class Resource:
    """A resource that changes. ``change``: ``add``, ``change``, ``replace`` or ``remove``."""

    name: str
    type: str
    change: str


@dataclass(frozen=True)
class Parameter:
    """A parameter whose value changes; None where there is none before, or after; `LATER` where it is not known yet."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Code:
    """A part's package. ``fresh``: it is not in the code bucket yet."""

    key: str
    size: int
    fresh: bool


@dataclass(frozen=True)
class Change:
    """What deploying one part would do.

    ``operation``: ``create``, ``update``, ``unchanged``; ``create anew``, where what is there never came to life;
    ``wait, then update``, where CloudFormation is at work on it; ``continue rollback, then update``.
    """

    part: str
    stack: str
    operation: str
    resources: tuple[Resource, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    code: Code | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


def resources(
    before: Manifest | None, had: Mapping[str, str], after: Manifest, has: Mapping[str, str]
) -> tuple[Resource, ...]:
    """The resources that differ, by name. ``had``, ``has``: each parameter's value; ``before``: None for no stack."""
    old = resolved(before.document, had) if before else {}
    new = resolved(after.document, has)
    found = []
    for name in sorted(old.keys() | new.keys()):
        kind = str((new.get(name) or old[name])["Type"])
        if name not in old:
            found.append(Resource(name, kind, "add"))
        elif name not in new:
            found.append(Resource(name, kind, "remove"))
        elif old[name] != new[name]:
            replaced = kind in _REPLACED or old[name]["Type"] != kind
            found.append(Resource(name, kind, "replace" if replaced else "change"))
    return tuple(found)


def effective(manifest: Manifest, given: Mapping[str, str | None], had: Mapping[str, str]) -> dict[str, str]:
    """The value of each parameter after an update: the given one, the stack's own (None), else the default."""
    declared = manifest.document.get("Parameters", {})
    values = {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}
    return values | {name: had[name] if value is None else value for name, value in given.items()}


def parameters(had: Mapping[str, str], has: Mapping[str, str]) -> tuple[Parameter, ...]:
    """The parameters whose values differ, by name."""
    names = sorted(had.keys() | has.keys())
    return tuple(Parameter(name, had.get(name), has.get(name)) for name in names if had.get(name) != has.get(name))


def outputs(manifest: Manifest, has: Mapping[str, str], changed: Collection[Resource]) -> dict[str, str]:
    """A stack's outputs after the change: `LATER` for one that is not there yet or tells of what becomes another."""
    others = {each.name for each in changed if each.change in ("add", "replace")}
    declared = manifest.document.get("Outputs", {})
    return {
        name: LATER if name not in has or others & set(_referred(each["Value"])) else has[name]
        for name, each in declared.items()
    }


def resolved(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The resources that there are with these parameters, and their definitions with the values in them."""
    conditions = document.get("Conditions", {})
    there = {
        name: each
        for name, each in document["Resources"].items()
        if "Condition" not in each or _holds({"Condition": each["Condition"]}, conditions, values)
    }
    return {name: _filled(each, conditions, values) for name, each in there.items()}


def _filled(value: Any, conditions: Mapping[str, Any], values: Mapping[str, str]) -> Any:
    match value:
        case {"Ref": str(name)}:
            return values.get(name, value)
        case {"Fn::If": [name, yes, no]}:
            chosen = yes if _holds({"Condition": name}, conditions, values) else no
            return _filled(chosen, conditions, values)
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": _NAMED.sub(lambda found: values.get(found[1], found[0]), text)}
        case dict():
            return {name: _filled(each, conditions, values) for name, each in value.items()}
        case list():
            return [_filled(each, conditions, values) for each in value]
    return value


def _holds(condition: Any, conditions: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    """What a condition comes to. Raises ``ValueError`` for a function that conditions do not have.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
    """
    match condition:
        case {"Condition": str(name)}:
            return _holds(conditions[name], conditions, values)
        case {"Fn::Equals": [one, other]}:
            return bool(_filled(one, conditions, values) == _filled(other, conditions, values))
        case {"Fn::Not": [one]}:
            return not _holds(one, conditions, values)
        case {"Fn::And": list(each)}:
            return all(_holds(one, conditions, values) for one in each)
        case {"Fn::Or": list(each)}:
            return any(_holds(one, conditions, values) for one in each)
    raise ValueError(f"not a condition: {condition!r}")


def _referred(value: Any) -> Iterator[str]:
    """The resources that a value is taken from."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": str(path)}:
            yield path.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from _REFERRED.findall(text)
        case dict():
            for each in value.values():
                yield from _referred(each)
        case list():
            for each in value:
                yield from _referred(each)
