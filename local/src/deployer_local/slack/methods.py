"""The Web API's methods: arguments in, Slack's answer out.

Plain functions over the stored messages. Refusals are Slack's own words in an answer of HTTP 200, raised as
`SlackError`. An argument that would have an effect which is not shown here is refused by name, never ignored. Knows
nothing of HTTP; the token was checked before.

https://docs.slack.dev/reference/methods
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer_local.slack.blocks import complaints
from deployer_local.slack.messages import Blocks, Channel, Message, Messages

Json = dict[str, Any]
Arguments = Mapping[str, Any]

TEAM, BOT, BOT_USER, APP = "T0LOCAL0001", "B0LOCAL0001", "U0LOCAL0000", "A0LOCAL0001"
HOME = "https://local.slack.invalid/"
# chat.postMessage cuts and warns: https://api.slack.com/changelog/2018-04-truncating-really-long-messages
LONGEST_TEXT = 40_000
# chat.update refuses; seen to be counted in bytes: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/258898
LONGEST_UPDATE = 4000
LARGEST_PAGE = 999


class SlackError(Exception):
    """An answer that is not ok. `details` join the answer."""

    def __init__(self, error: str, **details: object) -> None:
        """`error` in Slack's own words, such as channel_not_found."""
        super().__init__(error)
        self.answer: Json = {"ok": False, "error": error} | details


@dataclass(frozen=True)
class Method:
    """A method with the arguments that it honours, and others that change nothing here whatever they say.

    `fixed`: arguments of which only one value is honoured. `scope`: what the token has to be allowed; empty for
    nothing.
    """

    answer: Callable[[Messages, Arguments], Json]
    honoured: frozenset[str] = frozenset()
    harmless: frozenset[str] = frozenset()
    fixed: Mapping[str, tuple[object, ...]] | None = None
    scope: str = ""

    def __call__(self, messages: Messages, arguments: Arguments) -> Json:
        """Slack's answer; SlackError where it refuses."""
        fixed = self.fixed or {}
        wrong = [
            f"not served by the local Slack: {name} [json-pointer:/{name}]"
            for name, value in arguments.items()
            if name not in {"token", *self.honoured, *self.harmless} and value not in fixed.get(name, ())
        ]
        if wrong:
            raise _invalid("invalid_arguments", wrong)
        return self.answer(messages, arguments)

    @property
    def arguments(self) -> frozenset[str]:
        """The names that are taken."""
        return self.honoured | self.harmless | frozenset(self.fixed or ())


def post_message(messages: Messages, arguments: Arguments) -> Json:
    """chat.postMessage. The channel may be an id, a name, or a person's id (a direct message)."""
    named = str(arguments.get("channel") or "")
    channel = messages.channel(named)
    if channel is None and messages.person(named):
        channel = messages.add_channel(named, "D")
    if channel is None:
        raise SlackError("channel_not_found")
    if why := messages.shut_by(channel):
        raise SlackError(why)
    text, blocks = _said(arguments)
    thread = arguments.get("thread_ts")
    try:
        message = messages.post(channel, text[:LONGEST_TEXT], blocks or [], str(thread) if thread else None)
    except KeyError as error:
        raise SlackError("thread_not_found") from error
    answer = {"ok": True, "channel": channel.id, "ts": message.ts, "message": _shape(message)}
    if len(text) > LONGEST_TEXT:
        said = "[WARN] Your message was truncated but still posted. The `text` field accepts up to 40,000 characters."
        answer |= {"response_metadata": {"messages": [said], "warnings": ["message_truncated"]}}
    return answer


def update(messages: Messages, arguments: Arguments) -> Json:
    """chat.update. The channel must be an id; blocks that are not given stay as they are."""
    channel, ts = _identified(messages, arguments), str(arguments.get("ts") or "")
    if messages.shut_by(channel) == "is_archived":
        raise SlackError("is_inactive")
    before = _message(messages, channel, ts)
    text, blocks = _said(arguments)
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_UPDATE:
        raise SlackError("msg_too_long")
    message = messages.edit(channel, ts, text, before.blocks if blocks is None else blocks)
    return {"ok": True, "channel": channel.id, "ts": ts, "text": message.text, "message": _shape(message)}


def permalink(messages: Messages, arguments: Arguments) -> Json:
    """chat.getPermalink."""
    channel = _identified(messages, arguments)
    message = _message(messages, channel, str(arguments.get("message_ts") or ""))
    link = f"{HOME}archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


def channels(messages: Messages, arguments: Arguments) -> Json:
    """conversations.list: every channel; direct messages are left out, as they are by default."""
    limit = _limit(arguments)
    found = [_channel(messages, each) for each in messages.channels() if each.id.startswith("C")]
    start = _cursor(arguments)
    return {"ok": True, "channels": found[start : start + limit]} | _next(start + limit, len(found))


def channel_info(messages: Messages, arguments: Arguments) -> Json:
    """conversations.info."""
    return {"ok": True, "channel": _channel(messages, _identified(messages, arguments))}


def history(messages: Messages, arguments: Arguments) -> Json:
    """conversations.history: what is not a reply, newest first."""
    found = messages.threads(_identified(messages, arguments))
    return _page(arguments, [_shape(each) | _thread(each) for each in reversed(found)]) | {"pin_count": 0}


def replies(messages: Messages, arguments: Arguments) -> Json:
    """conversations.replies: the first message of a thread, then its replies, oldest first; of a reply itself alone."""
    channel = _identified(messages, arguments)
    try:
        message = messages.message(channel, str(arguments.get("ts") or ""))
    except KeyError as error:
        raise SlackError("thread_not_found") from error
    return _page(arguments, [_shape(message) | _thread(message), *map(_shape, message.replies)])


def auth_test(messages: Messages, arguments: Arguments) -> Json:
    """auth.test."""
    del messages, arguments
    names = {"url": HOME, "team": "local", "user": "opolis-deployer"}
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


# Nothing is unfurled here, names make no links, and text is kept as it came, which is `parse: none`.
_FORMATTING: dict[str, tuple[object, ...]] = {"parse": ("none",), "link_names": (False, "0", "false")}
_PAGES = frozenset(["cursor", "limit"])

METHODS: dict[str, Method] = {
    "auth.test": Method(auth_test),
    "chat.getPermalink": Method(permalink, frozenset(["channel", "message_ts"])),
    "chat.postMessage": Method(
        post_message,
        frozenset(["channel", "text", "blocks", "thread_ts"]),
        frozenset(["unfurl_links", "unfurl_media"]),
        {**_FORMATTING, "mrkdwn": (True,), "reply_broadcast": (False,), "attachments": ([], "[]")},
        scope="chat:write",
    ),
    "chat.update": Method(
        update,
        frozenset(["channel", "ts", "text", "blocks"]),
        fixed={**_FORMATTING, "reply_broadcast": (False,), "attachments": ([], "[]")},
        scope="chat:write",
    ),
    "conversations.history": Method(history, frozenset(["channel", *_PAGES]), scope="channels:history"),
    "conversations.info": Method(channel_info, frozenset(["channel"]), scope="channels:read"),
    "conversations.list": Method(
        channels,
        _PAGES,
        frozenset(["exclude_archived"]),
        {"types": ("public_channel",), "team_id": (TEAM,)},
        scope="channels:read",
    ),
    "conversations.replies": Method(replies, frozenset(["channel", "ts", *_PAGES]), scope="channels:history"),
    "users.lookupByEmail": Method(lookup_by_email, frozenset(["email"]), scope="users:read.email"),
}
SCOPES = frozenset(method.scope for method in METHODS.values() if method.scope)


def _invalid(error: str, wrong: list[str]) -> SlackError:
    return SlackError(error, errors=wrong, response_metadata={"messages": [f"[ERROR] {each}" for each in wrong]})


def _identified(messages: Messages, arguments: Arguments) -> Channel:
    named = str(arguments.get("channel") or "")
    channel = messages.channel(named)
    if channel is None or channel.id != named:
        raise SlackError("channel_not_found")
    return channel


def _message(messages: Messages, channel: Channel, ts: str) -> Message:
    try:
        return messages.message(channel, ts)
    except KeyError as error:
        raise SlackError("message_not_found") from error


def _said(arguments: Arguments) -> tuple[str, Blocks | None]:
    text, blocks = str(arguments.get("text") or ""), arguments.get("blocks")
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError as error:
            raise SlackError("invalid_blocks_format") from error
    if blocks is not None and (wrong := complaints(blocks)):
        raise _invalid("invalid_blocks", wrong)
    if not text.strip() and not blocks:
        raise SlackError("no_text")
    return text, blocks


def _limit(arguments: Arguments) -> int:
    try:
        limit = int(arguments.get("limit", 100))
    except ValueError as error:
        raise SlackError("invalid_limit") from error
    if not 0 < limit <= LARGEST_PAGE:
        raise SlackError("invalid_limit")
    return limit


def _cursor(arguments: Arguments) -> int:
    cursor = str(arguments.get("cursor") or "0")
    if not cursor.isdecimal():
        raise SlackError("invalid_cursor")
    return int(cursor)


def _next(end: int, size: int) -> Json:
    return {"response_metadata": {"next_cursor": str(end) if end < size else ""}}


def _page(arguments: Arguments, found: list[Json]) -> Json:
    start, limit = _cursor(arguments), _limit(arguments)
    end = start + limit
    more = _next(end, len(found)) if end < len(found) else {}
    return {"ok": True, "messages": found[start:end], "has_more": end < len(found)} | more


def _channel(messages: Messages, channel: Channel) -> Json:
    direct = channel.id.startswith("D")
    named = {"user": channel.name} if direct else {"name": channel.name, "name_normalized": channel.name}
    kind = {"is_channel": not direct, "is_group": False, "is_im": direct, "is_mpim": False, "is_private": direct}
    why = messages.shut_by(channel)
    place = {"created": 0, "is_archived": why == "is_archived", "is_org_shared": False, "context_team_id": TEAM}
    return {"id": channel.id, **named, **kind, **place, "is_member": not why}


def _thread(message: Message) -> Json:
    if not message.replies:
        return {}
    last = message.replies[-1].ts
    counts = {"reply_count": len(message.replies), "reply_users_count": 1, "reply_users": [BOT_USER]}
    return {"thread_ts": message.ts, "latest_reply": last, **counts}


def _shape(message: Message) -> Json:
    optional: Json = {"blocks": message.blocks} if message.blocks else {}
    if message.thread_ts:
        optional["thread_ts"] = message.thread_ts
    if message.edits:
        optional["edited"] = {"user": BOT, "ts": message.edited}
    said = {"type": "message", "text": message.text, "ts": message.ts}
    return said | {"user": BOT_USER, "bot_id": BOT, "app_id": APP, "team": TEAM} | optional
