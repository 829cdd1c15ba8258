"""The local GitHub's memory: one sqlite file, shared by every thread of the process.

Holds what git itself does not know: numbers, hooks, deliveries, statuses, deployments, pull requests, Apps. Each change
is one transaction in write-ahead mode, so that a process killed at any point leaves whole rows. Never holds git's own.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
create table if not exists users (
    id integer primary key autoincrement, login text not null unique collate nocase);
create table if not exists repositories (
    id integer primary key autoincrement, full_name text not null unique collate nocase, owner_id integer not null,
    default_branch text not null, hidden integer not null default 0,
    created_at integer not null, updated_at integer not null, pushed_at integer not null);
create table if not exists former_names (
    full_name text primary key collate nocase, repository_id integer not null);
create table if not exists seen_refs (
    repository_id integer not null, ref text not null, sha text not null, primary key (repository_id, ref));
create table if not exists hooks (
    id integer primary key autoincrement, repository_id integer, url text not null, secret text not null,
    events text not null, active integer not null, content_type text not null, insecure_ssl text not null,
    created_at integer not null, updated_at integer not null);
create table if not exists deliveries (
    id integer primary key autoincrement, guid text not null, hook_id integer not null, repository_id integer,
    event text not null, action text, payload blob not null, redelivery integer not null,
    created_at real not null, delivered_at real, duration real, status text not null, status_code integer,
    request_headers text not null, request_body blob not null, response_headers text not null, response_body text);
create table if not exists statuses (
    id integer primary key autoincrement, repository_id integer not null, sha text not null, context text not null,
    state text not null, description text, target_url text, creator text not null, created_at integer not null);
create index if not exists statuses_of_commit on statuses (repository_id, sha, context);
create table if not exists environments (
    id integer primary key autoincrement, repository_id integer not null, name text not null collate nocase,
    created_at integer not null, updated_at integer not null, unique (repository_id, name));
create table if not exists deployments (
    id integer primary key autoincrement, repository_id integer not null, sha text not null, ref text not null,
    task text not null, environment text not null collate nocase, original_environment text not null,
    description text not null, payload text not null, production integer not null, transient integer not null,
    creator text not null, created_at integer not null, updated_at integer not null);
create index if not exists deployments_of_repository on deployments (repository_id, environment);
create table if not exists deployment_statuses (
    id integer primary key autoincrement, deployment_id integer not null, state text not null,
    description text not null, log_url text not null, environment_url text not null, environment text not null,
    creator text not null, created_at integer not null);
create index if not exists statuses_of_deployment on deployment_statuses (deployment_id);
create table if not exists pulls (
    id integer primary key autoincrement, repository_id integer not null, number integer not null,
    title text not null, head text not null, head_sha text not null, base text not null, base_sha text not null,
    state text not null, creator text not null, created_at integer not null, updated_at integer not null,
    closed_at integer, unique (repository_id, number));
create table if not exists apps (
    id integer primary key autoincrement, slug text not null, public_key text not null);
create table if not exists installations (
    id integer primary key autoincrement, app_id integer not null, owner text not null collate nocase,
    permissions text not null, repositories text, created_at integer not null, suspended_at integer);
create table if not exists app_tokens (
    digest text primary key, installation_id integer not null, permissions text not null, repositories text,
    ends_at real not null);
"""


class Store:
    """Rows behind one lock. Use `read` for questions and `change` for every write."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file at `path`; its folder must exist."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(_SCHEMA)

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows that answer `sql`."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def first(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row that answers `sql`, if any."""
        rows = self.read(sql, *values)
        return rows[0] if rows else None

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the block's end, rolled back when it raises. A nested block joins the outer."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def close(self) -> None:
        """Closes the file; the store is not usable afterwards."""
        with self._lock:
            self._connection.close()
