"""Asynchronous Lambda invocations: retried as Lambda retries them, and their final failure told.

As ministack does it, with what it lacks: somebody who learns of the last failure (CodePipeline fails the action of a
function that raised). The pauses between attempts are a second and two instead of one minute and two.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import emulator
from .host import Host

DEFAULT_RETRIES = 2
PAUSES = (1.0, 2.0)

Failed = Callable[[Mapping[str, Any], str], None]
Result = dict[str, Any]


def install(failed: Failed) -> Callable[[Host], None]:
    """Extension for `Host`: call `failed` with the event and the error message of each invocation given up."""

    def extend(host: Host) -> None:
        functions = emulator.module("services.lambda_svc")
        spawn = emulator.module("core.concurrency").spawn_background
        stopping = threading.Event()
        host.before_stop(stopping.set)

        def run(function: dict[str, Any], event: Any) -> None:
            retries = (function.get("event_invoke_config") or {}).get("MaximumRetryAttempts")
            result = last_failure(lambda: functions._execute_function(function, event), retries, stopping.wait)
            if result is not None:
                _give_up(functions, function, event, result)
                if isinstance(event, Mapping):
                    failed(event, _message(result))

        def wrapper(_original: Callable[..., None]) -> Callable[..., None]:
            return lambda function, event: spawn(run, function, event, thread_name="async-invocation")

        emulator.wrap(functions, "invoke_async_with_retry", wrapper)

    return extend


def last_failure(attempt: Callable[[], Result], retries: int | None, stopped: Callable[[float], bool]) -> Result | None:
    """What the last attempt ended with when all failed; None when one succeeded, or it is not for us to go on.

    `retries`: None for Lambda's default. `stopped` waits those seconds and says whether to stop.
    """
    result = attempt()
    for pause in PAUSES[: DEFAULT_RETRIES if retries is None else retries]:
        if not result.get("error") or stopped(pause):
            return None
        result = attempt()
    return result if result.get("error") else None


def _give_up(functions: Any, function: dict[str, Any], event: Any, result: dict[str, Any]) -> None:
    config = function.get("config") or function
    settings = (function.get("event_invoke_config") or {}).get("DestinationConfig") or {}
    target = settings.get("OnFailure", {}).get("Destination") or (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        functions._route_async_failure(target, config["FunctionName"], event, result)


def _message(result: dict[str, Any]) -> str:
    body = result.get("body")
    return str(body.get("errorMessage", "")) if isinstance(body, dict) else str(body)
