"""Read a CloudFormation template as far as deploying needs it: parameters, runtime, architecture.

Templates go to CloudFormation as they are written; nothing here changes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployer.errors import Broken

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
INLINE_LIMIT = 51_200


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, each read as its long form: ``!Sub x`` as ``{"Fn::Sub": x}``."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in {"Ref", "Condition"} else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has no fourth kind
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class Manifest:
    """A template and what it says of itself.

    ``parameters``: every declared name. ``required``: those without a default. ``runtimes`` and
    ``architectures``: of its functions or layer, in AWS's words (``python3.13``, ``arm64``); empty for the core.
    """

    text: str
    document: Mapping[str, Any]
    parameters: frozenset[str]
    required: frozenset[str]
    runtimes: frozenset[str]
    architectures: frozenset[str]


def parse(text: str) -> Manifest:
    """The manifest in ``text``. Raises ``Broken`` where it isn't a template or is too long to be sent inline."""
    if (size := len(text.encode())) >= INLINE_LIMIT:
        raise Broken(f"a template of {size} bytes can't be sent inline: CloudFormation takes fewer than {INLINE_LIMIT}")
    document = yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    if not isinstance(document, dict) or "Resources" not in document:
        raise Broken("a template without resources")
    declared: dict[str, Any] = document.get("Parameters", {})
    runtimes: set[str] = set()
    architectures: set[str] = set()
    for resource in document["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Function":
            runtimes.add(properties["Runtime"])
            architectures.update(properties["Architectures"])
        elif resource["Type"] == "AWS::Lambda::LayerVersion":
            runtimes.update(properties["CompatibleRuntimes"])
            architectures.update(properties["CompatibleArchitectures"])
    return Manifest(
        text,
        document,
        frozenset(declared),
        frozenset(name for name, parameter in declared.items() if "Default" not in parameter),
        frozenset(runtimes),
        frozenset(architectures),
    )


def read(path: Path) -> Manifest:
    """The manifest in a file. Raises ``Broken``, naming the file."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, Broken) as error:
        raise Broken(f"{path}: {error}") from error


def agreed(manifests: Iterable[Manifest]) -> tuple[str, str]:
    """The one runtime and architecture that all manifests name. Raises ``Broken`` where they differ.

    One layer serves all functions, so its wheels have to fit each of them.
    """
    manifests = tuple(manifests)
    runtimes = sorted(frozenset().union(*(manifest.runtimes for manifest in manifests)))
    architectures = sorted(frozenset().union(*(manifest.architectures for manifest in manifests)))
    if len(runtimes) != 1 or len(architectures) != 1:
        raise Broken(f"the manifests have to agree on one runtime and architecture, not {runtimes} and {architectures}")
    return runtimes[0], architectures[0]
