"""Slack over slack-sdk: post and update messages.

Imported by the notifier alone: slack_sdk costs 100 ms. The token is never logged.
Source: https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from deployer.errors import Broken, Rejected, Transient

TEXT_LENGTH = 3000
_TOKEN_ERRORS = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
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
        arguments: dict[str, Any] = {"channel": channel, "text": text, "blocks": _blocks(text)}
        if thread:
            arguments["thread_ts"] = thread
        return self._call("chat.postMessage", arguments)

    def update(self, channel: str, ts: str, text: str) -> None:
        """chat.update; ``channel`` is an id."""
        self._call("chat.update", {"channel": channel, "ts": ts, "text": text, "blocks": _blocks(text)})

    def _call(self, method: str, arguments: dict[str, Any]) -> tuple[str, str]:
        try:
            answer = self._client.api_call(
                method, json={**arguments, "unfurl_links": False}, headers={"Authorization": f"Bearer {self._token()}"}
            )
        except SlackApiError as error:
            code = str(error.response.get("error", "unknown"))[:200]
            headers = {name.lower(): str(value) for name, value in error.response.headers.items()}
            wait = headers.get("retry-after", "")
            if error.response.status_code == 429 or error.response.status_code >= 500 or code in _BUSY:
                raise Transient(f"Slack: {code}", float(wait) if wait.isdigit() else None) from error
            if code in _TOKEN_ERRORS:
                raise Broken(f"Slack refused the token ({code}); set opolis.slack.token") from error
            raise Rejected(f"Slack refused {method}: {code}") from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise Transient(f"Slack did not answer: {type(error).__name__}") from error
        return str(answer.get("channel", "")), str(answer.get("ts", ""))


def _blocks(text: str) -> list[dict[str, Any]]:
    """One section. ``verbatim``: Slack makes no mentions or links of its own out of names such as ``@here``.

    Source: https://docs.slack.dev/reference/block-kit/composition-objects/text-object
    """
    cut = text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"
    return [{"type": "section", "text": {"type": "mrkdwn", "text": cut, "verbatim": True}}]
