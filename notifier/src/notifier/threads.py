"""Slack: one message for a run, a thread of its stages, and what the builder announces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from deployer.environments import parse
from deployer.errors import Broken, DeployerError, Rejected
from deployer.events import Announcement, Malformed
from deployer.observability import bound, logger
from deployer.ports import Commit, Memory, Post, Repositories
from notifier.messages import announcement_message, run_message, stage_reply
from notifier.observing import Observed
from notifier.progress import StageProgress, overruled
from notifier.reasons import Reasons
from notifier.saying import Said, say

log = logger("notifier")


class Channel(Protocol):
    """Slack; ``deployer.slack.Slack`` is one. A message is (channel id, ts)."""

    def post(self, channel: str, post: Post, thread: str = "") -> tuple[str, str]: ...

    def update(self, channel: str, ts: str, post: Post) -> None: ...


@dataclass(frozen=True)
class Threads:
    """Tells Slack. ``channel`` empty: Slack is not used."""

    memory: Memory
    repositories: Repositories
    notes: Said
    reasons: Reasons
    slack: Callable[[], Channel]
    channel: str

    def tell(self, observed: Observed) -> bool:
        """Say what has not been said; False where somebody else was faster and all is to be looked at again."""
        if not self.channel:
            return True
        run = observed.run
        message = self.notes.message(run.id)
        if message is None:
            say(self.notes, observed.run.id, "slack/message", 1, partial(self._post_message, observed))
            message = self.notes.message(run.id)
        if message is None:
            raise Broken("the run's message was posted, and where it is was not noted")
        current = True
        for stage in observed.stages:
            if stage.ended:
                speak = partial(self._post_reply, message, stage)
                current = say(self.notes, observed.run.id, f"slack/{stage.stage}", stage.rank, speak) and current
        if not run.state.active:
            speak = partial(self._update_message, message, observed)
            current = say(self.notes, observed.run.id, "slack", observed.rank, speak) and current
        return current

    def _post_message(self, observed: Observed) -> None:
        channel, ts = self.slack().post(self.channel, Post(self._message(observed)))
        self.notes.posted(observed.run.id, channel, ts)

    def _post_reply(self, message: tuple[str, str], stage: StageProgress) -> None:
        channel, ts = message
        self.slack().post(channel, Post(stage_reply(stage, self.reasons.of(stage))), thread=ts)

    def _update_message(self, message: tuple[str, str], observed: Observed) -> None:
        channel, ts = message
        self.slack().update(channel, ts, Post(self._message(observed)))

    def _message(self, observed: Observed) -> str:
        try:
            commit = self.repositories.commit(observed.environment.repository, observed.commit)
        except Exception as error:  # noqa: BLE001 - Slack is told also while GitHub is down or answers strangely
            reason = str(error) if isinstance(error, DeployerError) else type(error).__name__
            log.warning("the commit's author and subject are left out", reason=reason)
            commit = Commit(observed.commit, "", "", "")
        instead = overruled(observed.environment, observed.commit)
        return run_message(observed.environment, commit, observed.run.state, observed.url, instead)

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
                say(self.notes, f"announcement/{hashlib.sha256(name).hexdigest()}", "slack/announcement", 1, speak)
            except Rejected as error:
                log.error("Slack does not take the announcement", reason=str(error))

    def _post(self, text: str) -> None:
        self.slack().post(self.channel, Post(text))
