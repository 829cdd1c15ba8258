"""Answers of custom resources as strictly as CloudFormation takes them.

- The ResponseURL is signed for an empty Content-Type: a PUT with another one is refused, as S3 refuses it.
- An answer over 4,096 bytes is a failure.
- A failure is shown in CloudFormation's words around the function's reason.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from . import emulator
from .host import Host

MAX_ANSWER = 4096
PATH = "/_ministack/cfn-response/"
REFUSED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature '
    b"we calculated does not match the signature you provided. Check your key and signing method.</Message></Error>"
)

Deliver = Callable[[str, dict[str, Any]], bool]


def install(host: Host) -> None:
    """Extension for `Host`."""
    host.when_ended(_wait_no_longer)
    emulator.wrap(emulator.module("app"), "_handle_post_body_shortcuts", _unsigned_header_refused)
    emulator.wrap(emulator.module("services.cloudformation.custom_resource"), "deliver_response", _in_aws_words)


def _wait_no_longer() -> None:
    """Let go of whoever waits for an answer, up to an hour: it is the next engine that will get it.

    The state was saved with the stack in progress, and the operation is cancelled before it learns of this.
    """
    custom_resource = emulator.module("services.cloudformation.custom_resource")
    with custom_resource._lock:
        for entry in custom_resource._pending.values():
            entry["event"].set()


def _unsigned_header_refused(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def handle(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
        if method == "PUT" and path.startswith(PATH) and headers.get("content-type"):
            return 403, {"Content-Type": "application/xml"}, REFUSED
        return await original(method, path, headers, *rest)

    return handle


def _in_aws_words(original: Deliver) -> Deliver:
    def deliver(token: str, response: dict[str, Any]) -> bool:
        if len(json.dumps(response, separators=(",", ":")).encode()) > MAX_ANSWER:
            response = {**response, "Status": "FAILED", "Reason": "Response object is too long."}
        elif response.get("Status") == "FAILED":
            said = f"Message returned: {response.get('Reason', '')} (RequestId: {response.get('RequestId', '')})"
            response = {**response, "Reason": f"Received response status [FAILED] from custom resource. {said}"}
        return original(token, response)

    return deliver
