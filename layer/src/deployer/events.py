"""What travels: looks in our own queue, stack and run changes from the event bus.

Pure: parses at the edge and refuses what does not fit, so that everything inside is typed.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacks-event-bridge.html,
https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


class Malformed(ValueError):  # noqa: N818 - says what the message is
    """A message that nobody should have sent; trying again changes nothing."""


@dataclass(frozen=True)
class RepositoryName:
    """A repository as it is called today; ``id`` is what stays when it is renamed."""

    id: int
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Look:
    """A hint that an environment may need something. It is never believed: the builder observes for itself.

    ``ref`` is set where the environment alone does not tell it (a release tag). ``after`` and ``pushed_at`` (seconds
    since the epoch, by GitHub's clock) come from a verified push and are used only to wake a parked ref.
    """

    environment: str
    repository: RepositoryName
    reason: str
    ref: str = ""
    after: str = ""
    pushed_at: int = 0

    def to_json(self) -> str:
        """The queue message's body: plain ASCII, since SQS refuses some characters and UTF-8 has no lone surrogates."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class StackChange:
    """A stack's status changed. ``token`` is the ClientRequestToken of the operation, or empty."""

    stack_id: str
    stack_name: str
    status: str
    token: str = ""


@dataclass(frozen=True)
class RunChange:
    """A pipeline run, or one stage of it (``stage`` set), changed its state."""

    pipeline: str
    execution: str
    state: str
    stage: str = ""


def _text(mapping: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    value = mapping.get(key, "" if optional else None)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or (not value and not optional):
        raise Malformed(f"{key}: expected text, got {type(value).__name__}")
    return value


def _number(mapping: Mapping[str, Any], key: str) -> int:
    value = mapping.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"{key}: expected a number, got {type(value).__name__}")
    return value


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what}: expected an object, got {type(value).__name__}")
    return value


def decode(body: str) -> Mapping[str, Any]:
    """A queue message's body as an object.

    Raises:
        Malformed: where it is not a JSON object.
    """
    try:
        return _mapping(json.loads(body), "message")
    except (ValueError, RecursionError) as error:
        raise Malformed(f"message is not a JSON object: {error}") from error


def parse_look(message: Mapping[str, Any]) -> Look:
    """A look as ``Look.to_json`` writes it.

    Raises:
        Malformed: naming the field.
    """
    repository = _mapping(message.get("repository"), "repository")
    return Look(
        environment=_text(message, "environment"),
        repository=RepositoryName(_number(repository, "id"), _text(repository, "owner"), _text(repository, "name")),
        reason=_text(message, "reason", optional=True),
        ref=_text(message, "ref", optional=True),
        after=_text(message, "after", optional=True),
        pushed_at=_number(message, "pushed_at") if message.get("pushed_at") is not None else 0,
    )


def is_bus_event(message: Mapping[str, Any]) -> bool:
    """Whether a message is an EventBridge envelope rather than a look of ours."""
    return "detail-type" in message


def parse_bus_event(message: Mapping[str, Any]) -> StackChange | RunChange | None:
    """A stack or run change, or None for an event of another kind.

    Raises:
        Malformed: where an event of these kinds lacks what AWS documents.
    """
    detail = _mapping(message.get("detail"), "detail")
    match (message.get("source"), message.get("detail-type")):
        case ("aws.cloudformation", "CloudFormation Stack Status Change"):
            stack_id = _text(detail, "stack-id")
            status = _mapping(detail.get("status-details"), "status-details")
            return StackChange(
                stack_id,
                stack_name_of(stack_id),
                _text(status, "status"),
                _text(detail, "client-request-token", optional=True),
            )
        case ("aws.codepipeline", "CodePipeline Pipeline Execution State Change"):
            return RunChange(_text(detail, "pipeline"), _text(detail, "execution-id"), _text(detail, "state"))
        case ("aws.codepipeline", "CodePipeline Stage Execution State Change"):
            return RunChange(
                _text(detail, "pipeline"), _text(detail, "execution-id"), _text(detail, "state"), _text(detail, "stage")
            )
    return None


def stack_name_of(stack_id: str) -> str:
    """The name inside a stack's ARN (``arn:aws:cloudformation:…:stack/NAME/UUID``).

    Raises:
        Malformed: where it is not a stack's ARN.
    """
    parts = stack_id.split("/")
    if len(parts) != 3 or ":stack" not in parts[0] or not parts[1]:
        raise Malformed(f"not a stack ARN: {stack_id!r}")
    return parts[1]
