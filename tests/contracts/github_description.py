"""GitHub's own description of its REST API, with what it leaves out; and which operation of it a path means.

The description is tests/data/github-openapi.json; what GitHub documents elsewhere is tests/data/github-omitted.json,
each part with its source. Pure: knows nothing of requests and answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
VERSIONS = ("2022-11-28", "2026-03-10")
"""https://docs.github.com/rest/about-the-rest-api/api-versions#supported-api-versions"""


@dataclass(frozen=True)
class Operation:
    """A method and the template of a path. `path`: the one that was asked, its slashes within a parameter encoded."""

    method: str
    template: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.template}"

    @property
    def described(self) -> dict[str, Any]:
        """What the description says of it."""
        found: dict[str, Any] = description()["paths"][self.template][self.method]
        return found

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """Its parameters in `place` (query or path), by name."""
        return {each["name"]: each for each in _parameters(self.described) if each["in"] == place}

    def media_types(self) -> set[str]:
        """What its answers may be written in."""
        return {kind for response in self.described["responses"].values() for kind in response.get("content", {})}


def as_meant(part: dict[str, Any]) -> dict[str, Any]:
    """Lets `nullable` count beside `oneOf` too, and drops a discriminator that a list cannot have."""
    if "array" in part.get("discriminator", {}).get("mapping", {}):
        del part["discriminator"]
    if part.get("nullable") and "oneOf" in part:
        part["oneOf"].append({"enum": [None]})
    return part


@cache
def omitted() -> dict[str, Any]:
    """What the description leaves out."""
    found: dict[str, Any] = json.loads((DATA / "github-omitted.json").read_text())
    return found


@cache
def description() -> dict[str, Any]:
    """GitHub's description, with what it omits added to every operation."""

    found: dict[str, Any] = json.loads((DATA / "github-openapi.json").read_text(), object_hook=as_meant)
    schemas = found["components"]["schemas"]
    schemas |= omitted()["schemas"]
    for name, more in omitted()["properties"].items():
        schemas[name]["properties"] |= {each: schema for each, schema in more.items() if each != "x-source"}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            operation["responses"] = _responses(found, f"{method.upper()} {path}", method, operation["responses"])
    return found


def operation_of(method: str, path: str) -> Operation | None:
    """The operation that a path (encoded) means; None for one that GitHub has not, or that we know nothing of."""
    asked = "get" if method.upper() == "HEAD" else method.lower()  # HEAD is a GET without the body, everywhere
    for elsewhere, of in omitted()["elsewhere"].items():
        alias = re.match(_pattern(elsewhere, {}) + "(?=/|$)", path)
        alias = alias if alias and alias["id"].isdigit() else None
        path = of["same-as"].translate({ord(brace): None for brace in "{}"}) + path[alias.end() :] if alias else path
    for pattern, template in _templates():
        at = pattern.fullmatch(path)
        if at and asked in description()["paths"][template]:
            parts = {name: value.replace("/", "%2F") for name, value in at.groupdict().items()}
            return Operation(asked, template, template.format(**parts))
    for each, of in omitted()["legacy"].items():
        legacy_method, _, template = each.partition(" ")
        at = re.fullmatch(_pattern(template, {"ref": True}), path)
        if at and asked == legacy_method.lower():
            parts = {name: value.replace("/", "%2F") for name, value in at.groupdict().items()}
            return Operation(asked, of["same-as"], of["same-as"].format(**parts))
    for each in omitted()["without"]:
        without_method, _, template = each.partition(" ")
        shorter = _pattern(re.sub(r"/\{\w+\}$", "", template), {})
        if asked == without_method.lower() and re.fullmatch(f"{shorter}/?", path):
            return Operation(asked, template, path.rstrip("/") + "/-")
    return None


def _responses(whole: dict[str, Any], operation: str, method: str, described: dict[str, Any]) -> dict[str, Any]:
    """What is described, resolved; what is omitted where nothing is described; the omitted headers everywhere."""
    merged: dict[str, Any] = {}
    for status, response in described.items():
        shared = response.get("$ref", "").rpartition("/")[2]
        merged[status] = whole["components"]["responses"][shared] if shared else response
    for status, response in omitted()["responses"].items():
        if status in merged or method in response.get("x-methods", [method]):
            known = merged.get(status, response)
            headers = response.get("headers", {}) | known.get("headers", {})
            merged[status] = known | ({"headers": headers} if headers else {})
            if int(status) == 409 and "content" in response:  # described at times without its body
                merged[status] = {"content": response["content"]} | merged[status]
            if int(status) >= 500:  # whoever stands before GitHub speaks in its own way
                merged[status] = merged[status] | {"content": response["content"] | known.get("content", {})}
    if operation in omitted()["media"]:
        more: dict[str, Any] = {kind: {} for kind in omitted()["media"][operation]["types"]}
        merged["200"] = merged["200"] | {"content": more | merged["200"]["content"]}
    return merged


def _parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    shared = description()["components"]["parameters"]
    listed = operation.get("parameters", [])
    return [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in listed]


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of paths, the most literal first: `commits/{ref}/status` before `commits/{ref}`."""
    found = []
    for template, operations in description()["paths"].items():
        listed = [each for operation in operations.values() for each in _parameters(operation)]
        many = {each["name"]: bool(each.get("x-multi-segment")) for each in listed}
        found.append((re.compile(_pattern(template, many)), template))
    return sorted(found, key=lambda each: -len(re.sub(r"\{\w+\}", "", each[1])))


def _pattern(template: str, many: dict[str, bool]) -> str:
    """A parameter is one segment, or any number of them where `many` says so."""
    words = re.split(r"\{(\w+)\}", template)
    named = [f"(?P<{name}>{'.+' if many.get(name) else '[^/]+'})" for name in words[1::2]]
    return "".join(part for pair in zip(map(re.escape, words[::2]), [*named, ""], strict=True) for part in pair)
