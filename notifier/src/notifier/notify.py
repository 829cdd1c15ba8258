"""Say how a run stands wherever people look: observe, and have each side say what it has not said.

No side holds another up: where one fails, the others have been told already when the event is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from deployer.errors import DeployerError, Rejected, Transient
from deployer.events import RunChange
from deployer.notices import RunNotice
from deployer.observability import bound, logger
from deployer.ports import Environment, Memory
from notifier.observing import Observed, Observer

log = logger("notifier")
MAX_ROUNDS = 3


class Side(Protocol):
    """Where people look."""

    def tell(self, observed: Observed) -> bool: ...


@dataclass(frozen=True)
class Notifier:
    """The function with its collaborators."""

    memory: Memory
    observer: Observer
    sides: Sequence[Side]

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
            errors = [error for side in self.sides if (error := self._try(side, change, environment))]
        if errors:
            # Trying again asks both sides: none before it is ready.
            waits = [error for error in errors if isinstance(error, Transient)]
            raise max(waits, key=lambda error: error.retry_after or 0.0) if waits else errors[0]

    def _try(self, side: Side, change: RunChange | RunNotice, environment: Environment) -> DeployerError | None:
        """Tell one side, again where it was overtaken; answers with what went wrong."""
        with ExitStack() as named:
            try:
                for _ in range(MAX_ROUNDS):
                    observed = self.observer.observe(change, environment)
                    if observed is None:
                        return None
                    named.enter_context(bound(commit=observed.commit))
                    if side.tell(observed):
                        done = observed.settled
                        return None if done else Transient("the run ended, and actions are listed as running")
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
