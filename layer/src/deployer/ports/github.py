"""What is read from GitHub, and said there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Protocol

from deployer.events import RepositoryName
from deployer.states import CommitState, DeploymentState


@dataclass(frozen=True)
class Repository:
    """A repository that the token may read."""

    name: RepositoryName
    default_branch: str


@dataclass(frozen=True)
class Commit:
    """A commit: ``message`` as it was written, ``author`` a display name, ``email`` may be empty.

    ``url``: its page, or empty.
    """

    sha: str
    message: str
    author: str
    email: str
    url: str = ""

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
        """Where ``refs/heads/…`` or ``refs/tags/…`` points, annotated tags peeled; None where it is proven gone.

        Raises:
            Rejected: where a tag names a tree or a blob.
            Transient: where the repository can't be read any more.
        """

    def tips(self, repository: RepositoryName) -> Iterable[tuple[str, str]]:
        """Every branch and tag as (full ref, object id), unpeeled.

        Raises:
            Transient: where the repository can't be read any more.
        """

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
        """Name -> type (``file``, ``dir``, ``symlink``, ``submodule``), or None where there is proven to be none.

        Raises:
            Transient: where the repository can't be read any more.
        """

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


@dataclass(frozen=True)
class Deployment:
    """A commit on its way to an environment, as GitHub knows it. ``payload``: what was given with it, if an object."""

    id: int
    sha: str
    environment: str
    description: str = ""
    production: bool = False
    transient: bool = False
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentStatus:
    """What was said of a deployment. URLs are empty where there are none; ``state`` None where it is not known here."""

    state: DeploymentState | None
    description: str = ""
    log_url: str = ""
    environment_url: str = ""


class Deployments(Protocol):
    """Tell GitHub what is deployed where.

    Every call raises ``Rejected`` where GitHub refuses it, as for a repository that can't be read, or whose deployments
    the token may not touch.
    """

    def deployments(self, repository: RepositoryName, environment: str, sha: str = "") -> Iterable[Deployment]:
        """The deployments to an environment (its name as it is, slashes and all), newest first; whoever made them.

        Who stops early has not asked for all of them. To GitHub names that differ only by case are one environment.
        ``sha``: those of this commit alone.
        """

    def deploy(
        self,
        repository: RepositoryName,
        sha: str,
        environment: str,
        *,
        production: bool,
        transient: bool,
        description: str = "",
        payload: Mapping[str, object] | None = None,
    ) -> int:
        """A new deployment of this very commit, whatever its statuses say; answers with its id.

        The first one makes its environment. ``transient``: the environment will be gone some day.
        """

    def deployment_states(self, repository: RepositoryName, deployment: int) -> Sequence[DeploymentStatus]:
        """What was said of a deployment, newest first; nothing where it is gone."""

    def post_deployment(
        self,
        repository: RepositoryName,
        deployment: int,
        state: DeploymentState,
        *,
        log_url: str = "",
        environment_url: str = "",
        description: str = "",
    ) -> None:
        """Say how a deployment stands. A success makes GitHub end what succeeded in its environment before.

        GitHub itself leaves transient and production deployments as they are then.
        """

    def remove_environment(self, repository: RepositoryName, environment: str) -> bool:
        """Remove an environment, which leaves its deployments; one that is gone is fine. False: not permitted."""
