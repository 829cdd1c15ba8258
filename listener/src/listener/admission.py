"""Decide what a verified webhook means: a look at one environment, or a reason why not.

Pure. The payload's word is only a hint of which environment to look at; what to do there is read from GitHub.
Source: https://docs.github.com/webhooks/webhook-events-and-payloads#push
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployer.environments import environment_of
from deployer.events import PUSH, Look, RepositoryName
from deployer.patterns import allowed, patterns_of
from deployer.refs import is_commit
from deployer.skipping import skips_ci
from listener.request import Refused

# What GitHub gives to owners and repositories: nothing that leads to another place in a URL.
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}", re.ASCII)
# Bytes; DynamoDB takes keys of 2,048, and Git hosts refs of a few hundred.
MAX_REF = 1024
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Ignored:
    """Accepted, and nothing to do: ``reason`` says why."""

    reason: str


def decode(body: bytes, content_type: str) -> Mapping[str, Any]:
    """The payload of a webhook.

    Raises:
        Refused: 415 for a form, 400 for anything but a JSON object.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "set the webhook's content type to application/json")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the payload is not JSON") from error
    if not isinstance(payload, dict):
        raise Refused(400, "the payload is not a JSON object")
    return payload


def admit(payload: Mapping[str, Any], patterns: str, delivery: str) -> Look | Ignored:
    """What a push asks for.

    Raises:
        Refused: 400 where a field is missing or of the wrong type, 403 where the repository is not allowed.
    """
    repository = _object(payload.get("repository"), "repository")
    owner = _object(repository.get("owner"), "repository.owner")
    name = RepositoryName(
        id=_number(repository.get("id"), "repository.id"),
        owner=_name(owner.get("login") or owner.get("name"), "repository.owner.login"),
        name=_name(repository.get("name"), "repository.name"),
    )
    ref = _ref(payload.get("ref"))
    default_branch = _text(repository.get("default_branch"), "repository.default_branch")
    if not allowed(name.full_name, patterns_of(patterns)):
        raise Refused(403, f"{name.full_name} is not on this deployer's allow-list")
    environment = environment_of(name.id, ref, default_branch)
    if environment is None:
        return Ignored(f"{ref} is neither a branch nor a release tag (vX.Y.Z)")
    after = payload.get("after")
    after = after if isinstance(after, str) and is_commit(after) else ""
    return Look(
        environment=str(environment),
        repository=name,
        reason=f"{PUSH} {delivery}".strip(),
        ref=ref,
        after=after,
        pushed_at=_seconds(repository.get("pushed_at")),
        skips=_skips(payload.get("head_commit"), after),
    )


def _skips(head: Any, after: str) -> str | None:
    """What the pushed commit says of being built; None where the push does not show that very commit.

    So with an annotated tag: ``after`` is the tag's object.
    """
    match head:
        case {"id": str(sha), "message": str(message)} if sha == after:
            return skips_ci(message)
    return None


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refused(400, f"{what} is missing")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise Refused(400, f"{what} is missing")
    return value


def _name(value: Any, what: str) -> str:
    text = _text(value, what)
    if not _NAME.fullmatch(text):
        raise Refused(400, f"{what} is no name that GitHub gives")
    return text


def _ref(value: Any) -> str:
    text = _text(value, "ref")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_REF:
        raise Refused(400, "ref is too long")
    return text


def _number(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_NUMBER:
        raise Refused(400, f"{what} is missing")
    return value


def _seconds(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER else 0
