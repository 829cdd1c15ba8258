"""Verify who sent a webhook: HMAC-SHA-256 over the raw bytes, compared in constant time.

The secret is read only for a request that carries a signature of the right shape. While the secret is rotated, the
previous one (parameter ``….previous``) is valid too. Never logs a secret, a digest or a body.
Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployer.errors import Broken
from deployer.observability import logger

log = logger("listener")

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)
PREVIOUS = ".previous"
# Seconds: how long the secrets are kept, and how soon a mismatch may read them anew.
KEPT = 300.0
REREAD_AFTER = 30.0


class SecretSource(Protocol):
    """Where secrets are kept; ``deployer.secrets.Secrets`` is one."""

    def get(self, name: str) -> str: ...

    def forget(self, name: str) -> None: ...


def digest_of(header: str) -> str | None:
    """The hex digest in ``X-Hub-Signature-256``, or None for anything that is no such signature."""
    match = _SIGNATURE.fullmatch(header)
    return match[1] if match else None


def matches(secret: str, body: bytes, digest: str) -> bool:
    """Whether ``digest`` is the body's, in constant time. An empty secret makes no valid digest."""
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, digest) and bool(secret)


@dataclass(frozen=True)
class _Keys:
    """The valid secrets as they were read; ``problem`` says why there is no current one."""

    read_at: float
    values: tuple[str, ...]
    problem: str = ""


class Verifier:
    """Check signatures against the current and the previous secret.

    A mismatch may mean that the secret was rotated: both are read anew, at most once in 30 s whatever the outcome, so
    that refused requests cannot be turned into a flood of reads.
    """

    def __init__(self, secrets: SecretSource, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets, self._name, self._clock = secrets, name, clock
        self._keys: _Keys | None = None

    def verify(self, body: bytes, digest: str) -> bool:
        """Whether one of the secrets made this digest.

        Raises:
            Broken: where there is no current secret; nothing can be verified then.
            Transient: where it could not be read.
        """
        now, keys = self._clock(), self._keys
        if keys is None or now - keys.read_at >= KEPT:
            keys = self._read(now)
        if self._any(keys, body, digest):
            return True
        if now - keys.read_at >= REREAD_AFTER:
            keys = self._read(now)
            if self._any(keys, body, digest):
                return True
        if keys.problem:
            raise Broken(keys.problem)
        return False

    def _any(self, keys: _Keys, body: bytes, digest: str) -> bool:
        return any(matches(secret, body, digest) for secret in keys.values)

    def _read(self, now: float) -> _Keys:
        self._secrets.forget(self._name)
        self._secrets.forget(self._name + PREVIOUS)
        try:
            current = self._secrets.get(self._name)
        except Broken as error:
            self._keys = _Keys(now, (), str(error))
            return self._keys
        try:
            values: tuple[str, ...] = (current, self._secrets.get(self._name + PREVIOUS))
        except Broken as error:  # as it is, unless the secret was rotated
            log.info("only the current secret is valid", reason=str(error))
            values = (current,)
        self._keys = _Keys(now, values)
        return self._keys
