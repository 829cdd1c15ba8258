"""Gather what a plan is made from: the wish from GitHub, the state from CloudFormation and CodePipeline.

Reads only, but for two things that must be known before anything is decided: a repository's baseline, and who holds
a pipeline. Files are fetched by commit, and only where they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from builder.baseline import baseline_of, parked
from builder.situation import Gone, Invalid, Nothing, Present, Refused, Situation, Wish, owns
from builder.templates import (
    PARAMETER_FILES,
    TEMPLATE_FILES,
    TOKEN_PARAMETER,
    Provided,
    digest,
    parse_parameters,
    parse_template,
    resolve,
    self_starting_sources,
)
from deployer.environments import INSTALLATION_TAG, EnvironmentId, parse, source_key, stack_names
from deployer.errors import Broken, Rejected
from deployer.events import Look, RepositoryName
from deployer.observability import logger
from deployer.ports import (
    Baselines,
    Environment,
    Files,
    Memory,
    Pipelines,
    Repositories,
    Repository,
    Resources,
    Stack,
    Stacks,
    Tip,
)
from deployer.refs import HEADS, Stage, release_of
from deployer.states import StackPhase

log = logger("builder")
PIPELINE_TYPE = "AWS::CodePipeline::Pipeline"


@dataclass(frozen=True)
class Installation:
    """What every environment of this installation gets. ``roles``: stage -> CloudFormation service role."""

    prefix: str
    artifact_store: str
    roles: dict[Stage, str]
    boundary: str
    token: Callable[[], str]
    connection: str = ""


@dataclass(frozen=True)
class Observer:
    """Makes a ``Situation`` for a look."""

    repositories: Repositories
    files: Files
    stacks: Stacks
    resources: Resources
    pipelines: Pipelines
    memory: Memory
    baselines: Baselines
    installation: Installation
    clock: Callable[[], int]

    def observe(self, look: Look, receives: int = 1) -> Situation:
        """Everything about one environment, now."""
        environment = parse(look.environment)
        item = self.memory.environment(environment)
        remembered = item.repository if item else look.repository
        repository = self.repositories.repository(remembered.owner, remembered.name)
        if repository is None or repository.name.id != environment.repository:
            # Perhaps the token was revoked, perhaps the repository is gone: no proof of anything.
            return self._situation(look, environment, item, Nothing("the repository can't be read"), receives)
        wish = self._wish(look, environment, item, repository)
        return self._situation(replace(look, repository=repository.name), environment, item, wish, receives)

    # --- the wish

    def _wish(self, look: Look, environment: EnvironmentId, item: Environment | None, repository: Repository) -> Wish:
        baseline = self.baselines.baseline(environment.repository)
        if baseline is None:
            tips = self.repositories.tips(repository.name)
            since = look.pushed_at or self.clock() // 1000
            baseline = self.baselines.record(baseline_of(repository.name, repository.default_branch, tips, since))
        if environment.stage is Stage.PRODUCTION:
            return self._release(look, environment, item, repository)
        branch = environment.branch or repository.default_branch
        if environment.stage is Stage.DEVELOPMENT and branch == repository.default_branch:
            return Gone("it is the default branch now: staging has it")
        ref = HEADS + branch
        tip = self.repositories.tip(repository.name, ref)
        if tip is None:
            return self._absent(environment, item, ref)
        if item is None and parked(baseline, ref, tip.object, look):
            return Nothing(f"{ref} has not moved since this repository became known")
        return self._present(environment, item, repository, ref, tip)

    def _absent(self, environment: EnvironmentId, item: Environment | None, ref: str) -> Wish:
        if not environment.reserved:
            return Gone(f"{ref} is not there any more")
        return self._kept(item) if item else Nothing(f"{ref} is not there")

    def _kept(self, item: Environment) -> Wish:
        """Staging and production outlive their ref: what they have is what they shall have."""
        return Present(item.ref, item.commit, "", digest=item.digest)

    def _release(self, look: Look, environment: EnvironmentId, item: Environment | None, repo: Repository) -> Wish:
        wanted, current = release_of(look.ref), release_of(item.ref) if item else None
        ref = look.ref if wanted else item.ref if item else ""
        if not ref:
            return Nothing("no release tag")
        try:
            tip = self.repositories.tip(repo.name, ref)
        except Rejected as error:
            log.warning("release refused", ref=ref, reason=str(error))
            return Nothing(str(error))
        if tip is None:
            return self._kept(item) if item else Nothing(f"{ref} is not there")
        if item and wanted and current and wanted < current:
            return Refused(ref, tip.commit, f"{wanted} is older than {current}, which is in production")
        if item and ref == item.ref and tip.commit != item.commit:
            return Refused(ref, tip.commit, f"{ref.removeprefix('refs/tags/')} was moved; production keeps its commit")
        return self._present(environment, item, repo, ref, tip)

    def _present(
        self, environment: EnvironmentId, item: Environment | None, repository: Repository, ref: str, tip: Tip
    ) -> Wish:
        same = item is not None and item.present and item.commit == tip.commit
        branch = repository.default_branch if environment.stage is Stage.PRODUCTION else ref.removeprefix(HEADS)
        wish = Present(ref, tip.commit, branch)
        if same and item and item.digest and item.applied == item.digest:
            return replace(wish, digest=item.digest)
        try:
            return self._with_files(environment, item, repository, wish)
        except Rejected as error:
            return Invalid(ref, tip.commit, str(error))

    def _with_files(
        self, environment: EnvironmentId, item: Environment | None, repository: Repository, wish: Present
    ) -> Wish:
        names = self.files.directory(repository.name, "deploy", wish.commit) or {}
        template_file = next((name for name in TEMPLATE_FILES if name in names), None)
        if template_file is None:
            if item is None:
                return Nothing(f"{wish.ref} has no deploy/pipeline.json")
            raise Rejected("deploy/pipeline.json is missing")
        template_path = f"deploy/{template_file}"
        content = self._file(repository.name, template_path, names[template_file], wish.commit)
        template = parse_template(template_path, content)
        given: dict[str, str] = {}
        parameter_file = next((name for name in PARAMETER_FILES if name in names), None)
        if parameter_file:
            path = f"deploy/{parameter_file}"
            given = parse_parameters(
                path, self._file(repository.name, path, names[parameter_file], wish.commit), environment.stage
            )
        stack = item.stack if item else self._stack(environment, repository.name)[0]
        parameters = resolve(template, given, self._provided(environment, repository.name, wish.branch, stack))
        return replace(
            wish,
            digest=digest(template, parameters),
            template=template.text,
            parameters=parameters,
            warnings=self_starting_sources(template),
        )

    def _file(self, repository: RepositoryName, path: str, kind: str, commit: str) -> bytes:
        if kind != "file":
            raise Rejected(f"{path} is a {kind}; it must be a file")
        return self.files.read(repository, path, commit)

    def _provided(self, environment: EnvironmentId, repository: RepositoryName, branch: str, stack: str) -> Provided:
        here = self.installation
        return {
            "ArtifactStore": lambda: here.artifact_store,
            "RepoOwner": lambda: repository.owner,
            "RepoName": lambda: repository.name,
            "RepoBranch": lambda: branch,
            "Stage": lambda: str(environment.stage),
            "SourceKey": lambda: source_key(stack),
            TOKEN_PARAMETER: here.token,
            "ConnectionArn": lambda: here.connection,
            "DeployerPrefix": lambda: here.prefix,
            "PermissionsBoundary": lambda: here.boundary,
            "DeployRole": lambda: here.roles[environment.stage],
        }

    # --- the state

    def _situation(
        self, look: Look, environment: EnvironmentId, item: Environment | None, wish: Wish, receives: int
    ) -> Situation:
        name, stack = item.stack if item else "", None
        if not isinstance(wish, Nothing):
            if item:
                stack = self.stacks.describe(item.stack)
            else:
                name, stack = self._stack(environment, look.repository)
        situation = Situation(
            environment,
            look.repository,
            self.installation.prefix,
            wish,
            item,
            stack,
            name,
            now=self.clock(),
            receives=receives,
        )
        if stack and situation.ours and stack.phase is not StackPhase.BUSY:
            names = self._pipelines(stack, environment)
            situation = replace(situation, runs={name: self.pipelines.runs(name) for name in names})
        return situation

    def _stack(self, environment: EnvironmentId, repository: RepositoryName) -> tuple[str, Stack | None]:
        """The name that is this environment's: the first that no other environment of ours holds."""
        for name in stack_names(environment, repository.name):
            holder = self.memory.holder("stack", name)
            if holder not in (None, environment):
                continue
            stack = self.stacks.describe(name)
            if stack is None or owns(stack, environment, self.installation.prefix) or not _claimed(stack, self):
                return name, stack
        raise Broken(f"every stack name that {environment} may have is held by another environment")

    def _pipelines(self, stack: Stack, environment: EnvironmentId) -> tuple[str, ...]:
        names = tuple(
            resource.physical_id
            for resource in self.resources.resources(stack.id)
            if resource.type == PIPELINE_TYPE and resource.physical_id
        )
        for name in names:
            holder = self.memory.claim("pipeline", name, environment)
            if holder != environment:
                log.error("a pipeline is held by another environment", pipeline=name, holder=str(holder))
        return names


def _claimed(stack: Stack, observer: Observer) -> bool:
    """Whether another environment of this very installation made the stack (its memory may be lost)."""
    return stack.tags.get(INSTALLATION_TAG) == observer.installation.prefix
