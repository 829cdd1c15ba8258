"""What a repository brings, read: its pipeline's template, its parameters, and what each stage comes to.

Pure but for the files it asks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deployer.actions import Action, actions
from deployer.environments import source_key
from deployer.parameters import TOKEN_PARAMETER
from deployer.refs import Stage
from deployer.templates import PARAMETER_FILES, TEMPLATE_FILES, Aliased, Unreadable
from deployer_cli.validate.brought import Brought
from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import ACCOUNT, IMAGINED, PARTITION, REGION, Scope
from deployer_cli.validate.findings import Finding, Place
from deployer_cli.validate.rules import found

PREFIX, OTHER_PREFIX = "opolis-deployer-prod", "another-deployer-dev"
OWNER, REPOSITORY = "owner", "repository"
CLOUDFORMATION = ("Deploy", "CloudFormation")
DEPLOYING = ("CREATE_UPDATE", "REPLACE_ON_FAILURE", "CHANGE_SET_REPLACE")
# https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
MAX_OVERRIDES = 1024
NO_TEMPLATE = "no CloudFormation template, which has Resources, and declares its Parameters by name"


@dataclass(frozen=True)
class Environment:
    """One of the repository's. ``provided``: what the deployer gives as parameters. ``account``: see ``Scope``."""

    stage: Stage
    stack: str
    provided: Mapping[str, str]
    account: Mapping[str, str] = field(default_factory=lambda: IMAGINED)


def imagined(stage: Stage, branch: str, stack: str, prefix: str = PREFIX) -> Environment:
    """An environment that the repository might have. ``prefix``: the installation's."""
    iam = f"arn:{PARTITION}:iam::{ACCOUNT}"
    provided = {
        "ArtifactStore": f"{prefix}-artifacts",
        "RepoOwner": OWNER,
        "RepoName": REPOSITORY,
        "RepoBranch": branch,
        "Stage": str(stage),
        "SourceKey": source_key(stack),
        TOKEN_PARAMETER: "token",
        "ConnectionArn": f"arn:{PARTITION}:codeconnections:{REGION}:{ACCOUNT}:connection/1",
        "DeployerPrefix": prefix,
        "PermissionsBoundary": f"{iam}:policy/{prefix}-boundary",
        "DeployRole": f"{iam}:role/{prefix}-{stage}",
    }
    return Environment(stage, stack, provided)


# Messages are made from it: names of stacks stay open in it.
SHOWN = imagined(Stage.DEVELOPMENT, "${RepoBranch}", "${AWS::StackName}")
ENVIRONMENTS = (
    imagined(Stage.DEVELOPMENT, "feature/one", "repository-feature-one-aaaaaaaaaa"),
    imagined(Stage.DEVELOPMENT, "feature/two", "repository-feature-two-bbbbbbbbbb"),
    imagined(Stage.STAGING, "main", "repository-staging"),
    imagined(Stage.PRODUCTION, "main", "repository-production"),
)
ELSEWHERE = imagined(Stage.DEVELOPMENT, "feature/one", "repository-feature-one-aaaaaaaaaa", OTHER_PREFIX)


@dataclass(frozen=True)
class Deployment:
    """A stack that a CloudFormation action deploys from the source itself, in one environment.

    ``parameters``: those that it is given; None as a value where nobody can tell, None for all where the whole can't be
    told. ``configuration``: the file that it takes some of them from.
    """

    action: Action
    environment: Environment
    scope: Scope
    template: Document
    given: Mapping[str, str | None] | None
    configuration: Document | None = None


@dataclass(frozen=True)
class Project:
    """What is to be checked. ``pipeline``: its template, nothing where it can't be read; ``unread``: why it can't."""

    files: Brought
    pipeline: Document
    parameters: Document | None
    unread: tuple[Finding, ...] = ()
    _cache: dict[str, Document | Finding] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, files: Brought) -> Project:
        """Read the template and the parameters."""
        unread: list[Finding] = []
        template = _first(files, TEMPLATE_FILES, unread)
        parameters = _first(files, PARAMETER_FILES, unread)
        if template is None and not unread:
            unread.append(found("D101", Place("deploy/pipeline.json"), "there is no deploy/pipeline.json"))
        if template and not is_template(template):
            unread.append(found("D104", template.at(()), NO_TEMPLATE))
            template = None
        return cls(files, template or Document("deploy/pipeline.json", "", {}), parameters, tuple(unread))

    @property
    def template(self) -> Mapping[str, Any]:
        """The pipeline's template."""
        value: Mapping[str, Any] = self.pipeline.value
        return value

    @property
    def readable(self) -> bool:
        """Whether there is a template that can be checked."""
        return bool(self.template)

    @property
    def given(self) -> bool:
        """Whether it is known what the repository sets: the file of parameters is none that can't be read."""
        return self.parameters is not None or not any("pipeline.parameters" in it.place.file for it in self.unread)

    @cached_property
    def resources(self) -> dict[str, Mapping[str, Any]]:
        """The resources of the pipeline's template."""
        return resources_of(self.template)

    @cached_property
    def declared(self) -> dict[str, Mapping[str, Any]]:
        """The parameters that the pipeline's template declares."""
        return parameters_of(self.template)

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """Every action of every pipeline."""
        return tuple(actions(self.resources))

    def entries(self, stage: Stage) -> list[tuple[int, str, Any]]:
        """What the parameters' file says for a stage: index, key, value; what has no such shape is left out."""
        value = self.parameters.value if self.parameters else None
        listed = value.get(str(stage)) if isinstance(value, dict) else None
        return [
            (at, entry["ParameterKey"], entry.get("ParameterValue"))
            for at, entry in enumerate(listed if isinstance(listed, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("ParameterKey"), str)
        ]

    def scope(self, environment: Environment) -> Scope:
        """The pipeline's template in an environment."""
        defaults = {name: text_of(body["Default"]) for name, body in self.declared.items() if "Default" in body}
        given = {key: text_of(value) for _, key, value in self.entries(environment.stage)}
        values = {**defaults, **given, **environment.provided}
        return Scope(environment.stack, self.template, values, environment.account)

    def shown(self, expression: Any) -> str:
        """An expression for people: the stack's name is left open."""
        return self.scope(SHOWN).text(expression) or "a name that is known later only"

    # --- stacks that the pipeline deploys

    def from_source(self, artifact: str) -> bool:
        """Whether an artifact is the commit itself."""
        return any(
            action.kind[0] == "Source" and artifact in names(action, "OutputArtifacts") for action in self.actions
        )

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        """Every stack that is deployed by a template of the commit, in every environment."""
        return tuple(
            deployment
            for environment in ENVIRONMENTS
            for action in self.actions
            if (deployment := self.deployment(action, environment))
        )

    def deployment(self, action: Action, environment: Environment) -> Deployment | None:
        """What an action deploys in an environment, where its template is in the commit and can be read."""
        scope = self.scope(environment)
        stack = scope.text(action.configuration.get("StackName"))
        path = self._in_commit(scope.text(action.configuration.get("TemplatePath")))
        if action.kind != CLOUDFORMATION or stack is None or path is None:
            return None
        template = self.document(path)
        if not isinstance(template, Document) or not is_template(template):
            return None
        configured = self._in_commit(scope.text(action.configuration.get("TemplateConfiguration")))
        file = self.document(configured) if configured else None
        configuration = file if isinstance(file, Document) else None
        given = self._given(action, scope, configuration)
        declared = parameters_of(template.value)
        values = {name: text_of(body["Default"]) for name, body in declared.items() if "Default" in body}
        values.update(given if given is not None else dict.fromkeys(declared))
        known = {name: value for name, value in values.items() if name in declared}
        inner = Scope(stack, template.value, known, environment.account)
        return Deployment(action, environment, inner, template, given, configuration)

    def _given(self, action: Action, scope: Scope, configuration: Document | None) -> Mapping[str, str | None] | None:
        if "TemplateConfiguration" in action.configuration and configuration is None:
            return None
        found: dict[str, str | None] = dict(configured(configuration)) if configuration else {}
        if "ParameterOverrides" not in action.configuration:
            return found
        overrides = overridden(scope, action)
        return None if overrides is None else {**found, **overrides}

    def _in_commit(self, location: str | None) -> str | None:
        artifact, separator, path = (location or "").partition("::")
        return path if separator and self.from_source(artifact) and self.files.has(path) else None

    def document(self, path: str) -> Document | Finding:
        """A template of the commit, read once; a finding where it can't be."""
        if path not in self._cache:
            self._cache[path] = _document(self.files, path)
        return self._cache[path]

    @property
    def templates(self) -> Iterator[Document]:
        """The templates that the pipeline refers to, its own first."""
        if self.readable:
            yield self.pipeline
        yield from {it.template.path: it.template for it in self.deployments}.values()


def names(action: Action, kind: str) -> list[str]:
    """The names of an action's ``InputArtifacts`` or ``OutputArtifacts``."""
    listed = action.body.get(kind)
    return [str(each.get("Name")) for each in (listed if isinstance(listed, list) else []) if isinstance(each, dict)]


def resources_of(template: Any) -> dict[str, Mapping[str, Any]]:
    """A template's resources, those with a shape."""
    return {str(name): body for name, body in template.get("Resources", {}).items() if isinstance(body, dict)}


def parameters_of(template: Any) -> dict[str, Mapping[str, Any]]:
    """A template's parameters, those with a shape."""
    return {str(name): body for name, body in template.get("Parameters", {}).items()}


def configured(document: Document) -> dict[str, str | None]:
    """The parameters in a configuration file.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
    """
    inside = document.value.get("Parameters") if isinstance(document.value, dict) else None
    return {str(key): text_of(value) for key, value in inside.items()} if isinstance(inside, dict) else {}


def overridden(scope: Scope, action: Action) -> dict[str, str | None] | None:
    """The parameters in ``ParameterOverrides``; None where they can't be told.

    Raises:
        ValueError: where it is no JSON object.
    """
    text = scope.text(action.configuration["ParameterOverrides"])
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    return {str(key): text_of(each) for key, each in value.items()} if isinstance(value, dict) else None


def text_of(value: Any) -> str | None:
    """A parameter's value as CloudFormation gets it; None where a run makes it."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return value if isinstance(value, str) and "#{" not in value else None


def is_template(document: Document) -> bool:
    """Whether a file has a template's shape."""
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("Resources"), dict):
        return False
    declared = value.get("Parameters", {})
    return isinstance(declared, dict) and all(isinstance(body, dict) for body in declared.values())


def _first(files: Brought, candidates: tuple[str, ...], unread: list[Finding]) -> Document | None:
    """The first of the files that there is; what is wrong with it, or beside it, is noted."""
    there = [path for name in candidates if files.has(path := f"deploy/{name}") or files.why_not(path)]
    unread.extend(found("D106", Place(path), f"{there[0]} is read instead of it") for path in there[1:])
    if not there:
        return None
    document = _document(files, there[0])
    if isinstance(document, Document):
        return document
    unread.append(document)
    return None


def _document(files: Brought, path: str) -> Document | Finding:
    if not files.has(path):
        return found("D107", Place(path), f"it would not be in the commit: {files.why_not(path)}")
    content = files.read(path)
    try:
        return Document.parse(path, content)
    except Aliased as error:
        return found("D103", Place(path, error.line, error.column), error.reason)
    except Unreadable as error:
        rule = "D105" if error.reason.endswith("at most 1 MB") else "D102"
        return found(rule, Place(path, error.line or 1, error.column or 1), error.reason)
