"""The listener between in-memory fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from deployer.errors import Broken, DeployerError
from deployer.events import Look
from listener.handler import Listener
from listener.signature import Verifier

NAME, SECRET = "opolis.github.hmac", "a webhook's secret"


@dataclass
class Clock:
    """A monotonic clock that stands still until it is told otherwise."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Vault:
    """Secrets in memory: notes what is read, forgets nothing by itself. ``failure``: raised instead of giving one.

    ``ages``: seconds since one was written, 0 where nothing is said.
    """

    values: dict[str, str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    failure: DeployerError | None = None
    ages: dict[str, float] = field(default_factory=dict)

    def age(self, name: str) -> float:
        return self.ages.get(name, 0.0)

    def get(self, name: str) -> str:
        self.reads.append(name)
        if self.failure:
            raise self.failure
        if name not in self.values:
            raise Broken(f"secret {name} can't be read")
        return self.values[name]

    def forget(self, name: str) -> None:
        """Nothing is kept here."""


@dataclass
class Queue:
    """The queue of looks in memory; ``failure``: raised instead of taking one."""

    looks: list[Look] = field(default_factory=list)
    failure: DeployerError | None = None

    def send(self, look: Look) -> None:
        if self.failure:
            raise self.failure
        self.looks.append(look)


@dataclass
class Endpoint:
    """The listener and what it was given."""

    vault: Vault
    queue: Queue
    clock: Clock
    listener: Listener

    def answer(self, event: Any) -> tuple[int, str]:
        """Status and message."""
        answer = self.listener.answer(event)
        assert answer["headers"] == {"content-type": "application/json"}
        return answer["statusCode"], json.loads(answer["body"])["message"]


def endpoint_with(patterns: str = "*", **secrets: str) -> Endpoint:
    """A listener for these repositories and secrets; without any, the one secret ``SECRET``."""
    vault, queue, clock = Vault(secrets or {NAME: SECRET}), Queue(), Clock()
    return Endpoint(vault, queue, clock, Listener(Verifier(vault, NAME, clock), queue, patterns))
