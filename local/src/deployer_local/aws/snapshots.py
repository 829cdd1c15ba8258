"""Keeps the emulated AWS's state on disk while it runs, so that a killed engine comes back.

What AWS has acknowledged it keeps; so a request that changes something is answered when a snapshot holds the change
(one snapshot for all that wait). Logs and metrics are saved when nothing happens for a moment. A snapshot is complete
or not there: changed files are written aside and moved into place together, and a move that was cut short is finished
at the next start. Large byte strings (layers, above all) are kept once, in files named by their content.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from . import emulator
from .activity import EVERYTHING
from .host import Host

QUIET_SECONDS = 0.2
LARGE_BYTES = 4096
COMPLETE = "complete"
PASTIME = frozenset({"monitoring", "logs"})
"""Services nobody waits for: saved when it is quiet."""


def install(host: Host) -> None:
    """Extension for `Host`: finish or discard what the last host left, then save what is acknowledged."""
    persistence = emulator.module("core.persistence")
    application = emulator.module("app")
    snapshots = Snapshots(host.data / "state")
    snapshots.recover()
    persistence._json_default = snapshots.encoding(persistence._json_default)
    persistence._json_object_hook = snapshots.decoding(persistence._json_object_hook)
    # ministack's own save at shutdown runs on the loop and would write file by file.
    application.save_all = lambda _states: None
    keys = _state_keys(application)

    def save(services: frozenset[str]) -> None:
        wanted = None if EVERYTHING in services else {key for each in services for key in keys.get(each, ())}
        snapshots.save(host.run(lambda: _states(application, wanted)), persistence)

    saver = Saver(host, save)
    host.committed = saver.committed
    host.after_start(saver.start)
    host.before_stop(saver.stop)


def _states(application: Any, wanted: Container[str] | None) -> dict[str, Any]:
    """A copy of the states of the wanted services (None: all), taken between two steps of the serving loop."""
    services: dict[str, Callable[[], Any]] = application._build_persistence_save_dict()
    chosen = {name: get for name, get in services.items() if wanted is None or name in wanted}
    return {name: state for name, get in chosen.items() if (state := get()) is not None}


def _state_keys(application: Any) -> dict[str, set[str]]:
    """The names under which ministack saves the states of each service."""
    return {
        service: {each.get("state_key", each["module"]), *each.get("sub_modules", ())}
        for service, each in application.SERVICE_REGISTRY.items()
    }


class Saver:
    """A thread that saves whenever somebody waits for it, and when it is quiet.

    `save` takes the services that changed.
    """

    def __init__(self, host: Host, save: Callable[[frozenset[str]], None]) -> None:
        self._host = host
        self._save = save
        self._waiting: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin to save."""
        self._thread.start()

    def stop(self) -> None:
        """Save everything once more and end."""
        self._stopping = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        self._save(frozenset({EVERYTHING}))
        self._answer(self._take())

    async def committed(self) -> None:
        """Wait, on the serving loop, until everything up to now is saved."""
        if self._stopping or not self._thread.is_alive():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(future)
        self._wanted.set()
        await future

    def _run(self) -> None:
        later: frozenset[str] = frozenset()
        while not self._stopping:
            waited_for = self._wanted.wait(QUIET_SECONDS)
            self._wanted.clear()
            # In this order: whoever waits has named what changed before.
            waiting = self._take()
            touched = self._host.activity.touched() | later
            quiet = self._host.activity.quiet_for() >= QUIET_SECONDS
            now = touched if quiet else touched - PASTIME if waited_for else frozenset()
            later = touched - now
            try:
                if now:
                    self._save(now)
            finally:
                self._answer(waiting)

    def _take(self) -> list[asyncio.Future[None]]:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting

    def _answer(self, waiting: list[asyncio.Future[None]]) -> None:
        def on_loop() -> None:
            for future in waiting:
                if not future.done():
                    future.set_result(None)

        if waiting:
            self._host.post(on_loop)


class Snapshots:
    """Files of state below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs = directory / "blobs"
        self._next = directory / "next"
        self._written: dict[str, str] = {}
        self._known: dict[int, tuple[bytes, str]] = {}

    def save(self, states: dict[str, Any], persistence: Any) -> None:
        """Write the states that changed since the last call, all or none."""
        changed: dict[str, str] = {}
        for name, state in states.items():
            text = json.dumps(
                {"__ministack_format__": persistence._state_format_version(name), "payload": state},
                default=persistence._json_default,
            )
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._written.get(name) != digest:
                self._written[name] = digest
                changed[name] = text
        if not changed:
            return
        self._next.mkdir(parents=True, exist_ok=True)
        for name, text in changed.items():
            (self._next / f"{name}.json").write_text(text)
        (self._next / COMPLETE).touch()
        self.recover()

    def recover(self) -> None:
        """Move a complete snapshot into place, or discard an incomplete one."""
        if not self._next.is_dir():
            return
        complete = (self._next / COMPLETE).exists()
        for path in self._next.glob("*.json"):
            if complete:
                os.replace(path, self._directory / path.name)
            else:
                path.unlink()
        (self._next / COMPLETE).unlink(missing_ok=True)

    def encoding(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A JSON `default` that keeps large bytes in a file of their own."""

        def encode(value: Any) -> Any:
            if isinstance(value, bytes | bytearray) and len(value) >= LARGE_BYTES:
                return {"__blob__": self._keep(bytes(value))}
            return original(value)

        return encode

    def decoding(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The JSON `object_hook` for it."""

        def decode(value: Any) -> Any:
            if isinstance(value, dict) and set(value) == {"__blob__"}:
                return (self._blobs / value["__blob__"]).read_bytes()
            return original(value)

        return decode

    def _keep(self, value: bytes) -> str:
        known = self._known.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        name = hashlib.sha256(value).hexdigest()
        path = self._blobs / name
        if not path.exists():
            self._blobs.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(value)
            partial.replace(path)
        self._known[id(value)] = (value, name)
        return name
