"""Slack: one message for a run, a thread of its stages, and what the builder announces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from deployer.contexts import part_of, with_part
from deployer.environments import parse
from deployer.errors import DeployerError, Rejected, Transient
from deployer.events import Malformed
from deployer.notices import Announcement
from deployer.observability import bound, logger
from deployer.ports import Environment, Memory, Post
from deployer.progress import StageProgress
from deployer.reasons import Reasons
from deployer.states import CommitState, RunState
from notifier.authors import Authors
from notifier.channels import Channels, Voice
from notifier.health import Health, Setback, health_of
from notifier.messages import announcement_message, failed_stage, failure_message, name_of, run_message, stage_reply
from notifier.mrkdwn import mention
from notifier.observing import Observed
from notifier.saying import Said, digest_of, say

log = logger("notifier")
# What a quiet environment may have to say of a run that ended: that it failed, or that it has put right what had.
_NEWS = (RunState.FAILED, RunState.SUCCEEDED)
# Of what was observed at the same rank, what comes later: a run may end after the last of its stages has.
_ORDER = {RunState.IN_PROGRESS: 0, RunState.STOPPING: 1}
MENTION = "slack/mention"


class Channel(Protocol):
    """Slack; ``deployer.slack.Slack`` is one. A message is (channel id, ts)."""

    def post(self, channel: str, post: Post, thread: str = "") -> tuple[str, str]: ...

    def update(self, channel: str, ts: str, post: Post) -> None: ...

    def person(self, email: str) -> str: ...


class Served(Protocol):
    """Where an environment is served; ``deployer.addresses.Addresses`` is one."""

    def of(self, environment: Environment, deployed: Sequence[str] = (), part: str = "") -> str: ...


@dataclass(frozen=True)
class Threads:
    """Tells Slack. ``channels``: where, and of how much; where an environment has none, Slack is not used for it."""

    memory: Memory
    authors: Authors
    notes: Said
    reasons: Reasons
    slack: Callable[[], Channel]
    channels: Channels
    addresses: Served

    def tell(self, observed: Observed) -> bool:
        """Say what has not been said; False where somebody else was faster and all is to be looked at again."""
        environment, run = observed.environment, observed.run
        voice = self.channels.voice(environment.repository.full_name, environment.id.stage)
        if not voice.channel:
            return True
        news = run.state in _NEWS or any(stage.waits for stage in observed.stages)
        # What may have been told before is not begun anew: Slack, unlike GitHub, would show it twice.
        if (observed.forgotten or (voice.quiet and not news)) and self.notes.message(run.id) is None:
            return True
        rank = 3 * observed.rank + _ORDER.get(run.state, 2)
        current = self._say(observed, "slack", rank, partial(self._show, observed, voice))
        message = self.notes.message(run.id)
        if message is None:
            return current
        for stage in observed.stages:
            # What needs a person is told wherever there is a channel.
            if stage.state is CommitState.FAILURE or stage.waits or (stage.ended and not voice.quiet):
                speak = partial(self._reply, message, observed, stage)
                current = self._say(observed, f"slack/{stage.stage}", stage.rank, speak) and current
        return current

    def _say(self, observed: Observed, topic: str, rank: int, speak: Callable[[], None]) -> bool:
        """Say one thing once. What Slack refuses for good, as where somebody removed the message, holds up no other."""

        def try_to() -> None:
            try:
                speak()
            except Rejected as error:
                log.error("Slack does not take it", topic=topic, reason=str(error))

        return say(self.notes, observed.run.id, topic, rank, try_to)

    def _show(self, observed: Observed, voice: Voice) -> None:
        """Bring the run's message up to date; post it where there is none, and there is something to be said."""
        mended = self._mended(observed)
        message = self.notes.message(observed.run.id)
        if message is None and voice.quiet and observed.run.state is RunState.SUCCEEDED and mended is None:
            return
        commit = self.authors.commit(observed.environment.repository, observed.commit)
        post = run_message(observed, commit, mended, self._served(observed))
        if message is None:
            self.notes.posted(observed.run.id, *self.slack().post(voice.channel, post))
        else:
            self.slack().update(*message, post)

    def _served(self, observed: Observed) -> str:
        """Where what was deployed is to be seen; no message waits for it."""
        if observed.run.state is not RunState.SUCCEEDED:
            return ""
        try:
            return self.addresses.of(observed.environment, observed.stacks, observed.part)
        except DeployerError as error:
            log.warning("where it is served is left out", reason=str(error))
            return ""

    def _mended(self, observed: Observed) -> Setback | None:
        """Note how a run ended; answers with what it has put right.

        Raises:
            Transient: where the end of another run of the environment is being noted.
        """
        run, key = observed.run, observed.place
        if run.state not in _NEWS:
            return None
        if run.state is RunState.SUCCEEDED:
            return self._fares(key, lambda before: before.succeeded(observed.began, run.id)).mended_by(run.id)
        setback = Setback(observed.began, run.id, failed_stage(observed), observed.commit)
        return self._fares(key, lambda before: before.failed(setback)).mended_by(run.id)

    def _fares(self, key: str, since: Callable[[Health], Health]) -> Health:
        """Note what has become of an environment."""
        kept = self.notes.health(key)
        before = health_of(kept)
        after = since(before)
        if after != before and not self.notes.note_health(key, kept, after.to_json()):
            raise Transient("the end of another run is being noted")
        return after

    def _reply(self, message: tuple[str, str], observed: Observed, stage: StageProgress) -> None:
        if stage.state is not CommitState.FAILURE:
            self._post_reply(message, stage_reply(stage, None, observed.page(stage)))
            return
        failure = self.reasons.of(stage)
        run = observed.run.id
        if failure and failure.late and self.notes.claim(run, f"slack/{stage.stage}/late", stage.rank):
            # Asked once more: a reply is not changed afterwards, as a status is.
            self.notes.confirm(run, f"slack/{stage.stage}/late", stage.rank)
            raise Transient(f"why {stage.stage} failed is still to be asked")
        commit = self.authors.commit(observed.environment.repository, observed.commit)
        person = mention(self.authors.person(self.slack(), commit))
        if not person or not self.notes.claim(run, MENTION, 1):
            self._post_reply(message, stage_reply(stage, failure, observed.url, name_of(commit)))
            return
        try:
            self._post_reply(message, stage_reply(stage, failure, observed.url, person))
        except Exception:
            self.notes.release(run, MENTION, 1)
            raise
        self.notes.confirm(run, MENTION, 1)

    def _post_reply(self, message: tuple[str, str], reply: Post) -> None:
        channel, ts = message
        self.slack().post(channel, reply, thread=ts)

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
        item = self.memory.environment(environment)
        voice = self.channels.voice(item.repository.full_name if item else "", environment.stage)
        if not voice.channel:
            return
        of = f"announcement/{digest_of(str(environment), announcement.key)}"
        with bound(environment=str(environment), key=announcement.key):
            try:
                speak = partial(self._announce, voice.channel, item, announcement)
                say(self.notes, of, "slack/announcement", 1, speak)
            except Rejected as error:
                log.error("Slack does not take the announcement", reason=str(error))

    def _announce(self, channel: str, item: Environment | None, announcement: Announcement) -> None:
        if item is None or not announcement.commit:
            self.slack().post(channel, announcement_message(item, announcement.text))
            return
        if announcement.at:
            setback = Setback(announcement.at, "", "", announcement.commit)
            for part in sorted({part_of(item, pipeline) for pipeline in item.pipelines} or {""}):
                self._fares(with_part(str(item.id), part), lambda before: before.failed(setback))
        commit = self.authors.commit(item.repository, announcement.commit)
        author = mention(self.authors.person(self.slack(), commit)) or name_of(commit)
        self.slack().post(channel, failure_message(item, commit, announcement, author))
