"""What the builder says of an environment on its commits: post a status, see which hold, end those that still wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.contexts import describe, is_shared, own_contexts, prep_context
from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.observability import logger
from deployer.ports import CommitStatus, Memory, Statuses
from deployer.states import CommitState

log = logger("builder")


@dataclass(frozen=True)
class Voice:
    """Speaks for one environment. ``url``: where what it says of the preparation can be followed, or empty."""

    statuses: Statuses
    memory: Memory
    repository: RepositoryName
    environment: EnvironmentId
    url: str = ""

    def say(self, commit: str, ref: str, state: CommitState, text: str) -> None:
        """Post how the preparation of a commit stands."""
        self._post(prep_context(self.environment, shared=self._shared(commit)), commit, ref, state, text)

    def confirm(self, commit: str, ref: str, state: CommitState, text: str) -> None:
        """Say it again where it does not hold."""
        if self._states(commit).get(prep_context(self.environment, shared=self._shared(commit))) is not state:
            self.say(commit, ref, state, text)

    def close(self, commit: str, ref: str, text: str) -> None:
        """End every status of the environment that still waits on a commit: nothing will come of it."""
        states = self._states(commit)
        for context in own_contexts(self.environment, states, shared=self._shared(commit)):
            if states[context] is CommitState.PENDING:
                self._post(context, commit, ref, CommitState.ERROR, text)

    def _shared(self, commit: str) -> bool:
        return is_shared(self.memory, self.environment, commit)

    def _states(self, commit: str) -> Mapping[str, CommitState]:
        return self.statuses.states(self.repository, commit)

    def _post(self, context: str, commit: str, ref: str, state: CommitState, text: str) -> None:
        status = CommitStatus(self.repository, commit, context, state, describe(self.environment, ref, text), self.url)
        try:
            self.statuses.post(status)
        except Rejected as error:
            log.warning("GitHub took no status", commit=commit, context=context, reason=str(error))
