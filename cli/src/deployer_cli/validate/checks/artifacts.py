"""What flows through a pipeline: artifacts from action to action, files out of the commit, parameters into stacks.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.actions import Action
from deployer.parameters import missing
from deployer_cli.validate.document import Document
from deployer_cli.validate.findings import Finding, Place
from deployer_cli.validate.project import (
    CLOUDFORMATION,
    ENVIRONMENTS,
    MAX_OVERRIDES,
    NO_TEMPLATE,
    Deployment,
    Environment,
    Project,
    configured,
    is_template,
    names,
    overridden,
    parameters_of,
)
from deployer_cli.validate.rules import found


def artifacts(project: Project) -> Iterator[Finding]:
    """Artifacts, the files that are taken out of them, and the parameters of the stacks."""
    for pipeline in dict.fromkeys(action.pipeline for action in project.actions):
        inside = [action for action in project.actions if action.pipeline == pipeline]
        yield from _flow(project.pipeline, inside)
    for action in project.actions:
        if action.kind == CLOUDFORMATION:
            for environment in ENVIRONMENTS:
                yield from _files(project, project.pipeline, action, environment)
            yield from _overrides(project, project.pipeline, action)
    for deployment in project.deployments:
        yield from _parameters(project.pipeline, deployment)


def _flow(document: Document, inside: list[Action]) -> Iterator[Finding]:
    made: dict[str, Action] = {}
    for action in inside:
        for at, name in enumerate(names(action, "OutputArtifacts")):
            if name in made:
                place = document.at((*action.path, "OutputArtifacts", at))
                yield found("D603", place, f"{made[name].name} makes an artifact {name} already")
            made.setdefault(name, action)
    used: set[str] = set()
    for action in inside:
        for at, name in enumerate(names(action, "InputArtifacts")):
            used.add(name)
            place = document.at((*action.path, "InputArtifacts", at))
            if name not in made:
                yield found("D601", place, f"no action makes artifact {name}")
            elif made[name].order >= action.order:
                yield found("D601", place, f"{made[name].name}, which makes artifact {name}, does not end before")
    for name, action in made.items():
        if name not in used:
            place = document.at((*action.path, "OutputArtifacts", names(action, "OutputArtifacts").index(name)))
            yield found("D602", place, f"no action uses artifact {name}")


def _files(project: Project, document: Document, action: Action, environment: Environment) -> Iterator[Finding]:
    for key in ("TemplatePath", "TemplateConfiguration"):
        location = project.scope(environment).text(action.configuration.get(key))
        place = document.at((*action.path, "Configuration", key))
        if location is None:
            continue
        artifact, separator, path = location.partition("::")
        if not separator or not path or artifact not in names(action, "InputArtifacts"):
            yield found("D604", place, f"{key} {location} names no file of an input artifact")
        elif project.from_source(artifact):
            if not project.files.has(path):
                why = project.files.why_not(path)
                yield found("D605", place, f"{path} would not be in the commit{f': {why}' if why else ''}")
                continue
            read = project.document(path)
            if isinstance(read, Finding):
                yield read
            elif key == "TemplateConfiguration":
                yield from _configuration(read)
            elif not is_template(read):
                yield found("D104", Place(path), NO_TEMPLATE)


def _configuration(read: Document) -> Iterator[Finding]:
    if not read.path.endswith(".json") or not isinstance(read.value, dict):
        yield found("D608", read.at(()), "a configuration file is a JSON object of Parameters, Tags and StackPolicy")
        return
    unknown = read.value.keys() - {"Parameters", "Tags", "StackPolicy"}
    for key in sorted(map(str, unknown)):
        yield found("D608", read.at((key,)), f"{key} is none of Parameters, Tags and StackPolicy")


def _overrides(project: Project, document: Document, action: Action) -> Iterator[Finding]:
    if "ParameterOverrides" not in action.configuration:
        return
    scope = project.scope(ENVIRONMENTS[0])
    place = document.at((*action.path, "Configuration", "ParameterOverrides"))
    text = scope.text(action.configuration["ParameterOverrides"])
    if text is None:
        return
    if overridden(scope, action) is None:
        yield found("D608", place, "ParameterOverrides is no JSON object")
    elif len(text.encode()) > MAX_OVERRIDES:
        yield found("D608", place, f"ParameterOverrides has {len(text.encode()):,} bytes")


def _parameters(document: Document, deployment: Deployment) -> Iterator[Finding]:
    if deployment.given is None:
        return
    action, template = deployment.action, deployment.template
    declared = parameters_of(template.value)
    place = document.at((*action.path, "Configuration"))
    for name in missing(declared, deployment.given):
        yield found("D606", place, f"{action.name} gives {name} no value, which {template.path} asks for")
    from_file = configured(deployment.configuration) if deployment.configuration else {}
    for name in sorted(deployment.given.keys() - declared.keys()):
        # What is given beside a template that takes less of it fails the whole operation.
        where = place
        if name in from_file and deployment.configuration:
            where = deployment.configuration.at(("Parameters", name))
        yield found("D607", where, f"{action.name} gives {name}, which {template.path} does not declare")
