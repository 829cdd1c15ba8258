"""CloudFormation's custom-resource protocol: the request as a typed value, the answer, and its delivery.

s3cleaner and stack_cleaner stand on it; ``cleanups`` holds the loop around their steps. The ResponseURL is a secret
(whoever has it can answer): it appears in no log line, no error and no repr.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import urllib3

from deployer import tracing
from deployer.errors import Broken, Rejected, Transient

MAX_ANSWER = 4096  # bytes, the whole JSON document
MAX_TIMEOUT = 3600  # seconds that CloudFormation waits at most
_OURS = "opolis-deployer/"
_NEVER_CREATED = "opolis-deployer-not-created/"


class RequestType(StrEnum):
    """What CloudFormation asks for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``physical_id`` is empty on Create; properties arrive with every scalar as a string."""

    type: RequestType
    stack_id: str
    response_url: str = field(repr=False)
    request_id: str
    logical_id: str
    resource_type: str
    physical_id: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    old_properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stack_name(self) -> str:
        """The name in ``arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid}``."""
        return self.stack_id.split("/")[1]

    @property
    def account(self) -> str:
        """The account of the calling stack, 12 digits."""
        return self.stack_id.split(":")[4]

    @property
    def timeout(self) -> float:
        """Seconds that CloudFormation waits for the answer: the property ``ServiceTimeout``, an hour by default."""
        given = str(self.properties.get("ServiceTimeout", ""))
        return float(min(MAX_TIMEOUT, max(1, int(given)))) if given.isdecimal() else float(MAX_TIMEOUT)

    def text(self, *names: str) -> str:
        """The first of these properties that is there.

        Raises:
            Rejected: where none is, or it is no text.
        """
        for name in names:
            if name in self.properties:
                value = self.properties[name]
                if isinstance(value, str) and value:
                    return value
                raise Rejected(f"property {name} of {self.logical_id} must be a non-empty string")
        raise Rejected(f"{self.logical_id} needs the property {names[0]}")

    def event(self) -> dict[str, Any]:
        """The request as CloudFormation sends it: the opposite of ``parse``."""
        event: dict[str, Any] = {
            "RequestType": self.type.value,
            "StackId": self.stack_id,
            "ResponseURL": self.response_url,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.resource_type,
            "ResourceProperties": dict(self.properties),
        }
        if self.physical_id:
            event["PhysicalResourceId"] = self.physical_id
        if self.old_properties:
            event["OldResourceProperties"] = dict(self.old_properties)
        return event


_STACK_ID = re.compile(r"arn:[a-z0-9-]+:cloudformation:[a-z0-9-]+:\d{12}:stack/[A-Za-z][A-Za-z0-9-]{0,127}/[^/\s]+")


def parse(event: object) -> Request:
    """Read a request from its JSON.

    Raises:
        Rejected: where it is none that could be answered; the message names the field, never its value.
    """
    if not isinstance(event, dict):
        raise Rejected("not a custom-resource request: no JSON object")

    def text(name: str, default: str | None = None) -> str:
        value = event.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise Rejected(f"not a custom-resource request: {name} is missing or no text")
        return value

    def mapping(name: str) -> dict[str, Any]:
        value = event.get(name) or {}
        if not isinstance(value, dict):
            raise Rejected(f"not a custom-resource request: {name} is no object")
        return value

    kind, stack_id, url = text("RequestType"), text("StackId"), text("ResponseURL")
    if kind not in set(RequestType):
        raise Rejected("not a custom-resource request: RequestType is unknown")
    if not _STACK_ID.fullmatch(stack_id):
        raise Rejected("not a custom-resource request: StackId is no stack's ARN")
    if not url.startswith(("https://", "http://")):
        raise Rejected("not a custom-resource request: ResponseURL is no web address")
    return Request(
        type=RequestType(kind),
        stack_id=stack_id,
        response_url=url,
        request_id=text("RequestId"),
        logical_id=text("LogicalResourceId"),
        resource_type=text("ResourceType", ""),
        physical_id=text("PhysicalResourceId", ""),
        properties=mapping("ResourceProperties"),
        old_properties=mapping("OldResourceProperties"),
    )


@dataclass(frozen=True, slots=True)
class Done:
    """Answer SUCCESS. ``reason`` is shown nowhere but in the log."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer FAILED; ``reason`` becomes the resource's status reason."""

    reason: str


Answer = Done | Failed


def physical_id(request: Request, answer: Answer) -> str:
    """The PhysicalResourceId to answer with.

    Kept on Update and Delete: a changed one makes CloudFormation send Delete for the old. Chosen on Create from the
    stack and the logical id, so that a repeated Create chooses the same; a Create that failed gets one that says so,
    by which the Delete that CloudFormation sends for it is known.
    """
    if request.physical_id:
        return request.physical_id
    digest = hashlib.sha256(f"{request.stack_id}\n{request.logical_id}".encode()).hexdigest()[:16]
    prefix = _NEVER_CREATED if isinstance(answer, Failed) else _OURS
    return f"{prefix}{request.logical_id}/{digest}"


def created_by_us(request: Request) -> bool:
    """Whether our answer to a Create is what this resource goes by.

    CloudFormation makes up an id for a Create that was never answered.
    """
    return request.physical_id.startswith(_OURS)


def answer_body(request: Request, answer: Answer) -> bytes:
    """The answer as JSON, at most ``MAX_ANSWER`` bytes: the reason is cut, nothing else."""
    document = {
        "Status": "FAILED" if isinstance(answer, Failed) else "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": physical_id(request, answer),
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_id,
    }
    reason = (answer.reason or "no reason known") if isinstance(answer, Failed) else ""
    if not reason:
        del document["Reason"]  # an empty reason is of no use to anybody

    def encoded(text: str) -> bytes:
        if text:
            document["Reason"] = text
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

    body = encoded(reason)
    while len(body) > MAX_ANSWER and reason:
        # A character takes one byte to six; cutting a sixth of the surplus at a time keeps nearly all that fits.
        surplus = len(body) - MAX_ANSWER
        reason = reason[: max(0, len(reason) - max(1, surplus // 6) - 1)]
        body = encoded(reason + "…")
    return body


class _Redacted(logging.Filter):
    """Take query strings out of urllib3's own log lines: its retry warnings quote the pre-signed URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"/\S*\?\S*", "/…", record.getMessage()), ()
        return True


_REDACTED = _Redacted()

_RETRIES = urllib3.Retry(
    total=4,
    connect=4,
    read=4,
    status=4,
    redirect=0,
    other=0,
    allowed_methods={"PUT"},
    status_forcelist={408, 429, 500, 502, 503, 504},
    backoff_factor=0.2,
    backoff_max=2.0,
    respect_retry_after_header=False,  # it may ask for longer than the invocation lasts
    raise_on_status=False,
)


class Responder:
    """Deliver answers to the pre-signed ResponseURL."""

    def __init__(self, http: urllib3.PoolManager | None = None, retries: urllib3.Retry = _RETRIES) -> None:
        self._http = http or urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=5.0))
        self._retries = retries
        for name in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(name).addFilter(_REDACTED)

    def send(self, request: Request, answer: Answer) -> None:
        """PUT the answer. The Content-Type is empty: the URL's signature covers none.

        Raises:
            Transient: where it was not taken and may be later.
            Broken: where it never will be (an expired or forged URL).
        """
        try:
            with tracing.remote("PUT", request.response_url) as answered:
                response = self._http.request(
                    "PUT",
                    request.response_url,
                    body=answer_body(request, answer),
                    headers={"Content-Type": ""},
                    retries=self._retries,
                    redirect=False,
                )
                answered(response.status)
        except urllib3.exceptions.HTTPError as error:
            # Not chained: urllib3's messages quote the URL.
            raise Transient(f"the answer could not be delivered: {type(error).__name__}") from None
        if response.status in _RETRIES.status_forcelist:
            raise Transient(f"the answer was not taken: HTTP {response.status}")
        if not 200 <= response.status < 300:
            raise Broken(f"the answer was refused: HTTP {response.status}")
