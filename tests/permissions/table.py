"""The table of permissions in docs/security.md, made from the manifests: ``python -m tests.permissions.table``.

A statement's reason is the comment above it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.permissions.grants import as_list, statements

from deployer_deploy.manifest import Manifest, read
from deployer_deploy.tree import FUNCTIONS, Tree

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- permissions: made by `python -m tests.permissions.table` -->", "<!-- end of permissions -->"
# What says nothing to a reader: every ARN here is of this account and region, unless it says otherwise.
_COMMON = re.compile(r"arn:\$\{AWS::Partition}:(?P<service>[a-z0-9-]+):(?:\$\{AWS::Region})?:(?:\$\{AWS::AccountId})?:")


def table(tree: Tree) -> str:
    """A heading and a table for each function, in the order of a push."""
    parts = []
    for part in FUNCTIONS:
        rows = "\n".join(_rows(read(tree.manifest(part))))
        parts.append(f"### {part}\n\n| | may | on | why |\n| --- | --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _rows(manifest: Manifest) -> Iterator[str]:
    reasons = dict(reasons_of(manifest.text))
    for statement in statements(manifest.document):
        actions = ", ".join(f"`{action}`" for action in as_list(statement["Action"]))
        may = f"**never** {actions}" if statement["Effect"] == "Deny" else actions
        on = ", ".join(f"`{_short(each)}`" for each in as_list(statement["Resource"]))
        on += "".join(f"; {condition}" for condition in _conditions(statement))
        yield f"| {statement['Sid']} | {may} | {on} | {reasons[statement['Sid']]} |"


def _conditions(statement: Mapping[str, Any]) -> Iterator[str]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            values = " or ".join(f"`{_short(each)}`" for each in as_list(wanted))
            yield f"`{key}` is there" if operator == "Null" else f"`{key}` is {values}"


def _short(value: Any) -> str:
    match value:
        case {"Ref": str(name)}:
            return name.removesuffix("Arn")
        case {"Fn::Sub": str(text)}:
            named = _COMMON.sub(lambda found: f"{found['service']}:" if text[found.end()] in "*$" else "", text)
            return named.replace("${DeployerPrefix}", "PREFIX").replace("Arn}", "}").replace("${", "").replace("}", "")
    return str(value)


def reasons_of(text: str) -> Iterator[tuple[str, str]]:
    """The ``Sid`` of each statement of a manifest, with the comment above it."""
    lines = text.splitlines()
    for sid, line in _places(yaml.compose(text)):
        above = line
        while lines[above - 1].strip().startswith("#"):
            above -= 1
        yield sid, " ".join(each.strip().removeprefix("#").strip() for each in lines[above:line])


def _places(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Each named statement and the line (from 0) where it, or the condition around it, begins."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "Statement":
            for statement in value.value:
                inner = statement.value[1] if isinstance(statement, yaml.SequenceNode) else statement
                yield from ((v.value, statement.start_mark.line) for k, v in inner.value if k.value == "Sid")
        else:
            yield from _places(value)
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _places(value)


def renewed(page: str, made: str) -> str:
    """The page with its table replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), table(Tree.here())), encoding="utf-8")
    sys.exit(0)
