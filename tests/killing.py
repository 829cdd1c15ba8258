"""Kills a process at a chosen one of its changes to AWS: before it arrives, or before its answer does.

A witness stands between the process and the engine and passes everything on. Nothing is timed.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deployer_local.aws.call_log import action_of, changes
from deployer_local.engine import Engine
from deployer_local.kept import Kept

PATIENCE = 120.0
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
_SERVICE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Death:
    """At which of its changes a process dies, counted from 1, and whether that change still arrives."""

    change: int
    arrives: bool


@dataclass(frozen=True)
class Life:
    """How a process ended, what it said, and the changes that it asked for."""

    code: int
    out: str
    err: str
    changes: list[str]


class Witness(ThreadingHTTPServer):
    """Passes requests on to the engine at ``port``."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.asked: list[str] = []
        self._death: Death | None = None
        self._victim: subprocess.Popen[str] | None = None
        self._there = threading.Event()
        self._turn = threading.Lock()

    def watch(self, death: Death | None) -> None:
        """Begin a new life."""
        self.asked, self._death = [], death
        self._there.clear()

    def meet(self, victim: subprocess.Popen[str]) -> None:
        """The process whose requests come from now on."""
        self._victim = victim
        self._there.set()

    def fate(self, service: str, action: str) -> Death | None:
        """What becomes of whoever asks for this."""
        if not changes(service, action):
            return None
        with self._turn:
            self.asked.append(action)
            return self._death if self._death and len(self.asked) == self._death.change else None

    def kill(self) -> None:
        """End the process, and see it ended."""
        assert self._there.wait(PATIENCE)
        assert self._victim
        self._victim.kill()
        self._victim.wait(PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    server: Witness
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "expect"}
        url = urlsplit(self.path)
        service = _SERVICE.search(headers.get("authorization", ""))
        action = action_of(self.command, url.path, headers, body, parse_qs(url.query))
        death = self.server.fate(service[1] if service else "", action)
        if death and not death.arrives:
            self._die()
            return
        engine = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        engine.request(self.command, self.path, body, headers)
        answer = engine.getresponse()
        content = answer.read()
        if death:
            self._die()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if self.command != "HEAD" else 0))
        self.end_headers()
        self.wfile.write(content)

    def __getattr__(self, name: str) -> Any:
        """Every method is passed on."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _die(self) -> None:
        self.server.kill()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def witness(engine: Engine, folder: Path) -> Iterator[Witness]:
    """A witness of whoever works on the engine that is said to run at ``folder``."""
    kept = Kept.read(engine.data)
    assert kept
    with Witness(kept.aws_port) as server:
        folder.mkdir()
        replace(kept, aws_port=server.server_address[1]).write(folder)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


def live(server: Witness, folder: Path, *arguments: str, death: Death | None = None) -> Life:
    """Run the `deployer` command on that engine, as a process that may die."""
    server.watch(death)
    command = [sys.executable, "-m", "deployer_cli.main", *arguments, "--local", "--data", str(folder)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    server.meet(process)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Life(process.returncode, out, err, list(server.asked))
