"""The pipeline's parameters: what the file says, what the template declares, and what the deployer gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployer.parameters import RESERVED, TOKEN_PARAMETER, hidden, missing, undeclared
from deployer.refs import Stage
from deployer_cli.validate.document import Document
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import Project, text_of
from deployer_cli.validate.rules import found
from deployer_cli.validate.schemas import PARAMETERS, violations


def parameters(project: Project) -> Iterator[Finding]:
    """Everything about the parameters of the pipeline's template."""
    if TOKEN_PARAMETER in project.declared and not hidden(project.declared[TOKEN_PARAMETER]):
        place = project.pipeline.at(("Parameters", TOKEN_PARAMETER))
        yield found("D206", place, f"{TOKEN_PARAMETER} is declared without NoEcho: true")
    if project.given:
        yield from _missing(project)
    yield from _provided(project)
    if project.parameters:
        yield from violations(PARAMETERS, project.parameters, "D201")
        for stage in Stage:
            yield from _given(project, project.parameters, stage)


def _missing(project: Project) -> Iterator[Finding]:
    """What no stage gives is one finding."""
    stages: dict[str, list[str]] = {}
    for stage in Stage:
        given = {key for _, key, _ in project.entries(stage)} | RESERVED
        for name in missing(project.declared, given):
            stages.setdefault(name, []).append(str(stage))
    for name, without in stages.items():
        place = project.pipeline.at(("Parameters", name))
        yield found("D204", place, f"parameter {name} has no value in {', '.join(without)}")


def _provided(project: Project) -> Iterator[Finding]:
    """What the deployer gives must be allowed, too, as far as that is known."""
    for stage in Stage:
        if reason := _not_allowed(project.declared.get("Stage", {}), str(stage)):
            yield found("D207", project.pipeline.at(("Parameters", "Stage")), f"Stage will be {stage}, which {reason}")


def _given(project: Project, file: Document, stage: Stage) -> Iterator[Finding]:
    seen: set[str] = set()
    entries = project.entries(stage)
    unknown = set(undeclared(project.declared, [key for _, key, _ in entries]))
    for at, key, value in entries:
        place = file.at((str(stage), at))
        if key in RESERVED:
            yield found("D202", place, f"{key} is set by the deployer, not by the repository")
        elif key in unknown:
            yield found("D203", place, f"{key} is not declared in the template")
        elif reason := _not_allowed(project.declared[key], text_of(value)):
            yield found("D207", place, f"{key} is {value}, which {reason}")
        if key in seen:
            yield found("D205", place, f"{key} is set twice for {stage}")
        seen.add(key)


def _not_allowed(declaration: Mapping[str, Any], value: str | None) -> str:
    """Why CloudFormation takes no such value, or empty.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    if value is None:
        return ""
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and value not in [text_of(each) for each in allowed]:
        return f"is none of {', '.join(str(text_of(each)) for each in allowed)}"
    if declaration.get("Type") == "Number":
        return _no_number(declaration, value)
    if len(value) < _limit(declaration, "MinLength", 0) or len(value) > _limit(declaration, "MaxLength", 4096):
        return "is too short or too long"
    return "does not match AllowedPattern" if _mismatches(declaration.get("AllowedPattern"), value) else ""


def _no_number(declaration: Mapping[str, Any], value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return "is no number"
    if number < _limit(declaration, "MinValue", float("-inf")) or number > _limit(
        declaration, "MaxValue", float("inf")
    ):
        return "is out of range"
    return ""


def _limit(declaration: Mapping[str, Any], name: str, default: float) -> float:
    try:
        return float(declaration.get(name, default))
    except (TypeError, ValueError):
        return default


def _mismatches(pattern: Any, value: str) -> bool:
    try:
        return isinstance(pattern, str) and not re.fullmatch(pattern, value)
    except re.error:  # Java's expressions are not all Python's
        return False
