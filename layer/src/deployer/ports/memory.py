"""What the deployer remembers: the ``environments`` table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from deployer.environments import EnvironmentId
from deployer.events import RepositoryName
from deployer.ports.github import Repository


class Operation(StrEnum):
    """The stack operation that a generation has asked for last."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CONTINUE = "continue"  # the rollback of an update, where it failed


class Outcome(StrEnum):
    """How far a generation's preparation (``…/0-prep``) has come."""

    NEW = "new"  # nothing said yet
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class Environment:
    """What is remembered of one environment: a cache of the truth, rebuilt where it was lost.

    ``generation`` rises when the wish changes; a new item's starts at the clock's milliseconds. ``present`` is False
    while the wish is that nothing be there; ``commit`` then is the last that was. ``said`` is what was last reported of
    it, ``warnings`` what is to be said with its success; ``superseded`` are earlier commits whose statuses have not
    been seen to be final. ``digest`` is that of the wanted template and parameters, ``applied`` that of the stack's.
    ``source`` is the version id of the generation's source object, put there at ``source_at`` (milliseconds).
    ``pipelines`` are those that its stack was seen to have. ``touched`` is when somebody last wanted something of it,
    ``pushed`` when the push came to GitHub that this generation began with (0 for any other beginning),
    ``announced`` when its removal was announced, ``starting`` when the start of a run was last attempted and not seen
    to its end (all in milliseconds). ``request`` is the last asking by hand that was granted, ``highest`` the highest
    version that was ever wanted of production. ``slot`` is the place that it takes up among its repository's
    environments. ``checked`` is when a sweep last found everything told, ``settled`` that it found nothing left to do.
    ``version`` guards every write.
    """

    id: EnvironmentId
    repository: RepositoryName
    ref: str
    stack: str
    generation: int
    commit: str = ""
    present: bool = True
    digest: str = ""
    applied: str = ""
    source: str = ""
    source_at: int = 0
    operation: Operation = Operation.NONE
    attempt: int = 0
    accepted: bool = False
    outcome: Outcome = Outcome.NEW
    pipelines: tuple[str, ...] = ()
    said: str = ""
    warnings: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    touched: int = 0
    pushed: int = 0
    announced: int = 0
    starting: int = 0
    request: str = ""
    highest: str = ""
    slot: str = ""
    checked: int = 0
    settled: bool = False
    version: int = 0


class Memory(Protocol):
    """The ``environments`` table."""

    def environment(self, environment: EnvironmentId) -> Environment | None: ...

    def save(self, environment: Environment) -> Environment:
        """Write conditionally on ``version``; answers with the version that the write made.

        Raises:
            Transient: where somebody else wrote meanwhile.
        """

    def forget(self, environment: Environment) -> None:
        """Remove the item, and the pointers of its stack and pipelines."""

    def claim(self, kind: str, name: str, environment: EnvironmentId) -> EnvironmentId:
        """Point ``{kind}/{name}`` at an environment where nothing holds it yet; answers with the holder."""

    def holder(self, kind: str, name: str) -> EnvironmentId | None: ...

    def release(self, kind: str, name: str, environment: EnvironmentId) -> None:
        """Give ``{kind}/{name}`` up, where that environment holds it."""

    def environments(self, repository: int) -> tuple[Environment, ...]:
        """All of a repository's; what was written a moment ago may be missing."""


@dataclass(frozen=True)
class Baseline:
    """The refs a repository had when it became known: they wish nothing until they move or are pushed.

    ``since``: seconds since the epoch, by GitHub's clock. ``validators``: see ``Refs``; of the last sweep that found
    everything in place.
    """

    repository: RepositoryName
    default_branch: str
    since: int
    parked: frozenset[bytes]
    validators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Parked:
    """A ref that wishes nothing as long as it is at ``object``, or until it is pushed again.

    ``since``: seconds since the epoch, by GitHub's clock. ``retired``: its environment was removed, or is being.
    """

    environment: EnvironmentId
    ref: str
    object: str
    since: int
    reason: str
    retired: bool = False

    def holds(self, ref: str, sha: str) -> bool:
        """Whether a ref that is at this object is parked here."""
        return (self.ref, self.object) == (ref, sha)


class Parking(Protocol):
    """Which refs are parked, one item each; a repository's baseline is another matter."""

    def parked(self, environment: EnvironmentId) -> Parked | None: ...

    def park(self, parked: Parked) -> None: ...

    def unpark(self, environment: EnvironmentId) -> None: ...

    def all_parked(self, repository: int) -> tuple[Parked, ...]:
        """All of a repository's; what was written a moment ago may be missing."""


class Baselines(Protocol):
    """What is remembered of repositories."""

    def baseline(self, repository: int) -> Baseline | None: ...

    def record(self, baseline: Baseline) -> Baseline:
        """Write where there is none yet; answers with the one that holds."""

    def repositories(self) -> tuple[Baseline, ...]:
        """All that are known; one that became known a moment ago may be missing. Their ``parked`` may be left out."""

    def wake(self, repository: int, sleeper: bytes) -> None:
        """Take the marks that begin so out of the repository's baseline.

        Raises:
            Transient: where somebody else wrote meanwhile.
        """

    def swept(self, repository: Repository, validators: Mapping[str, str]) -> None:
        """Keep how a known repository is called now, and what its refs were validated with when all was in place."""
