"""Deployments, their statuses and the environments that they go to, as GitHub keeps them.

Knows nothing of HTTP. A status is a new row, never a changed one. An environment is made by the first deployment to it
and outlives its deployments; deployments outlive their environment.

https://docs.github.com/rest/deployments
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .repositories import Clock, Repository
from .store import Store

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")


@dataclass(frozen=True)
class DeploymentStatus:
    """What was said of a deployment at `created_at` (seconds since the epoch). URLs are empty where none was given."""

    id: int
    deployment_id: int
    state: str
    description: str
    log_url: str
    environment_url: str
    environment: str
    creator: str
    created_at: int


@dataclass(frozen=True)
class Deployment:
    """A commit on its way to an environment. `ref` as it was asked for; times in seconds since the epoch.

    `statuses`: oldest first.
    """

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    original_environment: str
    description: str
    payload: Any
    production: bool
    transient: bool
    creator: str
    created_at: int
    updated_at: int
    statuses: tuple[DeploymentStatus, ...] = ()

    @property
    def state(self) -> str:
        """The state of its last status; empty where it has none."""
        return self.statuses[-1].state if self.statuses else ""


@dataclass(frozen=True)
class Environment:
    """Where deployments go. Times in seconds since the epoch."""

    id: int
    name: str
    created_at: int
    updated_at: int


class Deployments:
    """Rows of the store, by repository."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """`clock`: seconds since the epoch."""
        self._store = store
        self._clock = clock

    def create(self, repository: Repository, sha: str, creator: str, wanted: Mapping[str, object]) -> Deployment:
        """A new deployment of `sha`, and its environment where there is none yet.

        `wanted`: ref, task, environment, description, payload, production and transient.
        """
        now = int(self._clock())
        columns = {
            "repository_id": repository.id,
            "sha": sha,
            **wanted,
            "payload": json.dumps(wanted["payload"]),
            "original_environment": wanted["environment"],
            "creator": creator,
            "created_at": now,
            "updated_at": now,
        }
        with self._store.change() as rows:
            self.ensure(repository, str(wanted["environment"]))
            marks = ", ".join("?" * len(columns))
            sql = f"insert into deployments ({', '.join(columns)}) values ({marks})"  # noqa: S608 - names from above
            made = rows.execute(sql, tuple(columns.values()))
            return self.known(repository, int(made.lastrowid or 0))

    def known(self, repository: Repository, identity: int) -> Deployment:
        """The deployment with this number; KeyError where the repository has none."""
        sql = "select * from deployments where repository_id = ? and id = ?"
        row = self._store.first(sql, repository.id, identity)
        if row is None:
            raise KeyError(identity)
        return self._deployment(row)

    def listed(self, repository: Repository) -> list[Deployment]:
        """Every deployment, newest first."""
        sql = "select * from deployments where repository_id = ? order by id desc"
        return [self._deployment(row) for row in self._store.read(sql, repository.id)]

    def remove(self, repository: Repository, identity: int) -> bool:
        """Removes a deployment with its statuses; False where it is active and not the only one. KeyError if unknown.

        Active is what succeeded last, and what nothing was said of yet: GitHub wants some other status before.
        """
        with self._store.change() as rows:
            found = self.known(repository, identity)
            count = rows.execute("select count(*) from deployments where repository_id = ?", (repository.id,))
            if found.state in ("", "success") and count.fetchone()[0] > 1:
                return False
            rows.execute("delete from deployment_statuses where deployment_id = ?", (identity,))
            rows.execute("delete from deployments where id = ?", (identity,))
            return True

    def post(
        self, repository: Repository, identity: int, creator: str, said: Mapping[str, str], *, auto_inactive: bool
    ) -> DeploymentStatus:
        """A new status; KeyError for an unknown deployment.

        `said`: state, description, log_url, environment_url, and the environment where that changes. A success makes
        inactive what was successful there before, but for what is transient or in production, where `auto_inactive`.
        """
        with self._store.change() as rows:
            found = self.known(repository, identity)
            environment = said.get("environment") or found.environment
            self.ensure(repository, environment)
            status = self._say(found, creator, {**said, "environment": environment})
            rows.execute("update deployments set environment = ? where id = ?", (environment, identity))
            if said["state"] == "success" and auto_inactive:
                for earlier in self._earlier(repository, self.known(repository, identity)):
                    nothing = {"state": "inactive", "description": "", "log_url": "", "environment_url": ""}
                    self._say(earlier, creator, {**nothing, "environment": earlier.environment})
            return status

    def ensure(self, repository: Repository, environment: str) -> Environment:
        """The environment of this name, made where there is none; names that differ in case alone are the same."""
        now = int(self._clock())
        with self._store.change() as rows:
            rows.execute(
                "insert or ignore into environments (repository_id, name, created_at, updated_at) values (?, ?, ?, ?)",
                (repository.id, environment, now, now),
            )
            sql = "select id, name, created_at, updated_at from environments where repository_id = ? and name = ?"
            return Environment(*rows.execute(sql, (repository.id, environment)).fetchone())

    def environments(self, repository: Repository) -> list[Environment]:
        """Every environment, oldest first."""
        sql = "select id, name, created_at, updated_at from environments where repository_id = ? order by id"
        return [Environment(*row) for row in self._store.read(sql, repository.id)]

    def remove_environment(self, repository: Repository, environment: str) -> bool:
        """Removes an environment; False where there is none of this name."""
        with self._store.change() as rows:
            sql = "delete from environments where repository_id = ? and name = ?"
            return rows.execute(sql, (repository.id, environment)).rowcount > 0

    def _earlier(self, repository: Repository, newer: Deployment) -> list[Deployment]:
        return [
            each
            for each in self.listed(repository)
            if each.id < newer.id
            and each.environment.lower() == newer.environment.lower()
            and each.state == "success"
            and not (each.transient or each.production)
        ]

    def _say(self, deployment: Deployment, creator: str, said: Mapping[str, str]) -> DeploymentStatus:
        now = int(self._clock())
        state, description, environment = said["state"], said["description"], said["environment"]
        urls = (said["log_url"], said["environment_url"])
        with self._store.change() as rows:
            made = rows.execute(
                "insert into deployment_statuses (deployment_id, state, description, log_url, environment_url,"
                " environment, creator, created_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
                (deployment.id, state, description, *urls, environment, creator, now),
            )
            rows.execute("update deployments set updated_at = ? where id = ?", (now, deployment.id))
        identity = int(made.lastrowid or 0)
        return DeploymentStatus(identity, deployment.id, state, description, *urls, environment, creator, now)

    def _deployment(self, row: sqlite3.Row) -> Deployment:
        sql = "select * from deployment_statuses where deployment_id = ? order by id"
        statuses = tuple(DeploymentStatus(*each) for each in self._store.read(sql, row["id"]))
        values = {key: row[key] for key in row.keys() if key != "repository_id"}  # noqa: SIM118 - a Row iterates over its values
        flags = {name: bool(row[name]) for name in ("production", "transient")}
        return Deployment(**values | flags | {"payload": json.loads(row["payload"]), "statuses": statuses})
