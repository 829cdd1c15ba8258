"""Slack through slack-sdk, against a scripted server on loopback; every call has to be one that Slack documents."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.contracts import slack as contract

from deployer import lengths
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.ports import Post
from deployer.slack import FALLBACK_LENGTH, TEXT_LENGTH, Slack, _cut, _said

TOKEN = "xoxb-canary-0123456789"


@pytest.fixture
def slack(server: Any) -> Iterator[Slack]:
    yield Slack(f"{server.url}/api/", lambda: TOKEN)
    for asked in server.asked:
        arguments = contract.arguments_in("", asked.headers["content-type"], asked.body)
        assert contract.of_request(asked.target.removeprefix("/api/"), arguments) == []


def test_a_message_and_its_replies(server: Any, slack: Slack) -> None:
    server.answer(200, {"ok": True, "channel": "C1", "ts": "1.2"})
    server.answer(200, {"ok": True, "channel": "C1", "ts": "1.3"})
    server.answer(200, {"ok": True, "channel": "C1", "ts": "1.2"})
    assert slack.post("deployments", Post("*hello*")) == ("C1", "1.2")
    assert slack.post("C1", Post("a reply"), thread="1.2") == ("C1", "1.3")
    slack.update("C1", "1.2", Post("*bye*"))
    first, reply, update = server.asked
    assert (first.target, update.target) == ("/api/chat.postMessage", "/api/chat.update")
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.json == {
        "channel": "deployments",
        "text": "*hello*",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*", "verbatim": True}}],
        "parse": "none",
        "unfurl_links": False,
    }
    assert reply.json["thread_ts"] == "1.2"
    assert (update.json["channel"], update.json["ts"], update.json["text"]) == ("C1", "1.2", "*bye*")


def test_a_block_holds_3000_characters(server: Any, slack: Slack) -> None:
    server.answer(200, {"ok": True, "ts": "1.2", "channel": "C1"})
    slack.post("C1", Post("é" * 3001))
    [block] = server.asked[0].json["blocks"]
    assert len(block["text"]["text"]) == TEXT_LENGTH
    assert block["text"]["text"].endswith("…")


def test_a_message_has_sections_and_small_print(server: Any, slack: Slack) -> None:
    server.answer(200, {"ok": True, "ts": "1.2", "channel": "C1"})
    slack.post("C1", Post("*failed*", ("because", "é" * 3001), ("abc1234", "Ada")))
    told = server.asked[0].json
    *sections, context = told["blocks"]
    assert [(each["type"], each["text"]["text"][:10]) for each in sections] == [
        ("section", "*failed*"),
        ("section", "because"),
        ("section", "é" * 10),
    ]
    assert len(sections[2]["text"]["text"]) == TEXT_LENGTH
    small = [{"type": "mrkdwn", "text": text, "verbatim": True} for text in ("abc1234", "Ada")]
    assert context == {"type": "context", "elements": small}
    assert told["text"].startswith("*failed*\nbecause\néé")


def test_a_message_keeps_to_what_slack_takes(server: Any, slack: Slack) -> None:
    server.answer(200, {"ok": True, "ts": "1.2", "channel": "C1"})
    slack.post("C1", Post("x", ("y",) * 60, ("z",) * 20))
    blocks = server.asked[0].json["blocks"]
    assert (len(blocks), len(blocks[-1]["elements"])) == (50, 10)


def test_who_has_an_address(server: Any, slack: Slack) -> None:
    ada = {"id": "U0000000A", "deleted": False, "is_bot": False}
    for user in (ada, {**ada, "deleted": True}, {**ada, "is_bot": True}, None):
        server.answer(200, {"ok": True, "user": user})
    server.answer(200, {"ok": False, "error": "users_not_found"})
    assert [slack.person("ada@example.com") for _ in range(5)] == ["U0000000A", "", "", "", ""]
    asked = server.asked[0]
    assert (asked.target, asked.body) == ("/api/users.lookupByEmail", b"email=ada%40example.com"), "no JSON"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("channel_not_found", "#ci (channel_not_found): there is no such channel, or it is private"),
        ("not_in_channel", "#ci (not_in_channel): the app is not in the channel: invite it"),
        ("is_archived", "#ci (is_archived): the channel is archived, or name another one"),
        ("is_inactive", "#ci (is_inactive): the channel is archived, or name another one"),
        ("restricted_action", "#ci (restricted_action): who may post there is restricted"),
        ("missing_scope", "lacks the scope chat:write for chat.postMessage; give it, and install the app again"),
        ("token_revoked", "set opolis.slack.token"),
    ],
    ids=str,
)
def test_F70_what_the_operator_can_mend_is_an_alarm_that_says_what(
    server: Any, slack: Slack, error: str, says: str
) -> None:
    server.answer(200, {"ok": False, "error": error, "needed": "chat:write"})
    with pytest.raises(Broken) as refusal:
        slack.post("#ci", Post("text"))
    assert says in str(refusal.value)


def torn(text: str) -> bool:
    """Whether Slack would see the beginning of a link or an entity and not its end."""
    return text.rfind("<") > text.rfind(">") or "&" in text[-5:].rpartition(";")[2]


PIECES = st.lists(st.sampled_from(["&amp;", "&lt;", "&gt;", "<https://x|abc>", "é", "🪣", "a", " "]), max_size=20)
WRITTEN = st.tuples(PIECES.map("".join), st.integers(1, 120)).map(lambda made: made[0] * made[1])


@given(WRITTEN)
@example("x" * 2997 + "&amp;" * 10)
@example("x" * 2990 + "<https://console|abc>" * 10)
@example("🪣" * 1501)
def test_F69_a_text_of_any_length_is_taken_and_no_link_or_entity_is_torn(text: str) -> None:
    said = _said(Post(text))
    [block] = said["blocks"]
    shown = block["text"]["text"]
    assert contract.of_request("chat.update", said) == [] or not text
    assert sum(map(lengths.units, shown)) <= TEXT_LENGTH
    assert len(said["text"].encode()) <= FALLBACK_LENGTH
    assert not torn(shown)
    assert not torn(said["text"])
    if sum(map(lengths.units, text)) <= TEXT_LENGTH:
        assert shown == text


def test_what_is_not_cut_is_left_as_it_is() -> None:
    assert _cut("a < b &am…", 100, lengths.units) == "a < b &am…"


Call = Callable[[Slack], object]
CALLS: list[Call] = [
    lambda slack: slack.post("C1", Post("text")),
    lambda slack: slack.update("C1", "1.2", Post("text")),
]


@pytest.mark.parametrize("call", CALLS, ids=["post", "update"])
@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        pytest.param(429, {"ok": False}, {"Retry_After": "30"}, (Transient, 30.0), id="F67-429"),
        pytest.param(429, {"ok": False}, {"retry_after": "30"}, (Transient, 30.0), id="F67-429-lower-case"),
        pytest.param(429, b"", {}, (Transient, None), id="F67-429-empty"),
        pytest.param(200, {"ok": False, "error": "ratelimited"}, {}, (Transient, None), id="F67-said-in-the-body"),
        pytest.param(200, {"ok": False, "error": "internal_error"}, {}, (Transient, None), id="internal-error"),
        pytest.param(500, {"ok": False}, {}, (Transient, None), id="500"),
        pytest.param(502, b"<html>Bad gateway</html>", {}, (Transient, None), id="502-no-json"),
        pytest.param(200, {"ok": False, "error": "invalid_auth"}, {}, (Broken, None), id="token-refused"),
        pytest.param(200, {"ok": False, "error": "token_revoked"}, {}, (Broken, None), id="token-revoked"),
        pytest.param(200, {"ok": False, "error": "no_such_word"}, {}, (Broken, None), id="a-word-that-is-new"),
        pytest.param(200, {"ok": False}, {}, (Broken, None), id="no-reason"),
        pytest.param(200, {"ok": False, "error": "msg_too_long"}, {}, (Broken, None), id="our-own-fault"),
        pytest.param(200, {"ok": False, "error": "message_not_found"}, {}, (Rejected, None), id="it-was-removed"),
        pytest.param(200, {"ok": False, "error": "edit_window_closed"}, {}, (Rejected, None), id="too-late"),
        pytest.param(200, b"<html>Maintenance</html>", {}, (Transient, None), id="F70-200-no-json"),
        pytest.param(200, b"", {}, (Transient, None), id="F70-200-empty"),
        pytest.param(200, b"[]", {}, (Transient, None), id="F70-200-an-array"),
        pytest.param(200, b"null", {}, (Transient, None), id="F70-200-null"),
        pytest.param(200, b'"ok"', {}, (Transient, None), id="F70-200-a-string"),
        pytest.param(200, b"\xff", {}, (Transient, None), id="F70-200-no-utf-8"),
        pytest.param(503, b"[]", {}, (Transient, None), id="F70-503-an-array"),
    ],
)
def test_refusals(  # noqa: PLR0917 - a table
    server: Any, slack: Slack, call: Call, status: int, body: Any, headers: dict[str, str], expected: tuple[Any, Any]
) -> None:
    server.answer(status, body, **headers)
    with pytest.raises(DeployerError) as refusal:
        call(slack)
    assert (type(refusal.value), getattr(refusal.value, "retry_after", None)) == expected
    assert len(server.asked) == 1, "nothing is repeated in here: it would be posted twice"


def test_an_answer_that_breaks_off(server: Any, slack: Slack) -> None:
    server.answer(200, {"ok": True}, missing=10)
    with pytest.raises(Transient):
        slack.post("C1", Post("text"))
    assert len(server.asked) == 1


def test_nobody_there() -> None:
    with pytest.raises(Transient, match="did not answer"):
        Slack("http://127.0.0.1:1/api/", lambda: TOKEN).post("C1", Post("text"))


@pytest.mark.parametrize("status", [200, 401, 429, 500])
def test_F91_no_token_in_any_error_or_log(
    server: Any, slack: Slack, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.INFO)
    server.answer(status, {"ok": False, "error": "not_authed"})
    with pytest.raises(DeployerError) as refusal:
        slack.post("C1", Post("text"))
    assert TOKEN not in "".join(traceback.format_exception(refusal.value))
    assert TOKEN not in caplog.text
