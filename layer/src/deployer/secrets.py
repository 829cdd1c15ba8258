"""Secrets in SSM Parameter Store, read when first needed and kept for a while.

A secret is never logged and never put into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken, Transient

TTL = 300.0


@dataclass(frozen=True)
class _Kept:
    """``read_at`` by the clock that only goes on; ``written``: seconds since the epoch, by SSM's."""

    read_at: float
    value: str
    written: float


class _MissingError(Broken):
    """It was never set."""


class Secrets:
    """Read SecureString parameters. ``ttl``: seconds for which a value is kept."""

    def __init__(
        self,
        ssm: Any,
        ttl: float = TTL,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ssm, self._ttl, self._clock, self._now = ssm, ttl, clock, now
        self._kept: dict[str, _Kept] = {}
        self._missing: dict[str, float] = {}

    def get(self, name: str, *, lines: bool = False) -> str:
        """The decrypted value, without the white space that editors and shells leave around it.

        ``lines``: it may have several.

        Raises:
            Broken: where the parameter is missing, empty, no line of text or not ours to read.
            Transient: where SSM did not answer.
        """
        return self._read(name, lines).value

    def has(self, name: str, *, lines: bool = False) -> bool:
        """Whether it was ever set; kept for a while, as values are. Raises as ``get`` does, but where it is missing."""
        now = self._clock()
        if name in self._missing and now - self._missing[name] < self._ttl:
            return False
        try:
            self._read(name, lines)
        except _MissingError:
            self._missing[name] = now
            return False
        return True

    def age(self, name: str) -> float:
        """Seconds since it was written. Raises as ``get`` does."""
        return self._now() - self._read(name).written

    def _read(self, name: str, lines: bool = False) -> _Kept:
        kept = self._kept.get(name)
        now = self._clock()
        if kept and now - kept.read_at < self._ttl:
            return kept
        try:
            found = self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("ParameterNotFound", "AccessDeniedException"):
                kind = _MissingError if code == "ParameterNotFound" else Broken
                raise kind(f"secret {name} can't be read ({code}); set it with `deployer config set {name}`") from error
            raise Transient(f"SSM refused to read {name}: {code}") from error
        except BotoCoreError as error:
            raise Transient(f"SSM did not answer: {type(error).__name__}") from error
        value = str(found["Value"]).strip()
        if not value:
            raise Broken(f"secret {name} is empty; set it with `deployer config set {name}`")
        if (
            not lines and not value.isprintable()
        ):  # http.client would refuse it as a header, with the value in its message
            raise Broken(f"secret {name} is not one line of text; set it with `deployer config set {name}`")
        modified = found.get("LastModifiedDate")  # without one, it is as old as can be
        self._kept[name] = _Kept(now, value, modified.timestamp() if modified else 0.0)
        return self._kept[name]

    def forget(self, name: str) -> None:
        """Read it anew next time: it may have been rotated."""
        self._kept.pop(name, None)
