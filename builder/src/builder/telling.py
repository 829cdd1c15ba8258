"""The steps of a plan that say something: on commits, to the notifier, and in the memory of what was said."""

from __future__ import annotations

from builder.generation import successor
from builder.pen import Collaborators, Pen
from builder.situation import Situation
from builder.steps import Announce, Refuse, Report, Settle, Supersede
from builder.voice import Voice
from deployer.consoles import events_url
from deployer.contexts import ref_of
from deployer.errors import Rejected, Transient
from deployer.metrics import PREPARATIONS, PUSH_TO_PIPELINE
from deployer.notices import Announcement, RunNotice
from deployer.observability import logger
from deployer.ports import Environment, Outcome
from deployer.states import CommitState

log = logger("builder")
_STATES = {
    Outcome.PENDING: CommitState.PENDING,
    Outcome.SUCCESS: CommitState.SUCCESS,
    Outcome.FAILURE: CommitState.FAILURE,
}


class Teller:
    """Speaks for one look."""

    def __init__(self, to: Collaborators, situation: Situation, pen: Pen) -> None:
        self._to, self._situation, self._pen = to, situation, pen
        url = events_url(situation.stack.id) if situation.stack and situation.ours else ""
        self._voice = Voice(to.statuses, to.memory, situation.repository, situation.id, url)

    def tell(self, step: Supersede | Report | Refuse | Announce | Settle) -> None:
        """Say one thing, and remember that it was said."""
        match step:
            case Supersede(commit, ref, text):
                self._voice.say(commit, ref, CommitState.ERROR, text)
            case Refuse(commit, ref, text):
                self._voice.say(commit, ref, CommitState.FAILURE, text)
            case Report(outcome, text, look_up):
                self._report(outcome, self._looked_up(text) if look_up else text)
            case Announce(text):
                self._announce(text)
            case Settle(runs):  # pragma: no branch - mypy holds the match complete
                self._settle(runs)

    def refused(self, error: Rejected) -> None:
        """Say on the commit what can't be done; trying again would change nothing."""
        if self._pen.item is None:
            raise error
        self._report(Outcome.FAILURE, str(error))

    def _report(self, outcome: Outcome, text: str) -> None:
        item = self._pen.now
        log.info("report", environment=str(item.id), commit=item.commit, outcome=str(outcome), text=text)
        if item.commit:
            self._voice.say(item.commit, item.ref, _STATES[outcome], text)
        if item.commit and outcome is Outcome.FAILURE:
            self._warn(item, text)
        try:
            self._pen.change(outcome=outcome, said=text)
        except Transient:
            self._take_back(item)
            raise
        if outcome is not item.outcome:
            self._measure(item, outcome)

    def _measure(self, item: Environment, outcome: Outcome) -> None:
        """What is remembered once is measured once."""
        if outcome is not Outcome.PENDING:
            log.measure(PREPARATIONS, Outcome=str(outcome))
        if outcome is Outcome.SUCCESS and item.pushed and item.present:
            # GitHub's clock is not ours, and tells seconds.
            log.measure(PUSH_TO_PIPELINE, max(0, self._to.clock() - item.pushed))

    def _take_back(self, item: Environment) -> None:
        """What was said by who was overtaken may have come after the last word on that commit."""
        try:
            now = self._to.memory.environment(item.id)
        except Transient:  # if it is still to come, the next look says so again
            now = None
        if item.commit and (now is None or now.commit != item.commit):
            self._voice.close(item.commit, item.ref, "overtaken by a newer wish")
        elif now and now.commit and now.outcome in _STATES:
            self._voice.confirm(now.commit, now.ref, _STATES[now.outcome], now.said)

    def _warn(self, item: Environment, text: str) -> None:
        """No run will tell of it in Slack. Who is killed after it warns again, which the key makes one."""
        at = self._to.clock() if item.present else 0
        key = f"{item.stack} {item.generation} failed"
        self._to.notices.notify(Announcement(str(item.id), key, text, item.commit, at, self._voice.url))

    def _announce(self, text: str) -> None:
        item = self._pen.now
        self._to.notices.notify(Announcement(str(item.id), f"{item.stack} {item.generation} {item.touched}", text))
        # How the preparation stands is not changed by it, nor what there is to be said of that.
        state = _STATES.get(item.outcome, CommitState.PENDING)
        shown = f"{text} ({item.said})" if item.outcome is Outcome.FAILURE else text
        self._voice.say(item.commit, item.ref, state, shown)
        self._pen.change(announced=self._to.clock())

    def _settle(self, runs: tuple[RunNotice, ...]) -> None:
        item, now = self._pen.now, self._to.clock()
        if item.commit:
            self._voice.confirm(item.commit, item.ref, _STATES[item.outcome], item.said or str(item.outcome))
        for sha in item.superseded:
            self._voice.close(sha, ref_of(item, sha), successor(item.commit))
        if item.commit and item.outcome is Outcome.FAILURE:
            # Of a run that had read nothing yet the notifier believed that it would read this commit.
            self._voice.close(item.commit, item.ref, "no run was started")
        for run in runs:
            self._to.notices.notify(run)
        self._pen.change(superseded=(), checked=now, settled=True)

    def _looked_up(self, text: str) -> str:
        stack = self._situation.stack
        reason = self._to.stacks.failure(stack.id) if stack else ""
        return f"{text}: {reason}" if reason else text

    def close(self, text: str) -> None:
        """End what is still pending on the environment's commits."""
        item = self._pen.now
        for sha in filter(None, (item.commit, *item.superseded)):
            self._voice.close(sha, item.ref, text)
