"""Verify who sent a webhook: HMAC-SHA-256 over the raw bytes, compared in constant time.

The secret is read only for a request that carries a signature of the right shape. For a day after it was rotated, the
previous one (parameter ``….previous``) is valid too: see ``deployer.rotation``. Never logs a secret, digest or body.
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
from deployer.rotation import FORMER_FOR, KEPT, PREVIOUS, REREAD_AFTER

log = logger("listener")

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)


class SecretSource(Protocol):
    """Where secrets are kept; ``deployer.secrets.Secrets`` is one."""

    def get(self, name: str) -> str: ...

    def age(self, name: str) -> float: ...

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
        self._keys = _Keys(now, (current, *self._former()))
        return self._keys

    def _former(self) -> tuple[str, ...]:
        """The previous secret, where it has not ended: what was rotated away is not to be good for ever."""
        name = self._name + PREVIOUS
        try:
            former, age = self._secrets.get(name), self._secrets.age(name)
        except Broken as error:  # as it is, unless the secret was rotated
            log.info("only the current secret is valid", reason=str(error))
            return ()
        if age >= FORMER_FOR:
            log.info("only the current secret is valid", reason="the previous one has ended")
            return ()
        return (former,)
