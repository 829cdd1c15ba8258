"""The program that a Lambda worker runs: import one handler, then answer one event a line until the input ends.

It is started as a script by an interpreter without site-packages (`-I -S`) and therefore imports nothing but the
standard library, not even its own package. It reads and writes the lines that ministack's worker pool expects:
`{"event", "ctx"}` in, `{"status", "result"}` or `{"status": "error", "error", "trace"}` out. What the function prints
goes to stderr; a mark there ends the log of each invocation.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

END_OF_LOG = "\x1eend of invocation"


class Context:
    """The context object of https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    identity = None
    client_context = None

    def __init__(self, call: dict[str, Any]) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = str(call.get("invoked_function_arn", ""))
        self.aws_request_id = str(call.get("request_id", ""))
        self._deadline = time.monotonic() + float(call.get("timeout_ms", 3000)) / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is cut."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def answers() -> TextIO:
    """The stream for answers: the real stdout, out of reach of whatever the function prints or starts."""
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


def load(init: dict[str, Any]) -> Callable[[Any, Context], Any]:
    """Import the handler under the search path Lambda has: the zip, then the layers, then the standard library."""
    sys.path[:0] = init["paths"]
    module, name = init["module"], init["handler"]
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"Unable to import module '{module}': {error}") from error
    handler = getattr(imported, name, None)
    if handler is None:
        raise AttributeError(f"Handler '{name}' missing on module '{module}'")
    return handler  # type: ignore[no-any-return]


def run(handler: Callable[[Any, Context], Any], message: dict[str, Any]) -> dict[str, Any]:
    """One invocation; an exception of the handler becomes its answer."""
    call = message.get("ctx") or {}
    if call.get("trace_id"):
        os.environ["_X_AMZN_TRACE_ID"] = call["trace_id"]
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        result = handler(message["event"], Context(call))
        return {"status": "ok", "result": json.loads(json.dumps(result))}
    except Exception as error:  # noqa: BLE001 - as in Lambda: whatever a handler raises is its answer
        return {"status": "error", "error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}


def main() -> None:
    """Serve invocations until stdin closes."""
    out = answers()
    init = json.loads(sys.stdin.readline())
    try:
        handler = load(init)
    except Exception as error:  # noqa: BLE001 - whatever a module raises while it is imported is the answer
        traceback.print_exc()
        out.write(json.dumps({"status": "error", "error": str(error)}) + "\n")
        return
    out.write(json.dumps({"status": "ready"}) + "\n")
    for line in sys.stdin:
        answer = run(handler, json.loads(line))
        sys.stderr.write(f"{END_OF_LOG}\n")
        sys.stderr.flush()
        out.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
