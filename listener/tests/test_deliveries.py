"""Every payload of GitHub's and every push made of them, in every shape in which AWS hands a webhook over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.webhooks.endpoints import CASES, DELIVERY, SHAPES, Event, Post, delivery, http_api, recased, rest_api, sign
from tests.webhooks.listening import SECRET, Endpoint
from tests.webhooks.payloads import EXAMPLES, MADE, MASTER, Payload, Push, deleted, long, push, updated

from deployer.environments import parse, stack_names
from deployer.events import Look, RepositoryName, decode, parse_look

Shape = Callable[[Post], Event]
SENT = [
    pytest.param(kind, payload, id=f"{kind}-{number}")
    for kind, payloads in EXAMPLES.items()
    for number, payload in enumerate(payloads)
]
IN_EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"F8-{shape.__name__}")
IN_EVERY_ENCODING = pytest.mark.parametrize("binary", [False, True], ids=["text", "base64"])
# What Lambda takes for a synchronous call, the event's JSON as a whole.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_EVENT = 6 * 1024 * 1024


def look_of(made: Push) -> Look:
    """The look that has to come of a push."""
    repository, head = made.payload["repository"], made.payload["head_commit"]
    return Look(
        environment=f"{repository['id']}/{made.environment}",
        repository=RepositoryName(repository["id"], repository["owner"]["login"], repository["name"]),
        reason=f"push {DELIVERY}",
        ref=made.payload["ref"],
        after=made.after,
        pushed_at=repository["pushed_at"],
        skips="" if head and head["id"] == made.after else None,
    )


def answer_to(kind: str, payload: Payload) -> tuple[int, str]:
    """Status of a payload of GitHub's, and a word of the message."""
    if kind == "ping":
        return 200, "hello"
    return 202, "looking at" if payload is MASTER else "ignored"


@IN_EVERY_SHAPE
@IN_EVERY_ENCODING
@pytest.mark.parametrize(("kind", "payload"), SENT)
def test_each_of_githubs_examples(endpoint: Endpoint, kind: str, payload: Payload, shape: Shape, binary: bool) -> None:
    event = shape(delivery(payload, SECRET, kind, binary))
    status, word = answer_to(kind, payload)
    for case in CASES:
        answer = endpoint.answer(recased(event, case))
        assert answer[0] == status, case
        assert word in answer[1]
    looks = [look_of(Push("example", payload, "staging"))] * len(CASES) if payload is MASTER else []
    assert endpoint.queue.looks == looks


@IN_EVERY_SHAPE
@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
def test_each_push_made_of_them(endpoint: Endpoint, made: Push, shape: Shape) -> None:
    for binary in (False, True):
        status, message = endpoint.answer(shape(delivery(made.payload, SECRET, binary=binary)))
        assert status == 202
        assert ("looking at" in message) is bool(made.environment)
    assert endpoint.queue.looks == ([look_of(made)] * 2 if made.environment else [])
    for look in endpoint.queue.looks:
        assert parse_look(decode(look.to_json())) == look
        assert str(parse(look.environment)) == look.environment


def test_what_is_spelt_in_two_ways_is_two_environments() -> None:
    refs = {made.name: made.environment for made in MADE}
    environments = [parse(f"1/{refs[name]}") for name in ("branch-composed", "branch-decomposed")]
    assert len({stack_names(each, "site") for each in environments}) == 2


@pytest.mark.parametrize("claimed", [*EXAMPLES, "member"])
@pytest.mark.parametrize(("kind", "payload"), SENT)
def test_F12_the_events_header_alone_makes_no_push(
    endpoint: Endpoint, kind: str, payload: Payload, claimed: str
) -> None:
    status, _ = endpoint.answer(http_api(delivery(payload, SECRET, claimed)))
    real = kind == "push" == claimed
    assert len(endpoint.queue.looks) == (1 if real and payload is MASTER else 0)
    assert status == (200 if claimed == "ping" else 202 if claimed != "push" or "ref" in payload else 400)


# --- what API Gateway makes of headers


@pytest.mark.parametrize("shape", [each for each in SHAPES if each.__name__ != "singles_alone"])
@pytest.mark.parametrize("forged_first", [True, False])
def test_F4_two_signatures_are_none(endpoint: Endpoint, shape: Shape, forged_first: bool) -> None:
    post = delivery(push(), SECRET)
    pair = ["sha256=" + "0" * 64, sign(post.body, SECRET)]
    event = shape(post.having("X-Hub-Signature-256", *(pair if forged_first else pair[::-1])))
    assert endpoint.answer(event)[0] == 401
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])


def test_F4_two_signatures_under_names_that_differ_by_case_are_none(endpoint: Endpoint) -> None:
    event = rest_api(delivery(push(), SECRET))
    for part, value in (("headers", "sha256=" + "0" * 64), ("multiValueHeaders", ["sha256=" + "0" * 64])):
        event[part]["x-hub-signature-256"] = value
    assert endpoint.answer(event)[0] == 401
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])


@IN_EVERY_SHAPE
def test_a_repeated_header_that_says_nothing_here_changes_nothing(endpoint: Endpoint, shape: Shape) -> None:
    event = shape(delivery(push(), SECRET).having("X-Forwarded-For", "192.0.2.1", "198.51.100.7"))
    assert endpoint.answer(event)[0] == 202


@IN_EVERY_SHAPE
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_it_is_the_signature_that_counts_not_the_method(endpoint: Endpoint, shape: Shape, method: str) -> None:
    post = replace(delivery(push(), SECRET), method=method)
    assert endpoint.answer(shape(post.having("X-Hub-Signature-256")))[0] == 401
    assert endpoint.vault.reads == []
    assert endpoint.answer(shape(post))[0] == 202


# --- sizes


@IN_EVERY_SHAPE
@IN_EVERY_ENCODING
def test_F7_the_most_commits_that_github_lists_fit_into_an_event(shape: Shape, binary: bool) -> None:
    payload = long()
    assert len(payload["commits"]) == 2048
    assert 2_000_000 < len(json.dumps(payload)) < len(json.dumps(shape(delivery(payload, SECRET, binary=binary))))
    assert len(json.dumps(shape(delivery(payload, SECRET, binary=binary)))) < LARGEST_EVENT


@IN_EVERY_ENCODING
def test_F7_what_fits_into_an_event_by_a_hair_is_kept(endpoint: Endpoint, binary: bool) -> None:
    payload = updated(commits=[f"{number} " + "long story " * 300 for number in range(1000)])
    padding = LARGEST_EVENT - len(json.dumps(http_api(delivery(payload, SECRET, binary=binary))))
    payload["head_commit"] = {**payload["head_commit"], "message": "x" * (padding * 3 // 4 if binary else padding)}
    event = http_api(delivery(payload, SECRET, binary=binary))
    assert 0.99 < len(json.dumps(event)) / LARGEST_EVENT <= 1.0
    assert endpoint.answer(event)[0] == 202
    [look] = endpoint.queue.looks
    assert look.after == payload["after"]
    assert len(look.to_json()) < 600


# --- again, and in another order


def test_F12_F13_F14_replays_ask_for_the_same_looks_and_no_more(endpoint: Endpoint) -> None:
    gone, there = deleted("refs/heads/x"), updated("refs/heads/x")
    for payload, guid in ((there, "one"), (gone, "two"), (there, "one"), (gone, "three"), (there, "four")):
        post = delivery(payload, SECRET).having("X-GitHub-Delivery", guid)
        assert endpoint.answer(http_api(post))[0] == 202
    told = [(look.reason, look.after) for look in endpoint.queue.looks]
    assert told == [
        ("push one", there["after"]),
        ("push two", ""),
        ("push one", there["after"]),
        ("push three", ""),
        ("push four", there["after"]),
    ]
    assert {(look.environment, look.ref) for look in endpoint.queue.looks} == {
        (f"{MASTER['repository']['id']}/refs/heads/x", "refs/heads/x")
    }


def test_F1_an_unsigned_copy_of_each_is_refused_and_no_secret_read(endpoint: Endpoint) -> None:
    sent: list[tuple[str, Any]] = [(kind, payload) for kind, payloads in EXAMPLES.items() for payload in payloads]
    for kind, payload in [*sent, *(("push", made.payload) for made in MADE)]:
        for shape in SHAPES:
            unsigned = delivery(payload, SECRET, kind).having("X-Hub-Signature-256")
            assert endpoint.answer(shape(unsigned))[0] == 401
    assert (endpoint.vault.reads, endpoint.queue.looks) == ([], [])
