"""The webhook endpoint between in-memory fakes: signatures, nonsense, kinds of webhook, what a look says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.webhooks.endpoints import Event, delivery, http_api, sign
from tests.webhooks.listening import NAME, SECRET, Endpoint, endpoint_with
from tests.webhooks.payloads import EXAMPLES, LARGEST_PAYLOAD, push

from deployer.errors import Transient
from deployer.events import decode, parse_look
from deployer.rotation import FORMER_FOR, KEPT, PREVIOUS, REREAD_AFTER
from listener.signature import matches

Lines = Callable[[], list[Event]]


def request(body: bytes | Any, *, secret: str = SECRET, **headers: str) -> dict[str, Any]:
    """A signed push as the HTTP API hands it over (payload 2.0); a header given as "" is left out."""
    post = delivery(body if isinstance(body, bytes) else json.dumps(body).encode(), secret)
    for name, value in headers.items():
        post = post.having(name.replace("_", "-"), *([value] if value else []))
    return http_api(post)


PUSHES = [
    pytest.param(each, id=f"{each['ref']}-{'deleted' if each['deleted'] else 'created'}") for each in EXAMPLES["push"]
]


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


@pytest.mark.parametrize(
    ("age", "status"), [(FORMER_FOR - 1, 202), (FORMER_FOR, 401)], ids=["F18-for-a-day", "F18-and-no-longer"]
)
def test_what_was_rotated_away_is_not_good_for_ever(age: float, status: int) -> None:
    endpoint = endpoint_with(**{NAME: "new", NAME + PREVIOUS: "old"})
    endpoint.vault.ages[NAME + PREVIOUS] = age
    assert endpoint.answer(request(push(), secret="old"))[0] == status
    assert endpoint.answer(request(push(), secret="new"))[0] == 202


# --- requests


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
        pytest.param({"headers": {}, "body": "x" * (LARGEST_PAYLOAD + 1)}, 413, id="F6-text"),
        pytest.param({"headers": {}, "body": "é" * (LARGEST_PAYLOAD // 2 + 1)}, 413, id="F6-text-of-wide-characters"),
        pytest.param(
            {"headers": {}, "body": "A" * (LARGEST_PAYLOAD * 4 // 3 + 8), "isBase64Encoded": True}, 413, id="F6-base64"
        ),
    ],
)
def test_what_is_no_webhook(endpoint: Endpoint, event: Any, status: int) -> None:
    assert endpoint.answer(event)[0] == status
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])


def test_F6_nothing_of_an_oversized_body_is_hashed(endpoint: Endpoint) -> None:
    event = request(push())
    event["body"] = "x" * (LARGEST_PAYLOAD + 1)
    assert endpoint.answer(event)[0] == 413
    assert endpoint.vault.reads == []


@pytest.mark.parametrize("binary", [False, True], ids=["text", "base64"])
def test_F7_the_largest_payload_that_github_sends_is_kept(endpoint: Endpoint, binary: bool) -> None:
    body = json.dumps(push()).encode().ljust(LARGEST_PAYLOAD)
    assert endpoint.answer(http_api(delivery(body, SECRET, binary=binary)))[0] == 202
    assert len(endpoint.queue.looks) == 1


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
def test_signed_nonsense(endpoint: Endpoint, lines: Lines, body: bytes) -> None:
    assert endpoint.answer(request(body))[0] == 400
    assert endpoint.queue.looks == []
    assert [(each["level"], each["message"]) for each in lines() if each["message"] == "refused"] == [
        ("WARNING", "refused")
    ]
    assert not any("error" in each for each in lines()), "a traceback in the log"


REPOSITORY = push()["repository"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"repository": None}, id="repository-null"),
        pytest.param({"repository": {**REPOSITORY, "id": "1"}}, id="id-text"),
        pytest.param({"repository": {**REPOSITORY, "id": True}}, id="id-true"),
        pytest.param({"repository": {**REPOSITORY, "id": -1}}, id="id-negative"),
        pytest.param({"repository": {**REPOSITORY, "id": 1.5}}, id="id-fraction"),
        pytest.param({"repository": {**REPOSITORY, "id": float("nan")}}, id="id-nan"),
        pytest.param({"repository": {**REPOSITORY, "id": 2**63}}, id="id-longer-than-a-number"),
        pytest.param({"repository": {**REPOSITORY, "owner": "x"}}, id="owner-text"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": 5}}}, id="login-number"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": "acme/.."}}}, id="login-with-a-path"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": ".."}}}, id="login-of-dots"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": "acme\n"}}}, id="login-with-a-line-more"),
        pytest.param({"repository": {**REPOSITORY, "owner": {"login": "\u212aelvin"}}}, id="login-that-lowers-to-k"),
        pytest.param({"repository": {**REPOSITORY, "name": []}}, id="name-list"),
        pytest.param({"repository": {**REPOSITORY, "name": "../x"}}, id="name-with-a-path"),
        pytest.param({"repository": {**REPOSITORY, "name": "."}}, id="name-of-a-dot"),
        pytest.param({"repository": {**REPOSITORY, "name": "x" * 101}}, id="name-too-long"),
        pytest.param({"repository": {**REPOSITORY, "default_branch": None}}, id="default-branch-null"),
        pytest.param({"ref": None}, id="ref-null"),
        pytest.param({"repository": {**REPOSITORY, "default_branch": ""}}, id="default-branch-empty"),
        pytest.param({"ref": {"a": 1}}, id="ref-object"),
        pytest.param({"ref": "refs/heads/" + "x" * 1014}, id="ref-longer-than-a-key"),
        pytest.param({"ref": "refs/heads/" + "\U0001f680" * 254}, id="ref-longer-than-a-key-in-bytes"),
    ],
)
def test_F9_a_field_of_the_wrong_type(endpoint: Endpoint, changes: Event) -> None:
    assert endpoint.answer(request({**push(), **changes}))[0] == 400
    assert endpoint.queue.looks == []


@pytest.mark.parametrize("pushed_at", [None, "2019-05-15T15:20:33Z", True, -5, 1.5, [], 2**63, float("inf")])
@pytest.mark.parametrize("after", [None, 5, "", "0" * 40, "x" * 40, "A" * 40, "a" * 40 + "\n"])
def test_F9_a_look_is_always_one_that_the_builder_can_read(endpoint: Endpoint, pushed_at: Any, after: Any) -> None:
    payload = push(after=after, repository={**REPOSITORY, "pushed_at": pushed_at})
    assert endpoint.answer(request(payload))[0] == 202
    [look] = endpoint.queue.looks
    assert parse_look(decode(look.to_json())) == look
    assert (look.after, look.pushed_at) == ("", 0)


AFTER = "1481a2de7b2a7d02428ad93446ab166be7793fbb"


@pytest.mark.parametrize(
    ("head", "skips"),
    [
        pytest.param({"id": AFTER, "message": "Mend a typo\n\n[skip ci]"}, "the commit says [skip ci]", id="skipped"),
        pytest.param({"id": AFTER, "message": "Mend a typo"}, "", id="not-skipped"),
        pytest.param({"id": "b" * 40, "message": "[skip ci]"}, None, id="another-commit-as-with-an-annotated-tag"),
        pytest.param({"id": "", "message": "[skip ci]"}, None, id="no-commit"),
        pytest.param({"id": AFTER, "message": None}, None, id="F9-no-message"),
        pytest.param({"id": AFTER}, None, id="F9-nothing-of-a-message"),
        pytest.param([AFTER], None, id="F9-a-list"),
        pytest.param(None, None, id="deleted"),
    ],
)
def test_F43c_what_the_pushed_commit_says_of_being_built_travels_with_the_look(
    endpoint: Endpoint, head: Any, skips: str | None
) -> None:
    assert endpoint.answer(request(push(after=AFTER, head_commit=head)))[0] == 202
    [look] = endpoint.queue.looks
    assert (look.after, look.skips) == (AFTER, skips)
    assert parse_look(decode(look.to_json())) == look


BODY = json.dumps(push("refs/heads/last"), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"ref":"refs/heads/first",' + BODY[1:], id="F9-a-key-twice"),
        pytest.param(BODY.replace(b'"size":', b'"size":NaN,"other":'), id="F9-nan"),
        pytest.param(BODY.replace(b'"size":', b'"size":-Infinity,"other":'), id="F9-infinity"),
        pytest.param(BODY.replace(b'"size":', b'"other":"\\ud800","size":'), id="F9-half-a-character"),
        pytest.param(b"\xef\xbb\xbf" + BODY, id="F9-byte-order-mark"),
        pytest.param(BODY.decode().encode("utf-16"), id="F9-utf-16"),
    ],
)
def test_json_as_others_write_it(endpoint: Endpoint, body: bytes) -> None:
    assert endpoint.answer(http_api(delivery(body, SECRET, binary=True)))[0] == 202
    assert [look.ref for look in endpoint.queue.looks] == ["refs/heads/last"]


@pytest.mark.parametrize("text", [b"\xff{}", b'{"ref":"\xe9"}', b"\x00"], ids=["F9-no-text", "F9-latin-1", "F9-nul"])
def test_what_is_no_unicode(endpoint: Endpoint, text: bytes) -> None:
    assert endpoint.answer(http_api(delivery(text, SECRET, binary=True)))[0] == 400


def test_the_owners_login_is_its_name(endpoint: Endpoint) -> None:
    for owner in ({"login": "acme", "name": "other"}, {"name": "acme"}):
        assert endpoint.answer(request(push(repository={**REPOSITORY, "owner": owner})))[0] == 202
    assert {look.repository.owner for look in endpoint.queue.looks} == {"acme"}


@pytest.mark.parametrize(
    "guid",
    [
        pytest.param("72d3162e\r\nforged: line", id="lines"),
        pytest.param("\x1b[2Jcleared", id="escape"),
        pytest.param("\u202eturned", id="turned-around"),
        pytest.param("x" * 100_000, id="endless"),
        pytest.param("\ud800", id="half-a-character"),
    ],
)
def test_F12_what_is_no_deliverys_id_goes_no_further(endpoint: Endpoint, lines: Lines, guid: str) -> None:
    assert endpoint.answer(request(push(), x_github_delivery=guid))[0] == 202
    [look] = endpoint.queue.looks
    assert look.reason == "push"
    assert look.delivery == ""
    assert [each["delivery"] for each in lines() if each["message"] == "look queued"] == [""]


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        pytest.param(
            {"content_type": "application/x-www-form-urlencoded"},
            415,
            "content type to application/json",
            id="F10-form",
        ),
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


def test_F10_a_form_as_github_sends_it(endpoint: Endpoint) -> None:
    form = urlencode({"payload": json.dumps(push())}).encode()
    status, message = endpoint.answer(request(form, content_type="application/x-www-form-urlencoded"))
    assert (status, endpoint.queue.looks) == (415, [])
    assert "application/json" in message


def test_F11_githubs_own_ping(endpoint: Endpoint) -> None:
    assert endpoint.answer(request(EXAMPLES["ping"][0], x_github_event="ping"))[0] == 200
    assert endpoint.queue.looks == []


# --- what a look says


def test_F12_F14_whatever_the_delivery_it_is_the_same_hint(endpoint: Endpoint) -> None:
    for guid in ("one", "two", "two"):
        assert endpoint.answer(request(push(), x_github_delivery=guid))[0] == 202
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


def test_a_push_is_measured_and_so_is_a_refusal(endpoint: Endpoint, lines: Lines) -> None:
    endpoint.answer(request(push()))
    endpoint.answer(request(push(), x_hub_signature_256="sha256=" + "0" * 64))
    measured = [each for each in lines() if each["message"] == "measured"]
    assert [each.get("Pushes") for each in measured] == [1, None]
    assert [(each.get("WebhooksRefused"), each.get("Status")) for each in measured] == [(None, None), (1, "401")]
    [look] = endpoint.queue.looks
    assert look.delivery == look.reason.removeprefix("push ")


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
    answer = endpoint.answer(request(push()))
    assert answer[0] == status
    assert len(endpoint.queue.looks) == (1 if status == 202 else 0)
    if status == 403:
        assert "Codertocat/Hello-World is not on this deployer's allow-list" in answer[1]


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
def test_an_ignored_ref_is_in_the_log(endpoint: Endpoint, lines: Lines, ref: str) -> None:
    status, message = endpoint.answer(request(push(ref)))
    assert (status, endpoint.queue.looks) == (202, [])
    assert "ignored" in message
    [line] = [each for each in lines() if each["message"] == "ignored"]
    assert ref in line["reason"]
    assert line["delivery"]


def test_F91_neither_secret_nor_digest_nor_payload_is_logged(endpoint: Endpoint, lines: Lines) -> None:
    payload = push(head_commit={"message": "canary-in-a-message"})
    for event in (request(payload), request(payload, secret="forged"), request(b"[canary-in-a-message"), {"body": 1}):
        endpoint.answer(event)
    text = json.dumps(lines())
    assert "refused" in text
    for canary in (SECRET, "canary", sign(json.dumps(payload).encode(), SECRET).removeprefix("sha256=")):
        assert canary not in text
