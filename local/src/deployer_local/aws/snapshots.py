"""Keeps the emulated AWS's state on disk while it runs, so that a killed engine comes back.

ministack saves when it is stopped; this also saves whenever nothing has happened for a moment, and every few seconds
while things happen. A snapshot is complete or not there: changed files are written aside and moved into place
together, and a move that was cut short is finished at the next start. Large byte strings (layers, above all) are kept
once, in files named by their content. What happened after the last snapshot is lost, as a message on its way is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import emulator
from .host import Host

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.2
BUSY_SECONDS = 3.0
LARGE_BYTES = 4096
COMPLETE = "complete"


def install(host: Host) -> None:
    """Extension for `Host`: finish or discard what the last host left, then save from time to time."""
    persistence = emulator.module("core.persistence")
    application = emulator.module("app")
    snapshots = Snapshots(host.data / "state")
    snapshots.recover()
    persistence._json_default = snapshots.encoding(persistence._json_default)
    persistence._json_object_hook = snapshots.decoding(persistence._json_object_hook)
    taking = threading.Lock()

    def take() -> None:
        with taking:
            states = host.run(lambda: _states(application))
            snapshots.save(states, persistence)

    # ministack's own save at shutdown runs on the loop and would write file by file.
    application.save_all = lambda _states: None
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.is_set():
            if not host.activity.wait_for_change(1.0):
                continue
            waited = 0.0
            while host.activity.quiet_for() < QUIET_SECONDS and waited < BUSY_SECONDS and not stopping.is_set():
                stopping.wait(0.05)
                waited += 0.05
            if not stopping.is_set():
                take()

    def stop() -> None:
        stopping.set()
        watcher.join()
        take()

    watcher = threading.Thread(target=watch, name="snapshots", daemon=True)
    host.after_start(watcher.start)
    host.before_stop(stop)


def _states(application: Any) -> dict[str, Any]:
    """A copy of every used service's state, taken between two steps of the serving loop."""
    services: dict[str, Callable[[], Any]] = application._build_persistence_save_dict()
    return {name: state for name, get in services.items() if (state := get()) is not None}


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
