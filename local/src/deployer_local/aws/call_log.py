"""Notes every API request in the host's activity before its service answers it. It changes no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from . import emulator
from .host import Host

Handler = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]


def install(host: Host) -> None:
    """Extension for `Host`: record the service and action of every request. Install it after all services."""
    handlers: dict[str, Handler] = emulator.module("app").SERVICE_HANDLERS
    for service, handler in list(handlers.items()):
        handlers[service] = _noting(service, handler, host)


def _noting(service: str, handler: Handler, host: Host) -> Handler:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> tuple[int, dict[str, str], Any]:
        host.activity.called(service, action_of(method, path, headers, body, query))
        # A long poll changes nothing while it waits, and must not keep the host from ever being quiet.
        answer = await handler(method, path, headers, body, query)
        if method != "GET":
            host.activity.touch()
        return answer

    return handle


def action_of(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]) -> str:
    """`UpdateStack` for the JSON and query protocols, `PUT /bucket/key` for the REST ones."""
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    if "Action" in query:
        return query["Action"][0]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode("utf-8", "replace")).get("Action")
        if action:
            return action[0]
    return f"{method} {path}"
