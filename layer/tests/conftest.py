"""A small HTTP server on loopback that plays back what a test scripted, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What was scripted. ``missing``: bytes that are promised and not sent; ``real``: the service may answer so."""

    status: int
    headers: dict[str, str]
    body: bytes
    missing: int = 0
    real: bool = True


@dataclass
class Server:
    """Answers in the order in which ``answer`` was called; what nobody scripted is a 500 that fails the test."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    exchanges: list[tuple[Asked, Answer]] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """The requests, oldest first."""
        return [asked for asked, _ in self.exchanges]

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, status: int, body: Any = b"", *, missing: int = 0, real: bool = True, **headers: str) -> None:
        """Script the next answer. ``missing``: bytes that are promised and not sent. ``real``: see ``Answer``."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json; charset=utf-8"}
        given = kind | {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Answer(status, given, raw, missing, real))


def _serve(state: Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = state.answers.pop(0) if state.answers else Answer(500, {}, b"not scripted", real=False)
            state.exchanges.append((Asked(self.command, self.path, headers, body), answer))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.missing))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers: to the client they are two hosts."""
    states = (Server(), Server())
    running = [_serve(state) for state in states]
    threads = [threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.01}) for each in running]
    for state, server, thread in zip(states, running, threads, strict=True):
        state.port = server.server_address[1]
        thread.start()
    yield states
    for server, thread in zip(running, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    """One of them."""
    return servers[0]
