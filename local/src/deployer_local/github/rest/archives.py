"""Source archives: a redirect from REST to the archive host, which here is a path of the same server.

The archive is `git archive` streamed: `export-ignore` applies, modes and symbolic links stay, submodules and LFS files
are not in it, as on GitHub. The redirect's address carries a signed ticket that is valid for five minutes, so that it
works without the token, as GitHub's does.

https://docs.github.com/rest/repos/contents#download-a-repository-archive-tar
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployer_local.github import shapes
from deployer_local.github.git import GitRepository, clean_environment
from deployer_local.github.repositories import Clock, Repositories, Repository
from deployer_local.github.smart_http import raw_path

from .exchange import Answer, Call, not_found, route

_PATH = re.compile(r"/([^/]+/[^/]+)/legacy\.tar\.gz/(.+)", re.ASCII)
_VALID_FOR = 300
_CHUNK = 256 * 1024


class Tickets:
    """Signs archive addresses for five minutes with a key of this process."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        """`key` is random and never leaves the process."""
        self._key = key
        self._clock = clock

    def sign(self, path: str) -> str:
        """A ticket for a path (percent-encoded)."""
        until = str(int(self._clock()) + _VALID_FOR)
        return f"{until}.{self._mac(until, path)}"

    def valid(self, path: str, ticket: str) -> bool:
        """Whether `ticket` was signed for this path and is not over."""
        until, _, mac = ticket.partition(".")
        right = hmac.compare_digest(mac.encode(), self._mac(until, path).encode())
        return right and int(until) >= self._clock()

    def _mac(self, until: str, path: str) -> str:
        return hmac.new(self._key, f"{until} {path}".encode(), hashlib.sha256).hexdigest()


def tarball(call: Call) -> Answer:
    """GET .../tarball/{ref}: 302 to the archive."""
    given = call.params.get("ref") or call.repository.default_branch
    if call.git.resolve(given, call.repository.default_branch) is None:
        not_found()
    refs, name = call.git.refs(), given.removeprefix("refs/")
    full = next((ref for ref in (f"refs/{name}", f"refs/heads/{given}", f"refs/tags/{given}") if ref in refs), given)
    path = f"/{call.repository.full_name}/legacy.tar.gz/{shapes.escape(full)}"
    return Answer(None, 302, {"Location": f"{call.urls.base}/codeload{path}?token={call.ticket(path)}"})


class Codeload:
    """The archive host, as an ASGI application."""

    def __init__(self, repositories: Repositories, tickets: Tickets) -> None:
        """Serves only paths that carry a ticket of `tickets`."""
        self._repositories = repositories
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams one archive; 404 for everything else."""
        request, path = Request(scope, receive), raw_path(scope)
        match = _PATH.fullmatch(path)
        response: PlainTextResponse | StreamingResponse = PlainTextResponse("404: Not Found", 404)
        if match and request.method == "GET" and self._tickets.valid(path, request.query_params.get("token", "")):
            found = await run_in_threadpool(self._find, match.group(1), unquote(match.group(2)))
            if found is not None:
                repository, git, sha = found
                name = f"{repository.owner}-{repository.name}-{sha[:7]}"
                headers = {"Content-Disposition": f"attachment; filename={name}.tar.gz"}
                response = StreamingResponse(_archive(git, sha, f"{name}/"), 200, headers, "application/x-gzip")
        await response(scope, receive, send)

    def _find(self, full_name: str, ref: str) -> tuple[Repository, GitRepository, str] | None:
        repository = self._repositories.named(full_name)
        if repository is None:
            return None
        git = self._repositories.git(repository)
        sha = git.resolve(ref, repository.default_branch)
        return (repository, git, sha) if sha else None


async def _archive(git: GitRepository, sha: str, prefix: str) -> AsyncIterator[bytes]:
    process = await asyncio.create_subprocess_exec(
        *("git", "--git-dir", str(git.path), "archive", "--format=tar.gz", f"--prefix={prefix}", sha),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        while process.stdout and (chunk := await process.stdout.read(_CHUNK)):
            yield chunk
        if await process.wait() != 0:
            msg = f"git archive ended with {process.returncode}"
            raise RuntimeError(msg)  # the client must not take a torn archive for a whole one
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


ROUTES = (
    route("GET", "/tarball/{+ref}", tarball),
    route("GET", "/tarball", tarball),
    route("GET", "/tarball/", tarball),
)
