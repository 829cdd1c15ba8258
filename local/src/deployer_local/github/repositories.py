"""The repositories that the local GitHub has, by number and by name.

A repository's number is its identity and the name of its folder; its full name is a label that may change and that
leads on from the old one to the new. Never deletes a repository.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .git import GitRepository
from .names import parse_full_name
from .store import Store

Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True)
class Repository:
    """A repository as it stood when it was read. Times are seconds since the epoch."""

    id: int
    full_name: str
    owner_id: int
    default_branch: str
    created_at: int
    updated_at: int
    pushed_at: int
    hidden: bool

    @property
    def owner(self) -> str:
        """The owner's login."""
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        """The name without its owner."""
        return self.full_name.partition("/")[2]


class Repositories:
    """Finds, creates and renames repositories."""

    def __init__(self, store: Store, root: Path, clock: Clock) -> None:
        """`root` is the folder that holds the bare repositories."""
        self._store = store
        self._root = root
        self._clock = clock

    def create(self, full_name: str, default_branch: str) -> Repository:
        """A new, empty repository; the existing one where that name is taken. ValueError for an illegal name."""
        name = parse_full_name(full_name)
        now = int(self._clock())
        with self._store.change() as rows:
            if self.named(full_name) is None:
                rows.execute("delete from former_names where full_name = ?", (full_name,))
                rows.execute(
                    "insert into repositories (full_name, owner_id, default_branch, created_at, updated_at, pushed_at)"
                    " values (?, ?, ?, ?, ?, ?)",
                    (full_name, self.user_id(name.owner), default_branch, now, now, now),
                )
        repository = self.known(full_name)
        self.git(repository)
        return repository

    def named(self, full_name: str) -> Repository | None:
        """The repository that has this name now (case ignored, as GitHub does)."""
        row = self._store.first("select * from repositories where full_name = ?", full_name)
        return _repository(row) if row else None

    def known(self, full_name: str) -> Repository:
        """The repository that has this name now; KeyError when there is none."""
        repository = self.named(full_name)
        if repository is None:
            raise KeyError(full_name)
        return repository

    def numbered(self, identity: int) -> Repository | None:
        """The repository with this number."""
        row = self._store.first("select * from repositories where id = ?", identity)
        return _repository(row) if row else None

    def formerly(self, full_name: str) -> Repository | None:
        """The repository that once had this name, unless another one has it now."""
        row = self._store.first("select repository_id from former_names where full_name = ?", full_name)
        return self.numbered(row["repository_id"]) if row and self.named(full_name) is None else None

    def all(self) -> list[Repository]:
        """Every repository, oldest first."""
        return [_repository(row) for row in self._store.read("select * from repositories order by id")]

    def git(self, repository: Repository) -> GitRepository:
        """The bare repository on disk, made now if its creation was interrupted."""
        found = GitRepository(self._root / f"{repository.id}.git")
        found.ensure(repository.default_branch)
        return found

    def rename(self, full_name: str, new_name: str) -> Repository:
        """Renames or transfers. KeyError if unknown, ValueError if the new name is illegal or taken."""
        old, new = self.known(full_name), parse_full_name(new_name)
        other = self.named(new_name)
        if other is not None and other.id != old.id:
            msg = f"{new_name} exists"
            raise ValueError(msg)
        with self._store.change() as rows:
            rows.execute("delete from former_names where full_name = ?", (new_name,))
            rows.execute("insert or replace into former_names values (?, ?)", (old.full_name, old.id))
            rows.execute(
                "update repositories set full_name = ?, owner_id = ?, updated_at = ? where id = ?",
                (new_name, self.user_id(new.owner), int(self._clock()), old.id),
            )
        return self.known(new_name)

    def set_default_branch(self, full_name: str, branch: str) -> Repository:
        """Changes the default branch. ValueError when the repository has branches and this is none of them."""
        repository = self.known(full_name)
        git = self.git(repository)
        refs = git.refs()
        if refs and f"refs/heads/{branch}" not in refs:
            msg = f"{full_name} has no branch {branch!r}"
            raise ValueError(msg)
        with self._store.change() as rows:
            rows.execute("update repositories set default_branch = ? where id = ?", (branch, repository.id))
        git.set_head(branch)
        return self.known(full_name)

    def set_hidden(self, full_name: str, hidden: bool) -> None:
        """Whether the token may not see the repository: every REST call about it then answers 404."""
        with self._store.change() as rows:
            rows.execute("update repositories set hidden = ? where id = ?", (hidden, self.known(full_name).id))

    def user_id(self, login: str) -> int:
        """The number of a user, given out on first sight and kept for ever."""
        with self._store.change() as rows:
            rows.execute("insert or ignore into users (login) values (?)", (login,))
            return int(rows.execute("select id from users where login = ?", (login,)).fetchone()["id"])


def _repository(row: sqlite3.Row) -> Repository:
    return Repository(
        id=row["id"],
        full_name=row["full_name"],
        owner_id=row["owner_id"],
        default_branch=row["default_branch"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        pushed_at=row["pushed_at"],
        hidden=bool(row["hidden"]),
    )


def iso(moment: float) -> str:
    """Seconds since the epoch as REST writes a date: `2011-01-26T19:01:12Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
