"""Slack over slack-sdk: post and update messages, and find who has an address.

Imported by the notifier alone: slack_sdk costs 100 ms. The token is never logged, and no address.
Source: https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from deployer import lengths, tracing
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.ports import Post

# A section's text, and (in bytes, to be on the safe side) what chat.update takes as a message's own.
# https://docs.slack.dev/reference/block-kit/blocks/section-block, https://docs.slack.dev/reference/methods/chat.update
TEXT_LENGTH = 3000
FALLBACK_LENGTH = 4000
# A reference, link or entity that was cut off: Slack would show its remains.
_TORN = re.compile(r"(?:<[^<>]*|&[a-z]{0,3})(?=…\Z)")
_TOKEN_ERRORS = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
_WORD = re.compile(r"[a-z_]+")
# Blocks of a message, and texts in a context: https://docs.slack.dev/reference/block-kit/blocks
MOST_BLOCKS, MOST_TEXTS = 50, 10
# What is wrong with a channel, and what its owner can do about it.
_CHANNEL_ERRORS = {
    "channel_not_found": "there is no such channel, or it is private and the app is not in it: invite the app",
    "not_in_channel": "the app is not in the channel: invite it (/invite)",
    "is_archived": "the channel is archived",
    "is_inactive": "the channel is archived",
    "restricted_action": "who may post there is restricted: allow the app",
}
# What Slack says of one message alone: others are told all the same.
_OF_ONE_MESSAGE = frozenset({"message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"})
_BUSY = frozenset({"ratelimited", "rate_limited", "internal_error", "service_unavailable", "fatal_error"})


class Slack:
    """Post and update messages. ``base_url``: ``https://slack.com/api/``; ``token``: called for each request."""

    def __init__(self, base_url: str, token: Callable[[], str], timeout: int = 10) -> None:
        # Nothing is repeated in here: a reply that was lost on its way would be posted twice.
        self._client = WebClient(base_url=base_url, timeout=timeout, retry_handlers=[])
        self._token = token

    def post(self, channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        """chat.postMessage to a channel's name or id, or as a reply to the message ``thread``.

        Answers with the message's (channel id, ``ts``); an update does not take a channel's name.
        """
        arguments = {"channel": channel, **_said(post), "unfurl_links": False}
        if thread:
            arguments["thread_ts"] = thread
        answer = self._call("chat.postMessage", channel, json=arguments)
        return str(answer.get("channel", "")), str(answer.get("ts", ""))

    def update(self, channel: str, ts: str, post: Post) -> None:
        """chat.update; ``channel`` is an id."""
        self._call("chat.update", channel, json={"channel": channel, "ts": ts, **_said(post)})

    def person(self, email: str) -> str:
        """users.lookupByEmail: the id of who has this address; empty where nobody has, or a bot, or one who left.

        Source: https://docs.slack.dev/reference/methods/users.lookupByEmail
        """
        try:
            found = self._call("users.lookupByEmail", data={"email": email}).get("user")
        except _NobodyError:
            return ""
        if not isinstance(found, dict) or found.get("is_bot") or found.get("deleted"):
            return ""
        return str(found.get("id", ""))

    def _call(self, method: str, channel: str = "", **arguments: Any) -> SlackResponse:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            with tracing.remote("POST", self._client.base_url + method) as answered:
                answer = self._client.api_call(method, headers=headers, **arguments)
                answered(answer.status_code)
        except SlackApiError as error:
            raise _refusal(method, channel, error.response) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise Transient(f"Slack did not answer: {type(error).__name__}") from error
        except (AttributeError, ValueError) as error:  # slack-sdk stumbles over JSON that is no object, and no UTF-8
            raise Transient("Slack answered with something else than a JSON object") from error
        return answer


class _NobodyError(Rejected):
    """Nobody has the address."""


def _refusal(method: str, channel: str, response: SlackResponse) -> DeployerError:
    """What Slack's own word for it asks for; one that is not known here is an alarm, not a message that is missing."""
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error", "unknown"))[:200]
    headers = {name.lower(): str(value) for name, value in response.headers.items()}
    wait = headers.get("retry-after", "")
    if response.status_code == 429 or response.status_code >= 500 or code in _BUSY:
        return Transient(f"Slack: {code}", float(wait) if wait.isdigit() else None)
    if not data or not _WORD.fullmatch(code):  # slack-sdk puts a proxy's page where the error should be
        return Transient("Slack answered with something else than a JSON object")
    if code in _TOKEN_ERRORS:
        return Broken(f"Slack refused the token ({code}); set opolis.slack.token")
    if code == "missing_scope":
        needed = str(data.get("needed", ""))[:200]
        return Broken(f"Slack's app lacks the scope {needed} for {method}; give it, and install the app again")
    if code in _CHANNEL_ERRORS:
        what = _CHANNEL_ERRORS[code]
        return Broken(f"Slack takes no messages for {channel} ({code}): {what}, or name another one (SlackChannels)")
    if code == "users_not_found":
        return _NobodyError(f"Slack refused {method}: {code}")
    return (Rejected if code in _OF_ONE_MESSAGE else Broken)(f"Slack refused {method}: {code}")


def _said(post: Post) -> dict[str, Any]:
    """The arguments that carry a message: its sections and small print, and what notifications show of it.

    ``parse`` says of the text what ``verbatim`` says of the blocks; chat.update has another default for it than
    chat.postMessage.
    """
    sections = [{"type": "section", "text": _shown(text)} for text in (post.text, *post.details)]
    context = [_shown(text) for text in post.context[:MOST_TEXTS]]
    blocks = [*sections[: MOST_BLOCKS - 1], *([{"type": "context", "elements": context}] if context else [])]
    return {"text": _cut(post.whole, FALLBACK_LENGTH, lengths.octets), "parse": "none", "blocks": blocks}


def _shown(text: str) -> dict[str, Any]:
    """A text object. ``verbatim``: Slack makes no mentions or links of its own out of names such as ``@here``.

    Source: https://docs.slack.dev/reference/block-kit/composition-objects/text-object
    """
    return {"type": "mrkdwn", "text": _cut(text, TEXT_LENGTH, lengths.units), "verbatim": True}


def _cut(text: str, most: int, measure: lengths.Measure) -> str:
    """Cut without leaving half of a link or entity, which Slack would show as it is."""
    cut = lengths.cut(text, most, measure)
    return cut if cut == text else _TORN.sub("", cut)
