"""An HTTP request, whichever of API Gateway's or Lambda's shapes it came in.

Pure. Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
(payloads 1.0 and 2.0), https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# GitHub caps a payload at 25 MB; what is larger did not come from there.
MAX_BODY = 25 * 1024 * 1024


class Refused(Exception):  # noqa: N818 - a refusal is an answer
    """Answer with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Request:
    """Header names in lower case, the body as the very bytes that were sent (they are what is signed)."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, or empty."""
        return self.headers.get(name, "")


def parse(event: Any) -> Request:
    """Read a Lambda event of API Gateway v1 or v2, or of a function URL.

    Raises:
        Refused: 400 for no such event, 413 for a body over 25 MB.
    """
    if not isinstance(event, dict):
        raise Refused(400, "not an HTTP request")
    # The lists win: of a repeated header `headers` has the last one alone.
    headers = {**_combined(event.get("headers")), **_combined(event.get("multiValueHeaders"))}
    body = event.get("body")
    if body is None:
        body = ""
    if not isinstance(body, str):
        raise Refused(400, "the body is not text")
    encoded = event.get("isBase64Encoded") is True
    if len(body) > (MAX_BODY * 4 // 3 + 4 if encoded else MAX_BODY):
        raise Refused(413, "the body is larger than any that GitHub sends")
    try:
        raw = base64.b64decode(body, validate=True) if encoded else body.encode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "the body is not valid base64") from error
    if len(raw) > MAX_BODY:
        raise Refused(413, "the body is larger than any that GitHub sends")
    return Request(headers, raw)


def _combined(source: Any) -> dict[str, str]:
    """Repeated headers, and those that differ only by case, combined with commas, as the HTTP API does."""
    found: dict[str, list[str]] = {}
    for name, value in source.items() if isinstance(source, dict) else ():
        texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
        if texts and isinstance(name, str):
            found.setdefault(name.lower(), []).extend(texts)
    return {name: ",".join(texts) for name, texts in found.items()}
