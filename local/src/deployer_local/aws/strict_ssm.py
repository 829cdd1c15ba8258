"""Secrets in Parameter Store as closed as on AWS: without WithDecryption, a SecureString tells nothing.

ministack answers the plain text in base64 then. KMS answers a ciphertext that only it can open, another one for each
version of the parameter.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host

HEAD = bytes.fromhex("0102020078")
"""How a ciphertext of KMS begins."""


def install(_host: Host) -> None:
    """Extension for `Host`."""
    emulator.wrap(emulator.module("services.ssm"), "_put_parameter", _closing)


def _closing(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def put(data: dict[str, Any]) -> Any:
        answer = original(data)
        ssm = emulator.module("services.ssm")
        kept = ssm._parameters.get(data.get("Name"))
        if answer[0] == 200 and kept is not None and kept["Type"] == "SecureString":
            kept["Value"] = ssm._parameter_history[kept["Name"]][-1]["Value"] = _ciphertext(kept["OriginalValue"])
        return answer

    return put


def _ciphertext(value: str) -> str:
    return base64.b64encode(HEAD + secrets.token_bytes(150 + len(value.encode()))).decode()
