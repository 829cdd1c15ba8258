"""What the functions need from the world, as protocols and the frozen values that pass through them.

Pure. Each protocol has an adapter in this package and an in-memory twin in ``deployer.testing``; one suite of tests
holds both to the same contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Protocol

from deployer.environments import EnvironmentId
from deployer.events import Announcement, Look, RepositoryName, RunNotice, Sweep
from deployer.states import CommitState, RunState, StackPhase, stack_phase

# --- GitHub ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repository:
    """A repository that the token may read."""

    name: RepositoryName
    default_branch: str


@dataclass(frozen=True)
class Commit:
    """A commit: ``message`` as it was written, ``author`` a display name, ``email`` may be empty."""

    sha: str
    message: str
    author: str
    email: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.split("\n", 1)[0]


@dataclass(frozen=True)
class Tip:
    """Where a ref points: ``object`` is what it names, ``commit`` what that leads to (an annotated tag's commit)."""

    object: str
    commit: str


@dataclass(frozen=True)
class Refs:
    """A repository and every branch and tag of it: full ref -> object id, unpeeled.

    ``validators``: what tells that nothing has changed since, opaque to all but who made it.
    """

    repository: Repository
    tips: Mapping[str, str]
    validators: Mapping[str, str]


class Repositories(Protocol):
    """Read what GitHub holds. 404 is an answer (None); a refusal is an error."""

    def repository(self, owner: str, name: str) -> Repository | None: ...

    def tip(self, repository: RepositoryName, ref: str) -> Tip | None:
        """Where ``refs/heads/…`` or ``refs/tags/…`` points, annotated tags peeled.

        Raises:
            Rejected: where a tag names a tree or a blob.
        """

    def tips(self, repository: RepositoryName) -> Iterable[tuple[str, str]]:
        """Every branch and tag as (full ref, object id), unpeeled."""

    def refs(self, repository: RepositoryName, known: Mapping[str, str]) -> Refs | None:
        """The repository and all its refs; None where nothing has changed since ``known`` was their ``validators``.

        Costs nothing of the rate limit where nothing has changed.

        Raises:
            Rejected: where the repository can't be read, or another one has its name now.
        """

    def commit(self, repository: RepositoryName, sha: str) -> Commit: ...


class Files(Protocol):
    """Read a repository's files at one commit."""

    def directory(self, repository: RepositoryName, path: str, commit: str) -> Mapping[str, str] | None:
        """Name -> type (``file``, ``dir``, ``symlink``, ``submodule``), or None where there is no such directory."""

    def read(self, repository: RepositoryName, path: str, commit: str) -> bytes: ...

    def archive(self, repository: RepositoryName, commit: str) -> AbstractContextManager[IO[bytes]]:
        """The commit's gzipped tarball as a stream."""


@dataclass(frozen=True)
class CommitStatus:
    """One status to be posted. ``context``: ``pipeline/Build``; ``url``: where its details are, or empty."""

    repository: RepositoryName
    sha: str
    context: str
    state: CommitState
    description: str
    url: str = ""


class Statuses(Protocol):
    """Write commit statuses."""

    def post(self, status: CommitStatus) -> None: ...

    def states(self, repository: RepositoryName, sha: str) -> Mapping[str, CommitState]:
        """Context -> the state that holds, of a commit's statuses; none where there is no such commit."""


# --- CloudFormation and CodePipeline --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stack:
    """A stack as DescribeStacks tells it. ``role``: the service role that it remembers, or empty."""

    id: str
    name: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    protected: bool = False

    @property
    def phase(self) -> StackPhase:
        """What can be done with it now."""
        return stack_phase(self.status)


@dataclass(frozen=True)
class StackRequest:
    """What a create or an update asks for. ``template_url`` where the body is too long to be sent inline."""

    name: str
    template: str
    template_url: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    role: str
    token: str


class Stacks(Protocol):
    """Operate stacks. Every operation is accepted or refused at once; its end arrives as an event."""

    def describe(self, name: str) -> Stack | None:
        """The stack of that name or ARN, or None where there is none (or it has been deleted)."""

    def create(self, request: StackRequest) -> None: ...

    def update(self, request: StackRequest) -> bool:
        """False where there was nothing to update."""

    def delete(self, stack_id: str, token: str) -> None: ...

    def continue_rollback(self, stack_id: str, token: str) -> None:
        """Take the rollback of an update up again, where it failed (UPDATE_ROLLBACK_FAILED)."""

    def failure(self, stack_id: str, token: str = "") -> str:
        """The first failed resource and its reason, of the operation with that token, or empty."""

    def every(self) -> Iterable[Stack]:
        """All stacks of the account and region that have not been deleted, whoever made them."""


@dataclass(frozen=True)
class StackResource:
    """One resource of a stack."""

    type: str
    logical_id: str
    physical_id: str


class Resources(Protocol):
    """What belongs to which stack: CloudFormation's own word, which tags are not."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...

    def holder(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None:
        """The (ARN, resources) of the stack that owns a physical resource, or None."""


@dataclass(frozen=True)
class Run:
    """A pipeline execution. ``revisions``: source action -> revision id, empty until it has read its sources.

    ``started``: milliseconds since the epoch.
    """

    id: str
    state: RunState
    started: int
    revisions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A pipeline's source action that reads ``key`` of the artifact store.

    ``pinnable``: whether a run can be told which version to read (V2 pipelines).
    """

    action: str
    pinnable: bool


class Pipelines(Protocol):
    """Start, stop and list runs."""

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        """The latest runs, newest first; none for a pipeline that does not exist."""

    def source(self, pipeline: str, key: str) -> Source | None: ...

    def start(self, pipeline: str, source: Source | None, version: str, token: str) -> str: ...

    def stop(self, pipeline: str, run: str, reason: str) -> None: ...


# --- our own memory and queues --------------------------------------------------------------------------------------


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

    ``generation`` rises when the wish changes; a new item's starts at the clock's milliseconds. ``present`` is
    False while the wish is that nothing be there; ``commit`` then is the last that was. ``said`` is what was last
    reported of it; ``superseded`` are earlier commits whose statuses have not been seen to be final. ``digest`` is
    that of the wanted template and parameters, ``applied`` that of the stack's. ``source`` is the version id of the
    generation's source object, put there at ``source_at`` (milliseconds). ``pipelines`` are those that its stack
    was seen to have. ``touched`` is when somebody last wanted something of it, ``announced`` when its removal was
    announced, ``starting`` when the start of a run was last attempted and not seen to its end (all in
    milliseconds). ``request`` is the last asking by hand that was granted, ``highest`` the highest version that was
    ever wanted of production. ``slot`` is the place that it takes up among its repository's environments.
    ``settled``: a sweep found nothing left to do. ``version`` guards every write.
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
    superseded: tuple[str, ...] = ()
    touched: int = 0
    announced: int = 0
    starting: int = 0
    request: str = ""
    highest: str = ""
    slot: str = ""
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

    def swept(self, repository: Repository, validators: Mapping[str, str]) -> None:
        """Keep how a known repository is called now, and what its refs were validated with when all was in place."""


class Looks(Protocol):
    """The FIFO queue of looks."""

    def send(self, look: Look) -> None: ...


class Sweeps(Protocol):
    """The same queue, for sweeps: one at a time for each repository."""

    def sweep(self, sweep: Sweep, tick: str) -> None:
        """``tick``: the same repository twice for one tick is one sweep."""


class Notices(Protocol):
    """The notifier's queue, for what no event says."""

    def notify(self, notice: RunNotice | Announcement) -> None: ...


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
