"""The Web API's methods: arguments in, Slack's answer out.

Plain functions over the stored messages. Refusals are Slack's own words in an answer of HTTP 200, raised as
`SlackError`. Knows nothing of HTTP; the token was checked before.

https://docs.slack.dev/reference/methods
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from deployer_local.slack.blocks import complaints
from deployer_local.slack.messages import Blocks, Channel, Message, Messages

Json = dict[str, Any]
Arguments = Mapping[str, Any]

TEAM, BOT, BOT_USER, APP = "T0LOCAL0001", "B0LOCAL0001", "U0LOCAL0000", "A0LOCAL0001"
LONGEST_TEXT = 40_000


class SlackError(Exception):
    """An answer that is not ok. `details` join the answer."""

    def __init__(self, error: str, **details: object) -> None:
        """`error` in Slack's own words, such as channel_not_found."""
        super().__init__(error)
        self.answer: Json = {"ok": False, "error": error} | details


def post_message(messages: Messages, arguments: Arguments) -> Json:
    """chat.postMessage. The channel may be an id, a name, or a person's id (a direct message)."""
    named = str(arguments.get("channel") or "")
    channel = messages.channel(named)
    if channel is None and messages.person(named):
        channel = messages.add_channel(named, "D")
    if channel is None:
        raise SlackError("channel_not_found")
    text, blocks = _said(arguments)
    thread = arguments.get("thread_ts")
    try:
        message = messages.post(channel, text, blocks or [], str(thread) if thread else None)
    except KeyError as error:
        raise SlackError("thread_not_found") from error
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": _shape(message)}


def update(messages: Messages, arguments: Arguments) -> Json:
    """chat.update. The channel must be an id; blocks that are not given stay as they are."""
    channel, ts = _identified(messages, arguments), str(arguments.get("ts") or "")
    try:
        before = messages.message(channel, ts)
    except KeyError as error:
        raise SlackError("message_not_found") from error
    text, blocks = _said(arguments)
    message = messages.edit(channel, ts, text, before.blocks if blocks is None else blocks)
    return {"ok": True, "channel": channel.id, "ts": ts, "text": message.text, "message": _shape(message)}


def auth_test(messages: Messages, arguments: Arguments) -> Json:
    """auth.test."""
    del messages, arguments
    names = {"url": "https://local.slack.invalid/", "team": "local", "user": "opolis-deployer"}
    return {"ok": True, **names, "team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": False}


def lookup_by_email(messages: Messages, arguments: Arguments) -> Json:
    """users.lookupByEmail."""
    person = messages.person(str(arguments.get("email") or ""))
    if person is None:
        raise SlackError("users_not_found")
    identity, email, name = person
    profile = {"email": email, "real_name": name, "display_name": name, "team": TEAM}
    who = {"id": identity, "team_id": TEAM, "name": email.partition("@")[0], "real_name": name, "profile": profile}
    return {"ok": True, "user": who | {"deleted": False, "is_bot": False, "is_app_user": False}}


METHODS: dict[str, Callable[[Messages, Arguments], Json]] = {
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.update": update,
    "users.lookupByEmail": lookup_by_email,
}


def _identified(messages: Messages, arguments: Arguments) -> Channel:
    named = str(arguments.get("channel") or "")
    channel = messages.channel(named)
    if channel is None or channel.id != named:
        raise SlackError("channel_not_found")
    return channel


def _said(arguments: Arguments) -> tuple[str, Blocks | None]:
    text, blocks = str(arguments.get("text") or ""), arguments.get("blocks")
    if arguments.get("attachments"):
        raise SlackError("invalid_attachments", note="the local Slack shows text and blocks only")
    if len(text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError as error:
            raise SlackError("invalid_blocks_format") from error
    if blocks is not None and (wrong := complaints(blocks)):
        raise SlackError("invalid_blocks", errors=wrong, response_metadata={"messages": wrong})
    if not text.strip() and not blocks:
        raise SlackError("no_text")
    return text, blocks


def _shape(message: Message) -> Json:
    optional: Json = {"blocks": message.blocks} if message.blocks else {}
    if message.thread_ts:
        optional["thread_ts"] = message.thread_ts
    if message.edits:
        optional["edited"] = {"user": BOT, "ts": message.ts}
    said = {"type": "message", "text": message.text, "ts": message.ts}
    return said | {"user": BOT_USER, "bot_id": BOT, "app_id": APP, "team": TEAM} | optional
