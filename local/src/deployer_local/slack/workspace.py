"""The local Slack as one object: the ASGI application, and what Python may ask of it.

Mount `app` at `/slack/api/`. Answers as Slack does: HTTP 200 with `ok` false for what it refuses, 429 with Retry-After
when told to. Never logs the token or a message.

https://docs.slack.dev/apis/web-api
"""

import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployer_local.slack.messages import Channel, Message, Messages
from deployer_local.slack.methods import METHODS, Json, SlackError

_LARGEST_BODY = 4 * 1024 * 1024


class Slack:
    """One workspace with one bot."""

    def __init__(
        self,
        store: Path,
        *,
        token: str,
        channels: Iterable[str] = ("general", "deployments"),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens or creates the state in the folder `store`.

        `token`: the bot's. `channels`: names that exist from the start. `clock`: seconds since the epoch.
        """
        store.mkdir(parents=True, exist_ok=True)
        self._token = token
        self._messages = Messages(store / "slack.sqlite", clock)
        self._lock = threading.Lock()
        self._faults: list[tuple[str | None, int | str, int]] = []
        for name in channels:
            self._messages.add_channel(name)
        self.app = Starlette(routes=[Route("/{method}", self._serve, methods=["GET", "POST"])])

    def close(self) -> None:
        """Closes the state."""
        self._messages.close()

    def create_channel(self, name: str) -> Channel:
        """The channel of this name, made if there is none."""
        return self._messages.add_channel(name)

    def add_user(self, email: str, name: str) -> str:
        """The id of the person with this address, who joins if not there."""
        return self._messages.add_person(email, name)

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

    async def _serve(self, request: Request) -> Response:
        headers = {"X-Slack-Req-Id": uuid.uuid4().hex}
        method = str(request.path_params["method"])
        fault = self._fault(method)
        if fault is not None:
            fault.headers.update(headers)
            return fault
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BODY:
                return JSONResponse({"ok": False, "error": "request_timeout"}, 413, headers)
        try:
            answer = await run_in_threadpool(self._call, request, method, body)
        except SlackError as error:
            answer = error.answer
        return JSONResponse(answer, 200, headers)

    def _fault(self, method: str) -> Response | None:
        with self._lock:
            for fault in self._faults:
                wanted, what, retry_after = fault
                if wanted in {None, method}:
                    self._faults.remove(fault)
                    if isinstance(what, str):
                        return JSONResponse({"ok": False, "error": what})
                    if what == 429:
                        after = {"Retry-After": str(retry_after)}
                        return JSONResponse({"ok": False, "error": "ratelimited"}, what, after)
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
        answer = METHODS[method](self._messages, arguments)
        if warning:
            answer |= {"warning": warning, "response_metadata": {"warnings": [warning]}}
        return answer


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
