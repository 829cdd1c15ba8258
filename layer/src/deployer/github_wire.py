"""How requests reach GitHub and what its answers mean: headers, redirects, pages, validators, refusals.

Knows no operation of the API. The token goes to the configured host alone and is never logged, nor is a body.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urljoin, urlsplit

import urllib3

from deployer import tracing
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github_credentials import Credentials, OneToken

TIMEOUT = urllib3.Timeout(connect=5.0, read=20.0)
PLAIN = "application/vnd.github+json"
_ANSWERS = frozenset({200, 201, 404, 409, 422})
_OF_A_REMOVAL = frozenset({204, 403, 404, 422})
_UNCHANGED = 304
_REDIRECTS = frozenset({301, 302, 307, 308})
_MAX_REDIRECTS = 3
# Whose owner put it to rest: no token may write there, and nobody is to be called for it.
# https://docs.github.com/repositories/archiving-a-github-repository/archiving-repositories
_ARCHIVED = "archived so is read-only"


@dataclass(frozen=True)
class Answer:
    """What GitHub answered; what asks for its content raises where it is a refusal. Header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def unchanged(self) -> bool:
        """Whether what was validated still holds; it has no content then."""
        return self.status == _UNCHANGED

    @property
    def empty(self) -> bool:
        """Whether it is refused because the repository is empty: 409, as where it is out of reach for a while."""
        return self.status == 409 and b"Git Repository is empty" in self.body

    @property
    def forbidden(self) -> bool:
        """Whether it says that the token may not do this; a 403 may also be a limit, or an archived repository."""
        return self.status == 403 and isinstance(refusal(self.status, self.headers, self.body), Broken)

    @property
    def validator(self) -> str:
        """The ETag as it came, a weak one's ``W/`` included; empty where there is none."""
        return self.headers.get("ETag", "")

    def content(self) -> bytes:
        """The body as it is."""
        if self.status >= 400:
            raise refusal(self.status, self.headers, self.body)
        return self.body

    def json(self) -> Any:
        """The body as JSON."""
        body = self.content()
        try:
            return json.loads(body)
        except ValueError as error:
            raise Transient(f"GitHub answered {self.status} with something else than JSON") from error

    def object(self) -> Mapping[str, Any]:
        """The body as a JSON object."""
        return cast(Mapping[str, Any], self.json())

    def list(self) -> list[Mapping[str, Any]]:
        """The body as a JSON list of objects. What is no list is never taken for an empty one."""
        found = self.json()
        if not isinstance(found, list):
            raise Transient(f"GitHub answered {self.status} with {type(found).__name__}, not with a list")
        return found


def pool() -> urllib3.PoolManager:
    """Connections to GitHub; who speaks to it in several ways may share them."""
    return urllib3.PoolManager(timeout=TIMEOUT, retries=False)


class Wire:
    """One GitHub. ``base_url``: ``https://api.github.com`` or an Enterprise ``https://host/api/v3``.

    ``token``: called for each request, so that a rotated one is used; or what has one for each repository.
    """

    def __init__(
        self, base_url: str, token: Callable[[], str] | Credentials, http: urllib3.PoolManager | None = None
    ) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._credentials = token if isinstance(token, Credentials) else OneToken(token)
        self._http = http or pool()

    def to(self, repository: RepositoryName) -> str:
        """The path of a repository that is asked about next."""
        self._credentials.know(repository)
        return path_to(repository)

    def get(self, path: str, *, accept: str = PLAIN, validator: str = "", also: frozenset[int] = frozenset()) -> Answer:
        """GET. With a ``validator`` the answer may be 304, which costs nothing of the rate limit.

        ``also``: refusals that are answers to whoever asks.

        https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate
        """
        headers = self._headers(accept, path) | ({"If-None-Match": validator} if validator else {})
        return self._ask("GET", path, headers, statuses=_ANSWERS | also | ({_UNCHANGED} if validator else set()))

    def post(self, path: str, payload: Mapping[str, object] | None, *, also: frozenset[int] = frozenset()) -> Answer:
        """POST as JSON; None sends nothing."""
        if payload is None:
            return self._ask("POST", path, self._headers(PLAIN, path), statuses=_ANSWERS | also)
        return self._write("POST", path, payload, _ANSWERS | also)

    def patch(self, path: str, payload: Mapping[str, object]) -> Answer:
        """PATCH as JSON."""
        return self._write("PATCH", path, payload, _ANSWERS)

    def delete(self, path: str) -> Answer:
        """DELETE: 204 with no content, or 403, 404, 422."""
        return self._ask("DELETE", path, self._headers(PLAIN, path), statuses=_OF_A_REMOVAL)

    def pages(
        self, path: str, first: Answer | None = None, *, also: frozenset[int] = frozenset()
    ) -> Iterator[tuple[str, Answer]]:
        """Each page of a list with the path that it is asked by; ``first`` where that one was read already.

        https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api#using-link-headers
        """
        here: str | None = path
        answer = first
        while here is not None:
            answer = answer or self.get(here, also=also)
            yield here, answer
            here, answer = self._next_page(answer.headers), None

    @contextmanager
    def stream(self, path: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """GET, unread. A redirect to another host is followed without the token."""
        url = urljoin(self._base, path)
        headers = self._headers(PLAIN, path)
        for _ in range(_MAX_REDIRECTS):
            response = self._send("GET", url, headers, preload=False)
            if response.status == 401 and "Authorization" in headers and self._credentials.refused(path):
                response.drain_conn()
                headers = self._headers(PLAIN, path)
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
                raise refusal(response.status, response.headers, response.read())
            yield response
        finally:
            response.close()

    def _write(self, method: str, path: str, payload: Mapping[str, object], statuses: frozenset[int]) -> Answer:
        headers = self._headers(PLAIN, path) | {"Content-Type": "application/json"}
        return self._ask(method, path, headers, json.dumps(payload).encode(), statuses)

    def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        statuses: frozenset[int] = _ANSWERS,
    ) -> Answer:
        url = urljoin(self._base, path)
        for _ in range(_MAX_REDIRECTS):
            response = self._send(method, url, headers, body)
            if response.status == 401 and self._credentials.refused(path):
                headers = {**headers, "Authorization": self._headers(PLAIN, path)["Authorization"]}
                response = self._send(method, url, headers, body)
            if response.status not in _REDIRECTS:
                break
            target = _target(url, response.headers)
            if not _same_host(target, url):
                raise Broken("GitHub redirects to another host; the token stays here")
            url = target
        if response.status not in statuses:
            raise refusal(response.status, response.headers, response.data)
        return Answer(response.status, response.headers, response.data)

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

    def _headers(self, accept: str, path: str) -> dict[str, str]:
        return {
            "Accept": accept,
            "Authorization": f"Bearer {self._credentials.of(path)}",
            "User-Agent": "opolis-deployer",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _next_page(self, headers: Mapping[str, str]) -> str | None:
        for part in headers.get("Link", "").split(","):
            target, _, rel = part.partition(";")
            if 'rel="next"' in rel:
                url = target.strip().strip("<>")
                if not _same_host(url, self._base):
                    raise Broken("GitHub's next page is on another host; the token stays here")
                # Without its host: where it is kept, it never leads anywhere but to the host of that day's settings.
                path, query = urlsplit(url).path, urlsplit(url).query
                return f"/{path.lstrip('/')}" + (f"?{query}" if query else "")
        return None


def encode(path: str) -> str:
    """A ref or path, its slashes kept. A segment of dots alone would be resolved away: nothing of GitHub's has one."""
    if any(segment in (".", "..") for segment in path.split("/")):
        raise Rejected(f"{path!r} is no name that GitHub knows")
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def path_of(owner: str, name: str) -> str:
    """``repos/{owner}/{repo}``, each one segment."""
    return f"repos/{encode(owner).replace('/', '%2F')}/{encode(name).replace('/', '%2F')}"


def path_to(repository: RepositoryName) -> str:
    """The same of a repository that is known."""
    return path_of(repository.owner, repository.name)


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> DeployerError:
    """What to do about an answer that is none."""
    message = _message(body)
    if status in (403, 429) and (wait := _limited(status, headers, message)) is not None:
        return Transient(f"GitHub asks to slow down: {message}", wait)
    if status >= 500 or status == 408:
        return Transient(f"GitHub answered {status}")
    if status == 403 and _ARCHIVED in message:
        return Rejected(f"GitHub answered {status}: {message}")
    if status in (401, 403):
        return Broken(f"GitHub refused the token ({status}: {message}); set it with `deployer config set`")
    return Rejected(f"GitHub answered {status}: {message}")


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
