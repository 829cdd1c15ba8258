"""Read what a branch brings: its template and its parameters, and match the two.

Pure but for PyYAML. Names what is missing, undeclared or reserved before CloudFormation is asked; never looks
anything up. Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from deployer.errors import Rejected
from deployer.refs import Stage

TEMPLATE_FILES = ("pipeline.json", "pipeline.yaml", "pipeline.yml")
PARAMETER_FILES = ("pipeline.parameters.json", "pipeline.parameters.yaml", "pipeline.parameters.yml")
MAX_TEMPLATE = 1024 * 1024
TOKEN_PARAMETER = "RepoToken"  # noqa: S105 - the parameter's name
# What the deployer provides; a repository that sets one of these is refused.
RESERVED = frozenset(
    {
        "ArtifactStore",
        "RepoOwner",
        "RepoName",
        "RepoBranch",
        "Stage",
        "SourceKey",
        TOKEN_PARAMETER,
        "ConnectionArn",
        "DeployerPrefix",
        "PermissionsBoundary",
        "DeployRole",
    }
)

Provided = Mapping[str, Callable[[], str]]


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
        Rejected: with the file, the line and what is wrong.
    """
    if len(content) > MAX_TEMPLATE:
        raise Rejected(f"{path}: {len(content):,} bytes; CloudFormation takes at most 1 MB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"{path}: not UTF-8 (byte {error.start})") from error
    try:
        if path.endswith(".json"):
            return json.loads(text)
        _refuse_aliases(path, text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - built on SafeLoader
    except json.JSONDecodeError as error:
        raise Rejected(f"{path}:{error.lineno}: {error.msg}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise Rejected(f"{path}{line}: {getattr(error, 'problem', None) or 'not valid YAML'}") from error
    except RecursionError as error:
        raise Rejected(f"{path}: nested too deeply") from error
    except (ValueError, TypeError, AttributeError) as error:
        # What the parsers say of numbers with thousands of digits, and of values that their tags don't fit.
        raise Rejected(f"{path}: a value that is none: {error}") from error


def _refuse_aliases(path: str, text: str) -> None:
    """CloudFormation takes neither aliases nor merges of hashes; a few lines of them can stand for gigabytes.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise Rejected(f"{path}:{line}: CloudFormation takes no aliases")


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


def resolve(template: Template, given: Mapping[str, str], provided: Provided) -> dict[str, str]:
    """The parameters to send: what the branch sets, and of what the deployer provides all that is declared.

    ``provided`` is called only for what the template declares: no token is read for one that does not ask.

    Raises:
        Rejected: naming every parameter that is reserved, undeclared or missing.
    """
    declared = template.parameters
    problems = []
    if reserved := sorted(RESERVED & given.keys()):
        problems.append(f"set by the deployer, not by the repository: {', '.join(reserved)}")
    if undeclared := sorted(given.keys() - declared.keys() - RESERVED):
        problems.append(f"not declared in the template: {', '.join(undeclared)}")
    values = {name: make() for name, make in provided.items() if name in declared and name != TOKEN_PARAMETER}
    if TOKEN_PARAMETER in declared and TOKEN_PARAMETER in provided:
        if str(declared[TOKEN_PARAMETER].get("NoEcho", "")).lower() == "true":
            values[TOKEN_PARAMETER] = provided[TOKEN_PARAMETER]()
        else:
            problems.append(f"{TOKEN_PARAMETER} must be declared with NoEcho: true")
    values = {name: value for name, value in values.items() if value} | dict(given)
    missing = sorted(
        name for name, declaration in declared.items() if name not in values and "Default" not in declaration
    )
    if missing := [name for name in missing if not (name == TOKEN_PARAMETER and problems)]:
        problems.append(f"without a value: {', '.join(missing)}")
    if problems:
        raise Rejected(f"parameters {'; '.join(problems)}")
    return values


def digest(template: Template, parameters: Mapping[str, str]) -> str:
    """What the stack is to be, as one value: unchanged means that there is nothing to update."""
    canonical = json.dumps([template.text, sorted(parameters.items())], ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def self_starting_sources(template: Template) -> tuple[str, ...]:
    """The source actions that start runs by themselves, each as ``Pipeline/Action: what to set``.

    Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
    """
    found = []
    for name, resource in template.resources.items():
        properties = resource.get("Properties")
        if resource.get("Type") != "AWS::CodePipeline::Pipeline" or not isinstance(properties, dict):
            continue
        if properties.get("Triggers"):
            found.append(f"{name}: remove Triggers")
        found.extend(
            f"{name}/{action.get('Name')}: set {switch} to false"
            for action in _actions(properties)
            if (switch := _switch(action)) and not _is_false(action.get("Configuration", {}).get(switch))
        )
    return tuple(found)


def _actions(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    actions = (action for stage in _each(properties.get("Stages")) for action in _each(stage.get("Actions")))
    return [action for action in actions if isinstance(action.get("Configuration", {}), dict)]


def _each(found: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; of a condition (``Fn::If``) both that may be there."""
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict) and isinstance(item.get("Fn::If"), list):
            yield from _each(item["Fn::If"][1:])
        elif isinstance(item, dict):
            yield item


def _switch(action: Mapping[str, Any]) -> str:
    kind = action.get("ActionTypeId")
    if not isinstance(kind, dict) or kind.get("Category") != "Source":
        return ""
    # S3, CodeCommit and GitHub (version 1) poll unless told not to; a connection detects changes unless told not to.
    polls = {"S3": "PollForSourceChanges", "CodeCommit": "PollForSourceChanges", "GitHub": "PollForSourceChanges"}
    return {**polls, "CodeStarSourceConnection": "DetectChanges"}.get(str(kind.get("Provider")), "")


def _is_false(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")
