"""The environments table, the queue of looks and the artifact store in memory.

Implements ``Memory``, ``Baselines``, ``Looks`` and ``SourceStore``.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field, replace
from typing import IO

from deployer.environments import EnvironmentId
from deployer.errors import Transient
from deployer.events import Look
from deployer.ports import Baseline, Environment
from deployer.testing.tape import Tape


@dataclass
class Shelf:
    """What the deployer itself keeps."""

    tape: Tape = field(default_factory=Tape)
    items: dict[EnvironmentId, Environment] = field(default_factory=dict)
    holders: dict[tuple[str, str], EnvironmentId] = field(default_factory=dict)
    repositories: dict[int, Baseline] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    objects: dict[str, list[tuple[str, str, frozenset[str]]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    _made: int = 0

    # --- Memory

    def environment(self, environment: EnvironmentId) -> Environment | None:
        """The item."""
        with self.tape.call("memory.environment"):
            return self.items.get(environment)

    def save(self, environment: Environment) -> Environment:
        """Write, if nobody wrote meanwhile."""
        with self.tape.call("memory.save"):
            kept = self.items.get(environment.id)
            if (kept.version if kept else 0) != environment.version:
                raise Transient(f"{environment.id} was changed meanwhile")
            saved = replace(environment, version=environment.version + 1)
            self.items[environment.id] = saved
            return saved

    def forget(self, environment: Environment) -> None:
        """Remove item and pointers."""
        with self.tape.call("memory.forget"):
            pointers = [("stack", environment.stack), *(("pipeline", name) for name in environment.pipelines)]
            for pointer in pointers:
                if self.holders.get(pointer) == environment.id:
                    del self.holders[pointer]
            self.items.pop(environment.id, None)

    def claim(self, kind: str, name: str, environment: EnvironmentId) -> EnvironmentId:
        """Hold what nobody holds."""
        with self.tape.call("memory.claim"):
            return self.holders.setdefault((kind, name), environment)

    def holder(self, kind: str, name: str) -> EnvironmentId | None:
        """Whoever holds it."""
        with self.tape.call("memory.holder"):
            return self.holders.get((kind, name))

    # --- Baselines

    def baseline(self, repository: int) -> Baseline | None:
        """What the repository had."""
        with self.tape.call("memory.baseline"):
            return self.repositories.get(repository)

    def record(self, baseline: Baseline) -> Baseline:
        """Keep the first one."""
        with self.tape.call("memory.record"):
            return self.repositories.setdefault(baseline.repository.id, baseline)

    # --- Looks

    def send(self, look: Look) -> None:
        """Queue a look."""
        with self.tape.call("sqs.send"):
            self.looks.append(look)

    # --- SourceStore

    def put(self, key: str, archive: IO[bytes], commit: str, generation: int) -> str:
        """Keep a version: its id, its commit, the names in it."""
        with self.tape.call("s3.put"):
            try:
                with tarfile.open(fileobj=io.BytesIO(archive.read()), mode="r:gz") as members:
                    found = [member.name.partition("/") for member in members]
            except (tarfile.ReadError, EOFError) as error:
                raise Transient(f"the archive of {commit[:7]} broke off") from error
            names = frozenset(name for _, _, name in found)
            if any(not top.endswith(commit[:7]) for top, _, _ in found):
                raise AssertionError(f"the archive of another commit was to be kept as {commit[:7]}")
            self._made += 1
            version = f"version-{self._made}"
            self.objects.setdefault(key, []).append((version, commit, names))
            return version

    def put_text(self, key: str, text: str) -> str:
        """Keep a template."""
        with self.tape.call("s3.put_text"):
            self.texts[key] = text
            return f"https://s3/{key}"

    def delete(self, key: str) -> None:
        """Every version."""
        with self.tape.call("s3.delete"):
            self.objects.pop(key, None)
            self.texts.pop(key, None)

    def commit_of(self, version: str) -> str:
        """The commit of a version of a source object."""
        found = (kept for versions in self.objects.values() for kept in versions)
        return next((commit for each, commit, _ in found if each == version), "")
