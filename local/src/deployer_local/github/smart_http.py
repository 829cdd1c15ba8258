"""git over HTTP: clone, fetch and push, streamed through `git http-backend`.

Owner and name only select a repository's number; git sees a path made of that number. Only the two smart services
exist: no file of a repository is reachable by its path. Pushes to one repository go one after the other, so that each
is seen for itself. Never authenticates: the server listens on loopback only.

https://git-scm.com/docs/git-http-backend
"""

import asyncio
import base64
import binascii
import os
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import Receive, Scope, Send

from .git import clean_environment
from .names import parse_full_name
from .repositories import Repositories, Repository

_PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)", re.ASCII)
_SERVICES = ("git-upload-pack", "git-receive-pack")
_CHUNK = 64 * 1024
_LONGEST_HEAD = 16 * 1024

Pushed = Callable[[int, str | None], Awaitable[None]]
"""Called with the repository's number and the pusher's login after git has taken a push, before the client is told."""


@dataclass
class SmartHttp:
    """The ASGI application. `sent` is called when the answer to a push is on its way."""

    repositories: Repositories
    pushed: Pushed
    sent: Callable[[], None]
    base: Callable[[], str]
    _turns: dict[int, asyncio.Lock] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; 404 for everything that is not git's smart protocol."""
        request = Request(scope, receive)
        match = _PATH.fullmatch(raw_path(scope))
        service = _service(request, match.group(3)) if match else None
        if match is None or service is None:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        try:
            name = str(parse_full_name(f"{unquote(match.group(1))}/{unquote(match.group(2))}"))
        except ValueError:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        repository = await run_in_threadpool(self.repositories.named, name)
        if repository is None:
            moved = await run_in_threadpool(self.repositories.formerly, name)
            if moved is None:
                await PlainTextResponse("Repository not found.", 404)(scope, receive, send)
                return
            query = f"?{request.url.query}" if request.url.query else ""
            there = f"{self.base()}/{moved.full_name}.git/{match.group(3)}{query}"
            await RedirectResponse(there, 301)(scope, receive, send)
            return
        async with AsyncExitStack() as turn:
            writes = match.group(3) == "git-receive-pack"
            if writes:
                await turn.enter_async_context(self._turns.setdefault(repository.id, asyncio.Lock()))
            await self._serve(request, send, repository, match.group(3), announce=writes)
        if writes:
            self.sent()

    async def _serve(self, request: Request, send: Send, repository: Repository, path: str, *, announce: bool) -> None:
        folder = (await run_in_threadpool(self.repositories.git, repository)).path
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=clean_environment() | _cgi(request, str(folder.parent), f"/{folder.name}/{path}"),
            limit=_LONGEST_HEAD,
            start_new_session=True,
        )
        feeding = asyncio.create_task(_feed(request, process))
        login = _login(request) if announce else None
        try:
            await self._answer(process, send, repository, login, announce=announce)
        except BaseException:
            await _end(process, feeding, kill=not announce)
            if announce:  # the client left, but git may have moved refs
                await self.pushed(repository.id, login)
            raise
        await _end(process, feeding, kill=False)

    async def _answer(
        self,
        process: asyncio.subprocess.Process,
        send: Send,
        repository: Repository,
        login: str | None,
        *,
        announce: bool,
    ) -> None:
        out = process.stdout
        if out is None:  # pragma: no cover - the pipe was asked for, and only its type doubts it
            msg = "git http-backend has no output"
            raise RuntimeError(msg)
        try:
            head = await out.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = b"Status: 500 Internal Server Error\r\n\r\n"
        status, headers = _head(head)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        while chunk := await out.read(_CHUNK):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await process.wait()
        if announce:
            await self.pushed(repository.id, login)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def raw_path(scope: Scope) -> str:
    """The path as the client wrote it, still percent-encoded, below the place where this application is mounted."""
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    root = str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


def _service(request: Request, path: str) -> str | None:
    if path == "info/refs":
        service = request.query_params.get("service")
        return service if request.method == "GET" and service in _SERVICES else None
    return path if request.method == "POST" else None


def _cgi(request: Request, root: str, path: str) -> dict[str, str]:
    """The CGI variables; of the request's headers only those that git http-backend reads.

    Not the length: given one, it waits for the missing bytes of a broken upload for ever, and busily.
    """
    wanted = {
        "CONTENT_TYPE": "content-type",
        "HTTP_CONTENT_ENCODING": "content-encoding",
        "GIT_PROTOCOL": "git-protocol",
        "HTTP_GIT_PROTOCOL": "git-protocol",
    }
    given = {name: request.headers[header] for name, header in wanted.items() if header in request.headers}
    return given | {
        "REQUEST_METHOD": request.method,
        "GIT_PROJECT_ROOT": root,
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": request.url.query,
        "REMOTE_ADDR": "127.0.0.1",
    }


async def _end(process: asyncio.subprocess.Process, feeding: asyncio.Task[None], *, kill: bool) -> None:
    """Ends git. A push is never killed: it would leave its locks behind; without input it comes to its own end."""
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    if process.stdin is not None:  # pragma: no branch - the pipe was asked for
        process.stdin.close()
    if kill and process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    while process.stdout is not None and await process.stdout.read(_CHUNK):
        pass
    await process.wait()


async def _feed(request: Request, process: asyncio.subprocess.Process) -> None:
    into = process.stdin
    if into is None:  # pragma: no cover - the pipe was asked for, and only its type doubts it
        return
    try:
        async for chunk in request.stream():
            into.write(chunk)
            await into.drain()
    except (ClientDisconnect, BrokenPipeError, ConnectionResetError):
        pass  # the client left, or git refused early: its answer says so
    finally:
        into.close()


def _head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """A CGI head as status and headers."""
    status, headers = 200, []
    for line in head.split(b"\r\n"):
        key, colon, value = line.partition(b":")
        if colon and key.lower() == b"status":
            status = int(value.split()[0])
        elif colon:
            headers.append((key.strip().lower(), value.strip()))
    return status, headers


def _login(request: Request) -> str | None:
    """Who pushes, where git sends a user name; it is believed, as it decides nothing but the name in the payload."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name = base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if re.fullmatch(r"[A-Za-z0-9-]{1,39}", name) else None
