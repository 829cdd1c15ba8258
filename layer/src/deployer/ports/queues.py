"""The deployer's own queues, and its source objects. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Protocol

from deployer.events import Look, Sweep
from deployer.notices import Notice


class Looks(Protocol):
    """The FIFO queue of looks."""

    def send(self, look: Look) -> None: ...


class Sweeps(Protocol):
    """The same queue, for sweeps: one at a time for each repository."""

    def sweep(self, sweep: Sweep, tick: str) -> None:
        """``tick``: the same repository twice for one tick is one sweep."""


class Notices(Protocol):
    """The notifier's queue, for what no event says."""

    def notify(self, notice: Notice) -> None: ...


@dataclass(frozen=True)
class SourceObject:
    """The newest version of a source object. ``at``: milliseconds since the epoch."""

    version: str
    commit: str
    generation: int
    at: int


class SourceStore(Protocol):
    """Source objects in the artifact store."""

    def newest(self, key: str) -> SourceObject | None: ...

    def put(self, key: str, archive: IO[bytes], commit: str, generation: int) -> str:
        """Repack a gzipped tarball as the zip at ``key``; answers with its version id."""

    def put_text(self, key: str, text: str) -> str:
        """Store a template; answers with the URL that CloudFormation reads it from."""

    def delete(self, key: str) -> None:
        """Every version of it."""
