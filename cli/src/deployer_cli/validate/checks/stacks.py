"""The stacks that a pipeline makes: named under their environment, and deleted after the pipeline, before the roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployer.actions import Action
from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import Scope, depends, references
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import CLOUDFORMATION, DEPLOYING, ENVIRONMENTS, Project, resources_of
from deployer_cli.validate.rules import found

BUCKET = "AWS::S3::Bucket"
_ATTACHED = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")


def stacks(project: Project) -> Iterator[Finding]:
    """Cleaners of stacks and buckets, and the order of deletion."""
    scope, before = project.scope(ENVIRONMENTS[0]), depends(project.resources)
    cleaners = dict(cleaners_of(scope, project.resources, "stack-cleaner"))
    for action in project.actions:
        if action.kind != CLOUDFORMATION or action.configuration.get("ActionMode") not in DEPLOYING:
            continue
        name = scope.text(action.configuration.get("StackName"))
        if name is None:
            continue
        shown = project.shown(action.configuration.get("StackName"))
        place = project.pipeline.at((*action.path, "Configuration", "StackName"))
        if not name.startswith(f"{scope.stack}-"):
            yield found("D404", place, f"stack {shown} is not named under its environment")
        mine = [each for each, body in cleaners.items() if scope.text(_property(body, "StackName")) == name]
        if not mine:
            yield found("D401", place, f"no Custom::StackCleaner deletes stack {shown}")
        for cleaner in mine:
            yield from _order(project, project.pipeline, action, cleaner, before)
    for document in project.templates:
        yield from _buckets(project, document)


def _order(
    project: Project, document: Document, action: Action, cleaner: str, before: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    if cleaner not in before[action.pipeline]:
        place = document.at(("Resources", action.pipeline))
        yield found("D402", place, f"{action.pipeline} does not depend on {cleaner}, which deletes what it deploys")
    roles = set(references(action.configuration.get("RoleArn"))) & project.resources.keys()
    attached = {
        name
        for name, body in project.resources.items()
        if body.get("Type") in _ATTACHED and roles & set(references(body))
    }
    for role in sorted((roles | attached) - before[cleaner]):
        place = document.at(("Resources", cleaner))
        yield found("D403", place, f"{cleaner} does not depend on {role}, which its stack is deleted with")


def _buckets(project: Project, document: Document) -> Iterator[Finding]:
    resources = resources_of(document.value)
    for scope in scopes(project, document)[:1]:
        emptied = {
            name
            for _, body in cleaners_of(scope, resources, "s3cleaner")
            for key in ("Bucket", "BucketName")
            for name in references(_property(body, key))
        }
        for name, body in resources.items():
            kept = str(body.get("DeletionPolicy", "Delete")).startswith("Retain")
            if body.get("Type") == BUCKET and name not in emptied and not kept:
                place = document.at(("Resources", name))
                yield found("D405", place, f"nothing empties bucket {name} before it is deleted")


def scopes(project: Project, document: Document) -> list[Scope]:
    """A template in the environments, as far as it is deployed there."""
    if document is project.pipeline:
        return [project.scope(environment) for environment in ENVIRONMENTS]
    return [each.scope for each in project.deployments if each.template is document]


def cleaners_of(
    scope: Scope, resources: Mapping[str, Mapping[str, Any]], function: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The custom resources that one of the deployer's functions answers for."""
    for name, body in resources.items():
        token = scope.text(_property(body, "ServiceToken")) or ""
        if token.endswith(f"-{function}"):
            yield name, body


def _property(body: Mapping[str, Any], name: str) -> Any:
    properties = body.get("Properties")
    return properties.get(name) if isinstance(properties, dict) else None
