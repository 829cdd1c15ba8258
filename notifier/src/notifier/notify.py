"""Say on GitHub and in Slack how a run stands: observe, compare with what was said, say the rest.

Neither side holds the other up: where one fails, the other has been told already when the event is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployer.contexts import describe, is_shared, stage_context
from deployer.environments import EnvironmentId
from deployer.errors import DeployerError, Rejected, Transient
from deployer.events import RunChange
from deployer.observability import bound, logger
from deployer.pipelines import ActionRun, RunDetails
from deployer.ports import Commit, CommitStatus, Environment, Memory, Repositories, Statuses
from deployer.refs import is_commit
from notifier.builds import Failure
from notifier.messages import run_message, stage_reply
from notifier.progress import StageProgress, progress

log = logger("notifier")
MAX_ROUNDS = 3
Topics = frozenset[str]


class Runs(Protocol):
    """What a run did; ``deployer.pipelines.CodePipeline`` is one."""

    def run(self, pipeline: str, run: str) -> RunDetails | None: ...

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]: ...

    def stages(self, pipeline: str, version: int) -> dict[str, int]: ...


class Reasons(Protocol):
    """Why a build or a stack failed."""

    def failure(self, build_id: str) -> Failure | None: ...


class Said(Protocol):
    """What has been said already; ``notifier.notes.Notes`` is one."""

    def claim(self, run: str, topic: str, rank: int) -> bool: ...

    def confirm(self, run: str, topic: str, rank: int) -> bool: ...

    def claim_message(self, run: str) -> bool: ...

    def message(self, run: str) -> tuple[str, str] | None: ...

    def posted(self, run: str, channel: str, ts: str) -> None: ...


class Channel(Protocol):
    """Slack; ``deployer.slack.Slack`` is one. A message is (channel id, ts)."""

    def post(self, channel: str, text: str, thread: str = "") -> tuple[str, str]: ...

    def update(self, channel: str, ts: str, text: str) -> None: ...


@dataclass(frozen=True)
class Observed:
    """One run of one environment, now."""

    environment: Environment
    pipeline: str
    run: RunDetails
    commit: str
    stages: tuple[StageProgress, ...]

    @property
    def id(self) -> EnvironmentId:
        """The environment's id."""
        return self.environment.id


@dataclass(frozen=True)
class Notifier:
    """The function with its collaborators. ``channel`` empty: Slack is not used. ``region`` is that of the console."""

    memory: Memory
    runs: Runs
    builds: Reasons
    repositories: Repositories
    statuses: Statuses
    notes: Said
    slack: Callable[[], Channel]
    channel: str
    region: str

    def notice(self, change: RunChange) -> None:
        """Say what has become of the run that an event names; somebody else's pipeline is ignored.

        Raises:
            Transient: where something could not be said and is to be tried again.
        """
        holder = self.memory.holder("pipeline", change.pipeline)
        environment = self.memory.environment(holder) if holder else None
        if environment is None:
            return
        with bound(environment=str(environment.id), run=change.execution):
            errors = [
                error
                for side in (self._tell_github, self._tell_slack)
                if (error := self._try(side, change, environment))
            ]
        if errors:
            raise next((error for error in errors if isinstance(error, Transient)), errors[0])

    def _try(
        self, side: Callable[[Observed, Topics], Topics], change: RunChange, environment: Environment
    ) -> DeployerError | None:
        """Tell one side; answers with what went wrong.

        Where a later state was claimed while an earlier one was being said, the earlier may have been heard last: what
        is observed then is said again.
        """
        overtaken: Topics = frozenset()
        try:
            for _ in range(MAX_ROUNDS):
                observed = self._observe(change, environment)
                overtaken = side(observed, overtaken) if observed else frozenset()
                if not overtaken:
                    return None
        except Rejected as error:
            log.warning("could not be said", reason=str(error))
            return None
        except DeployerError as error:
            log.warning("not said yet", reason=str(error), kind=type(error).__name__)
            return error
        return Transient("others are saying the same at the same time", 1.0)

    def _observe(self, change: RunChange, environment: Environment) -> Observed | None:
        run = self.runs.run(change.pipeline, change.execution)
        if run is None:
            return None
        commit = commit_of(run, environment)
        if not commit:
            log.info("a run of no commit of ours", revisions=sorted(run.revisions))
            return None
        stages = self.runs.stages(change.pipeline, run.version)
        actions = self.runs.actions(change.pipeline, change.execution)
        return Observed(environment, change.pipeline, run, commit, progress(stages, actions, run.state))

    # --- GitHub

    def _tell_github(self, observed: Observed, again: Topics) -> Topics:
        overtaken = set()
        for stage in observed.stages:
            topic = f"github/{stage.stage}"
            if not self.notes.claim(observed.run.id, topic, stage.rank) and topic not in again:
                continue
            failure = self._failure(stage)
            shared = is_shared(self.memory, observed.id, observed.commit)
            reason = f": {failure.reason}" if failure else ""
            took = f" in {stage.seconds} s" if stage.ended and stage.seconds else ""
            text = f"{stage.stage} {stage.text}{took}{reason}"
            self.statuses.post(
                CommitStatus(
                    observed.environment.repository,
                    observed.commit,
                    stage_context(observed.id, stage.stage, shared=shared),
                    stage.state,
                    describe(observed.id, observed.environment.ref, text),
                    (failure.url if failure else "") or self._console(observed),
                )
            )
            log.info("status posted", commit=observed.commit, stage=stage.stage, state=str(stage.state))
            if not self.notes.confirm(observed.run.id, topic, stage.rank):
                overtaken.add(topic)
        return frozenset(overtaken)

    # --- Slack

    def _tell_slack(self, observed: Observed, _again: Topics) -> Topics:
        if not self.channel:
            return frozenset()
        run = observed.run
        message = self.notes.message(run.id)
        if message is None:
            if not self.notes.claim_message(run.id):
                raise Transient("the run's message is being posted", 1.0)
            message = self.slack().post(self.channel, self._message(observed))
            self.notes.posted(run.id, *message)
        channel, ts = message
        for stage in observed.stages:
            topic = f"slack/{stage.stage}"
            if stage.ended and self.notes.claim(run.id, topic, stage.rank):
                self.slack().post(channel, stage_reply(stage, self._failure(stage)), thread=ts)
                self.notes.confirm(run.id, topic, stage.rank)
        if not run.state.active and self.notes.claim(run.id, "slack", 1):
            self.slack().update(channel, ts, self._message(observed))
            self.notes.confirm(run.id, "slack", 1)
        return frozenset()

    def _message(self, observed: Observed) -> str:
        repository = observed.environment.repository
        commit: Commit = self.repositories.commit(repository, observed.commit)
        return run_message(observed.environment, commit, observed.run.state, self._console(observed))

    def _failure(self, stage: StageProgress) -> Failure | None:
        action = stage.failed
        if action is None:
            return None
        if action.provider == "CodeBuild" and action.external_id:
            found = self.builds.failure(action.external_id)
            if found:
                return found
        return Failure(action.error or action.summary or f"{action.action} failed", url=action.url)

    def _console(self, observed: Observed) -> str:
        return (
            f"https://{self.region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/{observed.pipeline}"
            f"/executions/{observed.run.id}/timeline?region={self.region}"
        )


def commit_of(run: RunDetails, environment: Environment) -> str:
    """The commit a run built, read back from what it read; before it has read anything, from our own record.

    A source object says its commit in its revision summary; a connection's revision is the commit itself.
    """
    for revision, summary in run.revisions.values():
        for candidate in (summary, revision):
            if is_commit(candidate):
                return candidate
    return "" if run.revisions else environment.commit
