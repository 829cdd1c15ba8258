"""Notes every API request before its service answers it, and holds back the answer to a change until it is kept.

It changes no answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from . import emulator
from .activity import EVERYTHING
from .host import Host

Handler = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]

READING = ("Get", "List", "Describe", "BatchGet", "Receive", "Query", "Scan", "Validate", "Lookup")


def install(host: Host) -> None:
    """Extension for `Host`: record the service and action of every request. Install it after all services."""
    handlers: dict[str, Handler] = emulator.module("app").SERVICE_HANDLERS
    for service, handler in list(handlers.items()):
        handlers[service] = _noting(service, handler, host)


def _noting(service: str, handler: Handler, host: Host) -> Handler:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> tuple[int, dict[str, str], Any]:
        action = action_of(method, path, headers, body, query)
        host.activity.called(service, action)
        # Not counted as work: a long poll must not keep the host from ever being quiet.
        answer = await handler(method, path, headers, body, query)
        if changes(service, action):
            host.activity.touch(EVERYTHING if service == "cloudformation" else service)
            await host.committed()
        return answer

    return handle


def changes(service: str, action: str) -> bool:
    """Whether the action may change state that AWS keeps once it has answered."""
    if service in ("logs", "monitoring"):
        return False
    method, _, path = action.partition(" ")
    if path:
        return method not in ("GET", "HEAD") and not path.endswith("/invocations")
    return not action.startswith(READING)


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
