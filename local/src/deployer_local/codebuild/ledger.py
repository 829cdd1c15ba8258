"""The builds, on disk: one sqlite file, a row a build.

A build that was running when the engine died cannot be picked up (its processes are killed with the engine): opening
the ledger turns it into a FAULT that says so. Knows nothing of how builds run.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from .records import Build, PhaseRecord

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (id TEXT PRIMARY KEY, project TEXT, number INTEGER, document TEXT);
CREATE INDEX IF NOT EXISTS builds_by_project ON builds (project, number);
"""


class Ledger:
    """Safe to use from any thread."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_SCHEMA)
        for build in self.builds():
            if build.status == "IN_PROGRESS":
                self.put(_cut_off(build, clock()))

    def next_number(self, project: str) -> int:
        """The next build number of ``project``, from 1."""
        with self._lock:
            row = self._database.execute("SELECT max(number) FROM builds WHERE project = ?", (project,)).fetchone()
        return int(row[0] or 0) + 1

    def put(self, build: Build) -> None:
        """Write ``build`` over what is there."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO builds VALUES (?, ?, ?, ?)",
                (build.id, build.project, build.number, json.dumps(asdict(build))),
            )

    def get(self, identifier: str) -> Build | None:
        """The build of that id or ARN."""
        key = identifier.partition(":build/")[2] or identifier
        with self._lock:
            row = self._database.execute("SELECT document FROM builds WHERE id = ?", (key,)).fetchone()
        return _load(row[0]) if row else None

    def builds(self, project: str | None = None) -> list[Build]:
        """All builds, or those of one project, the newest first."""
        query = "SELECT document FROM builds WHERE ? IS NULL OR project = ? ORDER BY number DESC, rowid DESC"
        with self._lock:
            rows = self._database.execute(query, (project, project)).fetchall()
        return [_load(row[0]) for row in rows]


def _load(document: str) -> Build:
    values = json.loads(document)
    return Build(**{**values, "phases": tuple(PhaseRecord(**phase) for phase in values["phases"])})


def _cut_off(build: Build, now: float) -> Build:
    *before, last = build.phases or (PhaseRecord("SUBMITTED", now),)
    message = "the engine stopped while this build was running"
    ended = replace(last, status="FAULT", ended=now, code="INTERNAL_ERROR", message=message)
    return replace(build, status="FAULT", ended=now, phases=(*before, ended))
