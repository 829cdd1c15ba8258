"""What holds whatever the listener is sent, said from the outside: by the event, the answer, the queue and the log."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.webhooks.endpoints import sign
from tests.webhooks.listening import NAME
from tests.webhooks.mangled import CURRENT, OLD, SIGNATURES, Webhook, body_of, signatures_of
from tests.webhooks.payloads import MASTER

from deployer.events import Look, decode, parse_look

DOCUMENTED = frozenset({200, 202, 400, 401, 403, 413, 415, 503})
# Answers that only a signed request may get.
BEHIND_THE_SIGNATURE = frozenset({200, 202, 403, 415})
LARGEST_ANSWER, LARGEST_LOOK, LONGEST_LINE = 16_384, 65_536, 65_536
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}\Z")
_PLAIN = re.compile(r"refs/heads/[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)*\Z")
_RELEASE = re.compile(r"refs/tags/v(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}\Z")


def answer_is_proper(answer: Any) -> int:
    """An answer that API Gateway takes, of a documented status; answers with that status."""
    assert isinstance(answer, dict), "the answer is no object"
    assert answer.keys() == {"statusCode", "headers", "body"}, "the answer has other fields"
    status = answer["statusCode"]
    assert type(status) is int, "the status is no number"
    assert status in DOCUMENTED, f"status {status} is not documented"
    assert answer["headers"] == {"content-type": "application/json"}, "the answer has other headers"
    assert isinstance(json.loads(answer["body"])["message"], str), "the answer says nothing"
    text = json.dumps(answer, allow_nan=False)
    assert len(text) <= LARGEST_ANSWER, f"an answer of {len(text)} bytes"
    assert "canary" not in text, "the answer has a secret in it"
    return status


def nothing_without_a_signature(hook: Webhook, status: int, reads: list[str], looks: list[Look]) -> None:
    """No secret is read without a well-formed signature, and nothing is done without a valid one."""
    offered, body = signatures_of(hook.event), body_of(hook.event)
    if not any(_SIGNATURE.match(each) for each in offered):
        assert reads == [], "a secret was read, and there was no signature to check"
    valid = [sign(body, secret) for secret in hook.installed.secrets] if body is not None else []
    if not any(each in valid for each in offered):
        assert looks == [], "a look was queued without a valid signature"
        assert status not in BEHIND_THE_SIGNATURE, f"answered {status} without a valid signature"
    if status == 413:
        assert reads == [], "a secret was read for a body that is too large"
    assert len(looks) <= 1, "one webhook asked for several looks"
    if looks:
        assert status == 202, f"a look was queued and {status} answered"


def look_is_proper(look: Look, hook: Webhook) -> None:
    """What the builder can read, no larger than a message may be, and of the environment that the push names."""
    text = look.to_json()
    assert parse_look(decode(text)) == look, "the builder reads another look"
    assert len(text) <= LARGEST_LOOK, f"a look of {len(text)} bytes"
    assert text.isascii(), "a look that SQS may refuse"
    assert "canary" not in text, "the look has a secret in it"
    body = body_of(hook.event)
    assert body is not None
    payload = json.loads(body)
    number, ref, default = payload["repository"]["id"], payload["ref"], payload["repository"]["default_branch"]
    assert look.ref == ref, "the look is for another ref"
    assert look.environment == environment(number, ref, default), "the look is for another environment"


def environment(number: int, ref: str, default_branch: str) -> str:
    """The environment of a ref that has one."""
    if _RELEASE.match(ref):
        return f"{number}/production"
    assert ref.startswith("refs/heads/"), f"{ref!r} has no environment"
    return f"{number}/staging" if ref == f"refs/heads/{default_branch}" else f"{number}/{ref}"


def log_is_proper(text: str, hook: Webhook) -> None:
    """One JSON object a line, none of them endless; no secret, no digest, no traceback, nothing that moves a cursor."""
    lines = text.split("\n")
    for line in lines[:-1]:
        assert len(line) <= LONGEST_LINE, f"a line of {len(line)} characters"
        assert "error" not in json.loads(line), "a traceback in the log"
        assert line.isprintable(), "a control character in the log"
    assert lines[-1] == "", "a line without an end"
    assert "canary" not in text, "the log has a secret in it"
    for each in signatures_of(hook.event):
        if _SIGNATURE.match(each):
            assert each.removeprefix("sha256=") not in text, "the log has a digest in it"


def answer_is_as_documented(hook: Webhook, status: int, looks: list[Look]) -> None:
    """The status, for requests of AWS's shapes: worked out anew from what was sent."""
    if hook.sent is None:
        return
    expected = _unless_verified(hook) or _unless_a_push(hook, hook.sent) or _of_a_plain_push(hook, hook.sent)
    assert status in (expected or {202, 400, 403, 503}), f"{status} for {hook.kind} signed by {hook.signed}"
    if hook.kind != "push":
        assert looks == [], f"a look was queued for a {hook.kind}"
    elif expected == {202}:
        assert looks, "a push to a branch was not looked at"


def _unless_verified(hook: Webhook) -> set[int]:
    # Two values are combined to what is no signature, but where the event has the last one alone.
    last = hook.event.get("multiValueHeaders", {}) is None
    by = {"twice": "current", "beside-a-wrong-one": "current"}.get(hook.signed, hook.signed) if last else hook.signed
    if by not in dict(SIGNATURES[:6]):
        return {401}
    if hook.installed.unreadable or NAME not in dict(hook.installed.values):
        return {503}
    secret = {"current": CURRENT, "old": OLD}.get(by)
    return set() if secret in hook.installed.secrets else {401}


def _unless_a_push(hook: Webhook, sent: bytes) -> set[int]:
    if not hook.json:
        return {415}
    try:
        payload = json.loads(sent)
    except (ValueError, RecursionError):
        return {400}
    if not isinstance(payload, dict):
        return {400}
    return set() if hook.kind == "push" else {200} if hook.kind == "ping" else {202}


def _of_a_plain_push(hook: Webhook, sent: bytes) -> set[int]:
    """For one to a branch of the example's repository, whose name gives no cause for doubt."""
    payload = json.loads(sent)
    ref, repository = payload.get("ref"), payload.get("repository")
    if repository != MASTER["repository"] or not isinstance(ref, str) or not _PLAIN.match(ref) or len(ref) > 255:
        return set()
    if hook.installed.patterns == "acme/*":
        return {403}
    return {503} if hook.installed.queue_away else {202}
