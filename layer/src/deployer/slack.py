"""Slack over slack-sdk: post and update messages.

Imported by the notifier alone: slack_sdk costs 100 ms. The token is never logged.
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

# A section's text, and (in bytes, to be on the safe side) what chat.update takes as a message's own.
# https://docs.slack.dev/reference/block-kit/blocks/section-block, https://docs.slack.dev/reference/methods/chat.update
TEXT_LENGTH = 3000
FALLBACK_LENGTH = 4000
# A reference, link or entity that was cut off: Slack would show its remains.
_TORN = re.compile(r"(?:<[^<>]*|&[a-z]{0,3})(?=…\Z)")
_TOKEN_ERRORS = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
_WORD = re.compile(r"[a-z_]+")
_BUSY = frozenset({"ratelimited", "rate_limited", "internal_error", "service_unavailable", "fatal_error"})


class Slack:
    """Post and update messages. ``base_url``: ``https://slack.com/api/``; ``token``: called for each request."""

    def __init__(self, base_url: str, token: Callable[[], str], timeout: int = 10) -> None:
        # Nothing is repeated in here: a reply that was lost on its way would be posted twice.
        self._client = WebClient(base_url=base_url, timeout=timeout, retry_handlers=[])
        self._token = token

    def post(self, channel: str, text: str, thread: str = "") -> tuple[str, str]:
        """chat.postMessage to a channel's name or id, or as a reply to the message ``thread``.

        Answers with the message's (channel id, ``ts``); an update does not take a channel's name.
        """
        arguments = {"channel": channel, **_said(text), "unfurl_links": False}
        if thread:
            arguments["thread_ts"] = thread
        return self._call("chat.postMessage", arguments)

    def update(self, channel: str, ts: str, text: str) -> None:
        """chat.update; ``channel`` is an id."""
        self._call("chat.update", {"channel": channel, "ts": ts, **_said(text)})

    def _call(self, method: str, arguments: dict[str, Any]) -> tuple[str, str]:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            with tracing.remote("POST", self._client.base_url + method) as answered:
                answer = self._client.api_call(method, json=arguments, headers=headers)
                answered(answer.status_code)
        except SlackApiError as error:
            raise _refusal(method, error.response) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise Transient(f"Slack did not answer: {type(error).__name__}") from error
        except (AttributeError, ValueError) as error:  # slack-sdk stumbles over JSON that is no object, and no UTF-8
            raise Transient("Slack answered with something else than a JSON object") from error
        return str(answer.get("channel", "")), str(answer.get("ts", ""))


def _refusal(method: str, response: SlackResponse) -> DeployerError:
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
    return Rejected(f"Slack refused {method}: {code}")


def _said(text: str) -> dict[str, Any]:
    """The arguments that carry a text: one section, and what notifications show of it.

    ``verbatim``: Slack makes no mentions or links of its own out of names such as ``@here``; ``parse`` says the same
    of the text, for which chat.update has another default than chat.postMessage.
    Source: https://docs.slack.dev/reference/block-kit/composition-objects/text-object
    """
    shown = {"type": "mrkdwn", "text": _cut(text, TEXT_LENGTH, lengths.units), "verbatim": True}
    fallback = _cut(text, FALLBACK_LENGTH, lengths.octets)
    return {"text": fallback, "parse": "none", "blocks": [{"type": "section", "text": shown}]}


def _cut(text: str, most: int, measure: lengths.Measure) -> str:
    """Cut without leaving half of a link or entity, which Slack would show as it is."""
    cut = lengths.cut(text, most, measure)
    return cut if cut == text else _TORN.sub("", cut)
