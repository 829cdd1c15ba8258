"""Gathers what a push would find, and puts together what it would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.admission import Admission
from deployer.environments import EnvironmentId, carries, environment_of, stack_names
from deployer.errors import Rejected
from deployer.parameters import Provided, hidden, offered, resolve
from deployer.patterns import patterns_of
from deployer.ports import Environment as Item
from deployer.ports import Repository
from deployer.refs import HEADS, Stage
from deployer.skipping import skips_ci
from deployer.states import stack_phase
from deployer.templates import PARAMETER_FILES, TEMPLATE_FILES, Template, parse_parameters, parse_template
from deployer_cli.checkout import Checkout, FullName
from deployer_cli.diff.compare import (
    HIDDEN,
    ParameterChange,
    ResourceChange,
    of_change_set,
    of_templates,
    parameters,
)
from deployer_cli.diff.live import Live, Standing, Unasked, template_of
from deployer_cli.diff.outlook import Kind, Outlook, Seen, outlook
from deployer_cli.place import Place
from deployer_cli.validate.brought import Brought
from deployer_cli.validate.project import Deployment, Environment, Project, parameters_of, text_of

_COMPARED = (Kind.CREATE, Kind.UPDATE, Kind.RECREATE, Kind.RUN)


@dataclass(frozen=True)
class StackDiff:
    """What becomes of one stack. ``how``: by what that is known."""

    name: str
    how: str
    parameters: tuple[ParameterChange, ...] = ()
    resources: tuple[ResourceChange, ...] = ()
    otherwise: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything becomes of it. ``otherwise``: something but parameters and resources, as an output."""
        return bool(self.parameters or self.resources or self.otherwise)


@dataclass(frozen=True)
class Prospect:
    """What a push would come to. ``stacks``: the pipeline's own first. ``notes``: what can't be said."""

    repository: str
    ref: str
    environment: str
    stack: str
    outlook: Outlook
    stacks: tuple[StackDiff, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a stack would be made or changed."""
        return any(stack.changed for stack in self.stacks)


@dataclass(frozen=True)
class _Wish:
    """What is brought: the template, the parameters as the builder would give them, or why it would refuse."""

    template: Template | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    objection: str = ""


@dataclass(frozen=True)
class Gatherer:
    """Looks at one place. ``files``: what is pushed. ``uncommitted``: whether that is more than HEAD."""

    place: Place
    checkout: Checkout
    files: Brought
    uncommitted: bool

    def prospect(self, named: FullName, ref: str) -> Prospect:
        """What a push of ``ref`` would come to.

        Raises:
            Rejected: where the repository can't be read.
        """
        repository = self.place.github.repository(named.owner, named.name)
        if repository is None:
            raise Rejected(f"{named} can't be read; is it there, and may your token (GH_TOKEN) read it?")
        environment = environment_of(repository.name.id, ref, repository.default_branch)
        if environment is None:
            return Prospect(str(named), ref, "", "", outlook(Seen(ref, None)))
        return _Push(self, repository, ref, environment).prospect()


class _Push:
    """One push to come."""

    def __init__(self, gatherer: Gatherer, repository: Repository, ref: str, environment: EnvironmentId) -> None:
        self._place, self._checkout, self._files = gatherer.place, gatherer.checkout, gatherer.files
        self._uncommitted = gatherer.uncommitted
        self._repository, self._ref, self._id = repository, ref, environment
        self._live = Live(self._place.client("cloudformation"), self._place.target.poll)
        builder = self._live.stack(self._place.configuration.stack("builder"))
        self._installed: Mapping[str, str] = builder.parameters if builder else {}
        self._item: Item | None = self._place.memory.environment(environment)
        self._stack_name, self._standing = self._stack()

    def prospect(self) -> Prospect:
        """What it comes to."""
        wish = self._wish()
        own = self._own(wish) if wish.template else None
        look = outlook(self._seen(wish, changed=own is not None and own.changed))
        stacks: list[StackDiff] = []
        notes: list[str] = []
        if own and look.kind in _COMPARED:
            stacks = [own, *self._apps(wish, notes)]
        full_name = self._repository.name.full_name
        return Prospect(full_name, self._ref, self._id.label, self._stack_name, look, tuple(stacks), tuple(notes))

    # --- what is there

    def _stack(self) -> tuple[str, Standing | None]:
        if self._item:
            return self._item.stack, self._live.stack(self._item.stack)
        names, memory = stack_names(self._id, self._repository.name.name), self._place.memory
        name = next((it for it in names if memory.holder("stack", it) in (None, self._id)), names[-1])
        return name, self._live.stack(name)

    def _ours(self, stack: Standing) -> bool:
        return carries(stack.tags, self._id, self._place.configuration.prefix)

    def _skipped(self) -> str:
        listed = {name: patterns_of(self._installed.get(name, "")) for name in ("Branches", "ExcludedBranches")}
        admission = Admission(listed["Branches"], listed["ExcludedBranches"])
        reason = admission.skips(self._ref, self._id.stage)
        return reason or (skips_ci(self._checkout.message()) if self._ref.startswith(HEADS) else "")

    def _seen(self, wish: _Wish, *, changed: bool) -> Seen:
        standing, item = self._standing, self._item
        limit = int(self._installed.get("EnvironmentsLimit", "0"))
        others = self._place.memory.environments(self._id.repository) if limit and item is None else ()
        return Seen(
            self._ref,
            self._id,
            skipped=self._skipped(),
            objection=wish.objection,
            template=wish.template is not None or bool(wish.objection),
            known=item is not None,
            phase=stack_phase(standing.status) if standing else None,
            ours=standing is None or self._ours(standing),
            there=item is not None and item.commit == self._checkout.head() and not self._uncommitted,
            changed=changed,
            taken=sum(each.id.stage is Stage.DEVELOPMENT for each in others),
            limit=limit,
        )

    # --- what is brought

    def _wish(self) -> _Wish:
        """As the builder reads it."""
        path = self._first(TEMPLATE_FILES)
        if path is None:
            return _Wish()
        try:
            template = parse_template(path, self._files.read(path))
            file = self._first(PARAMETER_FILES)
            given = parse_parameters(file, self._files.read(file), self._id.stage) if file else {}
            return _Wish(template, resolve(template.parameters, given, self._provided()))
        except Rejected as error:
            return _Wish(objection=str(error))

    def _first(self, candidates: tuple[str, ...]) -> str | None:
        return next((path for name in candidates if self._files.has(path := f"deploy/{name}")), None)

    def _provided(self) -> Provided:
        outputs, stage = self._place.outputs, self._id.stage
        branch = self._repository.default_branch if stage is Stage.PRODUCTION else self._ref.removeprefix(HEADS)
        return offered(
            self._repository.name,
            branch,
            stage,
            self._stack_name,
            artifact_store=outputs["ArtifactStore"],
            connection=self._installed.get("ConnectionArn", ""),
            prefix=self._place.configuration.prefix,
            boundary=outputs["BoundaryArn"],
            role=outputs[f"{str(stage).capitalize()}RoleArn"],
            token=lambda: HIDDEN,
        )

    # --- what becomes of the stacks

    def _own(self, wish: _Wish) -> StackDiff | None:
        if wish.template is None or (self._standing and not self._ours(self._standing)):
            return None
        template = template_of(wish.template.text)
        # The token is what it was, as far as anybody can tell.
        values = {name: None if value == HIDDEN else value for name, value in wish.values.items()}
        return self._compared(self._stack_name, self._standing, wish.template.text, template, values)

    def _apps(self, wish: _Wish, notes: list[str]) -> list[StackDiff]:
        """The stacks that the pipeline deploys from the commit."""
        project = Project.read(self._files)
        environment = Environment(self._id.stage, self._stack_name, wish.values, self._account())
        found = []
        for action in project.actions:
            deployment = project.deployment(action, environment)
            if deployment:
                found.append(self._app(deployment, notes))
            elif "TemplatePath" in action.configuration:
                notes.append(f"{action.name}: its template comes out of the run")
        return found

    def _app(self, deployment: Deployment, notes: list[str]) -> StackDiff:
        scope, document = deployment.scope, deployment.template
        standing = self._live.stack(scope.stack)
        if deployment.given is None:
            notes.append(f"{deployment.action.name}: the parameters of {scope.stack} come out of the run")
        given = deployment.given if deployment.given is not None else dict.fromkeys(parameters_of(document.value))
        return self._compared(scope.stack, standing, document.text, document.value, given)

    def _compared(
        self,
        name: str,
        standing: Standing | None,
        text: str,
        template: Mapping[str, Any],
        given: Mapping[str, str | None],
    ) -> StackDiff:
        declared = parameters_of(template)
        secret = {key for key, body in declared.items() if hidden(body)}
        values = {key: text_of(body["Default"]) for key, body in declared.items() if "Default" in body} | dict(given)
        if standing is None:
            return StackDiff(name, "it is new", parameters({}, values, secret), of_templates({}, template))
        differing = parameters(standing.parameters, values, secret)
        otherwise = dict(standing.template) != dict(template)
        try:
            changes = self._live.changes(standing, text, given)
        except Unasked as error:
            resources = of_templates(standing.template, template, [each.name for each in differing])
            return StackDiff(name, f"by the two templates; no change set: {error}", differing, resources, otherwise)
        resources = of_change_set(changes, standing.template)
        return StackDiff(name, "by a change set, deleted again", differing, resources, otherwise)

    def _account(self) -> dict[str, str]:
        """The pseudo parameters, by the ARN of the installation's own boundary."""
        _, partition, _, _, account, _ = self._place.outputs["BoundaryArn"].split(":", 5)
        return {
            "AWS::Region": self._place.region,
            "AWS::AccountId": account,
            "AWS::Partition": partition,
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        }
