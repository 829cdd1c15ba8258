"""Properties of the listener: whatever is sent, signed or not."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.webhooks.endpoints import SHAPES, delivery, http_api, sign
from tests.webhooks.listening import NAME, SECRET, Queue, endpoint_with
from tests.webhooks.payloads import EXAMPLES, MADE, Push, push

from deployer.events import decode, parse_look
from listener.signature import digest_of, matches

REPOSITORY = push()["repository"]
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
    payload = json.dumps({**push(), "repository": changed, **changes}).encode()
    assert endpoint.answer(http_api(delivery(payload, SECRET)))[0] in (202, 400)
    assert all(parse_look(decode(look.to_json())) == look for look in endpoint.queue.looks)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_only_the_documented_form_is_a_digest(header: str) -> None:
    assert digest_of(header) is None


# As `deployer.secrets` gives them: a line of text, without white space around it.
SECRETS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=200)


@given(st.binary(max_size=300), SECRETS, SECRETS)
def test_a_signature_is_valid_for_its_body_and_its_secret(body: bytes, secret: str, other: str) -> None:
    digest = sign(body, secret).removeprefix("sha256=")
    assert digest_of(f"sha256={digest}") == digest
    assert matches(secret, body, digest)
    assert matches(other, body, digest) is (other == secret)
    assert not matches(secret, body + b"\n", digest)
    assert not matches("", body, digest)


@given(st.binary(max_size=300), SECRETS, st.integers(0, 255))
def test_F4_no_other_digest_is_valid(body: bytes, secret: str, bit: int) -> None:
    digest = bytearray.fromhex(sign(body, secret).removeprefix("sha256="))
    digest[bit // 8] ^= 1 << bit % 8
    endpoint = endpoint_with(**{NAME: secret})
    event = http_api(delivery(body, secret, binary=True).having("X-Hub-Signature-256", f"sha256={digest.hex()}"))
    assert endpoint.answer(event)[0] == 401
    assert endpoint.queue.looks == []


@settings(max_examples=200)
@given(JSON, st.sampled_from([*EXAMPLES, "", "other"]))
def test_F9_any_signed_json_gets_a_documented_answer(payload: Any, kind: str) -> None:
    endpoint = endpoint_with()
    body = json.dumps(payload).encode()
    status, _ = endpoint.answer(http_api(delivery(body, SECRET, kind)))
    if not isinstance(payload, dict):
        assert status == 400
    else:
        assert status == {"ping": 200, "push": 400}.get(kind, 202)
    assert endpoint.queue.looks == []


@given(st.sampled_from(SHAPES), st.sampled_from(MADE[:-1]), st.randoms(use_true_random=False), st.booleans())
def test_F8_spelling_of_headers_and_encoding_of_bodies_change_nothing(
    shape: Any, made: Push, random: Any, binary: bool
) -> None:
    def spelt(name: str) -> str:
        return "".join(random.choice((each.lower(), each.upper())) for each in name)

    plain, other = endpoint_with(), endpoint_with()
    event = shape(delivery(made.payload, SECRET, binary=binary))
    for part in ("headers", "multiValueHeaders"):
        if event.get(part):
            event[part] = {spelt(name): value for name, value in event[part].items()}
    assert other.answer(event) == plain.answer(http_api(delivery(made.payload, SECRET)))
    assert other.queue == plain.queue


# Names as Git might take them, and text of any kind.
REFS = st.builds(
    str.__add__,
    st.sampled_from(["refs/heads/", "refs/tags/v", "refs/tags/", "refs/", ""]),
    st.text(max_size=80) | st.from_regex(r"[a-z0-9.]{1,12}(/[a-z0-9.]{1,12}){0,3}", fullmatch=True),
)


@settings(max_examples=300)
@given(REFS, st.sampled_from(["master", "refs/heads/master", "release/1.0"]) | st.text(min_size=1, max_size=20))
def test_F31_F35_a_look_is_for_the_pushed_ref_or_there_is_none(ref: str, default_branch: str) -> None:
    endpoint = endpoint_with()
    payload = push(ref, repository={**REPOSITORY, "default_branch": default_branch})
    status, message = endpoint.answer(http_api(delivery(json.dumps(payload).encode(), SECRET)))
    number = REPOSITORY["id"]
    for look in endpoint.queue.looks:
        assert (status, look.ref) == (202, ref)
        if ref.startswith("refs/tags/"):
            assert look.environment == f"{number}/production"
        else:
            assert look.environment == (
                f"{number}/staging" if ref == f"refs/heads/{default_branch}" else f"{number}/{ref}"
            )
            assert ref.startswith("refs/heads/")
    if not endpoint.queue.looks:
        assert status == 202 if "ignored" in message else status == 400


@given(st.lists(st.sampled_from(MADE[:-1]), max_size=8), st.randoms(use_true_random=False))
def test_F12_F14_neither_order_nor_doubling_makes_other_looks(pushed: list[Push], random: Any) -> None:
    def queue(order: list[Push]) -> Queue:
        endpoint = endpoint_with()
        for made in order:
            endpoint.answer(http_api(delivery(made.payload, SECRET)))
        return endpoint.queue

    shuffled = [*pushed, *pushed]
    random.shuffle(shuffled)
    assert set(queue(shuffled).looks) == set(queue(pushed).looks)
