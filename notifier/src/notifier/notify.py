"""Say on GitHub and in Slack how a run stands: observe, compare with what was said, say the rest.

Neither side holds the other up: where one fails, the other has been told already when the event is tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from deployer.contexts import describe, is_shared, ref_of, stage_context
from deployer.environments import EnvironmentId, parse
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import Announcement, Malformed, RunChange, RunNotice
from deployer.observability import bound, logger
from deployer.pipelines import ActionRun, RunDetails
from deployer.ports import Commit, CommitStatus, Environment, Memory, Repositories, Statuses
from deployer.refs import is_commit
from notifier.builds import Failure
from notifier.messages import announcement_message, run_message, stage_reply
from notifier.progress import StageProgress, overruled, progress

log = logger("notifier")
MAX_ROUNDS = 3
# More than a stage has of them, as long as it is retried fewer than hundreds of times.
MOST_RANKS = 10_000


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

    def release(self, run: str, topic: str, rank: int) -> None: ...

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
    began: int
    """When its first action started, in milliseconds; 0 where none did."""

    @property
    def settled(self) -> bool:
        """Whether there will be another event, or nothing is left to be said."""
        return self.run.state.active or all(stage.ended for stage in self.stages)

    @property
    def id(self) -> EnvironmentId:
        """The environment's id."""
        return self.environment.id

    @property
    def rank(self) -> int:
        """Rises while the run goes on, a retry of a failed stage included."""
        return 1 + sum(stage.rank for stage in self.stages)


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

    def notice(self, change: RunChange | RunNotice) -> None:
        """Say what has become of the run that an event or the builder names; somebody else's pipeline is ignored.

        Where all of it was said before, nothing is.

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
            # Trying again asks both sides: none before it is ready.
            waits = [error for error in errors if isinstance(error, Transient)]
            raise max(waits, key=lambda error: error.retry_after or 0.0) if waits else errors[0]

    def announce(self, announcement: Announcement) -> None:
        """Say in Slack what the builder has to say of an environment, once for each of its keys.

        Raises:
            Malformed: where it is about no environment.
            Transient, Broken: where it could not be said and is to be tried again.
        """
        try:
            environment = parse(announcement.environment)
        except ValueError as error:
            raise Malformed(str(error)) from error
        if not self.channel:
            return
        name = f"{environment}\n{announcement.key}".encode("utf-8", "surrogatepass")
        text = announcement_message(self.memory.environment(environment), announcement.text)
        with bound(environment=str(environment), key=announcement.key):
            try:
                speak = partial(self._post, text)
                self._say(f"announcement/{hashlib.sha256(name).hexdigest()}", "slack/announcement", 1, speak)
            except Rejected as error:
                log.error("Slack does not take the announcement", reason=str(error))

    def _post(self, text: str) -> None:
        self.slack().post(self.channel, text)

    def _try(
        self, side: Callable[[Observed], bool], change: RunChange | RunNotice, environment: Environment
    ) -> DeployerError | None:
        """Tell one side, again where it was overtaken; answers with what went wrong."""
        try:
            for _ in range(MAX_ROUNDS):
                observed = self._observe(change, environment)
                if observed is None:
                    return None
                if side(observed):
                    return None if observed.settled else Transient("the run ended, and actions are listed as running")
        except Rejected as error:
            log.warning("could not be said", reason=str(error))
            return None
        except DeployerError as error:
            log.warning("not said yet", reason=str(error), kind=type(error).__name__)
            return error
        except Exception as error:
            log.exception("not said yet", kind=type(error).__name__)
            return Transient(f"unexpected {type(error).__name__}")
        return Transient("others are saying the same at the same time", 1.0)

    def _observe(self, change: RunChange | RunNotice, environment: Environment) -> Observed | None:
        run = self.runs.run(change.pipeline, change.execution)
        if run is None:
            return None
        commit = commit_of(run, environment)
        if not commit:
            log.info("a run of no commit of ours", revisions=sorted(run.revisions))
            return None
        stages = self.runs.stages(change.pipeline, run.version)
        actions = self.runs.actions(change.pipeline, change.execution)
        told = progress(stages, actions, run.state, overruled(environment, commit))
        began = min((action.started for action in actions), default=0)
        return Observed(environment, change.pipeline, run, commit, told, began)

    # --- GitHub

    def _tell_github(self, observed: Observed) -> bool:
        # A commit that is built again has one status for both runs: what is said of the later one is never followed
        # by what became of the earlier.
        of, current = f"{observed.id}/{observed.commit}", True
        for stage in observed.stages:
            speak, rank = partial(self._post_status, observed, stage), observed.began * MOST_RANKS + stage.rank
            current = self._say(of, f"github/{stage.stage}", rank, speak) and current
        return current

    def _post_status(self, observed: Observed, stage: StageProgress) -> None:
        failure = self._failure(stage)
        shared = is_shared(self.memory, observed.id, observed.commit)
        reason = f": {failure.reason}" if failure else ""
        took = f" in {stage.seconds} s" if stage.ended and stage.seconds else ""
        text = f"{stage.stage} {stage.text}{took}{reason}"
        status = CommitStatus(
            observed.environment.repository,
            observed.commit,
            stage_context(observed.id, stage.stage, shared=shared),
            stage.state,
            describe(observed.id, ref_of(observed.environment, observed.commit), text),
            (failure.url if failure else "") or self._console(observed),
        )
        try:
            self.statuses.post(status)
        except Rejected as error:  # for good: the other stages are told all the same
            log.error("GitHub does not take the status", context=status.context, reason=str(error))
            return
        log.info("status posted", commit=observed.commit, stage=stage.stage, state=str(stage.state))

    # --- Slack

    def _tell_slack(self, observed: Observed) -> bool:
        if not self.channel:
            return True
        run = observed.run
        message = self.notes.message(run.id)
        if message is None:
            self._say(observed.run.id, "slack/message", 1, partial(self._post_message, observed))
            message = self.notes.message(run.id)
        if message is None:
            raise Broken("the run's message was posted, and where it is was not noted")
        current = True
        for stage in observed.stages:
            if stage.ended:
                speak = partial(self._post_reply, message, stage)
                current = self._say(observed.run.id, f"slack/{stage.stage}", stage.rank, speak) and current
        if not run.state.active:
            speak = partial(self._update_message, message, observed)
            current = self._say(observed.run.id, "slack", observed.rank, speak) and current
        return current

    def _post_message(self, observed: Observed) -> None:
        channel, ts = self.slack().post(self.channel, self._message(observed))
        self.notes.posted(observed.run.id, channel, ts)

    def _post_reply(self, message: tuple[str, str], stage: StageProgress) -> None:
        channel, ts = message
        self.slack().post(channel, stage_reply(stage, self._failure(stage)), thread=ts)

    def _update_message(self, message: tuple[str, str], observed: Observed) -> None:
        channel, ts = message
        self.slack().update(channel, ts, self._message(observed))

    def _message(self, observed: Observed) -> str:
        try:
            commit = self.repositories.commit(observed.environment.repository, observed.commit)
        except Exception as error:  # noqa: BLE001 - Slack is told also while GitHub is down or answers strangely
            reason = str(error) if isinstance(error, DeployerError) else type(error).__name__
            log.warning("the commit's author and subject are left out", reason=reason)
            commit = Commit(observed.commit, "", "", "")
        instead = overruled(observed.environment, observed.commit)
        return run_message(observed.environment, commit, observed.run.state, self._console(observed), instead)

    # --- both

    def _say(self, run: str, topic: str, rank: int, speak: Callable[[], None]) -> bool:
        """Say one thing unless it has been said; False where somebody overtook it and all is to be looked at again."""
        if not self.notes.claim(run, topic, rank):
            return True
        try:
            speak()
        except Exception:
            self.notes.release(run, topic, rank)
            raise
        return self.notes.confirm(run, topic, rank)

    def _failure(self, stage: StageProgress) -> Failure | None:
        action = stage.failed
        if action is None:
            return None
        if action.provider == "CodeBuild" and action.external_id:
            try:
                found = self.builds.failure(action.external_id)
            except (Rejected, Broken) as error:  # that it failed is said even where the reason can't be read
                log.error("why the build failed can't be read", reason=str(error), build=action.external_id)
                found = None
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

    A source object says its commit in its revision summary; a connection's revision is the commit itself. The version
    of the source object that we remember is at the commit that we remember. Of several sources, the one that is at
    the wanted commit speaks for the run.
    """
    if environment.source and any(revision == environment.source for revision, _ in run.revisions.values()):
        return environment.commit
    named = [text for revision, summary in run.revisions.values() for text in (summary, revision) if is_commit(text)]
    if environment.commit in named or not run.revisions:
        return environment.commit if is_commit(environment.commit) else ""
    return named[0] if named else ""
