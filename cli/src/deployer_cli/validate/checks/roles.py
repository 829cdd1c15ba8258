"""Roles and policies as the stage's service role and boundary let them be made; see deploy's core.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import Scope
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import ENVIRONMENTS, Project, resources_of
from deployer_cli.validate.rules import found

ROLE = "AWS::IAM::Role"
UNDER_PATH = (ROLE, "AWS::IAM::ManagedPolicy", "AWS::IAM::InstanceProfile")
NEVER = (
    *("AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::AccessKey", "AWS::IAM::UserToGroupAddition"),
    *("AWS::IAM::OIDCProvider", "AWS::IAM::SAMLProvider", "AWS::IAM::ServerCertificate", "AWS::IAM::VirtualMFADevice"),
)


def roles(project: Project) -> Iterator[Finding]:
    """Boundary and path, in every environment."""
    for environment in ENVIRONMENTS:
        scope = project.scope(environment)
        yield from _template(project.pipeline, scope, environment.provided)
    for each in project.deployments:
        yield from _template(each.template, each.scope, each.environment.provided)


def _template(document: Document, scope: Scope, provided: Mapping[str, str]) -> Iterator[Finding]:
    under = f"/{provided['DeployerPrefix']}/{provided['Stage']}/"
    for name, body in resources_of(document.value).items():
        kind, place = body.get("Type"), document.at(("Resources", name))
        if kind in NEVER:
            yield found("D503", place, f"{name} is an {kind}")
        if kind not in UNDER_PATH or not scope.exists(body):
            continue
        written = body.get("Properties")
        properties = written if isinstance(written, dict) else {}
        boundary = scope.text(properties.get("PermissionsBoundary", ""))
        if kind == ROLE and boundary not in (provided["PermissionsBoundary"], None):
            yield found("D501", place, f"role {name} does not carry the boundary")
        path = scope.text(properties.get("Path", "/"))
        if path is not None and not path.startswith(under):
            shown = under.replace(provided["DeployerPrefix"], "${DeployerPrefix}").replace(
                provided["Stage"], "${Stage}"
            )
            yield found("D502", place, f"{name} does not lie under the path {shown}")
