"""What GitHub wishes for an environment: read from the ref as it is now, whatever the look that woke us says.

Reads only, but for a repository's baseline, which is recorded the first time the repository is seen. Files are
fetched by commit, and only where the stack is to be made or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from builder.admission import Admission
from builder.baseline import baseline_of, parked
from builder.situation import Gone, Invalid, Nothing, Present, Refused, Wish
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
from deployer.environments import EnvironmentId, source_key
from deployer.errors import Rejected
from deployer.events import Look, RepositoryName
from deployer.observability import logger
from deployer.ports import Baseline, Baselines, Environment, Files, Repositories, Repository, Stack, Tip
from deployer.refs import HEADS, TAGS, Stage, Version, release_of
from deployer.states import StackPhase

log = logger("builder")


@dataclass(frozen=True)
class Installation:
    """What every environment of this installation gets. ``roles``: stage -> CloudFormation service role."""

    prefix: str
    artifact_store: str
    roles: dict[Stage, str]
    boundary: str
    token: Callable[[], str]
    connection: str = ""
    admission: Admission = field(default_factory=Admission)


@dataclass(frozen=True)
class Question:
    """Whose wish is asked for, and what is known of it. ``stack_name``: the name its stack has or will have."""

    look: Look
    environment: EnvironmentId
    item: Environment | None
    stack: Stack | None
    stack_name: str


@dataclass(frozen=True)
class Wishes:
    """Asks GitHub. ``clock``: milliseconds since the epoch."""

    repositories: Repositories
    files: Files
    baselines: Baselines
    installation: Installation
    clock: Callable[[], int]

    def ask(self, question: Question, repository: Repository) -> Wish:
        """The wish for one environment of a repository that can be read."""
        environment = question.environment
        baseline = self._baseline(question.look, repository)
        if environment.stage is Stage.PRODUCTION:
            return self._release(question, repository, baseline)
        branch = environment.branch or repository.default_branch
        if environment.stage is Stage.DEVELOPMENT and branch == repository.default_branch:
            return Gone("it is the default branch now: staging has it")
        ref = HEADS + branch
        tip = self.repositories.tip(repository.name, ref)
        if tip is None:
            if environment.reserved:
                return self._kept(question, repository, baseline, ref)
            return Gone(f"{ref} is not there any more")
        return self._at(question, repository, baseline, ref, tip)

    def _baseline(self, look: Look, repository: Repository) -> Baseline:
        baseline = self.baselines.baseline(repository.name.id)
        if baseline is not None:
            return baseline
        tips = self.repositories.tips(repository.name)
        since = look.pushed_at or self.clock() // 1000
        return self.baselines.record(baseline_of(repository.name, repository.default_branch, tips, since))

    def _kept(self, question: Question, repository: Repository, baseline: Baseline, ref: str) -> Wish:
        """Staging and production outlive their ref: what they have, or are about to have, is what they shall have."""
        item = question.item
        if item is None:
            return Nothing(f"{ref} is not there")
        return self._at(question, repository, baseline, item.ref, Tip(item.commit, item.commit))

    def _release(self, question: Question, repository: Repository, baseline: Baseline) -> Wish:
        item, wanted = question.item, release_of(question.look.ref)
        ref = question.look.ref if wanted else item.ref if item else ""
        if not ref:
            return Nothing("no release tag")
        try:
            tip = self.repositories.tip(repository.name, ref)
        except Rejected as error:
            log.warning("release refused", ref=ref, reason=str(error))
            return Nothing(str(error))
        if tip is None:
            return self._kept(question, repository, baseline, ref)
        if item:
            current = release_of(item.ref)
            if wanted and current and wanted < current:
                return Refused(ref, tip.commit, f"{wanted} is older than {current}, which is in production")
            if ref == item.ref and tip.commit != item.commit:
                if not question.look.after:  # no push: the release that is under way goes on
                    return self._kept(question, repository, baseline, ref)
                text = f"{ref.removeprefix(TAGS)} was moved; production keeps its commit"
                return Refused(ref, tip.commit, text)
        elif question.stack is not None and wanted and (newest := self._newest(repository)) and wanted < newest:
            # What production has was forgotten with the table.
            return Refused(ref, tip.commit, f"{wanted} is older than {newest}, which may be in production")
        return self._at(question, repository, baseline, ref, tip)

    def _newest(self, repository: Repository) -> Version | None:
        tips = self.repositories.tips(repository.name)
        return max((version for ref, _ in tips if (version := release_of(ref))), default=None)

    def _at(self, question: Question, repository: Repository, baseline: Baseline, ref: str, tip: Tip) -> Wish:
        item, stack = question.item, question.stack
        if skipped := self.installation.admission.skips(ref, question.environment.stage):
            return Nothing(skipped)
        if item is None and parked(baseline, ref, tip.object, question.look):
            return Nothing(f"{ref} has not moved since this repository became known")
        production = question.environment.stage is Stage.PRODUCTION
        wish = Present(ref, tip.commit, repository.default_branch if production else ref.removeprefix(HEADS))
        stands = stack is not None and stack.phase in (StackPhase.STABLE, StackPhase.BUSY)
        same = item and item.present and item.commit == tip.commit
        if item and same and stands and item.digest and item.applied == item.digest:
            return replace(wish, digest=item.digest)
        try:
            return self._with_files(question, repository.name, wish)
        except Rejected as error:
            return Invalid(ref, tip.commit, str(error))

    # --- what the commit brings

    def _with_files(self, question: Question, repository: RepositoryName, wish: Present) -> Wish:
        names = self.files.directory(repository, "deploy", wish.commit) or {}

        def read(candidates: tuple[str, ...]) -> tuple[str, bytes] | None:
            name = next((name for name in candidates if name in names), None)
            if name is None:
                return None
            path = f"deploy/{name}"
            if names[name] != "file":
                raise Rejected(f"{path} is a {names[name]}; it must be a file")
            return path, self.files.read(repository, path, wish.commit)

        found = read(TEMPLATE_FILES)
        if found is None:
            if question.item is None:
                return Nothing(f"{wish.ref} has no deploy/pipeline.json")
            raise Rejected("deploy/pipeline.json is missing")
        template = parse_template(*found)
        parameters = read(PARAMETER_FILES)
        given = parse_parameters(*parameters, question.environment.stage) if parameters else {}
        values = resolve(template, given, self._provided(question, repository, wish.branch))
        return replace(
            wish,
            digest=digest(template, values),
            template=template.text,
            parameters=values,
            warnings=self_starting_sources(template),
        )

    def _provided(self, question: Question, repository: RepositoryName, branch: str) -> Provided:
        here, stage = self.installation, question.environment.stage
        return {
            "ArtifactStore": lambda: here.artifact_store,
            "RepoOwner": lambda: repository.owner,
            "RepoName": lambda: repository.name,
            "RepoBranch": lambda: branch,
            "Stage": lambda: str(stage),
            "SourceKey": lambda: source_key(question.stack_name),
            TOKEN_PARAMETER: here.token,
            "ConnectionArn": lambda: here.connection,
            "DeployerPrefix": lambda: here.prefix,
            "PermissionsBoundary": lambda: here.boundary,
            "DeployRole": lambda: here.roles[stage],
        }
