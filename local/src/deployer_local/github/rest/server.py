"""The REST server: from HTTP to a `Call` and back.

Here, once for all endpoints: the token, the rate limit, conditional requests, moved repositories, failures on demand.
Reads the path as it was sent, so that refs with `#`, `%2f` or `&` stay what they are. Never logs a header.
"""

import hashlib
import json
import logging
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployer_local.github.repositories import Repository
from deployer_local.github.smart_http import raw_path

from . import apps, archives, contents, deployments, environments, hooks, pulls, refs, statuses
from .account import ROUTES as ACCOUNT_ROUTES
from .account import RateLimit, rate_limit_body
from .exchange import DOCUMENTATION, Answer, Call, Forge, RefusalError, Route
from .identity import Identity, identify, seen, visible

log = logging.getLogger(__name__)

OF_A_REPOSITORY: tuple[Route, ...] = (
    *(refs.ROUTES + contents.ROUTES + archives.ROUTES + statuses.ROUTES + hooks.ROUTES),
    *(deployments.ROUTES + environments.ROUTES + pulls.ROUTES + apps.ROUTES),
    *refs.LATE_ROUTES,
)
_SUBJECT = re.compile(r"/(?:repos/([^/]+/[^/]+)|repositories/([0-9]{1,18}))(/.*)?", re.ASCII)
OF_NONE: tuple[Route, ...] = ACCOUNT_ROUTES + apps.OF_NO_REPOSITORY
_LARGEST_BODY = 1024 * 1024
_VERSION = "2022-11-28"
_REDIRECTS = "https://docs.github.com/v3/#http-redirects"
_PRIMARY = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
SECONDARY = f"{_PRIMARY}#about-secondary-rate-limits"
_SHOWN = "ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"


@dataclass(frozen=True)
class Fault:
    """An answer that takes the place of the right one, once."""

    pattern: re.Pattern[str]
    status: int
    headers: Mapping[str, str]
    message: str
    documentation: str = DOCUMENTATION


class Rest:
    """The ASGI application, mounted where the API's root is."""

    def __init__(self, forge: Forge, token: str, tickets: archives.Tickets, rate_limit: int) -> None:
        """`token` is the only one that is accepted; `rate_limit` in calls an hour."""
        self._forge = forge
        self._token = token
        self._tickets = tickets
        self._rate = RateLimit(rate_limit, forge.clock)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def rotate(self, token: str) -> None:
        """From now on only this token is accepted."""
        self._token = token

    def fail_next(self, fault: Fault, times: int) -> None:
        """Answers the next `times` calls whose path (encoded, below the API's root) matches with this fault."""
        with self._lock:
            self._faults += [fault] * times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one call. The work is done in a thread: it asks git and the store."""
        request = Request(scope, receive)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BODY:
                await Response("Payload Too Large", 413)(scope, receive, send)
                return
        answer, extra = await run_in_threadpool(self._answer, request, raw_path(scope), body)
        await self._response(answer, extra, bodiless=request.method == "HEAD")(scope, receive, send)

    def _answer(self, request: Request, path: str, body: bytes) -> tuple[Answer, dict[str, str]]:
        headers = {
            "X-GitHub-Request-Id": ":".join(uuid.uuid4().hex.upper()[at : at + 4] for at in range(0, 20, 4)),
            "X-GitHub-Media-Type": "github.v3; format=json",
            "Access-Control-Expose-Headers": _SHOWN,
        }
        try:
            self._fault(path)
            more, identity = self._admit(request, path)
            headers |= more
            answer = self._dispatch(request, path, body, identity)
        except RefusalError as refusal:
            answer = refusal.answer
        if request.method in {"GET", "HEAD"} and answer.status == 200:
            answer = self._conditional(request, answer, headers, cost=_cost(path))
        return answer, headers

    def _fault(self, path: str) -> None:
        with self._lock:
            for fault in self._faults:
                if fault.pattern.search(path):
                    self._faults.remove(fault)
                    raise RefusalError(
                        fault.status, fault.message, headers=fault.headers, documentation=fault.documentation
                    )

    def _admit(self, request: Request, path: str) -> tuple[dict[str, str], Identity]:
        if not request.headers.get("user-agent"):
            raise RefusalError(403, "Request forbidden by administrative rules. A User-Agent header is required.")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if not given:
            raise RefusalError(401, "Requires authentication")
        if scheme.lower() not in {"bearer", "token"}:
            raise RefusalError(401, "Bad credentials")
        identity = identify(self._forge.apps, given.strip(), self._token)
        version = request.headers.get("x-github-api-version", _VERSION)
        if version != _VERSION:  # https://docs.github.com/rest/about-the-rest-api/api-versions
            raise RefusalError(400, f"The API version {version[:40]!r} is not supported")
        left = self._rate.take(_cost(path))
        if left is None:
            user = self._forge.repositories.user_id(self._forge.login)
            message = f"API rate limit exceeded for user ID {user}."
            raise RefusalError(403, message, headers=self._rate.spent().headers(), documentation=_PRIMARY)
        return left.headers() | {"X-GitHub-Api-Version-Selected": version}, identity

    def _dispatch(self, request: Request, path: str, body: bytes, identity: Identity) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        if method == "GET" and path == "/rate_limit":
            return Answer(rate_limit_body(self._rate.take(0) or self._rate.spent()))
        subject: Repository | None = None
        rest, routes = path, OF_NONE
        if match := _SUBJECT.fullmatch(path):
            name, numbered, rest, routes = unquote(match[1] or ""), match[2], match[3] or "", OF_A_REPOSITORY
            repositories = self._forge.repositories
            subject = repositories.numbered(int(numbered)) if numbered else repositories.named(name)
            if subject is None and (moved := repositories.formerly(name)) and seen(identity, moved):
                there = f"{self._forge.urls().api}/repositories/{moved.id}{rest}"
                query = f"?{request.url.query}" if request.url.query else ""
                status = 301 if method == "GET" else 307  # GitHub's body is the same for both
                moved_to = {"message": "Moved Permanently", "url": there + query, "documentation_url": _REDIRECTS}
                return Answer(moved_to, status, {"Location": there + query})
            subject = visible(identity, subject)
        for route in routes:
            found = route.pattern.fullmatch(rest)
            if found and route.method == method:
                identity.admit(route)
                params = {key: unquote(value) for key, value in found.groupdict().items()}
                query_params = dict(request.query_params)
                headers = dict(request.headers)
                call = Call(
                    *(self._forge, method, rest, params, query_params, headers, body, subject),
                    *(self._tickets.sign, identity),
                )
                return route.endpoint(call)
        raise RefusalError(404, "Not Found")

    def _conditional(self, request: Request, answer: Answer, headers: dict[str, str], *, cost: int) -> Answer:
        headers["ETag"] = f'W/"{hashlib.sha256(_body(answer)).hexdigest()}"'
        headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP"
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if headers["ETag"].removeprefix("W/") in known:
            self._rate.give_back(cost)
            left = self._rate.take(0) or self._rate.spent()
            headers |= left.headers()
            return Answer(status=304)
        return answer

    def _response(self, answer: Answer, extra: dict[str, str], *, bodiless: bool) -> Response:
        media, body = answer.media if answer.body is not None else None, _body(answer)
        length = {"Content-Length": str(len(body))} if bodiless else {}
        return Response(b"" if bodiless else body, answer.status, {**extra, **answer.headers, **length}, media)


def _cost(path: str) -> int:
    """What a call takes from the primary limit: asking for the limit is free.

    https://docs.github.com/rest/rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user
    """
    return 0 if path == "/rate_limit" else 1


def _body(answer: Answer) -> bytes:
    if answer.body is None or isinstance(answer.body, bytes):
        return answer.body or b""
    return json.dumps(answer.body, separators=(",", ":"), ensure_ascii=False).encode()
