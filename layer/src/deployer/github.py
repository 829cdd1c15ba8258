"""GitHub's REST API over urllib3, as far as the deployer needs it.

Speaks ``application/vnd.github+json``; every ref and path is encoded; a redirect is followed to the same host only,
but for archives, where the token is left behind. Never logs a token or a body.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast
from urllib.parse import quote, urljoin, urlsplit

import urllib3

from deployer import lengths, tracing
from deployer.errors import Broken, Rejected, Transient
from deployer.events import RepositoryName
from deployer.ports import Commit, CommitStatus, Repository, Tip

TIMEOUT = urllib3.Timeout(connect=5.0, read=20.0)
DESCRIPTION_LENGTH = 140
_REDIRECTS = frozenset({301, 302, 307, 308})
_MAX_REDIRECTS = 3


class GitHub:
    """Implements ``Repositories``, ``Files`` and ``Statuses``.

    ``base_url``: ``https://api.github.com`` or an Enterprise ``https://host/api/v3``. ``token``: called for each
    request, so that a rotated one is used.
    """

    def __init__(self, base_url: str, token: Callable[[], str], http: urllib3.PoolManager | None = None) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._token = token
        self._http = http or urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    # --- Repositories

    def repository(self, owner: str, name: str) -> Repository | None:
        """GET /repos/{owner}/{repo}: None where it is not there, or not for this token."""
        found = self._get(_path_of(owner, name))
        if found is None:
            return None
        login = str(found["owner"]["login"])
        return Repository(RepositoryName(int(found["id"]), login, str(found["name"])), str(found["default_branch"]))

    def tip(self, repository: RepositoryName, ref: str) -> Tip | None:
        """GET /repos/{owner}/{repo}/git/ref/{ref}, then the commit that an annotated tag names."""
        found = self._get(f"{_repo(repository)}/git/ref/{_encode(ref.removeprefix('refs/'))}")
        if found is None or found.get("ref") != ref:
            return None
        kind, sha = str(found["object"]["type"]), str(found["object"]["sha"])
        if kind == "commit":
            return Tip(sha, sha)
        if kind != "tag":
            raise Rejected(f"{ref} names a {kind}; only a commit can be deployed")
        # commits/{ref} peels an annotated tag, and answers 404 or 422 where what it names is no commit.
        status, _, body = self._request("GET", f"{_repo(repository)}/commits/{_encode(ref.removeprefix('refs/'))}")
        if status in (404, 409, 422):
            raise Rejected(f"{ref} does not lead to a commit; only a commit can be deployed")
        return Tip(sha, str(self._object(status, body)["sha"]))

    def tips(self, repository: RepositoryName) -> Iterator[tuple[str, str]]:
        """GET /repos/{owner}/{repo}/git/matching-refs/{heads,tags}; an empty repository (409) has none."""
        for space in ("heads", "tags"):
            path: str | None = f"{_repo(repository)}/git/matching-refs/{space}"
            while path:
                status, headers, body = self._request("GET", path)
                if status in (404, 409):
                    break
                for entry in self._list(status, body):
                    yield str(entry["ref"]), str(entry["object"]["sha"])
                path = self._next_page(headers)

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        """GET /repos/{owner}/{repo}/commits/{ref}."""
        found = self._get(f"{_repo(repository)}/commits/{_encode(sha)}")
        if found is None:
            raise Rejected(f"commit {sha} is not in {repository.full_name}")
        inner = found["commit"]
        author = inner.get("author") or {}
        return Commit(
            str(found["sha"]), str(inner["message"]), str(author.get("name") or ""), str(author.get("email") or "")
        )

    # --- Files

    def directory(self, repository: RepositoryName, path: str, commit: str) -> Mapping[str, str] | None:
        """GET /repos/{owner}/{repo}/contents/{path}: None where ``path`` is missing or no directory."""
        url = f"{_repo(repository)}/contents/{_encode(path)}?ref={_encode(commit)}"
        status, _, body = self._request("GET", url)
        if status == 404:
            return None
        listing = self._json(status, body)
        return {str(entry["name"]): str(entry["type"]) for entry in listing} if isinstance(listing, list) else None

    def read(self, repository: RepositoryName, path: str, commit: str) -> bytes:
        """GET /repos/{owner}/{repo}/contents/{path} as raw bytes (up to 100 MB)."""
        url = f"{_repo(repository)}/contents/{_encode(path)}?ref={_encode(commit)}"
        status, _, body = self._request("GET", url, accept="application/vnd.github.raw+json")
        if status == 404:
            raise Rejected(f"{path} is not in {repository.full_name} at {commit[:7]}")
        self._json_or_raw(status, body)
        return body

    @contextmanager
    def archive(self, repository: RepositoryName, commit: str) -> Iterator[IO[bytes]]:
        """GET /repos/{owner}/{repo}/tarball/{ref}: a stream. It redirects to another host, which gets no token."""
        url = urljoin(self._base, f"{_repo(repository)}/tarball/{_encode(commit)}")
        headers = self._headers("application/vnd.github+json")
        for _ in range(_MAX_REDIRECTS):
            response = self._send("GET", url, headers, preload=False)
            if response.status not in _REDIRECTS:
                break
            target = _target(url, response.headers)
            response.drain_conn()
            if not _same_host(target, url):
                if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                    raise Broken("GitHub redirects an archive to a connection that is not encrypted")
                headers = {key: value for key, value in headers.items() if key != "Authorization"}
            url = target
        try:
            if response.status != 200:
                self._raise(response.status, response.headers, response.read())
            yield cast(IO[bytes], response)
        except urllib3.exceptions.HTTPError as error:
            raise Transient(f"the archive of {commit[:7]} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    # --- Statuses

    def post(self, status: CommitStatus) -> None:
        """POST /repos/{owner}/{repo}/statuses/{sha}. A description over 140 characters is cut."""
        payload = {"state": str(status.state), "context": status.context, "description": cut(status.description)}
        if status.url:
            payload["target_url"] = status.url
        path = f"{_repo(status.repository)}/statuses/{_encode(status.sha)}"
        code, _, body = self._request("POST", path, payload=payload)
        if code == 404:
            raise Broken(
                f"statuses of {status.repository.full_name} are not ours to write: the token needs `statuses: write`"
            )
        self._json(code, body)

    # --- the wire

    def _get(self, path: str) -> Mapping[str, Any] | None:
        status, _, body = self._request("GET", path)
        return None if status == 404 else self._object(status, body)

    def _request(
        self, method: str, path: str, *, payload: Mapping[str, object] | None = None, accept: str = ""
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = urljoin(self._base, path)
        headers = self._headers(accept or "application/vnd.github+json")
        body = None
        if payload is not None:
            body = json.dumps(payload).encode()
            headers["Content-Type"] = "application/json"
        for _ in range(_MAX_REDIRECTS):
            response = self._send(method, url, headers, body)
            if response.status not in _REDIRECTS:
                break
            target = _target(url, response.headers)
            if not _same_host(target, url):
                raise Broken("GitHub redirects to another host; the token stays here")
            url = target
        if response.status not in (200, 201, 404, 409, 422):
            self._raise(response.status, response.headers, response.data)
        return response.status, response.headers, response.data

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, preload: bool = True
    ) -> urllib3.BaseHTTPResponse:
        try:
            with tracing.remote(method, url) as answered:
                response = self._http.request(
                    method, url, headers=headers, body=body, redirect=False, retries=False, preload_content=preload
                )
                answered(response.status)
                return response
        except urllib3.exceptions.HTTPError as error:
            raise Transient(f"GitHub did not answer: {type(error).__name__}") from error

    def _headers(self, accept: str) -> dict[str, str]:
        return {
            "Accept": accept,
            "Authorization": f"Bearer {self._token()}",
            "User-Agent": "opolis-deployer",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _json(self, status: int, body: bytes) -> Any:
        self._json_or_raw(status, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise Transient(f"GitHub answered {status} with something else than JSON") from error

    def _object(self, status: int, body: bytes) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self._json(status, body))

    def _list(self, status: int, body: bytes) -> list[Mapping[str, Any]]:
        return cast(list[Mapping[str, Any]], self._json(status, body))

    def _json_or_raw(self, status: int, body: bytes) -> None:
        if status >= 400:
            self._raise(status, {}, body)

    def _raise(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        message = _message(body)
        if status in (403, 429) and (wait := _limited(status, headers, message)) is not None:
            raise Transient(f"GitHub asks to slow down: {message}", wait)
        if status >= 500 or status == 408:
            raise Transient(f"GitHub answered {status}")
        if status in (401, 403):
            raise Broken(f"GitHub refused the token ({status}: {message}); set it with `deployer config set`")
        raise Rejected(f"GitHub answered {status}: {message}")

    def _next_page(self, headers: Mapping[str, str]) -> str | None:
        for part in headers.get("Link", "").split(","):
            target, _, rel = part.partition(";")
            if 'rel="next"' in rel:
                url = target.strip().strip("<>")
                if not _same_host(url, self._base):
                    raise Broken("GitHub's next page is on another host; the token stays here")
                return url
        return None


def cut(description: str) -> str:
    """At most 140 characters, GitHub's limit for a description; more would answer 422.

    Whether GitHub counts code points or UTF-16 units is not documented: both stay below.
    """
    text = " ".join(description.split())
    shown = lengths.cut(text, DESCRIPTION_LENGTH)
    return shown if shown == text else shown[:-1].rstrip() + lengths.ELLIPSIS


def _encode(path: str) -> str:
    """A ref or path, its slashes kept. A segment of dots alone would be resolved away: nothing of GitHub's has one."""
    if any(segment in (".", "..") for segment in path.split("/")):
        raise Rejected(f"{path!r} is no name that GitHub knows")
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def _path_of(owner: str, name: str) -> str:
    return f"repos/{_encode(owner).replace('/', '%2F')}/{_encode(name).replace('/', '%2F')}"


def _repo(repository: RepositoryName) -> str:
    return _path_of(repository.owner, repository.name)


def _target(url: str, headers: Mapping[str, str]) -> str:
    try:
        target = urljoin(url, headers.get("Location", ""))
        _ = urlsplit(target).port
    except ValueError as error:
        raise Broken("GitHub redirects to what is no URL") from error
    return target


def _same_host(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return "no reason given"
    return str(found.get("message", "no reason given"))[:200] if isinstance(found, dict) else "no reason given"


def _limited(status: int, headers: Mapping[str, str], message: str) -> float | None:
    """Seconds to wait where this is a rate limit, else None.

    Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    retry_after = headers.get("Retry-After", "")
    if retry_after.isdigit():
        return float(retry_after)
    if headers.get("X-RateLimit-Remaining") == "0":
        reset = headers.get("X-RateLimit-Reset", "")
        return max(1.0, float(reset) - time.time()) if reset.isdigit() else 60.0
    return 60.0 if status == 429 or "rate limit" in message.lower() else None
