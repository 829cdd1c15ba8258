"""GitHub in memory: repositories with refs and files, statuses and deployments as they were posted.

Implements ``Repositories``, ``Files``, ``Statuses`` and ``Deployments``.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

from deployer.errors import Rejected, Transient
from deployer.events import RepositoryName
from deployer.lengths import FOUR_BYTES
from deployer.lengths import description as as_taken
from deployer.ports import Commit, CommitStatus, Deployment, DeploymentStatus, Refs, Repository, Tip
from deployer.states import CommitState, DeploymentState
from deployer.testing.tape import Tape


@dataclass
class Repo:
    """One repository. ``tags``: annotated tag objects -> what they name, None for a tree or a blob."""

    name: RepositoryName
    default_branch: str = "main"
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    readable: bool = True
    archived: bool = False


@dataclass
class Deployed:
    """A deployment of a repository (its number), and what was said of it, oldest first."""

    repository: int
    deployment: Deployment
    said: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> DeploymentState | None:
        """What was said last."""
        return self.said[-1].state if self.said else None


class Forge:
    """All of GitHub that a test needs. ``administers``: whether the token may remove environments."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.repos: dict[str, Repo] = {}
        self.statuses: list[CommitStatus] = []
        self.deployed: dict[int, Deployed] = {}
        self.environments: dict[int, dict[str, str]] = {}
        self.administers = True
        self._moved: dict[str, str] = {}

    def add(self, name: RepositoryName, default_branch: str = "main") -> Repo:
        """A new repository."""
        repo = Repo(name, default_branch)
        self.repos[name.full_name] = repo
        return repo

    def rename(self, old: str, owner: str, name: str) -> Repo:
        """Give a repository another name; its old one (``owner/name``) leads to it until another takes it."""
        repo = self.repos.pop(old)
        repo.name = RepositoryName(repo.name.id, owner, name)
        self.repos[repo.name.full_name] = repo
        self._moved[old] = repo.name.full_name
        return repo

    def latest(self, sha: str) -> dict[str, CommitStatus]:
        """Context -> the status of a commit that holds."""
        return {status.context: status for status in self.statuses if status.sha == sha}

    # --- Repositories

    def repository(self, owner: str, name: str) -> Repository | None:
        """The repository, if the token may read it."""
        with self.tape.call("github.repository"):
            repo = self._find(f"{owner}/{name}")
            return Repository(repo.name, repo.default_branch) if repo and repo.readable else None

    def tip(self, repository: RepositoryName, ref: str) -> Tip | None:
        """Where a ref points, annotated tags peeled."""
        with self.tape.call("github.tip"):
            repo = self._readable(repository)
            found = repo.refs.get(ref)
            if found is None:
                return None
            commit = repo.tags.get(found, found)
            if commit is None:
                raise Rejected(f"{ref} names a tree; only a commit can be deployed")
            return Tip(found, commit)

    def tips(self, repository: RepositoryName) -> Iterator[tuple[str, str]]:
        """Every ref with its object."""
        with self.tape.call("github.tips"):
            return iter(sorted(self._readable(repository).refs.items()))

    def refs(self, repository: RepositoryName, known: Mapping[str, str]) -> Refs | None:
        """Every ref, unless nothing has changed."""
        with self.tape.call("github.refs"):
            repo = self._find(repository.full_name)
            if repo is None or not repo.readable or repository.id not in (0, repo.name.id):
                raise Rejected(f"{repository.full_name} can't be read")
            validators = {"all": repr((repo.name, repo.default_branch, sorted(repo.refs.items())))}
            if validators == dict(known):
                return None
            return Refs(Repository(repo.name, repo.default_branch), dict(repo.refs), validators)

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        """A commit."""
        with self.tape.call("github.commit"):
            if sha not in self._repo(repository).commits:
                raise Rejected(f"commit {sha} is not in {repository.full_name}")
            message = self._repo(repository).messages.get(sha, f"Subject of {sha[:7]}")
            return Commit(sha, message, "Ada", "ada@example.com")

    # --- Files

    def directory(self, repository: RepositoryName, path: str, commit: str) -> Mapping[str, str] | None:
        """What a folder holds."""
        with self.tape.call("github.directory"):
            repo = self._readable(repository)
            prefix = f"{path}/"
            names = [name.removeprefix(prefix) for name in repo.commits[commit] if name.startswith(prefix)]
            found = {name.partition("/")[0]: "dir" if "/" in name else "file" for name in names}
            return {name: repo.kinds.get(f"{prefix}{name}", kind) for name, kind in found.items()} or None

    def read(self, repository: RepositoryName, path: str, commit: str) -> bytes:
        """A file's bytes."""
        with self.tape.call("github.read"):
            try:
                return self._readable(repository).commits[commit][path]
            except KeyError as error:
                raise Rejected(f"{path} is not in {repository.full_name} at {commit[:7]}") from error

    @contextmanager
    def archive(self, repository: RepositoryName, commit: str) -> Iterator[IO[bytes]]:
        """A gzipped tarball, as GitHub's: everything under one top folder."""
        with self.tape.call("github.archive"):
            packed = io.BytesIO()
            with gzip.GzipFile(fileobj=packed, mode="wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as members:
                for name, content in sorted(self._repo(repository).commits[commit].items()):
                    member = tarfile.TarInfo(f"{repository.owner}-{repository.name}-{commit[:7]}/{name}")
                    member.size = len(content)
                    members.addfile(member, io.BytesIO(content))
            packed.seek(0)
            yield packed

    # --- Statuses

    def post(self, status: CommitStatus) -> None:
        """Keep a status; GitHub refuses one on what is no commit, or archived, and a context that it does not take."""
        with self.tape.call("github.post"):
            if self._repo(status.repository).archived:
                raise Rejected("GitHub answered 403: Repository was archived so is read-only.")
            if status.sha not in self._repo(status.repository).commits:
                raise Rejected(f"GitHub answered 422: No commit found for SHA: {status.sha}")
            if len(status.context) > 255 or FOUR_BYTES.search(status.context):
                raise Rejected(f"GitHub answered 422: Validation Failed: {status.context}")
            self.statuses.append(replace(status, description=as_taken(status.description)))

    def states(self, repository: RepositoryName, sha: str) -> Mapping[str, CommitState]:
        """The statuses that hold."""
        with self.tape.call("github.states"):
            return {context: status.state for context, status in self.latest(sha).items()}

    # --- Deployments

    def deployments(self, repository: RepositoryName, environment: str, sha: str = "") -> Iterator[Deployment]:
        """Newest first."""
        with self.tape.call("github.deployments"):
            found = self._find(repository.full_name)
            if found is None or not found.readable:
                raise Rejected(f"deployments of {repository.full_name} are not ours")
            all_of_it = [each.deployment for each in self.deployed.values() if each.repository == found.name.id]
            there = [each for each in reversed(all_of_it) if each.environment.lower() == environment.lower()]
            return iter([each for each in there if sha in ("", each.sha)])

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
        """Make a deployment, and its environment with the first one."""
        with self.tape.call("github.deploy"):
            found = self._find(repository.full_name)
            if found is None or not found.readable:
                raise Rejected(f"deployments of {repository.full_name} are not ours")
            if found.archived:
                raise Rejected("GitHub answered 403: Repository was archived so is read-only.")
            if sha not in found.commits:
                raise Rejected(f"GitHub answered 422: No ref found for: {sha}")
            if len(environment) > 255:
                raise Rejected("GitHub answered 422: Validation Failed")
            number = max(self.deployed, default=0) + 1
            flags = (production, transient, dict(payload or {}))
            made = Deployment(number, sha, environment, as_taken(description), *flags)
            self.deployed[number] = Deployed(found.name.id, made)
            self.environments.setdefault(found.name.id, {}).setdefault(environment.lower(), environment)
            return number

    def deployment_states(self, repository: RepositoryName, deployment: int) -> Sequence[DeploymentStatus]:
        """Newest first."""
        with self.tape.call("github.deployment_states"):
            found = self._deployed(repository, deployment)
            return found.said[::-1] if found else []

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
        """Keep what is said, and end what succeeded before where GitHub does."""
        with self.tape.call("github.post_deployment"):
            found = self._deployed(repository, deployment)
            if found is None:
                raise Rejected(f"deployment {deployment} of {repository.full_name} is gone")
            if not all(url.startswith(("http://", "https://")) for url in (log_url, environment_url) if url):
                raise Rejected("GitHub answered 422: Validation Failed")
            found.said.append(DeploymentStatus(state, as_taken(description), log_url, environment_url))
            for other in self.deployed.values() if state is DeploymentState.SUCCESS else ():
                one, this = other.deployment, found.deployment
                same = (other.repository, one.environment.lower()) == (found.repository, this.environment.lower())
                ends = one.id < this.id and other.state is DeploymentState.SUCCESS
                if same and ends and not (one.transient or one.production):
                    other.said.append(DeploymentStatus(DeploymentState.INACTIVE))

    def remove_environment(self, repository: RepositoryName, environment: str) -> bool:
        """Remove an environment where that is permitted."""
        with self.tape.call("github.remove_environment"):
            found = self._find(repository.full_name)
            if not self.administers:
                return False
            if found is not None:
                self.environments.get(found.name.id, {}).pop(environment.lower(), None)
            return True

    def _deployed(self, repository: RepositoryName, deployment: int) -> Deployed | None:
        repo, found = self._find(repository.full_name), self.deployed.get(deployment)
        return found if repo and found and repo.readable and found.repository == repo.name.id else None

    def _find(self, name: str) -> Repo | None:
        return self.repos.get(self._today(name))

    def _today(self, name: str) -> str:
        while name not in self.repos and name in self._moved:
            name = self._moved[name]
        return name

    def _readable(self, name: RepositoryName) -> Repo:
        found = self._find(name.full_name)
        if found is None or not found.readable:
            raise Transient(f"{name.full_name} can't be read any more")
        return found

    def _repo(self, name: RepositoryName) -> Repo:
        return self.repos[self._today(name.full_name)]
