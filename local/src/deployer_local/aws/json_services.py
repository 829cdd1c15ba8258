"""Adds services of our own to the emulated AWS: JSON in, JSON out, over the same port as all others.

A service's handler may block and may call AWS itself, so it runs on a thread of its own, never on the serving loop. A
handler that answers None leaves the request to ministack.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from . import emulator
from .host import Host

log = logging.getLogger(__name__)
Body = dict[str, Any]


class ServiceFailure(Protocol):
    """What a service's error carries: AWS's error code, its message, the HTTP status."""

    code: str
    message: str
    status: int


@dataclass(frozen=True)
class JsonService:
    """A service of the AWS JSON protocol.

    `target`: what stands before the dot in X-Amz-Target. `handle`: action and request body to response body. `error`:
    the exception type it raises for an AWS error, shaped as `ServiceFailure`.
    """

    name: str
    target: str
    handle: Callable[[str, Body], Body | None]
    error: type[Exception]


def install(service: JsonService) -> Callable[[Host], None]:
    """Extension for `Host`: answer the service's requests."""

    def extend(_host: Host) -> None:
        application = emulator.module("app")
        reentrant = emulator.module("core.concurrency").run_reentrant
        patterns = emulator.module("core.router").SERVICE_PATTERNS
        original = application.SERVICE_HANDLERS.get(service.name)
        patterns.setdefault(service.name, {"target_prefixes": [f"{service.target}."]})

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            status, answer = await reentrant(answer_to, service, headers.get("x-amz-target", ""), body)
            if answer is None and original is not None:
                return await original(method, path, headers, body, query)
            return status, _headers(answer), json.dumps(answer or {}).encode()

        application.SERVICE_HANDLERS[service.name] = handle

    return extend


def answer_to(service: JsonService, target: str, body: bytes) -> tuple[int, Body | None]:
    """HTTP status and body for one request; an AWS error becomes its JSON form, None means not ours.

    What is no JSON and what the service fails with beyond its own errors have AWS's names too.
    """
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return 400, {"__type": "SerializationException", "message": "the request is not JSON"}
    try:
        return 200, service.handle(target.rpartition(".")[2], request)
    except service.error as raised:
        failure: Any = raised
        return failure.status, {"__type": failure.code, "message": failure.message}
    except Exception:
        log.exception("%s broke at %s", service.name, target)
        return 500, {"__type": "InternalFailure", "message": "this engine is at fault; its log says more"}


def _headers(answer: Body | None) -> dict[str, str]:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    if answer and "__type" in answer:
        headers["x-amzn-errortype"] = answer["__type"]
    return headers
