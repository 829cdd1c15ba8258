"""What starts runs: the deployer alone, of exactly the commit that is wanted (F59)."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.actions import CONNECTION, pipelines, self_starting
from deployer_cli.validate.evaluation import references
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import ENVIRONMENTS, OWNER, REPOSITORY, Project
from deployer_cli.validate.rules import found


def sources(project: Project) -> Iterator[Finding]:
    """Sources, rules and webhooks."""
    for each in self_starting(project.resources):
        yield found("D301", project.pipeline.at(each.path), f"{each} (it starts runs by itself)")
    yield from _rules(project)
    yield from _elsewhere(project)


def _rules(project: Project) -> Iterator[Finding]:
    here = {name for name, _ in pipelines(project.resources)}
    named = {
        text for _, it in pipelines(project.resources) if (text := project.scope(ENVIRONMENTS[0]).text(it.get("Name")))
    }
    for name, resource in project.resources.items():
        properties = resource.get("Properties")
        if not isinstance(properties, dict):
            continue
        place = project.pipeline.at(("Resources", name))
        if resource.get("Type") == "AWS::CodePipeline::Webhook":
            yield found("D302", place, f"webhook {name} starts the pipeline")
        if resource.get("Type") != "AWS::Events::Rule" or "EventPattern" not in properties:
            continue
        targets = [each for each in properties.get("Targets") or () if isinstance(each, dict)]
        arns = [project.scope(ENVIRONMENTS[0]).text(each.get("Arn")) or "" for each in targets]
        refers = any(here & set(references(each.get("Arn"))) for each in targets)
        if refers or any(arn.rpartition(":")[2] in named and ":codepipeline:" in arn for arn in arns):
            yield found("D302", place, f"rule {name} starts the pipeline")


def _elsewhere(project: Project) -> Iterator[Finding]:
    """Pipelines that do not read the wanted commit."""
    scope, provided = project.scope(ENVIRONMENTS[0]), ENVIRONMENTS[0].provided
    for name, _ in pipelines(project.resources):
        reading = [action for action in project.actions if action.pipeline == name and action.kind[0] == "Source"]
        for action in reading:
            if action.kind[1] == "S3" and scope.text(action.configuration.get("S3ObjectKey")) == provided["SourceKey"]:
                break
            connected = scope.text(action.configuration.get("FullRepositoryId")) in (f"{OWNER}/{REPOSITORY}", None)
            if action.kind[1] == CONNECTION and connected:
                break
        else:
            yield found("D303", project.pipeline.at(("Resources", name)), f"{name} does not read the wanted commit")
