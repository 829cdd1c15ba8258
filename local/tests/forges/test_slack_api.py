"""The local Slack through slack_sdk's own client, unmodified, and plain HTTP where that client is too careful."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from starlette.applications import Starlette
from starlette.routing import Mount

from deployer_local.slack import Slack

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
        answer = urllib3.request("POST", self.url + method, json=arguments, headers=headers)
        assert answer.status == 200
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A local Slack mounted as the engine mounts it."""
    slack = Slack(tmp_path / "slack", token=TOKEN)
    with served(lambda _: Starlette(routes=[Mount("/slack/api", slack.app)])) as base:
        url = f"{base}/slack/api/"
        yield Workspace(slack, url, WebClient(TOKEN, base_url=url))
    slack.close()


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
    slack = Slack(tmp_path, token=TOKEN, clock=lambda: 1_700_000_000.0001)
    with served(lambda _: slack.app) as base:
        client = WebClient(TOKEN, base_url=f"{base}/")
        stamps = [client.chat_postMessage(channel="general", text="x")["ts"] for _ in range(3)]
    assert stamps == ["1700000000.000100", "1700000000.000101", "1700000000.000102"]
    slack.close()


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


def section(length: int) -> dict[str, Any]:
    """A section of so many characters."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * length}}


@pytest.mark.parametrize(
    ("blocks", "ok"),
    [
        pytest.param([section(3000)], True, id="section-3000"),
        pytest.param([section(3001)], False, id="section-3001"),
        pytest.param([{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}], True, id="header-150"),
        pytest.param([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], False, id="header-151"),
        pytest.param([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], False, id="header-is-plain"),
        pytest.param([{"type": "divider"}] * 50, True, id="50-blocks"),
        pytest.param([{"type": "divider"}] * 51, False, id="51-blocks"),
        pytest.param([{"type": "sektion"}], False, id="unknown-type"),
        pytest.param([{"type": "section"}], False, id="section-without-text"),
        pytest.param([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}], False, id="11-fields"),
        pytest.param(
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}], False, id="11-in-context"
        ),
        pytest.param([{"type": "divider", "block_id": "a"}] * 2, False, id="block-id-twice"),
        pytest.param(["text"], False, id="not-an-object"),
        pytest.param({}, False, id="not-a-list"),
    ],
)
def test_block_kit_limits(workspace: Workspace, blocks: object, ok: bool) -> None:
    answer = workspace.call("chat.postMessage", channel="general", text="x", blocks=blocks)
    assert answer["ok"] is ok
    assert answer.get("error") == (None if ok else "invalid_blocks")


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "nowhere", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "general"}, "no_text"),
        ("chat.postMessage", {"channel": "general", "text": "  "}, "no_text"),
        ("chat.postMessage", {"channel": "general", "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "general", "text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": "general", "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ("chat.update", {"channel": "general", "ts": "1.000001", "text": "x"}, "channel_not_found"),
        ("chat.update", {"channel": "C0LOCAL0001", "ts": "1.000001", "text": "x"}, "message_not_found"),
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
    answer = urllib3.request("POST", workspace.url + "auth.test", body=urlencode({"token": TOKEN}), headers=FORM)
    assert answer.json()["ok"]


def test_form_bodies_and_email(workspace: Workspace) -> None:
    identity = workspace.slack.add_user("mona@example.com", "Mona Lisa")
    assert workspace.client.users_lookupByEmail(email="Mona@example.com")["user"]["id"] == identity
    fields = {"token": TOKEN, "channel": identity, "text": "a&b", "blocks": '[{"type": "divider"}]'}
    answer = urllib3.request("POST", workspace.url + "chat.postMessage", body=urlencode(fields), headers=FORM).json()
    assert answer["ok"]
    assert [(each.text, each.blocks) for each in workspace.slack.messages()] == [("a&b", [{"type": "divider"}])]


def test_bodies_that_are_not_json(workspace: Workspace) -> None:
    def post(body: bytes, kind: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        found: dict[str, Any] = urllib3.request("POST", workspace.url + "auth.test", body=body, headers=headers).json()
        return found

    assert post(b"{", "application/json")["error"] == "invalid_json"
    assert post(b"[]", "application/json")["error"] == "json_not_object"
    assert post(b"x", "text/plain")["error"] == "invalid_post_type"
    assert post(b"{}", "application/json")["warning"] == "missing_charset"
    assert "warning" not in post(b"{}", "application/json; charset=utf-8")


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
    assert urllib3.request("POST", workspace.url + "auth.test", retries=False).status == 503
    assert workspace.call("auth.test")["ok"]


def test_F98_messages_survive(tmp_path: Path) -> None:
    first = Slack(tmp_path, token=TOKEN)
    with served(lambda _: first.app) as base:
        WebClient(TOKEN, base_url=f"{base}/").chat_postMessage(channel="general", text="kept")
    again = Slack(tmp_path, token=TOKEN)  # the first one was never closed
    assert [each.text for each in again.messages("general")] == ["kept"]
    first.close()
    again.close()
