"""Verify who sent a webhook: HMAC-SHA-256 over the raw bytes, compared in constant time.

The secret is read only for a request that carries a signature of the right shape. While the secret is rotated, the
previous one (parameter ``….previous``) is valid too.
Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import Protocol

from deployer.errors import Broken

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)
PREVIOUS = ".previous"
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
    """Whether ``digest`` is the body's; takes as long for a wrong one as for a right one."""
    return hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), digest)


class Verifier:
    """Check signatures against the current and the previous secret.

    A mismatch may mean that the secret was rotated: it is read anew, at most once in 30 s, so that refused requests
    cannot be turned into a flood of reads.
    """

    def __init__(self, secrets: SecretSource, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets, self._name, self._clock = secrets, name, clock
        self._read_at: float | None = None

    def verify(self, body: bytes, digest: str) -> bool:
        """Whether one of the secrets made this digest.

        Raises:
            Broken: where there is no current secret; nothing can be verified then.
        """
        if self._read_at is None:
            self._read_at = self._clock()
        if self._any(body, digest):
            return True
        if self._clock() - self._read_at < REREAD_AFTER:
            return False
        self._read_at = self._clock()
        self._secrets.forget(self._name)
        self._secrets.forget(self._name + PREVIOUS)
        return self._any(body, digest)

    def _any(self, body: bytes, digest: str) -> bool:
        if matches(self._secrets.get(self._name), body, digest):
            return True
        try:
            previous = self._secrets.get(self._name + PREVIOUS)
        except Broken:  # there is none unless the secret was rotated
            return False
        return matches(previous, body, digest)
