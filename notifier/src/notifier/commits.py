"""GitHub: a status for each stage of a run, on the commit that it builds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from deployer.contexts import describe, is_shared, ref_of, stage_context
from deployer.errors import Rejected, Transient
from deployer.observability import logger
from deployer.ports import CommitStatus, Memory, Statuses
from deployer.progress import StageProgress
from deployer.reasons import Reasons
from notifier.observing import Observed
from notifier.saying import Kept, digest_of, say
from notifier.wording import sentence

log = logger("notifier")
# More than a stage has of them, as long as it is retried fewer than hundreds of times.
MOST_RANKS = 10_000


@dataclass(frozen=True)
class Commits:
    """Tells commits."""

    memory: Memory
    statuses: Statuses
    notes: Kept
    reasons: Reasons

    def tell(self, observed: Observed) -> bool:
        """Say what has not been said; False where somebody else was faster and all is to be looked at again.

        A commit that is built again has one status for both runs: what is said of the later one is never followed by
        what became of the earlier.
        """
        of, current = f"{observed.id}/{observed.commit}", True
        for stage in observed.stages:
            speak, rank = partial(self._tell, observed, stage), observed.began * MOST_RANKS + stage.rank
            topic = _topic(observed, stage)
            if not say(self.notes, of, topic, rank, speak):
                self.notes.note(of, topic, "")  # which of the two GitHub heard last nobody knows
                current = False
        return current

    def _tell(self, observed: Observed, stage: StageProgress) -> None:
        failure = self.reasons.of(stage)
        shared = is_shared(self.memory, observed.id, observed.commit)
        status = CommitStatus(
            observed.environment.repository,
            observed.commit,
            stage_context(observed.id, stage.stage, shared=shared, part=observed.part),
            stage.state,
            describe(observed.id, ref_of(observed.environment, observed.commit), sentence(stage, failure)),
            (failure.url if failure else "") or observed.page(stage),
        )
        self._post(f"{observed.id}/{observed.commit}", _topic(observed, stage), status)
        if failure and failure.late:
            raise Transient(f"why {stage.stage} failed is still to be asked")

    def _post(self, of: str, topic: str, status: CommitStatus) -> None:
        """Post it, unless it is what was posted last: GitHub takes 1,000 of a context."""
        digest = digest_of(status.context, str(status.state), status.description, status.url)
        if self.notes.noted(of, topic) == digest:
            return
        try:
            self.statuses.post(status)
        except Rejected as error:  # for good: the other stages are told all the same
            log.error("GitHub does not take the status", context=status.context, reason=str(error))
            return
        self.notes.note(of, topic, digest)
        log.info("status posted", commit=status.sha, context=status.context, state=str(status.state))


def _topic(observed: Observed, stage: StageProgress) -> str:
    return f"github/{observed.part}:{stage.stage}" if observed.part else f"github/{stage.stage}"
