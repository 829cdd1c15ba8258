"""GitHub: a deployment for each run, to the environment of the same name; the pull request shows where it is served.

Whether the token may deploy is its owner's business: where it may not, that is said once for each run, and nothing
else waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from deployer.addresses import Addresses
from deployer.contexts import describe, environment_name, ref_of, with_part
from deployer.environments import EnvironmentId, parse
from deployer.errors import Broken, Rejected, Transient
from deployer.events import Malformed
from deployer.notices import Removal
from deployer.observability import bound, logger
from deployer.ports import Deployment, Deployments, Memory
from deployer.progress import StageProgress, overruled
from deployer.reasons import Reasons
from deployer.refs import Stage
from deployer.states import CommitState, DeploymentState, RunState
from notifier.observing import Observed, Runs
from notifier.saying import Kept, digest_of, say
from notifier.standing import Standing, number_in, payload_of
from notifier.wording import sentence

log = logger("notifier")
# A run's notes: which deployment it has, and what was said of it last.
NUMBER, SAID = "deployment", "deployment/said"
# An environment's: which run stands.
STANDS = "deployed"
_NEWER = "superseded by a newer run"


@dataclass(frozen=True)
class Deployed:
    """Tells GitHub's environments."""

    memory: Memory
    github: Deployments
    notes: Kept
    reasons: Reasons
    addresses: Addresses
    runs: Runs

    def tell(self, observed: Observed) -> bool:
        """Say what has not been said; False where somebody else was faster and all is to be looked at again.

        A run that has read nothing yet is of no commit: what it is going to deploy is not known before.
        """
        number = self._number(observed) if observed.run.revisions else 0
        if not number:
            return True
        rank = 2 * observed.rank + (not observed.run.state.active)
        current = say(self.notes, observed.run.id, "deployment", rank, partial(self._say, observed, number))
        if not current:
            self.notes.note(observed.run.id, SAID, "")  # which of the two GitHub heard last nobody knows
        return current

    # --- a run's deployment

    def _number(self, observed: Observed) -> int:
        """The deployment of a run, made where there is none yet; 0 where there will be none."""
        run = observed.run.id
        number = self.notes.noted(run, NUMBER)
        if not number and not observed.environment.present:
            return 0  # it would bring back the environment that is being removed
        if not number:
            say(self.notes, run, "deployment/made", 1, partial(self._make, observed))
            number = self.notes.noted(run, NUMBER)
        if not number:
            raise Broken("the run's deployment was made, and which it is was not noted")
        return int(number)

    def _make(self, observed: Observed) -> None:
        """Make it, unless it was made by somebody whose note, or to whom GitHub's answer, was lost."""
        item, run = observed.environment, observed.run.id
        name = environment_name(item.id, observed.part)
        try:
            there = self.github.deployments(item.repository, name, observed.commit)
            ours = self._standing(observed).ours(there)
            number = next((each.id for each in ours if each.payload.get("run") == run), 0)
            number = number or self.github.deploy(
                item.repository,
                observed.commit,
                name,
                production=item.id.stage is Stage.PRODUCTION,
                transient=item.id.stage is Stage.DEVELOPMENT,
                description=_described(observed, f"run {run}"),
                payload=payload_of(observed.place, item.generation, run, observed.began),
            )
        except Rejected as error:
            log.warning("GitHub takes no deployment of this run", reason=str(error))
            number = 0
        self.notes.note(run, NUMBER, str(number))

    # --- how it stands

    def _say(self, observed: Observed, number: int) -> None:
        state, text = state_of(observed)
        if state is not DeploymentState.SUCCESS:
            self._post(observed, number, state, text)
            return
        # In one environment one run succeeds at a time, and none after one that began later.
        succeed = partial(self._succeed, observed, number, text)
        if not say(self.notes, observed.place, "deployed", observed.began, succeed):
            self.notes.note(observed.run.id, SAID, "")  # it does not count: a later run may have been told meanwhile
            raise Transient("which run stands is to be looked at again")
        if self.notes.noted(observed.run.id, SAID).startswith(str(state)):
            return
        if self.notes.noted(observed.place, STANDS) == observed.run.id:
            succeed()  # it was this run all the time; only what GitHub heard last was not known
        else:
            self._post(observed, number, DeploymentState.INACTIVE, _NEWER)

    def _succeed(self, observed: Observed, number: int, text: str) -> None:
        item, standing = observed.environment, self._standing(observed)
        there = self.github.deployments(item.repository, environment_name(item.id, observed.part))
        others = (each for each in standing.ours(there) if each.id != number)
        found = standing.left(others)
        stands = [each for each, state in found if state is DeploymentState.SUCCESS]
        if any(number_in(each, "began") > observed.began for each in stands):
            return  # our notes were lost; GitHub's are there
        self.notes.note(observed.place, STANDS, observed.run.id)
        served = self.addresses.of(observed.environment, observed.stacks, observed.part)
        self._post(observed, number, DeploymentState.SUCCESS, text, served)
        # By itself GitHub ends only what was made before, and is neither transient nor in production.
        left = {each.id for each in stands if each.id > number or item.id.stage is not Stage.STAGING}
        left |= {each.id for each, _ in found if each not in stands and self._is_forgotten(each, observed)}
        standing.end([each for each, _ in found if each.id in left], f"superseded by {observed.commit[:7]}")

    def _is_forgotten(self, deployment: Deployment, observed: Observed) -> bool:
        """Whether nobody will say how it ended: an earlier run's that is over, and whose end was not told.

        So it is where the table was lost while it ran, and its pipeline was replaced, or has had many runs since.
        """
        if number_in(deployment, "began") >= observed.began:
            return False
        run, pipelines = str(deployment.payload.get("run")), {observed.pipeline, *observed.environment.pipelines}
        known = [found for name in sorted(pipelines) if (found := self.runs.run(name, run))]
        return not any(found.state.active for found in known)

    def _standing(self, observed: Observed) -> Standing:
        return Standing(self.github, observed.environment.repository, observed.id, observed.place)

    def _post(self, observed: Observed, number: int, state: DeploymentState, text: str, served: str = "") -> None:
        """Post it, unless that is what was posted last."""
        run, stage = observed.run.id, _speaking(observed)
        failure = self.reasons.of(stage) if stage and state is DeploymentState.FAILURE else None
        url = (failure.url if failure else "") or (observed.page(stage) if stage else observed.url)
        said = f"{state} {digest_of(url, served)}"
        if self.notes.noted(run, SAID) == said:
            return
        words = _described(observed, sentence(stage, failure) if stage and failure else text)
        try:
            self.github.post_deployment(
                observed.environment.repository,
                number,
                state,
                log_url=url,
                environment_url=served,
                description=words,
            )
        except Rejected as error:
            log.error("GitHub does not take how a deployment stands", state=str(state), reason=str(error))
        else:
            log.info("deployment told", deployment=number, commit=observed.commit, state=str(state))
        self.notes.note(run, SAID, said)

    # --- the end of an environment

    def remove(self, removal: Removal) -> None:
        """End what was deployed to an environment that is gone; of development, remove GitHub's environment, too.

        Raises:
            Malformed: where it is no environment.
            Transient, Broken: where GitHub is to be asked again.
        """
        try:
            environment = parse(removal.environment)
        except ValueError as error:
            raise Malformed(str(error)) from error
        with bound(environment=str(environment)):
            for part in ("", *removal.parts):
                try:
                    self._remove(environment, part, removal)
                except Rejected as error:
                    log.warning("GitHub does not take that the environment is gone", reason=str(error))

    def _remove(self, environment: EnvironmentId, part: str, removal: Removal) -> None:
        name, now = environment_name(environment, part), self.memory.environment(environment)
        standing = Standing(self.github, removal.repository, environment, with_part(str(environment), part))
        there = list(self.github.deployments(removal.repository, name))
        old = [each for each in standing.ours(there) if number_in(each, "generation") <= removal.generation]
        standing.end([each for each, _ in standing.left(old)], "the environment was removed")
        if now is not None and now.generation > removal.generation:
            return  # its branch is back
        # One that others deploy to, or nobody, may hold their secrets and rules, as do staging's and production's.
        if environment.reserved:
            return
        if old and len(old) == len(there) and not self.github.remove_environment(removal.repository, name):
            log.info("the token may not remove GitHub's environment, which stays", name=name)


def state_of(observed: Observed) -> tuple[DeploymentState, str]:
    """How the deployment of a run stands, and what is to be said of it."""
    run, stage = observed.run.state, _speaking(observed)
    instead = overruled(observed.environment, observed.commit)
    text = sentence(stage, None) if stage else "is running"
    if run.active:
        return DeploymentState.PENDING if stage and stage.waits else DeploymentState.IN_PROGRESS, text
    if run is RunState.SUCCEEDED and observed.environment.present:
        return DeploymentState.SUCCESS, "deployed"
    if run is RunState.FAILED:
        return DeploymentState.FAILURE, text
    if instead or run is RunState.SUPERSEDED:
        return DeploymentState.INACTIVE, instead or _NEWER
    return DeploymentState.ERROR, text


def _speaking(observed: Observed) -> StageProgress | None:
    """The stage that says how far the run is: the last that has not succeeded, else the last."""
    told = [stage for stage in observed.stages if stage.state is not CommitState.SUCCESS] or observed.stages
    return told[-1] if told else None


def _described(observed: Observed, text: str) -> str:
    return describe(observed.id, ref_of(observed.environment, observed.commit), text)
