"""A build's log: lines to CloudWatch Logs as they come, secrets masked.

A thread of its own sends what has gathered while the previous call was on its way. A log service that cannot be
reached never fails a build: the loss is logged once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)
_BATCH = 500
_LONGEST = 200_000


class BuildLog:
    """Writes to stream ``stream`` of ``group``; ``clock`` gives seconds since the epoch."""

    def __init__(self, logs: Any, group: str, stream: str, clock: Callable[[], float] = time.time) -> None:
        self._logs, self.group, self.stream, self._clock = logs, group, stream, clock
        self._lines: list[dict[str, Any]] = []
        self._secrets: tuple[str, ...] = ()
        self._changed = threading.Condition()
        self._closed = False
        self._last = 0
        self._thread = threading.Thread(target=self._send, name=f"build-log-{stream}", daemon=True)
        self._thread.start()

    def hide(self, secrets: Iterable[str]) -> None:
        """Replace these values by ``***`` in every later line, as CodeBuild does for parameters."""
        self._secrets = tuple(sorted({secret for secret in secrets if len(secret) > 3}, key=len, reverse=True))

    def line(self, text: str) -> None:
        """Append a line of the build's own output."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        with self._changed:
            self._last = max(self._last, int(self._clock() * 1000))
            self._lines.append({"timestamp": self._last, "message": text[:_LONGEST] + "\n"})
            self._changed.notify()

    def say(self, text: str) -> None:
        """Append a line in the build container's voice."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
        self.line(f"[Container] {stamp} {text}")

    def close(self) -> None:
        """Send what is left, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=30)

    def _send(self) -> None:
        ready = self._create()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                batch, self._lines = self._lines[:_BATCH], self._lines[_BATCH:]
                if not batch:
                    return
            if not ready:
                continue
            try:
                self._logs.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=batch)
            except (ClientError, BotoCoreError) as error:
                ready = False
                log.warning("the log of build %s is incomplete: %s", self.stream, error)

    def _create(self) -> bool:
        try:
            for call, arguments in (
                (self._logs.create_log_group, {"logGroupName": self.group}),
                (self._logs.create_log_stream, {"logGroupName": self.group, "logStreamName": self.stream}),
            ):
                try:
                    call(**arguments)
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                        raise
        except (ClientError, BotoCoreError) as error:
            log.warning("build %s has no log: %s", self.stream, error)
            return False
        return True
