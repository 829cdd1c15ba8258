"""Read what a branch brings: its template and its parameters.

Pure but for PyYAML; never looks anything up. ``parameters`` matches the two, ``actions`` looks into pipelines.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from deployer.errors import Rejected
from deployer.refs import Stage

TEMPLATE_FILES = ("pipeline.json", "pipeline.yaml", "pipeline.yml")
PARAMETER_FILES = ("pipeline.parameters.json", "pipeline.parameters.yaml", "pipeline.parameters.yml")
MAX_TEMPLATE = 1024 * 1024


class Unreadable(Rejected):
    """A file that is no JSON, no YAML, or not what was expected. ``line``, ``column``: from 1, 0 where unknown."""

    def __init__(self, path: str, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path, self.reason, self.line, self.column = path, reason, line, column


class Aliased(Unreadable):
    """YAML that needs aliases to be read."""


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's short forms (``!Ref``, ``!Sub``), kept as their long forms."""


def _short_form(loader: Any, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)
# A date in a template is a text (`2012-10-17`), not a Python date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Template:
    """A branch's template: its text as it will be sent, and what of it matters here."""

    text: str
    parameters: Mapping[str, Mapping[str, Any]]
    resources: Mapping[str, Mapping[str, Any]]


def load(path: str, content: bytes) -> Any:
    """Parse a JSON or YAML file.

    Raises:
        Unreadable: with the file, the line and what is wrong.
    """
    if len(content) > MAX_TEMPLATE:
        raise Unreadable(path, f"{len(content):,} bytes; CloudFormation takes at most 1 MB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"not UTF-8 (byte {error.start})") from error
    try:
        if path.endswith(".json"):
            return json.loads(text)
        _refuse_aliases(path, text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - built on SafeLoader
    except json.JSONDecodeError as error:
        raise Unreadable(path, error.msg, error.lineno, error.colno) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise Unreadable(path, getattr(error, "problem", None) or "not valid YAML", *place) from error
    except RecursionError as error:
        raise Unreadable(path, "nested too deeply") from error
    except (ValueError, TypeError, AttributeError) as error:
        # What the parsers say of numbers with thousands of digits, and of values that their tags don't fit.
        raise Unreadable(path, f"a value that is none: {error}") from error


def compose(text: str) -> yaml.Node | None:
    """The nodes of a JSON or YAML text, which know where they stand.

    Raises:
        yaml.YAMLError: where it is no YAML; JSON that YAML does not take is rare, but there.
    """
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def _refuse_aliases(path: str, text: str) -> None:
    """CloudFormation takes neither aliases nor merges of hashes; a few lines of them can stand for gigabytes.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            mark = event.start_mark
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            raise Aliased(path, "CloudFormation takes no aliases", *place)


def parse_template(path: str, content: bytes) -> Template:
    """A template's parameters and resources.

    Raises:
        Rejected: where it is no template, or over CloudFormation's 1 MB.
    """
    document = load(path, content)
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise Rejected(f"{path}: expected a CloudFormation template with Resources")
    parameters = document.get("Parameters", {})
    if not _named(parameters) or not all(isinstance(value, dict) for value in parameters.values()):
        raise Rejected(f"{path}: Parameters must map names to declarations")
    resources = {name: body for name, body in document["Resources"].items() if isinstance(body, dict)}
    return Template(content.decode("utf-8"), parameters, resources)


def parse_parameters(path: str, content: bytes, stage: Stage) -> dict[str, str]:
    """The parameters a branch sets for one stage: ``{"staging": [{"ParameterKey": …, "ParameterValue": …}]}``.

    Raises:
        Rejected: naming the file and what was expected.
    """
    document = load(path, content)
    if not isinstance(document, dict):
        raise Rejected(f"{path}: expected an object of development, staging and production")
    entries = document.get(str(stage), [])
    if not isinstance(entries, list):
        raise Rejected(f"{path}: {stage} must be a list of ParameterKey and ParameterValue")
    values: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("ParameterKey"), str):
            raise Rejected(f"{path}: {stage} must be a list of ParameterKey and ParameterValue")
        key, value = entry["ParameterKey"], entry.get("ParameterValue")
        if not isinstance(value, (str, int, float, bool)):
            raise Rejected(f"{path}: {stage}: {key} needs a ParameterValue that is a text")
        if key in values:
            raise Rejected(f"{path}: {stage}: {key} is set twice")
        values[key] = json.dumps(value) if isinstance(value, (bool, int, float)) else value
    return values


def _named(value: Any) -> bool:
    """Whether a value is an object whose keys are texts: in YAML ``on`` and ``1`` are none."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def digest(template: Template, parameters: Mapping[str, str]) -> str:
    """What the stack is to be, as one value: unchanged means that there is nothing to update."""
    canonical = json.dumps([template.text, sorted(parameters.items())], ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
