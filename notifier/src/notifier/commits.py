"""GitHub: a status for each stage of a run, on the commit that it builds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from deployer.contexts import describe, is_shared, ref_of, stage_context
from deployer.errors import Rejected
from deployer.observability import logger
from deployer.ports import CommitStatus, Memory, Statuses
from notifier.observing import Observed
from notifier.progress import StageProgress
from notifier.reasons import Reasons
from notifier.saying import Said, say

log = logger("notifier")
# More than a stage has of them, as long as it is retried fewer than hundreds of times.
MOST_RANKS = 10_000


@dataclass(frozen=True)
class Commits:
    """Tells commits."""

    memory: Memory
    statuses: Statuses
    notes: Said
    reasons: Reasons

    def tell(self, observed: Observed) -> bool:
        """Say what has not been said; False where somebody else was faster and all is to be looked at again.

        A commit that is built again has one status for both runs: what is said of the later one is never followed by
        what became of the earlier.
        """
        of, current = f"{observed.id}/{observed.commit}", True
        for stage in observed.stages:
            speak, rank = partial(self._post, observed, stage), observed.began * MOST_RANKS + stage.rank
            current = say(self.notes, of, f"github/{stage.stage}", rank, speak) and current
        return current

    def _post(self, observed: Observed, stage: StageProgress) -> None:
        failure = self.reasons.of(stage)
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
            (failure.url if failure else "") or observed.url,
        )
        try:
            self.statuses.post(status)
        except Rejected as error:  # for good: the other stages are told all the same
            log.error("GitHub does not take the status", context=status.context, reason=str(error))
            return
        log.info("status posted", commit=observed.commit, stage=stage.stage, state=str(stage.state))
