"""SQS in virtual time: at least once, in order for each group, hidden while somebody works on it.

A message that chaos shows too early is given to a second invocation while the first is at work; the first can then
neither delete nor hide it any more. Sources: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
SQSDeveloperGuide/FIFO-queues-understanding-logic.html, https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.chaos import Chaos
from tests.simulation.scheduler import Scheduler, Thread

from deployer.environments import EnvironmentId
from deployer.ports import Environment
from deployer.queues import Record, process
from deployer.testing import Killed

MOST_RECEIVES = 20
MOST_RIVALS = 3


@dataclass
class Message:
    """One message. ``visible``: when it may be received, milliseconds; ``at_work``: invocations that have it now.

    ``unstruck``: how often it failed although nothing had befallen its invocation.
    """

    id: str
    group: str
    body: str
    visible: int
    receives: int = 0
    unstruck: int = 0
    at_work: int = 0


@dataclass
class Trigger:
    """How a function is invoked for a queue. ``timeout``, ``visibility``: milliseconds."""

    function: str
    receive: Callable[[Record], None]
    batch: int
    timeout: int
    visibility: int


class Invocation(Thread):
    """One run of a function. ``deadline``: when Lambda ends it. ``seen``: the environments as it knows them."""

    def __init__(self, name: str, deadline: int) -> None:
        super().__init__(name)
        self.deadline = deadline
        self.failed: set[str] = set()
        self.struck = False
        self.seen: dict[EnvironmentId, Environment | None] = {}
        self.writing: Environment


class Queue:
    """``fifo``: with message groups. ``at_work``: group -> invocations that have one of its messages.

    ``rivals``: the groups that two invocations have ever had at once; ``overlaps``: how often that was.
    """

    def __init__(self, name: str, world: Any, trigger: Trigger, *, fifo: bool) -> None:
        self.name, self.fifo, self.trigger = name, fifo, trigger
        self.scheduler: Scheduler = world.scheduler
        self.chaos: Chaos = world.chaos
        self.world = world
        self.groups: dict[str, list[Message]] = {}
        self.dead: list[Message] = []
        self.rivals: set[str] = set()
        self.overlaps = 0
        self.at_work: dict[str, int] = {}
        self.sent = 0
        self._invoked = 0

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def send(self, body: str, group: str = "", delay: int = 0) -> None:
        """Take a message."""
        self.sent += 1
        name = f"{self.name}-{self.sent}"
        message = Message(name, group if self.fifo else name, body, self.scheduler.now + delay)
        self.groups.setdefault(message.group, []).append(message)
        self._wake(message.visible + self.chaos.rng.randint(5, 100))

    def _wake(self, when: int) -> None:
        self.scheduler.at(when, self.poll)

    def poll(self) -> None:
        """Give what is visible to invocations."""
        now = self.scheduler.now
        batch: list[Message] = []
        for messages in list(self.groups.values()):
            # While one of its messages is hidden, a group's others are not given either.
            if any(message.visible > now for message in messages):
                continue
            message = messages[0]
            if message.at_work >= MOST_RIVALS:
                self._wake(now + 5_000)
                continue
            if message.receives >= MOST_RECEIVES:
                self._bury(message)
                self._wake(now)
                continue
            self._receive(message, now)
            batch.append(message)
            if len(batch) == self.trigger.batch:
                self._invoke(batch)
                batch = []
        if batch:
            self._invoke(batch)

    def _receive(self, message: Message, now: int) -> None:
        message.receives += 1
        message.at_work += 1
        self.at_work[message.group] = self.at_work.get(message.group, 0) + 1
        if self.fifo and self.at_work[message.group] > 1:
            self.rivals.add(message.group)
            self.overlaps += 1
        hidden = self.trigger.visibility
        if message.receives <= MOST_RIVALS and self.chaos.happens(self.chaos.rates.hidden_too_short):
            hidden = self.chaos.rng.choice((0, 20, 100, 500, 2_000, 20_000))
        message.visible = now + hidden
        self._wake(message.visible)

    def _bury(self, message: Message) -> None:
        self._remove(message)
        self.dead.append(message)
        if message.unstruck > MOST_RECEIVES // 4:
            self.world.violate(f"{message.id} is a dead letter: {message.body}")
        self.world.note(f"{message.id} is a dead letter: {message.body}")

    def _remove(self, message: Message) -> None:
        messages = self.groups.get(message.group, [])
        if message in messages:
            messages.remove(message)
        if not messages:
            self.groups.pop(message.group, None)

    def _invoke(self, batch: list[Message]) -> None:
        self._invoked += 1
        trigger = self.trigger
        taken = {message.id: (message, message.receives) for message in batch}
        records = [
            {
                "messageId": message.id,
                "body": message.body,
                "receiptHandle": message.receives,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    **({"MessageGroupId": message.group} if self.fifo else {}),
                },
            }
            for message in batch
        ]
        invocation = Invocation(f"{trigger.function}#{self._invoked}", self.scheduler.now + trigger.timeout)

        def hide(record: Record, seconds: int) -> None:
            with self.world.tape.call("sqs.hide"):
                message, receives = taken[str(record["messageId"])]
                if message.receives == receives:
                    message.visible = self.scheduler.now + seconds * 1000
                    self._wake(message.visible)

        def body() -> None:
            self.world.note(f"receives {', '.join(f'{each.id} ({each.receives})' for each in batch)}")
            try:
                answer = process({"Records": records}, self.world.watched(trigger.receive), hide)
            except Killed:
                self.world.note("is dead")
                return
            finally:
                for message in batch:
                    message.at_work -= 1
                    self.at_work[message.group] -= 1
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            for message in batch:
                message.unstruck += message.id in failed and not invocation.struck
            for name in sorted(invocation.failed - failed):
                self.world.violate(f"{name} failed, and was taken for done")
            for name, (message, receives) in taken.items():
                if name not in failed and message.receives == receives:
                    self._remove(message)
            self._wake(self.scheduler.now)

        self.scheduler.spawn(invocation, body)
