"""What is remembered of a build, and the order for one.

Plain values: nothing here touches disk or network. The shapes of the answers are in ``service``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDED_BADLY = frozenset({"FAILED", "FAULT", "TIMED_OUT", "STOPPED"})


@dataclass(frozen=True)
class ArtifactPlace:
    """An artifact's name and its place in S3; ``version`` is the source revision it came from."""

    name: str
    bucket: str
    key: str
    version: str | None = None


@dataclass(frozen=True)
class BuildOrder:
    """A build as a pipeline action asks for it."""

    project: str
    inputs: tuple[ArtifactPlace, ...]
    output: ArtifactPlace | None
    initiator: str
    variables: tuple[Mapping[str, str], ...] = ()
    primary: str | None = None


@dataclass(frozen=True)
class PhaseRecord:
    """One phase as BatchGetBuilds shows it; times are seconds since the epoch."""

    type: str
    started: float
    status: str | None = None
    ended: float | None = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Build:
    """One build; ``status`` is IN_PROGRESS until it is over."""

    id: str
    project: str
    number: int
    started: float
    initiator: str
    source_version: str
    status: str = "IN_PROGRESS"
    ended: float | None = None
    resolved_version: str | None = None
    phases: tuple[PhaseRecord, ...] = ()
    described: Mapping[str, Any] = field(default_factory=dict)
    exported: Mapping[str, str] = field(default_factory=dict)
    artifact: str | None = None

    @property
    def uuid(self) -> str:
        """The part after the project's name; also the log stream."""
        return self.id.rpartition(":")[2]

    @property
    def why(self) -> str:
        """Why the build ended badly (only then), in the words that a pipeline shows."""
        phase = next(phase for phase in self.phases if phase.status in ENDED_BADLY)
        return (
            f"Build terminated with state: {self.status}. "
            f"Phase: {phase.type}, Code: {phase.code}, Message: {phase.message}"
        )
