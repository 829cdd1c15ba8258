"""Secrets in SSM Parameter Store, read when first needed and kept for a while.

A secret is never logged and never put into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken, Transient

TTL = 300.0


class Secrets:
    """Read SecureString parameters. ``ttl``: seconds for which a value is kept."""

    def __init__(self, ssm: Any, ttl: float = TTL, clock: Callable[[], float] = time.monotonic) -> None:
        self._ssm, self._ttl, self._clock = ssm, ttl, clock
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, name: str) -> str:
        """The decrypted value, without the white space that editors and shells leave around it.

        Raises:
            Broken: where the parameter is missing, empty, no line of text or not ours to read.
            Transient: where SSM did not answer.
        """
        kept = self._kept.get(name)
        now = self._clock()
        if kept and now - kept[0] < self._ttl:
            return kept[1]
        try:
            value = str(self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]).strip()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("ParameterNotFound", "AccessDeniedException"):
                raise Broken(
                    f"secret {name} can't be read ({code}); set it with `deployer config set {name}`"
                ) from error
            raise Transient(f"SSM refused to read {name}: {code}") from error
        except BotoCoreError as error:
            raise Transient(f"SSM did not answer: {type(error).__name__}") from error
        if not value:
            raise Broken(f"secret {name} is empty; set it with `deployer config set {name}`")
        if not value.isprintable():  # http.client would refuse it as a header, with the value in its message
            raise Broken(f"secret {name} is not one line of text; set it with `deployer config set {name}`")
        self._kept[name] = (now, value)
        return value

    def forget(self, name: str) -> None:
        """Read it anew next time: it may have been rotated."""
        self._kept.pop(name, None)
