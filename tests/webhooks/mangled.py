"""One webhook, and the listener's set-up, made of a fuzzer's bytes. The same bytes make the same webhook."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.webhooks.endpoints import CASES, DELIVERY, SHAPES, delivery, recased, sign
from tests.webhooks.listening import NAME
from tests.webhooks.payloads import EXAMPLES, LARGEST_PAYLOAD, MASTER, Payload

from deployer.rotation import PREVIOUS

T = TypeVar("T")

CURRENT, OLD, OTHER = "canary-current-secret", "canary-old-secret", "canary-other-secret"


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


_ENDLESS = (("x" * (LARGEST_PAYLOAD + 1), False), ("A" * (LARGEST_PAYLOAD * 4 // 3 + 8), True))
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
