"""One exchange with GitHub's REST API, held to GitHub's own description of it.

openapi-core judges paths, parameters, bodies and answers. Stricter than GitHub, which ignores what it does not know: a
parameter or a property that the description has not is an error here, in requests and in answers. Changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from .github_description import VERSIONS, Operation, description, omitted, operation_of

HOST = "https://api.github.com"
_PLAIN = re.compile(r"application/vnd\.github(?:\.v3)?\+json")
_SPECIAL = re.compile(r"application/vnd\.github\.(?:v3\.)?(raw|sha)")


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. `target`: path and query below the API's root, as they were sent, still encoded."""

    method: str
    target: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status}"

    @property
    def operation(self) -> Operation | None:
        """What it asks for; None where GitHub's description has no such path and method."""
        return operation_of(self.method, self.target.partition("?")[0])


class ContractError(AssertionError):
    """GitHub's contract was broken; each line says by which exchange, and how."""


def check(found: list[str]) -> None:
    """Raises ContractError where something was found."""
    if found:
        raise ContractError("\n".join(["GitHub's contract is broken:", *dict.fromkeys(found)]))


def violations(exchange: Exchange) -> list[str]:
    """All that does not fit, in the request and in the answer; each a sentence that names the exchange."""
    return wrong_request(exchange) + wrong_answer(exchange)


def wrong_request(exchange: Exchange) -> list[str]:
    """What GitHub's description does not allow in the request."""
    return [f"{exchange}: request: {each}" for each in _of_request(exchange)]


def wrong_answer(exchange: Exchange) -> list[str]:
    """What GitHub's description does not allow in the answer to this request."""
    return [f"{exchange}: answer: {each}" for each in _of_answer(exchange)]


@cache
def _api() -> OpenAPI:
    texts = [kind for each in omitted()["media"].values() for kind in each["types"] if "sha" in kind]
    settings = Config(
        spec_validator_cls=None,  # the description is GitHub's own: it need not be checked for being one
        additional_properties_default_policy="forbid",
        extra_media_type_deserializers={kind: lambda body, **_: body.decode() for kind in texts},
    )
    return OpenAPI.from_dict(description(), config=settings)


class Request:
    """A request as openapi-core reads it. `target`: path and query, encoded."""

    def __init__(self, host: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        self.host_url, self.method = host, method
        self.path, _, query = target.partition("?")
        self.query = parse_qsl(query, keep_blank_values=True)
        self.headers = Headers(list(headers.items()))
        self.content_type = self.headers.get("Content-Type", "").lower()
        self.body = body or None
        self.parameters = RequestParameters(query=ImmutableMultiDict(self.query), header=self.headers)


def _request(exchange: Exchange, operation: Operation) -> Request:
    target = f"{operation.path}?{exchange.target.partition('?')[2]}"
    return Request(HOST, operation.method, target, exchange.request_headers, exchange.request_body)


@dataclass(frozen=True)
class _Response:
    """An answer as openapi-core reads it."""

    status_code: int
    headers: Headers
    content_type: str
    data: bytes | None


def _of_request(exchange: Exchange) -> Iterator[str]:
    operation = exchange.operation
    if operation is None:
        yield "GitHub's description has no such path and method"
        return
    request = _request(exchange, operation)
    yield from objections(lambda: _api().validate_request(request))
    given, known = [name for name, _ in request.query], operation.parameters("query")
    yield from (f"{operation} has no query parameter {name!r}" for name in given if name not in known)
    yield from (f"query parameter {name!r} is given twice" for name in set(given) if given.count(name) > 1)
    if exchange.request_body and "requestBody" not in operation.described:
        yield f"{operation} takes no body"
    yield from _of_request_headers(request.headers, operation)


def _of_request_headers(headers: Headers, operation: Operation) -> Iterator[str]:
    """https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api#headers"""
    if not headers.get("User-Agent"):
        yield "there is no User-Agent"
    if not re.fullmatch(r"(?:bearer|token) \S+", headers.get("Authorization", ""), re.IGNORECASE):
        yield "there is no token"
    version = headers.get("X-GitHub-Api-Version", VERSIONS[0])
    if version not in VERSIONS:
        yield f"{version!r} is no version of the API"
    for each in headers.get("Accept", "*/*").split(","):
        kind = each.partition(";")[0].strip()
        if kind not in ("*/*", "application/json", *operation.media_types()) and not _PLAIN.fullmatch(kind):
            yield f"{operation} has no media type {kind!r}"


def _of_answer(exchange: Exchange) -> Iterator[str]:
    operation, status = exchange.operation, str(exchange.status)
    if operation is None:
        # Nothing is described; that nothing is there, or that one may not ask, is said alike everywhere.
        if status not in omitted()["responses"]:
            yield f"a {status} for a path that GitHub's description has not"
            return
        operation = Operation("get", "/repos/{owner}/{repo}", "/repos/owner/repo")
    headers = Headers(list(exchange.headers.items()))
    response = operation.described["responses"].get(status, {})
    if exchange.body and (exchange.method == "HEAD" or (response and "content" not in response)):
        yield f"a body of {len(exchange.body)} bytes where GitHub sends none"
    if exchange.method == "HEAD" and response:
        required = [name for name, of in response.get("headers", {}).items() if of.get("required")]
        yield from (f"{name} is missing" for name in required if not headers.get(name))
    else:
        answer = _Response(exchange.status, headers, headers.get("Content-Type", "").lower(), exchange.body)
        request = _request(exchange, operation)
        yield from objections(lambda: _api().validate_response(request, answer))
    yield from _of_limits(exchange, headers)
    written = _SPECIAL.match(headers.get("Content-Type", ""))
    asked = _SPECIAL.search(str(Headers(list(exchange.request_headers.items())).get("Accept", "")))
    if written and (asked is None or asked[1] != written[1]):
        yield f"{written[0]}, which nobody asked for"


def _of_limits(exchange: Exchange, headers: Headers) -> Iterator[str]:
    """A limit says which of the two it is, and until when in one of GitHub's ways.

    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if exchange.status not in (403, 429):
        return
    message = _message(exchange.body).lower()
    after, left, reset = (headers.get(name) for name in ("Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"))
    if after is not None and not after.isdigit():
        yield f"Retry-After is no number of seconds: {after!r}"
    if left == "0" and not (reset or "").isdigit():
        yield f"no calls are left, and X-RateLimit-Reset is no time: {reset!r}"
    if "secondary rate limit" in message:
        if left == "0":
            yield "a secondary limit that says that the primary one is reached"
    elif "rate limit" in message and left != "0":
        yield f"the primary limit is reached, and X-RateLimit-Remaining is {left!r}"
    elif exchange.status == 429 and "rate limit" not in message and exchange.method != "HEAD":
        yield "a 429 that speaks of no limit"


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def objections(validate: Callable[[], object]) -> Iterator[str]:
    """What openapi-core objects to, with the place in the body."""
    try:
        validate()
    except OpenAPIError as error:
        cause: BaseException | None = error
        while cause is not None and not getattr(cause, "schema_errors", None):
            cause = cause.__cause__
        if cause is None:
            yield f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        for each in getattr(cause, "schema_errors", []):
            inner = "; ".join(_told(below) for below in (each.context or [])[:6])
            yield _told(each) + (f" ({inner})" if inner else "")


def _told(error: Any) -> str:
    """Where it is, and what is wrong; of the value itself, which may be a whole repository, only a little."""
    said = error.message if len(error.message) < 300 else f"{error.message[:140]} ... {error.message[-140:]}"
    return f"{'/'.join(map(str, error.absolute_path)) or 'the body'}: {said}"
