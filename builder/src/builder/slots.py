"""A cap on a repository's development environments: each takes one of so many slots, by name.

A slot is claimed before its environment is remembered. One whose holder is not remembered was left by somebody who was
killed in between, and is taken over; at worst two of them go on, and the cap is passed by one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deployer.environments import EnvironmentId
from deployer.ports import Memory


@dataclass(frozen=True)
class Slots:
    """``limit``: how many a repository has; 0: no cap."""

    memory: Memory
    limit: int

    def take(self, environment: EnvironmentId) -> str | None:
        """The slot that is the environment's now, empty where there is no cap, or None where all are taken."""
        if not self.limit:
            return ""
        start = int.from_bytes(hashlib.sha256(str(environment).encode("utf-8", "surrogatepass")).digest()[:4])
        for number in range(start, start + self.limit):
            slot = f"{environment.repository}/{number % self.limit}"
            holder = self.memory.claim("slot", slot, environment)
            if holder != environment and self.memory.environment(holder) is None:
                self.memory.release("slot", slot, holder)
                holder = self.memory.claim("slot", slot, environment)
            if holder == environment:
                return slot
        return None
