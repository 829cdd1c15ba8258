"""Whom the steps of a plan need, and the environment as it is remembered while they are carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from builder.installation import Installation
from deployer.errors import Broken, Transient
from deployer.ports import (
    Baselines,
    Environment,
    Files,
    Leftovers,
    Memory,
    Notices,
    Parking,
    Pipelines,
    SourceStore,
    Stacks,
    Statuses,
)


@dataclass(frozen=True)
class Collaborators:
    """``clock`` answers with milliseconds since the epoch."""

    stacks: Stacks
    pipelines: Pipelines
    memory: Memory
    parking: Parking
    baselines: Baselines
    files: Files
    statuses: Statuses
    sources: SourceStore
    notices: Notices
    installation: Installation
    clock: Callable[[], int]
    leftovers: Leftovers


class Pen:
    """Writes one environment, each time on condition that nobody else has; ``item`` is what is remembered by now."""

    def __init__(self, memory: Memory, item: Environment | None) -> None:
        self._memory, self.item = memory, item

    @property
    def now(self) -> Environment:
        """The environment as remembered by now."""
        if self.item is None:
            raise Broken("a plan must save the environment before it acts")
        return self.item

    def save(self, environment: Environment) -> None:
        """Remember a generation; the first one claims the name of its stack."""
        if environment.version == 0:
            holder = self._memory.claim("stack", environment.stack, environment.id)
            if holder != environment.id:
                raise Transient(f"the stack name {environment.stack} was taken meanwhile")
        version = self.item.version if self.item else 0
        self.item = self._memory.save(replace(environment, version=version))

    def change(self, *, settled: bool = False, **changes: Any) -> None:
        """Remember something else of it. Whatever changes, it is no longer known to be at rest."""
        self.save(replace(self.now, settled=settled, **changes))
