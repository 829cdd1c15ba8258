"""The local Slack through slack_sdk's own client, unmodified, and plain HTTP where that client is too careful.

Every exchange of every test here is held to Slack's published contract.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler, ServerErrorRetryHandler
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.contracts import slack as contract

from deployer_local.slack import Exchange, Slack
from deployer_local.slack.methods import METHODS

from .conftest import served

TOKEN = "xoxb-canary"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Workspace:
    """A running local Slack and a client of it."""

    slack: Slack
    url: str
    client: WebClient

    def call(self, method: str, token: str | None = TOKEN, **arguments: Any) -> dict[str, Any]:
        """One call with a JSON body, its answer as it came."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = request(self.url + method, json=arguments, headers=headers)
        assert answer.status == 200
        found: dict[str, Any] = answer.json()
        return found


def request(url: str, headers: dict[str, str] | None = None, **more: Any) -> urllib3.BaseHTTPResponse:
    """A POST whose connection ends with it: one that is kept would hold up the server's end."""
    return urllib3.request("POST", url, headers={"Connection": "close", **(headers or {})}, retries=False, **more)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Workspace]:
    """A local Slack mounted as the engine mounts it; in the end every exchange has to have been as Slack's are."""
    slack, seen = Slack(folder, token=TOKEN, **settings), list[Exchange]()
    slack.watch(seen.append)
    with served(lambda _: Starlette(routes=[Mount("/slack/api", slack.app)])) as base:
        url = f"{base}/slack/api/"
        yield Workspace(slack, url, WebClient(TOKEN, base_url=url))
    slack.close()
    assert seen, "nothing was asked"
    assert [wrong for exchange in seen for wrong in contract.of_exchange(exchange)] == []


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A local Slack with its channels and nobody in it."""
    with opened(tmp_path / "slack") as found:
        yield found


def test_message_thread_and_edit(workspace: Workspace) -> None:
    client = workspace.client
    assert client.auth_test()["ok"]
    first = client.chat_postMessage(channel="#deployments", text="building", unfurl_links=False)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Build* started"}}]
    client.chat_postMessage(channel=first["channel"], text="Build", blocks=blocks, thread_ts=first["ts"])
    client.chat_update(channel=first["channel"], ts=first["ts"], text="done ✅")
    (message,) = workspace.slack.messages("deployments")
    assert (message.text, message.channel, message.ts) == ("done ✅", "deployments", first["ts"])
    assert [edit.text for edit in message.edits] == ["building"]
    assert [(reply.text, reply.blocks) for reply in message.replies] == [("Build", blocks)]
    assert workspace.slack.messages("general") == []


def test_timestamps_are_slacks(tmp_path: Path) -> None:
    with opened(tmp_path, clock=lambda: 1_700_000_000.0001) as workspace:
        stamps = [workspace.client.chat_postMessage(channel="general", text="x")["ts"] for _ in range(3)]
    assert stamps == ["1700000000.000100", "1700000000.000101", "1700000000.000102"]


def test_reply_to_a_reply_joins_the_thread(workspace: Workspace) -> None:
    first = workspace.call("chat.postMessage", channel="general", text="a")
    second = workspace.call("chat.postMessage", channel="general", text="b", thread_ts=first["ts"])
    workspace.call("chat.postMessage", channel="general", text="c", thread_ts=second["ts"])
    (message,) = workspace.slack.messages()
    assert [reply.text for reply in message.replies] == ["b", "c"]


def test_update_keeps_blocks_that_are_not_given(workspace: Workspace) -> None:
    posted = workspace.call("chat.postMessage", channel="general", text="a", blocks=[{"type": "divider"}])
    place = {"channel": posted["channel"], "ts": posted["ts"]}
    assert workspace.call("chat.update", **place, text="b")["message"]["blocks"] == [{"type": "divider"}]
    assert "blocks" not in workspace.call("chat.update", **place, text="b", blocks=[])["message"]


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "nowhere", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "general"}, "no_text"),
        ("chat.postMessage", {"channel": "general", "text": "  "}, "no_text"),
        ("chat.postMessage", {"channel": "general", "text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": "general", "text": "x", "blocks": [{"type": "sektion"}]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "general", "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ("chat.update", {"channel": "general", "ts": "1.000001", "text": "x"}, "channel_not_found"),
        ("chat.update", {"channel": "C0LOCAL0001", "ts": "1.000001", "text": "x"}, "message_not_found"),
        ("chat.getPermalink", {"channel": "C0LOCAL0001", "message_ts": "1.000001"}, "message_not_found"),
        ("chat.getPermalink", {"channel": "general", "message_ts": "1.000001"}, "channel_not_found"),
        ("conversations.info", {"channel": "general"}, "channel_not_found"),
        ("conversations.history", {"channel": "C9"}, "channel_not_found"),
        ("conversations.history", {"channel": "C0LOCAL0001", "limit": 0}, "invalid_limit"),
        ("conversations.history", {"channel": "C0LOCAL0001", "limit": "all"}, "invalid_limit"),
        ("conversations.history", {"channel": "C0LOCAL0001", "limit": 1000}, "invalid_limit"),
        ("conversations.list", {"cursor": "x"}, "invalid_cursor"),
        ("conversations.replies", {"channel": "C0LOCAL0001", "ts": "1.000001"}, "thread_not_found"),
        ("users.lookupByEmail", {"email": "nobody@example.com"}, "users_not_found"),
        ("chat.delete", {}, "unknown_method"),
    ],
)
def test_refusals_in_slacks_words(workspace: Workspace, method: str, arguments: dict[str, Any], error: str) -> None:
    answer = workspace.call(method, **arguments)
    assert (answer["ok"], answer["error"]) == (False, error)
    assert workspace.slack.messages() == []


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-wrong", "invalid_auth")])
def test_tokens(workspace: Workspace, token: str | None, error: str) -> None:
    assert workspace.call("auth.test", token)["error"] == error


def test_token_in_the_form(workspace: Workspace) -> None:
    answer = request(workspace.url + "auth.test", body=urlencode({"token": TOKEN}), headers=FORM)
    assert answer.json()["ok"]


def test_form_bodies_and_email(workspace: Workspace) -> None:
    identity = workspace.slack.add_user("mona@example.com", "Mona Lisa")
    assert workspace.client.users_lookupByEmail(email="Mona@example.com")["user"]["id"] == identity
    fields = {"token": TOKEN, "channel": identity, "text": "a&b", "blocks": '[{"type": "divider"}]'}
    answer = request(workspace.url + "chat.postMessage", body=urlencode(fields), headers=FORM).json()
    assert answer["ok"]
    assert [(each.text, each.blocks) for each in workspace.slack.messages()] == [("a&b", [{"type": "divider"}])]


def test_bodies_that_are_not_json(workspace: Workspace) -> None:
    def post(body: bytes, kind: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        found: dict[str, Any] = request(workspace.url + "auth.test", body=body, headers=headers).json()
        return found

    assert post(b"{", "application/json")["error"] == "invalid_json"
    assert post(b"[]", "application/json")["error"] == "json_not_object"
    assert post(b"x", "text/plain")["error"] == "invalid_post_type"
    assert post(b"{}", "application/json")["warning"] == "missing_charset"
    assert "warning" not in post(b"{}", "application/json; charset=utf-8")


def test_a_form_that_is_not_utf_8(workspace: Workspace) -> None:
    headers = FORM | {"Authorization": f"Bearer {TOKEN}"}
    assert request(workspace.url + "auth.test", body=b"text=\xff", headers=headers).json()["error"] == "invalid_charset"


@pytest.mark.parametrize(("beyond", "expected"), [(0, (200, None)), (1, (413, "request_timeout"))], ids=["at", "over"])
def test_a_body_has_its_limit(workspace: Workspace, beyond: int, expected: tuple[int, str | None]) -> None:
    start = urlencode({"token": TOKEN, "channel": "general", "text": "x"})
    body = start + "x" * (4 * 1024 * 1024 - len(start) + beyond)
    answer = request(workspace.url + "chat.postMessage", body=body, headers=FORM)
    assert (answer.status, answer.json().get("error")) == expected
    assert len(workspace.slack.messages()) == (0 if beyond else 1)


def test_only_the_last_token_is_taken(workspace: Workspace) -> None:
    workspace.slack.rotate_token("xoxb-next")
    assert workspace.call("auth.test")["error"] == "invalid_auth"
    assert workspace.call("auth.test", "xoxb-next")["ok"]


def test_a_channel_that_is_made_while_it_runs(workspace: Workspace) -> None:
    made = workspace.slack.create_channel("#releases")
    assert workspace.slack.create_channel("releases") == made
    with pytest.raises(KeyError, match="release-notes"):
        workspace.slack.messages("release-notes")
    assert workspace.client.chat_postMessage(channel="releases", text="x")["channel"] == made.id
    assert [(each.channel, each.text) for each in workspace.slack.messages(made.id)] == [("releases", "x")]
    assert len(workspace.client.conversations_list()["channels"]) == 3


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_token_may_do_what_its_scopes_say(tmp_path: Path, method: str) -> None:
    with opened(tmp_path, scopes=("channels:join",)) as workspace:
        answer = workspace.call(method)
    scope = METHODS[method].scope
    if scope:
        told = {"ok": False, "error": "missing_scope", "needed": scope, "provided": "channels:join"}
        assert {name: answer.get(name) for name in told} == told
    else:
        assert answer.get("error") != "missing_scope"


def test_a_channel_that_the_bot_may_not_post_to(workspace: Workspace) -> None:
    slack = workspace.slack
    posted = workspace.call("chat.postMessage", channel="general", text="x")
    place = {"channel": posted["channel"], "ts": posted["ts"]}
    for change, error, archived in (
        (slack.archive_channel, "is_archived", True),
        (slack.remove_from_channel, "not_in_channel", False),
    ):
        change("general")
        assert workspace.call("chat.postMessage", channel="general", text="x")["error"] == error
        updated = workspace.call("chat.update", **place, text="x")
        assert updated.get("error") == ("is_inactive" if archived else None), "its own words stay its own"
        channel = workspace.call("conversations.info", channel=posted["channel"])["channel"]
        assert (channel["is_archived"], channel["is_member"]) == (archived, False)
    slack.invite_to_channel("general")
    assert workspace.call("chat.update", **place, text="y")["ok"]
    assert [message.text for message in slack.messages()] == ["y"]


def test_F67_rate_limit_on_demand(workspace: Workspace) -> None:
    workspace.slack.fail_next(429, retry_after=7, method="chat.postMessage")
    assert workspace.client.auth_test()["ok"]
    with pytest.raises(SlackApiError) as refused:
        workspace.client.chat_postMessage(channel="general", text="x")
    assert (refused.value.response.status_code, refused.value.response["error"]) == (429, "ratelimited")
    assert refused.value.response.headers["Retry-After"] == "7"
    assert workspace.client.chat_postMessage(channel="general", text="x")["ok"]


def test_F70_errors_on_demand(workspace: Workspace) -> None:
    workspace.slack.fail_next("fatal_error")
    assert workspace.call("auth.test")["error"] == "fatal_error"
    workspace.slack.fail_next(503)
    assert request(workspace.url + "auth.test").status == 503
    assert workspace.call("auth.test")["ok"]


def test_F67_slack_sdks_own_handlers_wait_and_try_again(workspace: Workspace) -> None:
    client = WebClient(
        TOKEN,
        base_url=workspace.url,
        retry_handlers=[
            RateLimitErrorRetryHandler(max_retry_count=3),
            ServerErrorRetryHandler(max_retry_count=3, interval_calculator=FixedValueRetryIntervalCalculator(0)),
        ],
    )
    workspace.slack.fail_next(429, retry_after=0)
    workspace.slack.fail_next(500)
    workspace.slack.fail_next(503)
    assert client.chat_postMessage(channel="general", text="once")["ok"]
    assert [each.text for each in workspace.slack.messages()] == ["once"]
    workspace.slack.fail_next(500, times=4)
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel="general", text="not at all")
    assert len(workspace.slack.messages()) == 1


def test_F67_one_message_a_second_for_each_channel_where_it_is_asked_for(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    with opened(tmp_path, clock=lambda: now[0], paced=True) as workspace:

        def post(channel: str) -> str | None:
            try:
                workspace.client.chat_postMessage(channel=channel, text="x")
            except SlackApiError as refused:
                return f"{refused.response.status_code} {refused.response.headers['Retry-After']}"
            return None

        assert [post("general"), post("#general"), post("deployments")] == [None, "429 1", None]
        now[0] += 0.5
        assert post("C0LOCAL0001") == "429 1", "by its id it is the same channel"
        now[0] += 0.5
        assert post("general") is None
        assert workspace.client.conversations_list()["ok"], "and posting alone is paced"


def test_everything_that_was_said_can_be_read_through_the_api(workspace: Workspace) -> None:
    client = workspace.client
    names = {each["name"]: each["id"] for each in client.conversations_list()["channels"]}
    assert sorted(names) == ["deployments", "general"]
    place = names["deployments"]
    assert client.conversations_info(channel=place)["channel"]["name"] == "deployments"
    first, second = (client.chat_postMessage(channel=place, text=text)["ts"] for text in ("one", "two"))
    answers = [client.chat_postMessage(channel=place, text=text, thread_ts=first)["ts"] for text in ("a", "b", "c")]
    client.chat_update(channel=place, ts=first, text="one more")
    history = client.conversations_history(channel=place)
    assert [(each["text"], each.get("reply_count")) for each in history["messages"]] == [("two", None), ("one more", 3)]
    assert not history["has_more"]
    pages = [page["messages"] for page in client.conversations_replies(channel=place, ts=first, limit=3)]
    assert [[each["text"] for each in page] for page in pages] == [["one more", "a", "b"], ["c"]]
    assert [each["ts"] for page in pages for each in page] == [first, *answers]
    assert [len(page["channels"]) for page in client.conversations_list(limit=1)] == [1, 1]
    link = client.chat_getPermalink(channel=place, message_ts=second)["permalink"]
    assert link.endswith(f"/archives/{place}/p{second.replace('.', '')}")
    assert f"thread_ts={first}" in client.chat_getPermalink(channel=place, message_ts=answers[0])["permalink"]


def test_a_direct_message_is_a_conversation(workspace: Workspace) -> None:
    mona = workspace.slack.add_user("mona@example.com", "Mona Lisa")
    posted = workspace.client.chat_postMessage(channel=mona, text="hello")
    channel = workspace.client.conversations_info(channel=posted["channel"])["channel"]
    assert (channel["is_im"], channel["user"]) == (True, mona)
    assert channel["id"] not in {each["id"] for each in workspace.client.conversations_list()["channels"]}


def test_a_text_over_40000_characters_is_cut_and_said_to_be(workspace: Workspace) -> None:
    whole = workspace.client.chat_postMessage(channel="general", text="x" * 40_000)
    assert "warning" not in whole.data
    cut = workspace.client.chat_postMessage(channel="general", text="x" * 40_001)
    assert (len(cut["message"]["text"]), cut["warning"]) == (40_000, "message_truncated")


@pytest.mark.parametrize(
    ("text", "ok"),
    [("x" * 4000, True), ("x" * 4001, False), ("é" * 2000, True), ("é" * 2001, False)],
    ids=["4000", "4001", "4000-bytes", "4002-bytes"],
)
def test_an_update_has_less_room(workspace: Workspace, text: str, ok: bool) -> None:
    posted = workspace.call("chat.postMessage", channel="general", text="x")
    answer = workspace.call("chat.update", channel=posted["channel"], ts=posted["ts"], text=text)
    assert answer.get("error") == (None if ok else "msg_too_long")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_arguments_are_slacks_and_one_that_is_not_honoured_is_refused(workspace: Workspace, method: str) -> None:
    assert METHODS[method].arguments <= contract.arguments_of(method)
    unserved = contract.arguments_of(method) - METHODS[method].arguments - {"token"}
    for name in [*sorted(unserved), "colour"]:
        answer = workspace.call(method, **{name: "x"})
        said = f"not served by the local Slack: {name} [json-pointer:/{name}]"
        assert (answer["error"], answer["errors"]) == ("invalid_arguments", [said])
    for name, values in (METHODS[method].fixed or {}).items():
        assert workspace.call(method, **{name: "other"})["error"] == "invalid_arguments"
        assert workspace.call(method, **{name: values[0]}).get("error") != "invalid_arguments"


def test_the_contract_knows_the_methods_that_are_served_and_no_others() -> None:
    assert set(METHODS) == contract.METHODS


# A message that Slack would not take, or would not give: the checks of the contract have to be able to fail.
BROKEN: list[tuple[str, Callable[[], list[str]]]] = [
    ("a-field-of-our-own", lambda: contract.of_answer("auth.test", 200, JSON, b'{"ok": true, "mood": "good"}')),
    ("an-error-of-our-own", lambda: contract.of_answer("auth.test", 200, JSON, b'{"ok": false, "error": "no"}')),
    ("another-status", lambda: contract.of_answer("auth.test", 403, JSON, NOT_AUTHED)),
    ("no-json", lambda: contract.of_answer("auth.test", 200, {}, NOT_AUTHED)),
    ("no-retry-after", lambda: contract.of_answer("auth.test", 429, JSON, NOT_AUTHED)),
    ("an-unknown-argument", lambda: contract.of_request("chat.update", {"unfurl_links": False})),
    ("an-unknown-method", lambda: contract.of_request("chat.shout", {})),
    ("a-long-block", lambda: contract.of_request("chat.update", {"blocks": [{"type": "header", "text": LONG}]})),
]
JSON, NOT_AUTHED = {"content-type": "application/json"}, b'{"ok": false, "error": "not_authed"}'
LONG = {"type": "plain_text", "text": "x" * 151}


@pytest.mark.parametrize("check", [each for _, each in BROKEN], ids=[name for name, _ in BROKEN])
def test_the_contract_can_be_broken(check: Callable[[], list[str]]) -> None:
    assert contract.of_answer("auth.test", 200, JSON, NOT_AUTHED) == []
    assert len(check()) >= 1


def test_F98_messages_survive(tmp_path: Path) -> None:
    first = Slack(tmp_path, token=TOKEN)
    with served(lambda _: first.app) as base:
        WebClient(TOKEN, base_url=f"{base}/").chat_postMessage(channel="general", text="kept")
    again = Slack(tmp_path, token=TOKEN)  # the first one was never closed
    assert [each.text for each in again.messages("general")] == ["kept"]
    first.close()
    again.close()
