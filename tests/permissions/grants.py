"""What the manifests grant to the functions, and what the functions used of it, as the laptop engine wrote it down.

A grant is one action of one statement on one of the statement's resources. The engine evaluates the policies of its
own, resolved roles and says of each use by which statement and resource it was allowed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer_deploy.manifest import read
from deployer_deploy.tree import FUNCTIONS, Tree


@dataclass(frozen=True, order=True)
class Grant:
    """``resource``: the position among the statement's resources."""

    function: str
    sid: str
    action: str
    resource: int = 0

    def __str__(self) -> str:
        return f"{self.function}: {self.sid}: {self.action}" + (f" (resource {self.resource})" if self.resource else "")


@dataclass(frozen=True)
class Use:
    """A call that a function made, or that a service made in its role's name.

    ``resources``: any of these names the resource to IAM; none where the engine does not know it. ``granted``: the
    statements, and the positions of their resources, that allowed it. ``policies``: the role's, as they were.
    """

    function: str
    action: str
    resources: tuple[str, ...]
    granted: tuple[tuple[str, int], ...]
    allowed: bool
    context: Mapping[str, Any]
    policies: tuple[Mapping[str, Any], ...]

    def grants(self) -> set[Grant]:
        """The grants by which it was allowed."""
        return {Grant(self.function, sid, self.action, position) for sid, position in self.granted}

    def __str__(self) -> str:
        return f"{self.function}: {self.action} on {' or '.join(self.resources) or 'a resource that is not known'}"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of the role in a function's manifest."""
    for policy in document["Resources"]["Role"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def granted(function: str, document: Mapping[str, Any]) -> set[Grant]:
    """What a manifest allows its function."""
    return {
        Grant(function, statement["Sid"], action, position)
        for statement in statements(document)
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for position, _ in enumerate(as_list(statement["Resource"]))
    }


def all_granted(tree: Tree) -> set[Grant]:
    """What the manifests of a tree allow."""
    return {grant for part in FUNCTIONS for grant in granted(part, read(tree.manifest(part)).document)}


def used(folder: Path) -> list[Use]:
    """What engines have written below ``folder`` of the deployer's own functions."""
    lines = [json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text().splitlines()]
    return list(_read(lines))


def _read(lines: Iterable[Mapping[str, Any]]) -> Iterator[Use]:
    documents = {line["policies"]: tuple(line["documents"]) for line in lines if "documents" in line}
    for line in lines:
        function = next((part for part in FUNCTIONS if str(line.get("function", "")).endswith(f"-{part}")), None)
        if function is not None:
            by = tuple((str(sid), int(position)) for sid, position in line["granted"])
            policies = documents[line["policies"]]
            yield Use(
                function, line["action"], tuple(line["resources"]), by, line["allowed"], line["context"], policies
            )
