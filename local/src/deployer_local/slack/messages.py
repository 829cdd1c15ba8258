"""The local Slack's memory: channels, people and messages with everything they said before.

One sqlite file in write-ahead mode; each change is one transaction, so that a kill at any point leaves whole messages.
Knows nothing of HTTP or of the token.
"""

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists channels (id text primary key, name text not null unique);
create table if not exists shut (channel text primary key, error text not null);
create table if not exists people (id text primary key, email text not null unique collate nocase, name text not null);
create table if not exists messages (
    channel text not null, ts text not null, thread_ts text, primary key (channel, ts));
create table if not exists versions (
    id integer primary key autoincrement, channel text not null, ts text not null, text text not null,
    blocks text not null, at text not null);
create table if not exists clock (only_row integer primary key check (only_row = 1), last integer not null);
"""

Blocks = list[dict[str, Any]]


@dataclass(frozen=True)
class Channel:
    """A channel; `name` without `#` (of a direct message: the person's id)."""

    id: str
    name: str


@dataclass(frozen=True)
class Version:
    """What a message said from the moment `at` (a Slack timestamp) on."""

    text: str
    blocks: Blocks
    at: str


@dataclass(frozen=True)
class Message:
    """A message as it stands. `edits`: what it said before, oldest first. `replies`: its thread, oldest first."""

    channel: str
    """The channel's name."""
    channel_id: str
    ts: str
    thread_ts: str | None
    text: str
    blocks: Blocks
    edits: tuple[Version, ...] = ()
    replies: tuple["Message", ...] = ()
    edited: str = ""
    """Since when it says what it says; empty where it never said anything else."""


class Messages:
    """Rows behind one lock."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Opens or creates the file at `path`; `clock` in seconds since the epoch."""
        self._clock = clock
        self._lock = threading.RLock()
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.row_factory = sqlite3.Row
        self._rows.execute("pragma journal_mode = wal")
        self._rows.execute("pragma synchronous = normal")
        self._rows.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._rows.close()

    def add_channel(self, name: str, prefix: str = "C") -> Channel:
        """The channel of this name, made if there is none."""
        with self._lock:
            count = self._rows.execute("select count(*) from channels").fetchone()[0]
            identity = f"{prefix}0LOCAL{count + 1:04d}"
            self._rows.execute("insert or ignore into channels values (?, ?)", (identity, name.removeprefix("#")))
            sql = "select * from channels where name = ?"
            row = self._rows.execute(sql, (name.removeprefix("#"),)).fetchone()
        return Channel(row["id"], row["name"])

    def channel(self, named: str) -> Channel | None:
        """The channel with this id or name (with or without `#`)."""
        with self._lock:
            sql = "select * from channels where id = ? or name = ?"
            row = self._rows.execute(sql, (named, named.removeprefix("#"))).fetchone()
        return Channel(row["id"], row["name"]) if row else None

    def channels(self) -> list[Channel]:
        """Every channel, direct messages included."""
        with self._lock:
            rows = self._rows.execute("select * from channels order by id").fetchall()
        return [Channel(row["id"], row["name"]) for row in rows]

    def shut(self, channel: Channel, error: str) -> None:
        """From now on the channel takes no messages and says why: `is_archived` or `not_in_channel`; empty opens it."""
        with self._lock:
            self._rows.execute("delete from shut where channel = ?", (channel.id,))
            if error:
                self._rows.execute("insert into shut values (?, ?)", (channel.id, error))

    def shut_by(self, channel: Channel) -> str:
        """Why a channel takes no messages; empty where it does."""
        with self._lock:
            row = self._rows.execute("select error from shut where channel = ?", (channel.id,)).fetchone()
        return str(row["error"]) if row else ""

    def add_person(self, email: str, name: str) -> str:
        """The id of the person with this address, who is made if there is none."""
        with self._lock:
            count = self._rows.execute("select count(*) from people").fetchone()[0]
            self._rows.execute(
                "insert or ignore into people values (?, ?, ?)", (f"U0LOCAL{count + 1:04d}", email, name)
            )
            return str(self._rows.execute("select id from people where email = ?", (email,)).fetchone()["id"])

    def people(self) -> dict[str, str]:
        """Everybody's name, by id."""
        with self._lock:
            return {row["id"]: row["name"] for row in self._rows.execute("select id, name from people")}

    def person(self, key: str) -> tuple[str, str, str] | None:
        """(id, email, name) of the person with this id or address."""
        with self._lock:
            row = self._rows.execute("select * from people where id = ? or email = ?", (key, key)).fetchone()
        return (row["id"], row["email"], row["name"]) if row else None

    def post(self, channel: Channel, text: str, blocks: Blocks, thread_ts: str | None) -> Message:
        """Adds a message. KeyError when its thread's first message does not exist."""
        with self._lock:
            if thread_ts is not None:
                parent = self.message(channel, thread_ts)
                thread_ts = parent.thread_ts or parent.ts  # a reply to a reply joins the thread
            self._rows.execute("begin immediate")
            try:
                ts = self._now()
                self._rows.execute("insert into messages values (?, ?, ?)", (channel.id, ts, thread_ts))
                self._say(channel, ts, text, blocks, ts)
            except BaseException:
                self._rows.execute("rollback")
                raise
            self._rows.execute("commit")
            return self.message(channel, ts)

    def edit(self, channel: Channel, ts: str, text: str, blocks: Blocks) -> Message:
        """Replaces what a message says; KeyError when there is no such message."""
        with self._lock:
            self.message(channel, ts)
            self._rows.execute("begin immediate")
            try:
                self._say(channel, ts, text, blocks, self._now())
            except BaseException:
                self._rows.execute("rollback")
                raise
            self._rows.execute("commit")
            return self.message(channel, ts)

    def message(self, channel: Channel, ts: str) -> Message:
        """The message with this timestamp; KeyError when there is none."""
        found = [each for each in self._all(channel) if each.ts == ts]
        if not found:
            raise KeyError(ts)
        return found[0]

    def threads(self, channel: Channel | None) -> list[Message]:
        """Every message that starts a thread or stands alone, oldest first, with its replies."""
        channels = [channel] if channel else self.channels()
        return sorted((each for one in channels for each in self._all(one) if not each.thread_ts), key=lambda m: m.ts)

    def _all(self, channel: Channel) -> list[Message]:
        with self._lock:
            sql = "select * from messages where channel = ? order by ts"
            rows = self._rows.execute(sql, (channel.id,)).fetchall()
            said: dict[str, list[Version]] = {}
            for row in self._rows.execute("select * from versions where channel = ? order by id", (channel.id,)):
                version = Version(row["text"], json.loads(row["blocks"]), row["at"])
                said.setdefault(row["ts"], []).append(version)

        def one(row: sqlite3.Row, replies: tuple[Message, ...]) -> Message:
            *edits, now = said[row["ts"]]
            last = (now.text, now.blocks, tuple(edits), replies, now.at if edits else "")
            return Message(channel.name, channel.id, row["ts"], row["thread_ts"], *last)

        threads: dict[str, list[Message]] = {}
        for row in rows:
            if row["thread_ts"]:
                threads.setdefault(row["thread_ts"], []).append(one(row, ()))
        return [one(row, tuple(threads.get(row["ts"], ()))) for row in rows]

    def _say(self, channel: Channel, ts: str, text: str, blocks: Blocks, at: str) -> None:
        values = (channel.id, ts, text, json.dumps(blocks), at)
        self._rows.execute("insert into versions (channel, ts, text, blocks, at) values (?, ?, ?, ?, ?)", values)

    def _now(self) -> str:
        """The next timestamp: seconds, a dot, six digits; unique and rising in the whole workspace."""
        row = self._rows.execute("select last from clock").fetchone()
        now = max(int(self._clock() * 1_000_000), (row["last"] if row else 0) + 1)
        self._rows.execute("insert or replace into clock values (1, ?)", (now,))
        return f"{now // 1_000_000}.{now % 1_000_000:06d}"
