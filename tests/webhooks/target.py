"""One webhook made of a fuzzer's bytes, given to the listener between fakes, and what holds whatever the bytes are.

Needs no fuzzer: the same bytes make the same webhook, so that a finding can be looked at, and the checks be tested.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tests.webhooks.endpoints import CASES, DELIVERY, SHAPES, delivery, recased, sign
from tests.webhooks.listening import NAME, Clock, Queue, Vault
from tests.webhooks.payloads import EXAMPLES, MASTER, Payload

from deployer.errors import Transient
from deployer.events import Look, decode, parse_look
from deployer.observability import JsonFormatter
from listener.handler import Listener
from listener.request import MAX_BODY
from listener.signature import PREVIOUS, REREAD_AFTER, Verifier

T = TypeVar("T")

CURRENT, OLD, OTHER = "canary-current-secret", "canary-old-secret", "canary-other-secret"
DOCUMENTED = frozenset({200, 202, 400, 401, 403, 413, 415, 503})
# Answers that only a signed request may get.
BEHIND_THE_SIGNATURE = frozenset({200, 202, 403, 415})
LARGEST_ANSWER, LARGEST_LOOK, LONGEST_LINE = 16_384, 65_536, 65_536
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}\Z")
_PLAIN = re.compile(r"refs/heads/[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)*\Z")
_RELEASE = re.compile(r"refs/tags/v(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}\Z")


class Answers(Protocol):
    """What is checked: ``listener.handler.Listener``, or a broken one."""

    def answer(self, event: Any) -> dict[str, Any]: ...


Make = Callable[[Verifier, Any, str], Answers]


@dataclass(frozen=True)
class Installed:
    """How the listener is set up. ``secrets``: those by which a request may be signed."""

    values: tuple[tuple[str, str], ...] = ((NAME, CURRENT),)
    patterns: str = "*"
    unreadable: bool = False
    queue_away: bool = False

    @property
    def secrets(self) -> list[str]:
        if self.unreadable or NAME not in dict(self.values):
            return []
        return [value for _, value in self.values if value]


INSTALLED = (
    Installed(),
    Installed(values=((NAME, CURRENT), (NAME + PREVIOUS, OLD))),
    Installed(patterns="acme/*, codertocat/hello-world"),
    Installed(patterns="acme/*"),
    Installed(values=()),
    Installed(values=((NAME, ""),)),
    Installed(values=((NAME + PREVIOUS, OLD),)),
    Installed(unreadable=True),
    Installed(queue_away=True),
)
CONTENT_TYPES = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/x-www-form-urlencoded",
    "text/plain",
    "",
)
KINDS = ("push", *(kind for kind in EXAMPLES if kind != "push"), "", "PUSH", "push,push")
# Methods, although only POST has a route: a function URL passes them all on.
METHODS = ("POST", "GET", "PUT", "DELETE")
BASES: tuple[Payload, ...] = (MASTER, *(each for some in EXAMPLES.values() for each in some if each is not MASTER))


class Bytes:
    """Reads choices off a fuzzer's bytes; past their end every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def one(self, options: tuple[T, ...]) -> T:
        """One of these, by one byte."""
        first, self._data = self._data[:1], self._data[1:]
        return options[first[0] % len(options)] if first else options[0]

    def rest(self) -> bytes:
        """All that is left."""
        return self._data


# How a request is signed: the header's values for a body. The first six are of the right form.
SIGNATURES: tuple[tuple[str, Callable[[bytes], list[str]]], ...] = (
    ("current", lambda body: [sign(body, CURRENT)]),
    ("old", lambda body: [sign(body, OLD)]),
    ("other", lambda body: [sign(body, OTHER)]),
    ("nothing", lambda body: [sign(body, "")]),
    ("flipped", lambda body: [_flipped(sign(body, CURRENT), len(body))]),
    ("another-body", lambda body: [sign(body + b" ", CURRENT)]),
    ("absent", lambda body: []),
    ("empty", lambda body: [""]),
    ("upper", lambda body: [sign(body, CURRENT).upper()]),
    ("cut", lambda body: [sign(body, CURRENT)[:-1]]),
    ("a-line-more", lambda body: [sign(body, CURRENT) + "\n"]),
    ("digest-alone", lambda body: [sign(body, CURRENT).removeprefix("sha256=")]),
    ("sha1", lambda body: ["sha1=" + hmac.new(CURRENT.encode(), body, hashlib.sha1).hexdigest()]),
    ("twice", lambda body: [sign(body, CURRENT), sign(body, CURRENT)]),
    ("beside-a-wrong-one", lambda body: [sign(body, OTHER), sign(body, CURRENT)]),
    ("not-ascii", lambda body: ["sha256=" + "é" * 64]),
)


def _flipped(signature: str, place: int) -> str:
    digest = bytearray.fromhex(signature.removeprefix("sha256="))
    digest[place % 32] ^= 1 << place // 32 % 8
    return f"sha256={digest.hex()}"


@dataclass(frozen=True)
class Webhook:
    """An event, the listener's set-up, and what is known of it.

    ``sent``: the body's bytes, where they are known beforehand; ``signed``, ``kind`` and ``json``: whether it carries
    one well-formed signature, which event it claims to be and whether its content type is JSON's. ``endless``: the body
    is longer than any that GitHub sends.
    """

    event: Any
    installed: Installed
    sent: bytes | None = None
    signed: str = ""
    kind: str = ""
    json: bool = True
    endless: bool = False


def webhook(data: bytes) -> Webhook:
    """The webhook that these bytes stand for."""
    read = Bytes(data)
    return read.one(FORMS)(read, read.one(INSTALLED))


def _shaped(read: Bytes, installed: Installed) -> Webhook:
    """One of AWS's shapes around any body at all."""
    shape, case, binary = read.one(SHAPES), read.one(CASES), read.one((False, True))
    (name, values), content_type, kind = read.one(SIGNATURES), read.one(CONTENT_TYPES), read.one(KINDS)
    method, guid = read.one(METHODS), read.one((DELIVERY, "", "\r\nforged\x1b[2J", "x" * 20_000, "\ud800"))
    body = read.one(BODIES)(read)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        binary = True
    post = delivery(body, CURRENT, kind, binary)
    post = post.having("X-Hub-Signature-256", *values(body)).having("X-GitHub-Delivery", guid)
    post = post.having("Content-Type", *([content_type] if content_type else []))
    event = recased(shape(type(post)(post.headers, post.body, post.binary, method)), case)
    json_sent = content_type.lower().startswith("application/json")
    return Webhook(event, installed, body, name, kind, json_sent)


def _raw(read: Bytes, installed: Installed) -> Webhook:
    """Any JSON as the event; where it has a body and headers, it may be signed."""
    signed = read.one((False, True))
    try:
        event = json.loads(read.rest())
    except (ValueError, RecursionError):
        event = read.rest().decode("latin-1")
    body = body_of(event)
    if signed and body is not None and isinstance(event.get("headers"), dict):
        event = {**event, "headers": {**event["headers"], "x-hub-signature-256": sign(body, CURRENT)}}
    return Webhook(event, installed)


def _endless(read: Bytes, installed: Installed) -> Webhook:
    """A body that is too long by one byte, under a signature of the right form."""
    shape, (body, binary) = read.one(SHAPES), read.one(_ENDLESS)
    event = shape(delivery(b"", CURRENT).having("X-Hub-Signature-256", "sha256=" + "0" * 64))
    return Webhook({**event, "body": body, "isBase64Encoded": binary}, installed, endless=True)


_ENDLESS = (("x" * (MAX_BODY + 1), False), ("A" * (MAX_BODY * 4 // 3 + 8), True))
FORMS = (_shaped, _shaped, _shaped, _shaped, _shaped, _raw, _raw, _endless)


def _as_is(read: Bytes) -> bytes:
    return read.rest()


def _merged(read: Bytes) -> bytes:
    """An example with the rest merged into it, as RFC 7386 does."""
    base = read.one(BASES)
    try:
        change = json.loads(read.rest())
    except (ValueError, RecursionError):
        change = {}
    return json.dumps(_merge(base, change)).encode()


def _merge(base: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _with_ref(read: Bytes) -> bytes:
    space = read.one(SPACES)
    return json.dumps({**MASTER, "ref": space + read.rest().decode("utf-8", "surrogateescape")}).encode()


def _deep(read: Bytes) -> bytes:
    return read.rest()[:8] * 3000


BODIES = (_as_is, _merged, _with_ref, _deep)
SPACES = ("refs/heads/", "refs/tags/v", "refs/tags/", "")


def body_of(event: Any) -> bytes | None:
    """The bytes that AWS says an event's body is; None where it has none."""
    body = event.get("body") if isinstance(event, dict) else None
    if not isinstance(body, str):
        return b"" if isinstance(event, dict) and body is None else None
    if event.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return None


def signatures_of(event: Any) -> list[str]:
    """Every value of the signature's header, wherever it is."""
    found: list[str] = []
    for part in ("headers", "multiValueHeaders"):
        headers = event.get(part) if isinstance(event, dict) else None
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if name.lower() == "x-hub-signature-256":
                found += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    return found


def check(data: bytes, make: Make = Listener) -> None:
    """Give the webhook that ``data`` stands for to a listener, twice, and check all that must hold.

    Raises:
        AssertionError: for what does not hold; whatever else the listener raises is its own.
    """
    hook = webhook(data)
    vault = Vault(dict(hook.installed.values), failure=Transient("SSM is away") if hook.installed.unreadable else None)
    queue = Queue(failure=Transient("SQS is away") if hook.installed.queue_away else None)
    clock = Clock()
    listener = make(Verifier(vault, NAME, clock), queue, hook.installed.patterns)
    with _logged() as log:
        answer = listener.answer(hook.event)
        reads, looks = list(vault.reads), list(queue.looks)
        clock.now += REREAD_AFTER
        again = listener.answer(hook.event)
    status = answer_is_proper(answer)
    if hook.endless:
        assert (status, vault.reads, queue.looks) == (413, [], []), "a body that is too large was not just refused"
        return
    nothing_without_a_signature(hook, status, reads, looks)
    for look in looks:
        look_is_proper(look, hook)
    log_is_proper(log.getvalue(), hook)
    assert again == answer, "delivered again, it was answered otherwise"
    assert queue.looks[len(looks) :] == looks, "delivered again, it asked for something else"
    if status in BEHIND_THE_SIGNATURE:
        assert vault.reads == reads, "delivered again, it read a secret again"
    assert len(vault.reads) <= 4, "the secrets were read more often than once in 30 s"
    answer_is_as_documented(hook, status, looks)


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


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as CloudWatch gets it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = _Loud(stream)
    handler.setFormatter(JsonFormatter())
    others, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        root.handlers[:] = others
        root.setLevel(level)


class _Loud(logging.StreamHandler[io.StringIO]):
    """Raises what cannot be logged, where logging itself would print it and go on."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise AssertionError("what was to be logged could not be") from sys.exception()
