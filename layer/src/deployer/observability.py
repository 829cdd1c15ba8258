"""Structured logs: one JSON object a line, from the standard library's logging alone.

Nothing here decides anything.
"""

from __future__ import annotations

import contextvars
import functools
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from deployer import tracing
from deployer.metrics import Metric, embedded

Handler = Callable[[Any, Any], Any]

_context: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("log_context", default=None)
# The function that runs, and the installation that it belongs to.
_function: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("function", default=("", ""))


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON object: time, level, logger, message, the bound context, ``extra={"fields": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_context.get() or {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return _printable(json.dumps(entry, ensure_ascii=False, default=str))


def _printable(line: str) -> str:
    """JSON with what moves a cursor, turns text around or is no UTF-8 (a lone surrogate) written as an escape."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


class Log:
    """A logger whose keyword arguments become fields of the line.

    >>> log = Log("builder")
    >>> log.info("stack created", stack="site-staging")
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, message: str, **fields: object) -> None:
        """A step that an operator may want to follow."""
        self._logger.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        """Something refused or given up, with its reason."""
        self._logger.warning(message, extra={"fields": fields})

    def error(self, message: str, **fields: object) -> None:
        """Something that needs a person."""
        self._logger.error(message, extra={"fields": fields})

    def exception(self, message: str, **fields: object) -> None:
        """As ``error``, with the traceback of the exception being handled."""
        self._logger.exception(message, extra={"fields": fields})

    def measure(self, metric: Metric, value: float = 1, **dimensions: str) -> None:
        """A measurement, in a line of its own. ``dimensions``: the metric's; ``Function`` is known."""
        name, installation = _function.get()
        if "Function" in metric.dimensions:
            dimensions["Function"] = name
        fields = embedded(installation, metric, value, dimensions, time.time_ns() // 1_000_000)
        self._logger.info("measured", extra={"fields": fields})


def logger(name: str) -> Log:
    """The structured logger of a module."""
    return Log(name)


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Add fields (delivery, environment, commit) to every line logged inside."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure() -> None:
    """Send every line to standard error as JSON, replacing what the runtime installed. Idempotent."""
    root = logging.getLogger()
    if any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return
    for handler in list(root.handlers):
        root.removeHandler(handler)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter())
    root.addHandler(stream)
    root.setLevel(logging.INFO)
    # boto3 and urllib3 log whole requests at DEBUG, headers and credentials included.
    for noisy in ("boto3", "botocore", "urllib3", "slack_sdk"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def traced(name: str) -> Callable[[Handler], Handler]:
    """Decorate a Lambda handler: JSON logs, and a subsegment named ``name`` where the invocation is sampled."""

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def wrapped(event: Any, context: Any) -> Any:
            configure()
            own = getattr(context, "function_name", "")
            token = _function.set((name, own.removesuffix("-" + name.replace("_", "-"))))
            try:
                with bound(request=str(getattr(context, "aws_request_id", ""))), tracing.invocation(name):
                    return handler(event, context)
            finally:
                _function.reset(token)

        return wrapped

    return decorate
