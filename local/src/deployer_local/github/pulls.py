"""Pull requests: from one branch of a repository into another one.

They follow their branches: the head moves with a push, and a branch that is deleted closes them. Nothing is merged or
reviewed here; what a push brings into the base leaves the request open.

https://docs.github.com/rest/pulls/pulls
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from .repositories import Clock, Repository
from .store import Store

_BRANCHES = "refs/heads/"


@dataclass(frozen=True)
class PullRequest:
    """`head` and `base` are branches; `state` is open or closed. Times in seconds since the epoch."""

    id: int
    number: int
    title: str
    head: str
    head_sha: str
    base: str
    base_sha: str
    state: str
    creator: str
    created_at: int
    updated_at: int
    closed_at: int | None


class Pulls:
    """Rows of the store, by repository."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """`clock`: seconds since the epoch."""
        self._store = store
        self._clock = clock

    def open(self, repository: Repository, refs: Mapping[str, str], *, head: str, base: str, title: str) -> PullRequest:
        """A new pull request of the owner's; the open one where there is one from `head` into `base` already.

        `refs`: the repository's, full name -> object id. ValueError where a branch is missing, or both are at the same
        commit.
        """
        head_sha, base_sha = (refs.get(_BRANCHES + name) for name in (head, base))
        if head_sha is None or base_sha is None or head_sha == base_sha:
            msg = f"nothing to pull from {head!r} into {base!r} in {repository.full_name}"
            raise ValueError(msg)
        now = int(self._clock())
        with self._store.change() as rows:
            same = [each for each in self.listed(repository) if (each.head, each.base) == (head, base)]
            found = [each for each in same if each.state == "open"]
            if found:
                return found[0]
            last = rows.execute("select max(number) from pulls where repository_id = ?", (repository.id,))
            number = (last.fetchone()[0] or 0) + 1
            rows.execute(
                "insert into pulls (repository_id, number, title, head, head_sha, base, base_sha, state, creator,"
                " created_at, updated_at) values (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?)",
                (repository.id, number, title, head, head_sha, base, base_sha, repository.owner, now, now),
            )
            return self.listed(repository)[0]

    def listed(self, repository: Repository) -> list[PullRequest]:
        """Every pull request, newest first."""
        sql = "select * from pulls where repository_id = ? order by number desc"
        return [_pull(row) for row in self._store.read(sql, repository.id)]

    def follow(self, repository: Repository, refs: Mapping[str, str]) -> None:
        """Moves the open ones to where their branches are; call within the transaction that makes `refs` known."""
        now = int(self._clock())
        with self._store.change() as rows:
            for pull in self.listed(repository):
                head, base = (refs.get(_BRANCHES + name) for name in (pull.head, pull.base))
                if pull.state != "open" or (head, base) == (pull.head_sha, pull.base_sha):
                    continue
                if head is None or base is None:
                    sql = "update pulls set state = 'closed', closed_at = ?, updated_at = ? where id = ?"
                    rows.execute(sql, (now, now, pull.id))
                else:
                    sql = "update pulls set head_sha = ?, base_sha = ?, updated_at = ? where id = ?"
                    rows.execute(sql, (head, base, now, pull.id))


def _pull(row: sqlite3.Row) -> PullRequest:
    return PullRequest(**{key: row[key] for key in row.keys() if key != "repository_id"})  # noqa: SIM118 - a Row
