"""The local Slack as one object: the ASGI application, and what Python may ask of it.

Mount `app` at `/slack/api/`. Answers as Slack does: HTTP 200 with `ok` false for what it refuses, 429 with Retry-After
when told to. Never logs the token or a message.

https://docs.slack.dev/apis/web-api
"""

import hmac
import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployer_local.slack.messages import Channel, Message, Messages
from deployer_local.slack.methods import METHODS, SCOPES, Json, SlackError

_LARGEST_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Exchange:
    """One call as it came and was answered, without its headers: they hold the token."""

    method: str
    query: str
    content_type: str
    body: bytes
    status: int
    headers: dict[str, str]
    """The answer's, names in lower case."""
    answer: bytes


class Slack:
    """One workspace with one bot."""

    def __init__(
        self,
        store: Path,
        *,
        token: str,
        channels: Iterable[str] = ("general", "deployments"),
        clock: Callable[[], float] = time.time,
        paced: bool = False,
        scopes: Iterable[str] = SCOPES,
    ) -> None:
        """Opens or creates the state in the folder `store`.

        `token`: the bot's. `channels`: names that exist from the start. `clock`: seconds since the epoch. `paced`: one
        message a second for each channel, as Slack allows in general (it tolerates short bursts, this does not):
        https://docs.slack.dev/apis/web-api/rate-limits

        `scopes`: what the token is allowed: https://docs.slack.dev/reference/scopes
        """
        store.mkdir(parents=True, exist_ok=True)
        self._token = token
        self._scopes = frozenset(scopes)
        self._messages = Messages(store / "slack.sqlite", clock)
        self._lock = threading.Lock()
        self._faults: list[tuple[str | None, int | str, int]] = []
        self._watchers: list[Callable[[Exchange], None]] = []
        self._clock, self._paced = clock, paced
        self._free: dict[str, float] = {}
        for name in channels:
            self._messages.add_channel(name)
        self.app = Starlette(routes=[Route("/{method}", self._serve, methods=["GET", "POST"])])

    def close(self) -> None:
        """Closes the state."""
        self._messages.close()

    def create_channel(self, name: str) -> Channel:
        """The channel of this name, made if there is none."""
        return self._messages.add_channel(name)

    def archive_channel(self, name: str) -> None:
        """The channel stays, and takes no messages any more."""
        self._messages.shut(self._messages.add_channel(name), "is_archived")

    def remove_from_channel(self, name: str) -> None:
        """The bot is no member any more: it may not post there."""
        self._messages.shut(self._messages.add_channel(name), "not_in_channel")

    def invite_to_channel(self, name: str) -> None:
        """The channel takes the bot's messages (again)."""
        self._messages.shut(self._messages.add_channel(name), "")

    def add_user(self, email: str, name: str) -> str:
        """The id of the person with this address, who joins if not there."""
        return self._messages.add_person(email, name)

    def channels(self) -> list[Channel]:
        """Every channel, direct messages included."""
        return self._messages.channels()

    def people(self) -> dict[str, str]:
        """Everybody's name, by id."""
        return self._messages.people()

    def messages(self, channel: str | None = None) -> list[Message]:
        """Messages (of one channel, by id or name), oldest first; replies are within the message they reply to.

        KeyError for an unknown channel.
        """
        found = self._messages.channel(channel) if channel is not None else None
        if channel is not None and found is None:
            raise KeyError(channel)
        return self._messages.threads(found)

    def rotate_token(self, token: str) -> None:
        """From now on only this token is accepted."""
        self._token = token

    def fail_next(self, what: int | str, *, method: str | None = None, retry_after: int = 1, times: int = 1) -> None:
        """The next `times` calls (of `method`) fail: with an HTTP status, or with an error in Slack's words.

        429 carries Retry-After, `retry_after` seconds.
        """
        with self._lock:
            self._faults += [(method, what, retry_after)] * times

    def watch(self, seen: Callable[[Exchange], None]) -> None:
        """From now on `seen` is told of every exchange, in the order in which they were answered."""
        self._watchers.append(seen)

    async def _serve(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BODY:
                break
        method = str(request.path_params["method"])
        response = await run_in_threadpool(self._answer, request, method, body)
        response.headers["X-Slack-Req-Id"] = uuid.uuid4().hex
        if scopes := getattr(request.state, "scopes", ""):
            # What the token is allowed: https://docs.slack.dev/authentication/installing-with-oauth#scopes
            response.headers["X-OAuth-Scopes"] = scopes
        kind = request.headers.get("content-type", "")
        shown = dict(response.headers.items())
        exchange = Exchange(method, request.url.query, kind, body, response.status_code, shown, bytes(response.body))
        with self._lock:
            for seen in self._watchers:
                seen(exchange)
        return response

    def _answer(self, request: Request, method: str, body: bytes) -> Response:
        fault = self._fault(method)
        if fault is not None:
            return fault
        if len(body) > _LARGEST_BODY:
            return JSONResponse({"ok": False, "error": "request_timeout"}, 413)
        try:
            return JSONResponse(self._call(request, method, body))
        except _TooFast as error:
            return _limited(error.seconds)
        except SlackError as error:
            return JSONResponse(error.answer)

    def _fault(self, method: str) -> Response | None:
        with self._lock:
            for fault in self._faults:
                wanted, what, retry_after = fault
                if wanted in {None, method}:
                    self._faults.remove(fault)
                    if isinstance(what, str):
                        return JSONResponse({"ok": False, "error": what})
                    if what == 429:
                        return _limited(retry_after)
                    return Response("Server Error", what)
        return None

    def _call(self, request: Request, method: str, body: bytes) -> Json:
        if method not in METHODS:
            raise SlackError("unknown_method", req_method=method)
        arguments, warning = _arguments(request, body)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = given if scheme.lower() == "bearer" else str(arguments.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        if not self._token or not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            raise SlackError("invalid_auth")
        needed = METHODS[method].scope
        request.state.scopes = ",".join(sorted(self._scopes))
        if needed and needed not in self._scopes:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(self._scopes)))
        if self._paced and method == "chat.postMessage":
            self._pace(str(arguments.get("channel") or ""))
        answer = METHODS[method](self._messages, arguments)
        if warning:
            metadata = answer.setdefault("response_metadata", {})
            metadata["warnings"] = [warning, *metadata.get("warnings", ())]
        if warnings := answer.get("response_metadata", {}).get("warnings"):
            answer["warning"] = ",".join(warnings)
        return answer

    def _pace(self, named: str) -> None:
        channel = self._messages.channel(named)
        key, now = channel.id if channel else named, self._clock()
        with self._lock:
            if (wait := self._free.get(key, 0.0) - now) > 0:
                raise _TooFast(math.ceil(wait))
            self._free[key] = now + 1.0


class _TooFast(Exception):  # noqa: N818 - says what the caller is
    """The next call is welcome in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def _limited(seconds: int) -> Response:
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(seconds)})


def _arguments(request: Request, body: bytes) -> tuple[dict[str, Any], str | None]:
    """A call's arguments from query, form or JSON body; and a warning, if Slack would give one."""
    given: dict[str, Any] = dict(request.query_params)
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if not body:
        return given, None
    match kind.strip().lower():
        case "application/json":
            try:
                found = json.loads(body)
            except ValueError as error:
                raise SlackError("invalid_json") from error
            if not isinstance(found, dict):
                raise SlackError("json_not_object")
            return given | found, None if "charset" in rest.lower() else "missing_charset"
        case "application/x-www-form-urlencoded":
            try:
                return given | dict(parse_qsl(body.decode(), keep_blank_values=True)), None
            except UnicodeDecodeError as error:
                raise SlackError("invalid_charset") from error
        case _:
            raise SlackError("invalid_post_type")
