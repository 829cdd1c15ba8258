"""The environments table, the queue of looks and the artifact store in memory.

Implements ``Memory``, ``Parking``, ``Baselines``, ``Looks``, ``Sweeps``, ``Notices`` and ``SourceStore``.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO

from deployer.environments import EnvironmentId
from deployer.errors import Transient
from deployer.events import Look, Sweep
from deployer.notices import Notice
from deployer.ports import Baseline, Environment, Parked, Repository, SourceObject
from deployer.testing.tape import Tape


@dataclass(frozen=True)
class Kept:
    """A version of a source object, and the names of the files in it."""

    version: str
    commit: str
    generation: int
    at: int
    names: frozenset[str]


@dataclass
class Shelf:
    """What the deployer itself keeps. ``clock``: milliseconds since the epoch."""

    tape: Tape = field(default_factory=Tape)
    clock: Callable[[], int] = lambda: 0
    items: dict[EnvironmentId, Environment] = field(default_factory=dict)
    holders: dict[tuple[str, str], EnvironmentId] = field(default_factory=dict)
    known: dict[int, Baseline] = field(default_factory=dict)
    places: dict[EnvironmentId, Parked] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    ticks: set[tuple[str, str]] = field(default_factory=set)
    notices: list[Notice] = field(default_factory=list)
    objects: dict[str, list[Kept]] = field(default_factory=dict)
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
            pointers.append(("slot", environment.slot))
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

    def release(self, kind: str, name: str, environment: EnvironmentId) -> None:
        """Give it up."""
        with self.tape.call("memory.release"):
            if self.holders.get((kind, name)) == environment:
                del self.holders[kind, name]

    def environments(self, repository: int) -> tuple[Environment, ...]:
        """All of a repository's."""
        with self.tape.call("memory.environments"):
            return tuple(item for item in self.items.values() if item.id.repository == repository)

    # --- Parking

    def parked(self, environment: EnvironmentId) -> Parked | None:
        """Where its ref is parked."""
        with self.tape.call("memory.parked"):
            return self.places.get(environment)

    def park(self, parked: Parked) -> None:
        """Park a ref."""
        with self.tape.call("memory.park"):
            self.places[parked.environment] = parked

    def unpark(self, environment: EnvironmentId) -> None:
        """Take the parking away."""
        with self.tape.call("memory.unpark"):
            self.places.pop(environment, None)

    def all_parked(self, repository: int) -> tuple[Parked, ...]:
        """All of a repository's."""
        with self.tape.call("memory.all_parked"):
            return tuple(place for place in self.places.values() if place.environment.repository == repository)

    # --- Baselines

    def baseline(self, repository: int) -> Baseline | None:
        """What the repository had."""
        with self.tape.call("memory.baseline"):
            return self.known.get(repository)

    def record(self, baseline: Baseline) -> Baseline:
        """Keep the first one."""
        with self.tape.call("memory.record"):
            return self.known.setdefault(baseline.repository.id, baseline)

    def wake(self, repository: int, sleeper: bytes) -> None:
        """Take marks out of a baseline."""
        with self.tape.call("memory.wake"):
            known = self.known.get(repository)
            if known:
                kept = frozenset(mark for mark in known.parked if not mark.startswith(sleeper))
                self.known[repository] = replace(known, parked=kept)

    def repositories(self) -> tuple[Baseline, ...]:
        """All that are known."""
        with self.tape.call("memory.repositories"):
            return tuple(self.known.values())

    def swept(self, repository: Repository, validators: Mapping[str, str]) -> None:
        """Update one that is known."""
        with self.tape.call("memory.swept"):
            known = self.known.get(repository.name.id)
            if known:
                changes = replace(known, repository=repository.name, default_branch=repository.default_branch)
                self.known[repository.name.id] = replace(changes, validators=dict(validators))

    # --- Looks, Sweeps and Notices

    def send(self, look: Look) -> None:
        """Queue a look."""
        with self.tape.call("sqs.send"):
            self.looks.append(look)

    def sweep(self, sweep: Sweep, tick: str) -> None:
        """Queue a sweep, once for each tick."""
        with self.tape.call("sqs.sweep"):
            if (sweep.repository.full_name, tick) not in self.ticks:
                self.ticks.add((sweep.repository.full_name, tick))
                self.sweeps.append(sweep)

    def notify(self, notice: Notice) -> None:
        """Queue a notice."""
        with self.tape.call("sqs.notify"):
            self.notices.append(notice)

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
            self.objects.setdefault(key, []).append(Kept(version, commit, generation, self.clock(), names))
            return version

    def newest(self, key: str) -> SourceObject | None:
        """The version that was put last."""
        with self.tape.call("s3.newest"):
            versions = self.objects.get(key)
            if not versions:
                return None
            kept = versions[-1]
            return SourceObject(kept.version, kept.commit, kept.generation, kept.at)

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
        return next((each.commit for each in found if each.version == version), "")
