"""Builds: the buildspec is there, can be read, and names the artifacts that the action is to hand on.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from deployer.actions import Action
from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import references
from deployer_cli.validate.findings import Finding, Place
from deployer_cli.validate.project import ENVIRONMENTS, Project, names
from deployer_cli.validate.rules import found
from deployer_cli.validate.schemas import BUILDSPEC, violations

PROJECT = "AWS::CodeBuild::Project"
BUILDS = (("Build", "CodeBuild"), ("Test", "CodeBuild"))
DEFAULT = "buildspec.yml"


def builds(project: Project) -> Iterator[Finding]:
    """Every build of a project that the same template makes."""
    for action in project.actions:
        if action.kind in BUILDS:
            yield from _build(project, project.pipeline, action)


def _build(project: Project, document: Document, action: Action) -> Iterator[Finding]:
    made = _project(project, action)
    if made is None:
        return
    name, source = made
    text = project.scope(ENVIRONMENTS[0]).text(source.get("BuildSpec", DEFAULT))
    place = document.at(("Resources", name, "Properties", "Source", "BuildSpec"))
    if text is None or text.startswith("arn:"):
        return
    if "\n" in text or text.lstrip().startswith("{"):
        yield from _inline(place, text, action)
        return
    inputs = names(action, "InputArtifacts")
    primary = project.scope(ENVIRONMENTS[0]).text(action.configuration.get("PrimarySource", next(iter(inputs), "")))
    if not project.from_source(primary or ""):
        return
    if not project.files.has(text):
        why = project.files.why_not(text)
        yield found("D701", place, f"{text} would not be in the commit{f': {why}' if why else ''}")
        return
    yield from _file(text, project.files.read(text), action)


def _project(project: Project, action: Action) -> tuple[str, Mapping[str, Any]] | None:
    """The project that an action builds, where the template makes it: its name there, and its source."""
    expression = action.configuration.get("ProjectName")
    scope, referred = project.scope(ENVIRONMENTS[0]), set(references(expression))
    for name, body in project.resources.items():
        properties = body.get("Properties")
        if body.get("Type") != PROJECT or not isinstance(properties, dict):
            continue
        named = scope.text(properties.get("Name"))
        if name in referred or (named is not None and named == scope.text(expression)):
            source = properties.get("Source")
            return (name, source) if isinstance(source, dict) else None
    return None


def _file(path: str, content: bytes, action: Action) -> Iterator[Finding]:
    try:
        text = content.decode("utf-8")
        document = Document.of(path, text, yaml.load(text, Loader=_Texts))  # noqa: S506 - built on BaseLoader
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        yield found("D702", place, getattr(error, "problem", None) or "not UTF-8")
        return
    yield from violations(BUILDSPEC, document, "D702")
    yield from _outputs(document, action)


def _inline(place: Place, text: str, action: Action) -> Iterator[Finding]:
    """What is found in a buildspec within a template stands where the template says BuildSpec."""
    for finding in _file("BuildSpec", text.encode(), action):
        yield found(finding.rule, place, f"line {finding.place.line} of the buildspec: {finding.message}")


class _Texts(yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader):  # type: ignore[misc]
    """YAML in which every value is a text: CodeBuild takes ``version: 0.2`` and ``version: "0.2"``."""


def _outputs(document: Document, action: Action) -> Iterator[Finding]:
    value, outputs = document.value, names(action, "OutputArtifacts")
    if not isinstance(value, dict) or not outputs:
        return
    section = value.get("artifacts")
    if not isinstance(section, dict):
        yield found("D703", document.at(()), f"{action.name} is to make {', '.join(outputs)}: there are no artifacts")
        return
    secondary = section.get("secondary-artifacts")
    named = set(secondary) if isinstance(secondary, dict) else set()
    if len(outputs) > 1 or "files" not in section:
        for name in sorted(set(outputs) - named):
            yield found("D703", document.at(("artifacts",)), f"output {name} is not among the secondary-artifacts")
    for name in sorted(named - set(outputs)):
        place = document.at(("artifacts", "secondary-artifacts", name))
        yield found("D703", place, f"{name} is no output of {action.name}")
