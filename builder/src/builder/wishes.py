"""What GitHub wishes for an environment: read from the ref as it is now, whatever the look that woke us says.

Reads only, but for a repository's baseline, which is recorded the first time the repository is seen. Files are
fetched by commit, and only where the stack is to be made or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from builder.baseline import asleep, baseline_of, sleeper
from builder.generation import stands
from builder.installation import Installation
from builder.releases import newest_of, objection, retired_release
from builder.situation import Asked, Gone, Invalid, Nothing, Present, Refused, Wish
from builder.sleep import Sleep, still_parked, told_to_skip
from deployer.actions import self_starting
from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import Look, RepositoryName
from deployer.observability import logger
from deployer.parameters import Provided, offered, resolve
from deployer.ports import (
    Baseline,
    Baselines,
    Environment,
    Files,
    Parked,
    Parking,
    Repositories,
    Repository,
    SourceObject,
    Stack,
    Tip,
)
from deployer.refs import HEADS, Stage, Version, release_of
from deployer.skipping import skips_ci
from deployer.templates import PARAMETER_FILES, TEMPLATE_FILES, digest, parse_parameters, parse_template

log = logger("builder")
# Alarmed by the function's template: somebody has to look before anything goes on.
STOPPED = "sweep stopped"
_REBUILT = "what production has was forgotten; nothing newer is deployed to it until somebody pushes or asks for it"
# How many release tags are asked for their commit, where production was forgotten.
_TAGS_ASKED = 30


@dataclass(frozen=True)
class Question:
    """Whose wish is asked for, and what is known of it. ``stack_name``: the name its stack has or will have.

    ``stack``: answers with the stack; it may have to be waited for. ``ours``: of an environment that is not remembered,
    whether the stack says that it is its own. ``source``: see ``Situation``.
    """

    look: Look
    environment: EnvironmentId
    item: Environment | None
    stack: Callable[[], Stack | None]
    stack_name: str
    ours: bool = False
    source: SourceObject | None = None

    @property
    def request(self) -> str:
        """The id of somebody's asking by hand that has not been granted yet, or empty."""
        return "" if self.item and self.item.request == self.look.request else self.look.request

    @property
    def forgotten(self) -> bool:
        """Whether there is an environment of which nothing is remembered."""
        return self.item is None and self.ours


def becomes_known(repositories: Repositories, baselines: Baselines, repository: Repository, since: int) -> Baseline:
    """Record the refs of a repository as seen; answers with what holds, should somebody else have been first."""
    tips = repositories.tips(repository.name)
    return baselines.record(baseline_of(repository.name, repository.default_branch, tips, since))


@dataclass(frozen=True)
class _Here:
    """A ref, where it is now, and who asks."""

    question: Question
    repository: Repository
    ref: str
    tip: Tip


@dataclass(frozen=True)
class Wishes:
    """Asks GitHub. ``clock``: milliseconds since the epoch."""

    repositories: Repositories
    files: Files
    baselines: Baselines
    parking: Parking
    installation: Installation
    clock: Callable[[], int]

    def ask(self, question: Question, repository: Repository) -> Asked:
        """The wish for one environment of a repository that can be read."""
        environment = question.environment
        baseline = self._baseline(question.look, repository)
        if environment.stage is Stage.PRODUCTION:
            return self._release(question, repository, baseline)
        branch = environment.branch or repository.default_branch
        if environment.stage is Stage.DEVELOPMENT and branch == repository.default_branch:
            return Asked(Gone("it is the default branch now: staging has it"))
        ref = HEADS + branch
        tip = self.repositories.tip(repository.name, ref)
        if tip is None:
            if environment.reserved:
                return self._kept(question, repository, ref)
            return Asked(Gone(f"{ref} is not there any more"))
        return self._at(question, repository, baseline, ref, tip)

    def _baseline(self, look: Look, repository: Repository) -> Baseline:
        baseline = self.baselines.baseline(repository.name.id)
        if baseline is not None:
            if baseline.repository != repository.name:
                # Renamed: its old name may be another's by now, and the sweep is to ask by this one.
                self.baselines.swept(repository, {})
            return baseline
        return becomes_known(self.repositories, self.baselines, repository, self._since(look))

    def _kept(self, question: Question, repository: Repository, ref: str) -> Asked:
        """Staging and production outlive their ref: what they have, or are about to have, is what they shall have."""
        item = question.item
        if item is None:
            return Asked(Nothing(f"{ref} is not there"))
        if not item.present:
            return Asked(Gone("somebody wants it removed"))
        return Asked(self._present(question, repository, item.ref, item.commit))

    def _release(self, question: Question, repository: Repository, baseline: Baseline) -> Asked:
        item, look, wanted = question.item, question.look, release_of(question.look.ref)
        if question.forgotten and not look.after and not question.request:
            ref = self._deployed(question, repository)
        else:
            ref = look.ref if wanted else item.ref if item else ""
        if not ref:
            return Asked(Nothing("no release tag"))
        try:
            tip = self.repositories.tip(repository.name, ref)
        except Rejected as error:
            log.warning("release refused", ref=ref, reason=str(error))
            sha = look.after or dict(self.repositories.tips(repository.name)).get(ref, "")
            return Asked(Nothing(str(error)), self.place(question, ref, sha, str(error)))
        if tip is None:
            return self._kept(question, repository, ref)
        if reason := self._objection(question, repository, ref, tip):
            if item and item.commit == tip.commit:  # what is said of this commit is how production stands
                return Asked(Nothing(f"{reason}, and names the commit that is there"))
            return Asked(Refused(ref, tip.commit, reason))
        if item and ref == item.ref and not question.request:
            # No push, or one of what is there already: the release that is under way goes on.
            return self._kept(question, repository, ref)
        return self._at(question, repository, baseline, ref, tip)

    def _objection(self, question: Question, repository: Repository, ref: str, tip: Tip) -> str:
        if question.request:
            return ""
        if question.item:
            return objection(question.item, question.look, ref, tip)
        wanted = release_of(ref)
        was = retired_release(self.parking.parked(question.environment)) if question.look.after else None
        if wanted and was and wanted < was:
            return f"{wanted} is older than {was}, which was in production"
        if question.stack() is not None and question.look.after and wanted:
            # What production has was forgotten with the table.
            newest = newest_of(name for name, _ in self.repositories.tips(repository.name))
            if newest and wanted < newest:
                return f"{wanted} is older than {newest}, which may be in production"
        return ""

    def _deployed(self, question: Question, repository: Repository) -> str:
        """The release that production has, where that was forgotten: the newest at the commit of its source object."""
        source = question.source
        tags = [ref for ref, _ in self.repositories.tips(repository.name) if release_of(ref)]
        tags.sort(key=lambda ref: release_of(ref) or Version(0, 0, 0), reverse=True)
        for ref in tags[:_TAGS_ASKED] if source else ():
            try:
                tip = self.repositories.tip(repository.name, ref)
            except Rejected:
                continue
            if tip and source and tip.commit == source.commit:
                if ref != tags[0]:
                    log.error(
                        STOPPED, environment=str(question.environment), found=ref, newest=tags[0], reason=_REBUILT
                    )
                return ref
        log.error(STOPPED, environment=str(question.environment), reason=_REBUILT)
        return ""

    def _at(self, question: Question, repository: Repository, baseline: Baseline, ref: str, tip: Tip) -> Asked:
        item = question.item
        if item and item.present and (item.ref, item.commit) == (ref, tip.commit) and not question.request:
            return Asked(self._present(question, repository, ref, tip.commit))
        place = self.parking.parked(question.environment)
        here = _Here(question, repository, ref, tip)
        if sleep := self._sleep(here, baseline, place):
            return self._asleep(here, sleep)
        wish = self._present(question, repository, ref, tip.commit)
        if isinstance(wish, Nothing):
            return Asked(wish, self.place(question, ref, tip.object, wish.reason))
        begins = sleeper(ref)
        return Asked(wish, wakes=place is not None or any(mark.startswith(begins) for mark in baseline.parked))

    # --- refs that sleep

    def _sleep(self, here: _Here, baseline: Baseline, place: Parked | None) -> Sleep | None:
        question, ref, tip = here.question, here.ref, here.tip
        if question.request:
            return None
        if sleep := still_parked(place, ref, tip, question.look):
            return sleep
        if question.item is None and not question.ours and asleep(baseline, ref, tip.object, question.look):
            return Sleep(f"{ref} has not moved since this repository became known")
        reason = self.installation.admission.skips(ref, question.environment.stage)
        if not reason and ref.startswith(HEADS):
            reason = self._skipped_by_its_commit(here)
        return Sleep(reason, self.place(question, ref, tip.object, reason)) if reason else None

    def _skipped_by_its_commit(self, here: _Here) -> str:
        told = told_to_skip(here.question.look, here.tip)
        if told is not None:
            return told
        try:
            return skips_ci(self.repositories.commit(here.repository.name, here.tip.commit).message)
        except Rejected:  # a force-push took it away a moment ago: the next look sees where the ref is now
            return ""

    def _asleep(self, here: _Here, sleep: Sleep) -> Asked:
        question = here.question
        item, source = question.item, question.source
        if (item and not item.present) or sleep.retired:
            return Asked(Gone(sleep.reason), sleep.park)
        if item:
            return Asked(self._present(question, here.repository, item.ref, item.commit), sleep.park)
        if question.forgotten and source:
            return Asked(self._present(question, here.repository, here.ref, source.commit), sleep.park)
        return Asked(Nothing(sleep.reason), sleep.park)

    def place(self, question: Question, ref: str, sha: str, reason: str) -> Parked:
        """Where a ref is to be parked that is at this object and wishes nothing."""
        return Parked(question.environment, ref, sha, self._since(question.look), reason)

    def _since(self, look: Look) -> int:
        """When a look was asked for, in seconds: by GitHub's clock, where a push asks."""
        return look.pushed_at or self.clock() // 1000

    # --- what the commit brings

    def _present(self, question: Question, repository: Repository, ref: str, commit: str) -> Wish:
        item = question.item
        production = question.environment.stage is Stage.PRODUCTION
        wish = Present(ref, commit, repository.default_branch if production else ref.removeprefix(HEADS))
        same = item and item.present and (item.ref, item.commit) == (ref, commit)
        if item and same and item.digest and stands(item, question.stack(), again=bool(question.request)):
            return replace(wish, digest=item.digest, warnings=item.warnings)
        try:
            return self._with_files(question, repository.name, wish)
        except Rejected as error:
            return Invalid(ref, commit, str(error))

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
            if question.item is None and not question.ours:
                return Nothing(f"{wish.ref} has no deploy/pipeline.json")
            raise Rejected("deploy/pipeline.json is missing")
        template = parse_template(*found)
        parameters = read(PARAMETER_FILES)
        given = parse_parameters(*parameters, question.environment.stage) if parameters else {}
        values = resolve(template.parameters, given, self._provided(question, repository, wish.branch))
        return replace(
            wish,
            digest=digest(template, values),
            template=template.text,
            parameters=values,
            warnings=tuple(map(str, self_starting(template.resources))),
        )

    def _provided(self, question: Question, repository: RepositoryName, branch: str) -> Provided:
        here, stage = self.installation, question.environment.stage
        return offered(
            repository,
            branch,
            stage,
            question.stack_name,
            artifact_store=here.artifact_store,
            connection=here.connection,
            prefix=here.prefix,
            boundary=here.boundary,
            role=here.roles[stage],
            token=here.token,
        )
