"""The webhook endpoint between in-memory fakes: GitHub's own example payloads, signed, forged and mangled."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.webhooks.endpoints import sign
from tests.webhooks.listening import NAME, SECRET, Endpoint, endpoint_with
from tests.webhooks.payloads import EXAMPLES, push

from deployer.errors import Transient
from deployer.events import decode, parse_look
from deployer.observability import JsonFormatter
from listener.request import MAX_BODY
from listener.signature import KEPT, PREVIOUS, REREAD_AFTER, digest_of, matches


@pytest.fixture
def endpoint() -> Endpoint:
    return endpoint_with()


def request(body: bytes | Any, *, secret: str = SECRET, **headers: str) -> dict[str, Any]:
    """A signed push as the HTTP API hands it over (payload 2.0); a header given as "" is left out."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": sign(raw, secret),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return {
        "version": "2.0",
        "routeKey": "POST /webhook",
        "headers": {name: value for name, value in sent.items() if value},
        "requestContext": {"http": {"method": "POST", "path": "/prod/webhook"}},
        "body": raw.decode("utf-8"),
        "isBase64Encoded": False,
    }


Event = dict[str, Any]
PUSHES = [
    pytest.param(each, id=f"{each['ref']}-{'deleted' if each['deleted'] else 'created'}") for each in EXAMPLES["push"]
]


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged, as the JSON objects that CloudWatch gets."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


# --- real payloads


@pytest.mark.parametrize("payload", PUSHES)
def test_accepts_each_of_githubs_pushes(endpoint: Endpoint, payload: Event) -> None:
    status, message = endpoint.answer(request(payload))
    assert status == 202
    if payload["ref"] == "refs/heads/master":
        [look] = endpoint.queue.looks
        assert (look.environment, look.ref) == (f"{payload['repository']['id']}/staging", "refs/heads/master")
        assert (look.after, look.pushed_at) == (payload["after"], payload["repository"]["pushed_at"])
        assert look.repository.full_name == payload["repository"]["full_name"]
        assert parse_look(decode(look.to_json())) == look
    else:
        assert endpoint.queue.looks == []
        assert "neither a branch nor a release tag" in message


@pytest.mark.parametrize("payload", PUSHES)
def test_refuses_each_push_with_any_one_bit_of_its_signature_changed(endpoint: Endpoint, payload: Event) -> None:
    event = request(payload)
    digest = bytes.fromhex(event["headers"]["x-hub-signature-256"].removeprefix("sha256="))
    for bit in range(256):
        wrong = bytearray(digest)
        wrong[bit // 8] ^= 1 << bit % 8
        event["headers"]["x-hub-signature-256"] = f"sha256={wrong.hex()}"
        assert endpoint.answer(event)[0] == 401, f"bit {bit}"
    assert endpoint.queue.looks == []
    assert endpoint.vault.reads == [NAME, NAME + PREVIOUS], "a forger cannot make it read the secret again and again"


# --- signatures


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x_hub_signature_256": ""}, id="F1-missing"),
        pytest.param({"x_hub_signature_256": "", "x_hub_signature": "sha1=" + "0" * 40}, id="F3-sha1-alone"),
        pytest.param({"x_hub_signature_256": "sha1=" + "0" * 40}, id="F3-sha1-in-its-place"),
        pytest.param({"x_hub_signature_256": "sha256=" + "é" * 64}, id="F4-not-ascii"),
        pytest.param({"x_hub_signature_256": "sha256=" + "٠" * 64}, id="F4-digits-of-another-script"),
        pytest.param({"x_hub_signature_256": "sha256=" + "g" * 64}, id="F4-not-hex"),
        pytest.param({"x_hub_signature_256": "sha256=" + "0" * 63}, id="F4-too-short"),
        pytest.param({"x_hub_signature_256": "sha256=" + "0" * 64 + "\n"}, id="F4-a-line-more"),
        pytest.param({"x_hub_signature_256": "0" * 64}, id="F4-no-scheme"),
        pytest.param({"x_hub_signature_256": f"{sign(b'', SECRET)},{sign(b'', SECRET)}"}, id="F4-two-of-them"),
    ],
)
def test_what_is_no_signature_is_refused_before_any_secret_is_read(endpoint: Endpoint, headers: dict[str, str]) -> None:
    assert endpoint.answer(request(push(), **headers))[0] == 401
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])


@pytest.mark.parametrize("secrets", [{NAME: ""}, {PREVIOUS: "x"}], ids=["F2-empty", "F2-unset"])
@pytest.mark.parametrize("signed_with", ["", SECRET], ids=["signed-with-nothing", "signed-with-something"])
def test_without_a_secret_everything_is_refused(secrets: dict[str, str], signed_with: str) -> None:
    endpoint = endpoint_with(**secrets)
    status, message = endpoint.answer(request(push(), secret=signed_with))
    assert status in (401, 503)
    assert endpoint.queue.looks == []
    assert "secret" in message or "signature" in message


def test_F2_without_a_secret_the_previous_one_is_not_valid_either() -> None:
    endpoint = endpoint_with(**{NAME + PREVIOUS: SECRET})
    assert endpoint.answer(request(push()))[0] == 503
    assert endpoint.queue.looks == []


def test_F2_a_missing_secret_is_not_looked_for_on_each_request() -> None:
    endpoint = endpoint_with(another="x")
    assert [endpoint.answer(request(push()))[0] for _ in range(5)] == [503] * 5
    assert endpoint.vault.reads == [NAME]
    endpoint.vault.values[NAME] = SECRET
    endpoint.clock.now += REREAD_AFTER
    assert endpoint.answer(request(push()))[0] == 202


class Uncomparable(str):
    """Text that only ``hmac.compare_digest`` can compare: it reads the buffer and asks nobody."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared in a time that depends on the contents")

    __ne__ = __eq__


@pytest.mark.parametrize("right", [True, False])
def test_F5_compare_digest_decides(right: bool) -> None:
    digest = sign(b"body", SECRET).removeprefix("sha256=") if right else "0" * 64
    assert matches(SECRET, b"body", Uncomparable(digest)) is right


def test_F18_current_and_previous_secret_are_valid() -> None:
    endpoint = endpoint_with(**{NAME: "new", NAME + PREVIOUS: "old"})
    assert [endpoint.answer(request(push(), secret=each))[0] for each in ("new", "old", "older")] == [202, 202, 401]


def test_F18_a_mismatch_reads_the_secret_anew_at_most_once_in_30_seconds() -> None:
    endpoint = endpoint_with(**{NAME: "old"})
    assert endpoint.answer(request(push(), secret="old"))[0] == 202
    endpoint.vault.values.update({NAME: "new", NAME + PREVIOUS: "old"})
    assert endpoint.answer(request(push(), secret="new"))[0] == 401, "read just now"
    endpoint.clock.now += REREAD_AFTER
    assert endpoint.answer(request(push(), secret="new"))[0] == 202
    before = len(endpoint.vault.reads)
    for _ in range(29):
        endpoint.clock.now += 1
        assert endpoint.answer(request(push(), secret="forged"))[0] == 401
    assert len(endpoint.vault.reads) == before
    endpoint.clock.now += 1
    endpoint.answer(request(push(), secret="forged"))
    assert len(endpoint.vault.reads) == before + 2


def test_F18_the_old_secret_ends_by_itself() -> None:
    endpoint = endpoint_with(**{NAME: "old"})
    assert endpoint.answer(request(push(), secret="old"))[0] == 202
    endpoint.vault.values[NAME] = "new"
    endpoint.clock.now += KEPT
    assert endpoint.answer(request(push(), secret="old"))[0] == 401


# --- requests


def http_api(event: Event) -> Event:
    return event


def rest_api(event: Event) -> Event:
    """API Gateway's payload 1.0: headers as they were sent, and as lists."""
    headers = {name.title(): value for name, value in event["headers"].items()}
    return {
        "version": "1.0",
        "httpMethod": "POST",
        "path": "/webhook",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": event["body"],
        "isBase64Encoded": False,
    }


def lists_alone(event: Event) -> Event:
    return {**rest_api(event), "headers": None}


def function_url(event: Event) -> Event:
    return {**event, "routeKey": "$default", "requestContext": {"domainName": "x.lambda-url.eu-west-1.on.aws"}}


def shouted(event: Event) -> Event:
    return {**event, "headers": {name.upper(): value for name, value in event["headers"].items()}}


SHAPES = [http_api, rest_api, lists_alone, function_url, shouted]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"F8-{shape.__name__}")
@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
def test_each_shape_of_a_request(endpoint: Endpoint, shape: Callable[[Event], Event], encoded: bool) -> None:
    event = shape(request(push("refs/heads/grüße")))
    if encoded:
        event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert endpoint.answer(event)[0] == 202
    assert len(endpoint.queue.looks) == 1


def test_F8_the_very_bytes_are_what_is_signed(endpoint: Endpoint) -> None:
    raw = b"\n  " + json.dumps(push(), indent=3).encode() + b"\r\n"
    event = request(raw)
    assert endpoint.answer(event)[0] == 202
    event["body"] = json.dumps(json.loads(raw))
    assert endpoint.answer(event)[0] == 401, "the same JSON in other bytes"


@pytest.mark.parametrize(
    ("event", "status"),
    [
        pytest.param(None, 400, id="F9-no-event"),
        pytest.param([], 400, id="F9-a-list"),
        pytest.param({}, 401, id="F1-nothing-in-it"),
        pytest.param({"headers": [], "body": "{}"}, 401, id="F9-headers-a-list"),
        pytest.param({"headers": {"x-hub-signature-256": 5, "a": []}, "body": None}, 401, id="F9-header-a-number"),
        pytest.param({"headers": {}, "body": {"a": 1}}, 400, id="F9-body-an-object"),
        pytest.param({"headers": {}, "body": "*", "isBase64Encoded": True}, 400, id="F8-bad-base64"),
        pytest.param({"headers": {}, "body": "é", "isBase64Encoded": True}, 400, id="F8-base64-not-ascii"),
        pytest.param({"headers": {}, "body": "x" * (MAX_BODY + 1)}, 413, id="F6-text"),
        pytest.param({"headers": {}, "body": "é" * (MAX_BODY // 2 + 1)}, 413, id="F6-text-of-wide-characters"),
        pytest.param(
            {"headers": {}, "body": "A" * (MAX_BODY * 4 // 3 + 8), "isBase64Encoded": True}, 413, id="F6-base64"
        ),
    ],
)
def test_what_is_no_webhook(endpoint: Endpoint, event: Any, status: int) -> None:
    assert endpoint.answer(event)[0] == status
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])


def test_F6_nothing_of_an_oversized_body_is_hashed(endpoint: Endpoint) -> None:
    event = request(push())
    event["body"] = "x" * (MAX_BODY + 1)
    assert endpoint.answer(event)[0] == 413
    assert endpoint.vault.reads == []


def test_F7_of_a_large_push_only_a_few_fields_are_kept(endpoint: Endpoint) -> None:
    commits = [{"id": f"{number:040x}", "message": "x" * 1000} for number in range(5000)]
    assert endpoint.answer(request(push(commits=commits)))[0] == 202
    assert len(endpoint.queue.looks[0].to_json()) < 600


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"null", id="F9-null"),
        pytest.param(b"[]", id="F9-list"),
        pytest.param(b'"text"', id="F9-text"),
        pytest.param(b"", id="F9-empty"),
        pytest.param(b"{", id="F9-cut-off"),
        pytest.param(b"[" * 100_000, id="F9-deep-list"),
        pytest.param(b'{"a":' * 100_000, id="F9-deep-object"),
        pytest.param(b'{"repository": ' + b"9" * 5000 + b"}", id="F9-endless-number"),
        pytest.param(b"{}", id="F9-nothing-in-it"),
    ],
)
def test_signed_nonsense(endpoint: Endpoint, body: bytes) -> None:
    assert endpoint.answer(request(body))[0] == 400
    assert endpoint.queue.looks == []


REPOSITORY = push()["repository"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"repository": None}, id="repository-null"),
        pytest.param({"repository": {**REPOSITORY, "id": "1"}}, id="id-text"),
        pytest.param({"repository": {**REPOSITORY, "id": True}}, id="id-true"),
        pytest.param({"repository": {**REPOSITORY, "id": -1}}, id="id-negative"),
        pytest.param({"repository": {**REPOSITORY, "id": 1.5}}, id="id-fraction"),
        pytest.param({"repository": {**REPOSITORY, "owner": "x"}}, id="owner-text"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": 5}}}, id="login-number"),
        pytest.param({"repository": {**REPOSITORY, "name": []}}, id="name-list"),
        pytest.param({"repository": {**REPOSITORY, "default_branch": None}}, id="default-branch-null"),
        pytest.param({"ref": None}, id="ref-null"),
        pytest.param({"ref": {"a": 1}}, id="ref-object"),
    ],
)
def test_F9_a_field_of_the_wrong_type(endpoint: Endpoint, changes: Event) -> None:
    assert endpoint.answer(request({**push(), **changes}))[0] == 400
    assert endpoint.queue.looks == []


@pytest.mark.parametrize("pushed_at", [None, "2019-05-15T15:20:33Z", True, -5, 1.5, []])
@pytest.mark.parametrize("after", [None, 5, "", "0" * 40, "x" * 40, "A" * 40])
def test_F9_a_look_is_always_one_that_the_builder_can_read(endpoint: Endpoint, pushed_at: Any, after: Any) -> None:
    payload = push(after=after, repository={**REPOSITORY, "pushed_at": pushed_at})
    assert endpoint.answer(request(payload))[0] == 202
    [look] = endpoint.queue.looks
    assert parse_look(decode(look.to_json())) == look
    assert look.after == ""


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        pytest.param({"content_type": "application/x-www-form-urlencoded"}, 415, "application/json", id="F10-form"),
        pytest.param({"content_type": ""}, 415, "application/json", id="F10-none"),
        pytest.param({"content_type": "Application/JSON; charset=utf-8"}, 202, "looking at", id="F10-with-charset"),
        pytest.param({"x_github_event": "ping"}, 200, "hello", id="F11-ping"),
        pytest.param({"x_github_event": "issues"}, 202, "ignored", id="F11-issues"),
        pytest.param({"x_github_event": "delete"}, 202, "ignored", id="F11-delete"),
        pytest.param({"x_github_event": ""}, 202, "ignored", id="F11-no-event"),
    ],
)
def test_kinds_of_webhook(endpoint: Endpoint, headers: dict[str, str], status: int, text: str) -> None:
    answer = endpoint.answer(request(push(), **headers))
    assert answer[0] == status
    assert text in answer[1]
    assert len(endpoint.queue.looks) == (1 if text == "looking at" else 0)


def test_F11_githubs_own_ping(endpoint: Endpoint) -> None:
    assert endpoint.answer(request(EXAMPLES["ping"][0], x_github_event="ping"))[0] == 200
    assert endpoint.queue.looks == []


# --- what a look says


def test_F12_F14_whatever_the_delivery_it_is_the_same_hint(endpoint: Endpoint) -> None:
    for delivery in ("one", "two", "two"):
        assert endpoint.answer(request(push(), x_github_delivery=delivery))[0] == 202
    first, second, again = endpoint.queue.looks
    assert second == again, "redelivered: looked at again"
    assert (first.environment, first.after) == (second.environment, second.after)


def test_F13_a_replayed_deletion_asks_for_no_more_than_a_look(endpoint: Endpoint) -> None:
    gone = push("refs/heads/feature/x", deleted=True, created=False, after="0" * 40)
    assert endpoint.answer(request(gone))[0] == 202
    [look] = endpoint.queue.looks
    assert look.environment == f"{REPOSITORY['id']}/refs/heads/feature/x"
    assert look.after == ""
    assert "delete" not in look.to_json()


@pytest.mark.parametrize("failing", ["queue", "vault"])
def test_F16_what_does_not_answer_is_answered_with_503(endpoint: Endpoint, failing: str) -> None:
    getattr(endpoint, failing).failure = Transient("no answer")
    assert endpoint.answer(request(push()))[0] == 503
    assert endpoint.queue.looks == []


@pytest.mark.parametrize(
    ("patterns", "status"),
    [
        pytest.param("*", 202, id="everybody"),
        pytest.param("Codertocat/*", 202, id="an-owner"),
        pytest.param("acme/site , codertocat/hello-world", 202, id="by-name-any-case"),
        pytest.param("acme/*", 403, id="another-owner"),
        pytest.param("Codertocat/Hello", 403, id="a-name-that-begins-alike"),
        pytest.param("ertocat/*", 403, id="an-owner-that-ends-alike"),
        pytest.param("", 403, id="nobody"),
        pytest.param(" , ", 403, id="nobody-with-commas"),
    ],
)
def test_F17_the_allow_list(patterns: str, status: int) -> None:
    endpoint = endpoint_with(patterns)
    assert endpoint.answer(request(push()))[0] == status
    assert len(endpoint.queue.looks) == (1 if status == 202 else 0)


@pytest.mark.parametrize(
    "ref",
    [
        "refs/tags/v1.2.3-rc.1",
        "refs/tags/release-1",
        "refs/tags/hack-v9.9.9",
        "refs/tags/v01.2.3",
        "refs/notes/commits",
        "refs/pull/7/head",
        "master",
        "refs/heads/a\ud800",
    ],
    ids=lambda ref: f"F35-{ref!a}",
)
def test_an_ignored_ref_is_in_the_log(endpoint: Endpoint, lines: Callable[[], list[Event]], ref: str) -> None:
    status, message = endpoint.answer(request(push(ref)))
    assert (status, endpoint.queue.looks) == (202, [])
    assert "ignored" in message
    [line] = [each for each in lines() if each["message"] == "ignored"]
    assert ref in line["reason"]
    assert line["delivery"]


def test_F91_neither_secret_nor_digest_nor_payload_is_logged(
    endpoint: Endpoint, lines: Callable[[], list[Event]]
) -> None:
    payload = push(head_commit={"message": "canary-in-a-message"})
    for event in (request(payload), request(payload, secret="forged"), request(b"[canary-in-a-message"), {"body": 1}):
        endpoint.answer(event)
    text = json.dumps(lines())
    assert "refused" in text
    for canary in (SECRET, "canary", sign(json.dumps(payload).encode(), SECRET).removeprefix("sha256=")):
        assert canary not in text


# --- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.sampled_from(["x-hub-signature-256", "X-Hub-Signature-256", "content-type", "x-github-event", "other"])
EVENTS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "headers": JSON | st.dictionaries(HEADERS, st.text() | st.just("sha256=" + "0" * 64) | JSON, max_size=5),
        "multiValueHeaders": JSON | st.dictionaries(HEADERS, st.lists(st.text(), max_size=2) | JSON, max_size=3),
        "body": JSON | st.binary().map(lambda raw: base64.b64encode(raw).decode()),
        "isBase64Encoded": JSON,
    },
)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_no_event_is_accepted_unsigned_and_none_raises(event: Any) -> None:
    endpoint = endpoint_with()
    assert endpoint.answer(event)[0] in (400, 401, 413)
    assert endpoint.queue.looks == []


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["ref", "after", "repository", "deleted"]), JSON), JSON)
def test_nothing_that_is_signed_raises(changes: dict[str, Any], repository: Any) -> None:
    endpoint = endpoint_with()
    changed = {**REPOSITORY, **repository} if isinstance(repository, dict) else REPOSITORY
    assert endpoint.answer(request({**push(), "repository": changed, **changes}))[0] in (202, 400)
    assert all(parse_look(decode(look.to_json())) == look for look in endpoint.queue.looks)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_only_the_documented_form_is_a_digest(header: str) -> None:
    assert digest_of(header) is None
