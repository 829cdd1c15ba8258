"""A JSON or YAML file whose values know where they stand.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from deployer.actions import Path
from deployer.templates import compose, load
from deployer_cli.validate.findings import Place


@dataclass(frozen=True)
class Document:
    """A parsed file. ``path``: below the repository's root. ``value``: as the deployer reads it."""

    path: str
    text: str
    value: Any
    root: yaml.Node | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, path: str, content: bytes) -> Document:
        """Parse what CloudFormation is to take.

        Raises:
            Unreadable: saying where and why.
        """
        value = load(path, content)
        return cls.of(path, content.decode("utf-8"), value)

    @classmethod
    def of(cls, path: str, text: str, value: Any) -> Document:
        """A file whose value is known already."""
        try:
            root = compose(text)
        except (yaml.YAMLError, ValueError):
            root = None  # JSON that is no YAML: what is found in it has no place
        return cls(path, text, value, root)

    def at(self, path: Path) -> Place:
        """Where a value stands: its key, or the item of a list; as near as there is one."""
        node, mark = self.root, self.root.start_mark if self.root else None
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found[0].start_mark, found[1]
        return Place(self.path, mark.line + 1, mark.column + 1) if mark else Place(self.path)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """What a step leads to: the node that names it, and its value."""
    if isinstance(node, yaml.MappingNode):
        # The last of several, as the parsers take it.
        return next(((key, value) for key, value in reversed(node.value) if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
