"""What goes wrong in a world: how often, decided by its seed; and the blow at each call."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

from deployer.errors import Transient
from deployer.testing import Killed


@dataclass(frozen=True)
class Rates:
    """Chances between 0 and 1: of each webhook, event, message or call that it happens to it."""

    webhook_lost: float = 0.0
    webhook_doubled: float = 0.0
    webhook_late: float = 0.0
    event_lost: float = 0.0
    event_doubled: float = 0.0
    message_doubled: float = 0.0
    message_late: float = 0.0
    hidden_too_short: float = 0.0
    killed: float = 0.0
    refused: float = 0.0
    unanswered: float = 0.0
    killed_once_done: float = 0.0
    unanswered_once_done: float = 0.0
    unanswered_operation: float = 0.0
    slow: float = 0.0
    deletion_fails: float = 0.0
    first_run_fails: float = 0.0


WORST = Rates(
    webhook_lost=0.4,
    webhook_doubled=0.4,
    webhook_late=0.4,
    event_lost=0.5,
    event_doubled=0.4,
    message_doubled=0.4,
    message_late=0.4,
    hidden_too_short=0.5,
    killed=0.03,
    refused=0.06,
    unanswered=0.06,
    killed_once_done=0.15,
    unanswered_once_done=0.2,
    unanswered_operation=0.4,
    slow=0.1,
    deletion_fails=0.5,
    first_run_fails=0.3,
)
# Calls that have an effect outside our own memory: struck at rates of their own once they are done.
OPERATIONS = frozenset(
    f"cloudformation.{operation}" for operation in ("create", "update", "delete", "continue_rollback")
)
DEEDS = OPERATIONS | {"codepipeline.start", "codepipeline.stop", "s3.put", "github.post", "slack.post"}


def rates(rng: random.Random) -> Rates:
    """Each kind of chaos is absent, mild or as bad as it gets, apart from the others."""
    return Rates(**{each.name: getattr(WORST, each.name) * rng.choice((0, 0.25, 1)) for each in fields(Rates)})


# A world in which all goes well, but that nobody is told that CloudFormation has taken what was asked for.
SILENT = Rates(unanswered_operation=0.6)


class Chaos:
    """``calm`` ends it all."""

    def __init__(self, rng: random.Random, fixed: Rates | None = None) -> None:
        self.rng = rng
        self.rates = fixed or rates(rng)

    def calm(self) -> None:
        """From now on everything works."""
        self.rates = Rates()

    def happens(self, chance: float) -> bool:
        """Whether it happens this time."""
        return chance > 0 and self.rng.random() < chance

    def latency(self) -> int:
        """How long a call takes, in milliseconds."""
        if self.happens(self.rates.slow):
            return self.rng.choice((500, 2_000, 10_000, 60_000))
        return self.rng.randint(5, 60)

    def strike(self, name: str, *, after: bool) -> None:
        """What befalls a call, before or after it had its effect.

        Raises:
            Killed: the process ends.
            Transient: the call is refused, or its answer lost.
        """
        killed, refused = self.rates.killed, self.rates.unanswered if after else self.rates.refused
        if after and name in DEEDS:
            killed, refused = self.rates.killed_once_done, self.rates.unanswered_once_done
        if after and name in OPERATIONS:
            refused = max(refused, self.rates.unanswered_operation)
        if self.happens(killed):
            raise Killed(f"{'after' if after else 'before'} {name}")
        if self.happens(refused):
            raise Transient(f"{name} {'did not answer' if after else 'was refused'}")
