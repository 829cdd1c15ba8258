"""Everything the engine remembers, in one sqlite file.

A transaction is one turn of the engine: state and the events that tell of it are written together or not at all, so
that a kill between any two turns loses neither. The events wait in ``outbox`` until they were handed over. Not safe
for use from two threads at once: the engine holds its lock around every call.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .records import Pipeline, Run, dump, load_run

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pipelines (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (name TEXT, version INTEGER, document TEXT, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, pipeline TEXT, number INTEGER, live INTEGER, document TEXT);
CREATE INDEX IF NOT EXISTS runs_by_pipeline ON runs (pipeline, number);
CREATE INDEX IF NOT EXISTS runs_by_life ON runs (live, pipeline);
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, run TEXT, attempt TEXT, answer TEXT);
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT, detail TEXT, pipeline TEXT);
"""


class Store:
    """The file ``path`` is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def pipeline(self, name: str) -> Pipeline | None:
        """The pipeline, or None."""
        row = self._one("SELECT document FROM pipelines WHERE name = ?", name)
        return Pipeline(**json.loads(row[0])) if row else None

    def pipelines(self) -> list[Pipeline]:
        """All of them, by name."""
        return [Pipeline(**json.loads(row[0])) for row in self._all("SELECT document FROM pipelines ORDER BY name")]

    def put_pipeline(self, pipeline: Pipeline) -> None:
        """Write it, and remember this version's declaration."""
        self._database.execute(
            "INSERT OR REPLACE INTO pipelines VALUES (?, ?)", (pipeline.name, json.dumps(dump(pipeline)))
        )
        self._database.execute(
            "INSERT OR REPLACE INTO versions VALUES (?, ?, ?)",
            (pipeline.name, pipeline.version, json.dumps(pipeline.declaration)),
        )

    def version(self, name: str, version: int) -> dict[str, Any] | None:
        """The declaration at that version."""
        row = self._one("SELECT document FROM versions WHERE name = ? AND version = ?", name, version)
        found: dict[str, Any] | None = json.loads(row[0]) if row else None
        return found

    def delete_pipeline(self, name: str) -> None:
        """Forget the pipeline, its versions, its runs and their jobs."""
        self._database.execute("DELETE FROM jobs WHERE run IN (SELECT id FROM runs WHERE pipeline = ?)", (name,))
        for table, column in (("pipelines", "name"), ("versions", "name"), ("runs", "pipeline")):
            self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608 - names above

    def run(self, identifier: str) -> Run | None:
        """The run, or None."""
        row = self._one("SELECT document FROM runs WHERE id = ?", identifier)
        return load_run(json.loads(row[0])) if row else None

    def known_run(self, identifier: str) -> Run:
        """The run, which is there."""
        (document,) = self._one("SELECT document FROM runs WHERE id = ?", identifier)
        return load_run(json.loads(document))

    def runs(self, pipeline: str, *, live: bool = False) -> list[Run]:
        """The pipeline's runs, the newest first; only those still going, when ``live``."""
        query = "SELECT document FROM runs WHERE pipeline = ? AND live >= ? ORDER BY number DESC"
        return [load_run(json.loads(row[0])) for row in self._all(query, pipeline, int(live))]

    def live_pipelines(self) -> list[str]:
        """The names of the pipelines with live runs."""
        return [row[0] for row in self._all("SELECT DISTINCT pipeline FROM runs WHERE live = 1")]

    def next_number(self, pipeline: str) -> int:
        """The number of the pipeline's next run, from 1."""
        row = self._one("SELECT max(number) FROM runs WHERE pipeline = ?", pipeline)
        return int(row[0] or 0) + 1 if row else 1

    def put_run(self, run: Run) -> None:
        """Write it over what is there."""
        self._database.execute(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
            (run.id, run.pipeline, run.number, int(run.live), json.dumps(dump(run))),
        )

    def put_job(self, identifier: str, run: str, attempt: str) -> None:
        """A job was given out."""
        self._database.execute("INSERT INTO jobs VALUES (?, ?, ?, NULL)", (identifier, run, attempt))

    def job(self, identifier: str) -> tuple[str, str, dict[str, Any] | None] | None:
        """The job's run, action execution and answer (None: not answered yet)."""
        row = self._one("SELECT run, attempt, answer FROM jobs WHERE id = ?", identifier)
        return (row[0], row[1], json.loads(row[2]) if row[2] else None) if row else None

    def answer_job(self, identifier: str, answer: dict[str, Any]) -> None:
        """Keep what was answered."""
        self._database.execute("UPDATE jobs SET answer = ? WHERE id = ?", (json.dumps(answer), identifier))

    def post(self, kind: str, detail: dict[str, Any], pipeline: str) -> None:
        """Put an event into the outbox."""
        self._database.execute(
            "INSERT INTO outbox (type, detail, pipeline) VALUES (?, ?, ?)", (kind, json.dumps(detail), pipeline)
        )

    def outbox(self) -> list[tuple[int, str, dict[str, Any], str]]:
        """The events not handed over yet, in order: number, detail-type, detail, pipeline."""
        rows = self._all("SELECT number, type, detail, pipeline FROM outbox ORDER BY number LIMIT 100")
        return [(row[0], row[1], json.loads(row[2]), row[3]) for row in rows]

    def posted(self, number: int) -> None:
        """The event was handed over."""
        self._database.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _one(self, query: str, *values: Any) -> Any:
        return self._database.execute(query, values).fetchone()

    def _all(self, query: str, *values: Any) -> list[Any]:
        return self._database.execute(query, values).fetchall()
