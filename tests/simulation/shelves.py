"""The deployer's own memory and queues, and GitHub, as the twins have them, within a world."""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from deployer.environments import EnvironmentId
from deployer.events import Look, RepositoryName, Sweep
from deployer.notices import Notice
from deployer.ports import CommitStatus, Environment
from deployer.testing import Forge, Shelf, Tape
from deployer.testing.forge import Repo


@dataclass
class Desk(Shelf):
    """Queues in its world's queues, and lets the world know who has read and written what.

    ``commits``: version of a source object -> its commit, also after the object is gone.
    """

    world: Any = field(kw_only=True)
    commits: dict[str, str] = field(default_factory=dict)

    def environment(self, environment: EnvironmentId) -> Environment | None:
        """The item; the invocation knows it from now on."""
        item = super().environment(environment)
        self.world.sees(environment, item)
        return item

    def save(self, environment: Environment) -> Environment:
        """Write; what the invocation is about to write is known before it has its effect."""
        self.world.writes(environment)
        saved = super().save(environment)
        self.world.sees(saved.id, saved)
        return saved

    def send(self, look: Look) -> None:
        """Queue a look."""
        with self.tape.call("sqs.send"):
            self.world.looks.send(look.to_json(), look.environment)

    def sweep(self, sweep: Sweep, tick: str) -> None:
        """Queue a sweep, once for each tick."""
        with self.tape.call("sqs.sweep"):
            group = f"sweep/{sweep.repository.full_name}"
            if (group, tick) not in self.ticks:
                self.ticks.add((group, tick))
                self.world.looks.send(sweep.to_json(), group)

    def notify(self, notice: Notice) -> None:
        """Queue a notice."""
        with self.tape.call("sqs.notify"):
            self.world.notices.send(notice.to_json())

    def commit_of(self, version: str) -> str:
        """The commit of a version, remembered once somebody has asked."""
        if version not in self.commits:
            found = super().commit_of(version)
            if not found:
                return ""
            self.commits[version] = found
        return self.commits[version]


class Hub(Forge):
    """GitHub, with archives that are packed once; ``posted`` is told of each status that is about to be posted."""

    def __init__(self, tape: Tape, posted: Callable[[CommitStatus], None]) -> None:
        super().__init__(tape)
        self.posted = posted

    def rename(self, repo: Repo) -> None:
        """It is found under its new name, and under those that it had."""
        self.repos[repo.name.full_name] = repo

    def post(self, status: CommitStatus) -> None:
        """A status."""
        self.posted(status)
        super().post(status)

    @contextmanager
    def archive(self, repository: RepositoryName, commit: str) -> Iterator[IO[bytes]]:
        """A commit's tarball."""
        with self.tape.call("github.archive"):
            yield io.BytesIO(_packed(f"{repository.owner}-{repository.name}-{commit[:7]}"))


@functools.lru_cache(maxsize=4096)
def _packed(top: str) -> bytes:
    packed = io.BytesIO()
    zipped = gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0)
    with zipped, tarfile.open(fileobj=zipped, mode="w") as members:
        members.addfile(tarfile.TarInfo(f"{top}/index.html"), io.BytesIO())
    return packed.getvalue()
