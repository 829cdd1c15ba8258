"""The sweep: whatever was lost, the next one finds it.

At each tick every repository gets one; each compares the repository's refs with its environments and has a look taken
at what is not in place. It decides nothing else: a look sees for itself. What is at rest costs no call, of GitHub's
rate limit nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from builder.compare import Finding, Findings, Scene, compare, state_of
from builder.installation import Installation
from builder.wishes import STOPPED, becomes_known
from deployer.environments import INSTALLATION_TAG, OWNER_TAG, REPOSITORY_TAG, repository_of
from deployer.errors import DeployerError, Rejected
from deployer.events import SWEEP, Look, RepositoryName, StackSeen, Sweep, Tick
from deployer.metrics import PIPELINES, PIPELINES_USED, SWEEP_REPAIRS
from deployer.observability import logger
from deployer.ports import (
    Baseline,
    Baselines,
    Environment,
    Looks,
    Memory,
    Outcome,
    Parking,
    Pipelines,
    Repositories,
    Repository,
    Stacks,
    Sweeps,
)

log = logger("builder")
# Of a sweep's message, in characters: SQS takes 256 KiB. Beyond it, stacks are not compared.
_MOST = 200_000
_STATE = "state"
# How many refs a sweep that stopped names.
_NAMED = 20


@dataclass(frozen=True)
class Sweeper:
    """``configured``: repositories (owner/name) that are known without a webhook. ``limit``: how many environments a
    sweep may want to make, and how many to remove. ``clock``: milliseconds. ``quota``: of pipelines, in the region.
    """

    repositories: Repositories
    baselines: Baselines
    memory: Memory
    parking: Parking
    stacks: Stacks
    pipelines: Pipelines
    looks: Looks
    sweeps: Sweeps
    installation: Installation
    configured: tuple[str, ...]
    limit: int
    clock: Callable[[], int]
    quota: int = 1000

    # --- each tick

    def tick(self, tick: Tick) -> None:
        """Queue a sweep for each repository that is known: by a webhook, by configuration, or by a stack's tags.

        And count the region's pipelines, which is nobody's task but has to be done now and then.
        """
        names = {known.repository.id: known.repository for known in self.baselines.repositories()}
        stacks = self._stacks()
        for number, (name, _) in (stacks or {}).items():
            if name:
                names.setdefault(number, name)
        for number, name in names.items():
            if not self._admits(name.full_name):
                continue
            seen = None if stacks is None else tuple(stacks.get(number, (None, []))[1])
            sweep = Sweep(name, seen)
            if len(sweep.to_json()) > _MOST:
                log.warning("too many stacks to be compared", repository=name.full_name, stacks=len(seen or ()))
                sweep = replace(sweep, stacks=None)
            self.sweeps.sweep(sweep, tick.id)
        known = {name.full_name.lower() for name in names.values()}
        for text in self.configured:
            owner, _, title = text.partition("/")
            if text.lower() not in known and self._admits(text):
                self.sweeps.sweep(Sweep(RepositoryName(0, owner, title)), tick.id)
        try:
            count = self.pipelines.count()
            log.measure(PIPELINES, count)
            log.measure(PIPELINES_USED, 100 * count / self.quota)
        except DeployerError as error:
            log.warning("the pipelines can't be counted now", reason=str(error))

    def _admits(self, full_name: str) -> bool:
        return self.installation.admission.takes(full_name)

    def _stacks(self) -> dict[int, tuple[RepositoryName | None, list[StackSeen]]] | None:
        """This installation's stacks: repository id -> (its name as it was, stacks); None where AWS can't say now."""
        found: dict[int, tuple[RepositoryName | None, list[StackSeen]]] = {}
        try:
            for stack in self.stacks.every():
                number = repository_of(stack.tags.get(OWNER_TAG, ""))
                # A stack that is nested in a branch's carries what that branch's template says.
                if stack.tags.get(INSTALLATION_TAG) != self.installation.prefix or number is None or stack.parent:
                    continue
                owner, _, title = stack.tags.get(REPOSITORY_TAG, "").partition("/")
                entry = found.setdefault(number, (RepositoryName(number, owner, title) if title else None, []))
                entry[1].append(StackSeen(stack.name, stack.tags[OWNER_TAG], stack.status))
        except DeployerError as error:
            log.warning("the stacks can't be listed now", reason=str(error))
            return None
        return found

    # --- each repository

    def sweep(self, sweep: Sweep) -> None:
        """Compare one repository's refs with its environments.

        Raises:
            Transient: nothing is lost; the next tick brings the next sweep.
        """
        try:
            baseline = self._known(sweep.repository)
            self._sweep(baseline, sweep)
        except Rejected as error:
            # Perhaps the token was revoked, perhaps the repository is gone: no proof of anything.
            log.warning("not swept", repository=sweep.repository.full_name, reason=str(error))

    def _known(self, name: RepositoryName) -> Baseline:
        """What is remembered of a repository; one that was not known has its refs recorded as seen."""
        baseline = self.baselines.baseline(name.id) if name.id else None
        if baseline:
            return baseline
        found = self.repositories.repository(name.owner, name.name)
        if found is None or name.id not in (0, found.name.id) or not self._admits(found.name.full_name):
            raise Rejected(f"{name.full_name} can't be read")
        return becomes_known(self.repositories, self.baselines, found, self.clock() // 1000)

    def _sweep(self, baseline: Baseline, sweep: Sweep) -> None:
        name = baseline.repository
        items = {item.id: item for item in self.memory.environments(name.id)}
        places = {place.environment: place for place in self.parking.all_parked(name.id)}
        state = state_of(items.values(), places.values())
        validators = dict(baseline.validators)
        # What was seen then says something only of what is remembered now.
        refs = self.repositories.refs(name, validators if validators.pop(_STATE, "") == state else {})
        now = refs.repository if refs else Repository(name, baseline.default_branch)
        tips = refs.tips if refs else None
        scene = Scene(
            name.id,
            now.default_branch,
            tips,
            baseline,
            items,
            places,
            sweep.stacks,
            self.clock(),
            self.installation.idle_days,
        )
        findings = compare(scene)
        self._look(now.name, findings, unlimited=sweep.unlimited)
        for environment in findings.stale:
            self.parking.unpark(environment)
        if refs:
            self.baselines.swept(now, {**refs.validators, _STATE: state} if findings.in_place else {})

    def _look(self, repository: RepositoryName, findings: Findings, *, unlimited: bool) -> None:
        for environment in findings.unnamed:
            log.error(STOPPED, repository=repository.full_name, reason=f"nobody knows what ref {environment} is of")
        counts = {"creations": findings.creations, "deletions": findings.deletions}
        for kind, wanted in counts.items():
            if len(wanted) > self.limit and not unlimited:
                refs = [finding.ref or str(finding.environment) for finding in wanted[:_NAMED]]
                text = f"{len(wanted)} {kind} at once, more than {self.limit}"
                log.error(STOPPED, repository=repository.full_name, reason=text, refs=refs)
                continue
            self._repair(repository, wanted)
        self._repair(repository, (*findings.behind, *findings.drifted))
        quiet = (item for item in findings.unsettled if not self._runs_on(item))
        self._send(repository, (Finding(item.id, "nobody has seen it at rest") for item in quiet))

    def _runs_on(self, item: Environment) -> bool:
        """Whether there is nothing to do but to wait for a run, as long as an approval may take."""
        if not item.present or item.outcome is not Outcome.SUCCESS:
            return False
        return any(run.state.active for name in item.pipelines for run in self.pipelines.runs(name))

    def _repair(self, repository: RepositoryName, findings: Sequence[Finding]) -> None:
        self._send(repository, findings)
        if findings:
            log.measure(SWEEP_REPAIRS, len(findings))

    def _send(self, repository: RepositoryName, findings: Iterable[Finding]) -> None:
        for finding in findings:
            reason = f"{SWEEP}: {finding.reason}"
            log.info("out of place", environment=str(finding.environment), reason=finding.reason)
            self.looks.send(Look(str(finding.environment), repository, reason, finding.ref, stack=finding.stack))
