"""How an environment fares: which run of it failed last, and whether one that began later has mended that.

Pure. Runs are ordered by when they began, not by when their ends are heard of: an end that is told late, or again,
changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Setback:
    """A run that failed. ``began`` in milliseconds since the epoch; ``stage``: where, or empty."""

    began: int
    run: str
    stage: str
    commit: str


@dataclass(frozen=True)
class Health:
    """``setback``: the last one; ``mended``: the run that mended it. ``latest``: when the last success began."""

    setback: Setback | None = None
    mended: str = ""
    latest: int = -1

    def failed(self, setback: Setback) -> Health:
        """After a run has failed; a run that failed, was retried and failed again says where last."""
        known = self.setback.began if self.setback else -1
        if setback.began <= self.latest or setback.began < known:
            return self
        return Health(setback, "", self.latest)

    def succeeded(self, began: int, run: str) -> Health:
        """After a run has succeeded."""
        if began <= self.latest:
            return self
        mends = self.setback is not None and not self.mended and self.setback.began <= began
        return replace(self, mended=run if mends else self.mended, latest=began)

    def mended_by(self, run: str) -> Setback | None:
        """What a run has mended."""
        return self.setback if self.mended == run else None

    def to_json(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True)


def health_of(text: str) -> Health:
    """As it was kept; of what is unknown (empty) nothing is known to have failed."""
    if not text:
        return Health()
    kept = json.loads(text)
    setback = Setback(**kept["setback"]) if kept["setback"] else None
    return Health(setback, kept["mended"], kept["latest"])
