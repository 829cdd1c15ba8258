"""X-Ray as Lambda does it: the segment of each sampled invocation, sent to the daemon that the functions send to.

ministack gives an invocation its header where the function's tracing is active, the function's SDK sends subsegments of
the segment that the header names, and this sends that segment. Of Lambda's two segments it is the function's
(`AWS::Lambda::Function`); the service's own, which tells of waiting and starting, is not made.

https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from __future__ import annotations

import json
import logging
import socket
import time
from typing import Any

from . import emulator
from .host import Extension, Host

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
_HEADER = b'{"format": "json", "version": 1}\n'


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, as in AWS_XRAY_DAEMON_ADDRESS. Raises `ValueError`."""
    host, _, port = text.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def variables(daemon: str) -> dict[str, str]:
    """What Lambda tells a function of X-Ray. `daemon`: empty where there is none."""
    return {"AWS_XRAY_DAEMON_ADDRESS": daemon, "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR"} if daemon else {}


def install(daemon: str) -> Extension:
    """Extension for `Host`: send the segment of each sampled invocation to `daemon`; empty: none is sent."""

    def extend(host: Host) -> None:
        if not daemon:
            return
        where = address(daemon)
        worker = emulator.module("core.lambda_runtime").Worker
        original = worker.invoke

        def invoke(self: Any, event: Any, request_id: str, *, trace_id: str | None = None, **more: Any) -> Any:
            began, failed = time.time(), True
            try:
                result = original(self, event, request_id, trace_id=trace_id, **more)
                failed = result.get("status") != "ok"
                return result
            finally:
                header = dict(part.partition("=")[::2] for part in (trace_id or "").split(";"))
                if header.get("Sampled") == "1":
                    _send(where, segment(self.config, header, request_id, (began, time.time()), failed))

        worker.invoke = invoke

    return extend


def segment(
    config: dict[str, Any], header: dict[str, str], request_id: str, times: tuple[float, float], failed: bool
) -> dict[str, Any]:
    """The document; `header`: the parts of the trace header, whose Parent is this segment."""
    return {
        "name": str(config.get("FunctionName", "")),
        "id": header["Parent"],
        "trace_id": header["Root"],
        "start_time": times[0],
        "end_time": times[1],
        "origin": "AWS::Lambda::Function",
        "aws": {"account_id": emulator.ACCOUNT, "request_id": request_id},
        **({"fault": True} if failed else {}),
    }


def _send(where: tuple[str, int], document: dict[str, Any]) -> None:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(_HEADER + json.dumps(document).encode(), where)
    except OSError as error:
        log.warning("no segment could be sent to %s:%d: %s", *where, error)
