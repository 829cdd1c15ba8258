"""Servers for the tests of the local GitHub and Slack: the real applications, on a real port of loopback."""

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp
from tests.contracts.github import check
from tests.contracts.github_tap import Tap
from tests.contracts.github_webhooks import wrong_deliveries

from deployer_local.github import GitHub

TOKEN = "ghp_canary_token"


@contextmanager
def served(app: Callable[[str], ASGIApp]) -> Iterator[str]:
    """Runs the application that `app` makes for its address; yields that address."""
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a small answer waits for an ACK
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    work = serve(app(url), config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    thread = threading.Thread(target=lambda: loop.run_until_complete(work))
    thread.start()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@dataclass
class Receiver:
    """An address for webhooks that keeps what it got."""

    url: str = ""
    status: int = 202
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A listening webhook address."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/webhook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A listening webhook address."""
    with receiving() as kept:
        yield kept


@dataclass
class Forge:
    """A running local GitHub and how to reach it."""

    github: GitHub
    url: str
    tap: Tap
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def call(
        self,
        method: str,
        path: str,
        json: object = None,
        headers: dict[str, str] | None = None,
        token: str = TOKEN,
        *,
        nonsense: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One REST call; no redirect is followed. `nonsense`: GitHub's description does not allow it, on purpose."""
        sent = {"Authorization": f"Bearer {token}", "User-Agent": "tests"} | (headers or {})
        url = f"{self.url}/api/v3{path}"
        with self.tap.nonsense() if nonsense else nullcontext():
            return self.http.request(method, url, headers=sent, json=json, redirect=False, retries=False)


@contextmanager
def running(root: Path, **settings: Any) -> Iterator[Forge]:
    """A local GitHub behind hypercorn. What it was asked, answered and sent has to fit GitHub's description."""
    made: list[tuple[GitHub, Tap]] = []

    def app(url: str) -> ASGIApp:
        github = GitHub(root, token=TOKEN, base_url=lambda: url, **settings)
        made.append((github, Tap(github.app)))
        return made[0][1]

    with served(app) as url:
        github, tap = made[0]
        try:
            yield Forge(github, url, tap)
            sent = github.deliveries()
        finally:
            github.close()
    tap.check()
    check(wrong_deliveries(sent))


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    """A local GitHub of this test alone."""
    with running(tmp_path / "forge") as made:
        yield made


class Work:
    """A working tree with git in it."""

    def __init__(self, path: Path) -> None:
        """Makes the folder an empty repository on branch main."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Runs git as a person whose configuration is empty; the output of both streams."""
        who = {"NAME": "Mona Lisa", "EMAIL": "mona@example.com"}
        names = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=os.environ | names | nothing,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout.strip()

    def commit(self, message: str = "change", **files: str) -> str:
        """Writes files (`__` in a name stands for a dot) and commits them; the commit's id."""
        for name, content in files.items():
            (self.path / name.replace("__", ".")).write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A working tree without commits."""
    return Work(tmp_path / "work")


@pytest.fixture
def site(forge: Forge, work: Work) -> Work:
    """A working tree whose origin is acme/site on the local GitHub, with one commit on main pushed."""
    forge.github.create_repository("acme/site")
    work.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
    work.commit("First commit", README__md="hello\n")
    work.git("push", "-q", "origin", "main")
    return work
