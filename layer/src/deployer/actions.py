"""Look into the pipelines of a template: their actions, and which sources start runs by themselves.

Pure. What does not have CloudFormation's shape is passed over: CloudFormation says so itself.
Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PIPELINE = "AWS::CodePipeline::Pipeline"
# The provider of a source that reads a repository through a connection.
CONNECTION = "CodeStarSourceConnection"
# S3, CodeCommit and GitHub (version 1) poll unless told not to; a connection detects changes unless told not to.
_SWITCHES = {
    "S3": "PollForSourceChanges",
    "CodeCommit": "PollForSourceChanges",
    "GitHub": "PollForSourceChanges",
    CONNECTION: "DetectChanges",
}

Path = tuple[str | int, ...]
Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Action:
    """One action of a pipeline. ``path``: where it stands in the template. ``stage``, ``order``: when it runs."""

    path: Path
    pipeline: str
    stage: int
    body: Mapping[str, Any]

    @property
    def kind(self) -> tuple[str, str]:
        """Its category and provider."""
        found = self.body.get("ActionTypeId")
        return (str(found.get("Category")), str(found.get("Provider"))) if isinstance(found, dict) else ("", "")

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.body.get("Name"))

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Its configuration, as it is written."""
        found: Mapping[str, Any] = self.body.get("Configuration", {})
        return found

    @property
    def order(self) -> tuple[int, int]:
        """Actions of a lower order have ended before it starts."""
        order = str(self.body.get("RunOrder", 1))
        return self.stage, int(order) if order.isdecimal() else 1


@dataclass(frozen=True)
class SelfStarting:
    """A source that starts runs by itself, or triggers that do. ``path``: where it stands. ``fix``: what to do."""

    path: Path
    name: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name}: {self.fix}"


def pipelines(resources: Resources) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The pipelines: name and properties of each."""
    for name, resource in resources.items():
        properties = resource.get("Properties")
        if resource.get("Type") == PIPELINE and isinstance(properties, dict):
            yield name, properties


def actions(resources: Resources) -> Iterator[Action]:
    """The actions of every pipeline, in their order."""
    for name, properties in pipelines(resources):
        yield from _actions(name, properties)


def self_starting(resources: Resources) -> tuple[SelfStarting, ...]:
    """The source actions that start runs by themselves, and triggers."""
    found = []
    for name, properties in pipelines(resources):
        if properties.get("Triggers"):
            found.append(SelfStarting(("Resources", name, "Properties", "Triggers"), name, "remove Triggers"))
        for action in _actions(name, properties):
            category, provider = action.kind
            switch = _SWITCHES.get(provider, "") if category == "Source" else ""
            if switch and not is_false(action.configuration.get(switch)):
                found.append(SelfStarting(action.path, f"{name}/{action.name}", f"set {switch} to false"))
    return tuple(found)


def _actions(pipeline: str, properties: Mapping[str, Any]) -> Iterator[Action]:
    top: Path = ("Resources", pipeline, "Properties", "Stages")
    for number, (path, stage) in enumerate(_each(properties.get("Stages"), top)):
        for place, body in _each(stage.get("Actions"), (*path, "Actions")):
            if isinstance(body.get("Configuration", {}), dict):
                yield Action(place, pipeline, number, body)


def _each(found: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects of a list, each with its place; of a condition (``Fn::If``) both that may be there."""
    for at, item in enumerate(found) if isinstance(found, list) else ():
        if isinstance(item, dict) and isinstance(item.get("Fn::If"), list):
            yield from _each(item["Fn::If"], (*path, at, "Fn::If"))
        elif isinstance(item, dict):
            yield (*path, at), item


def is_false(value: object) -> bool:
    """Whether CloudFormation takes it for false."""
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")
