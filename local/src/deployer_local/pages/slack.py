"""What the page of the local Slack shows of a channel, gathered from the local Slack's own handles.

Reads only. Texts come out as HTML that `mrkdwn` made; what a block holds that is not drawn here is named by its kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from deployer_local.slack import Message

from . import links, mrkdwn

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Button:
    """A button; `url` is empty where it leads nowhere that can be shown. `style`: primary, danger or empty."""

    text: Markup
    url: str
    style: str


@dataclass(frozen=True)
class Part:
    """A block as it is drawn. `kind`: header, section, context, actions, divider or other."""

    kind: str
    texts: tuple[Markup, ...] = ()
    fields: tuple[Markup, ...] = ()
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Said:
    """A message. `when` in seconds since the epoch; `edits`: how often it was changed."""

    ts: str
    when: float
    parts: tuple[Part, ...]
    edits: int
    replies: tuple["Said", ...] = ()


def said(message: Message, people: Mapping[str, str]) -> Said:
    """A message with its replies. `people`: user id -> name."""
    parts = tuple(_part(block, people) for block in message.blocks)
    if not parts:
        parts = (Part("section", (mrkdwn.rendered(message.text, people, links.here),)),)
    replies = tuple(said(each, people) for each in message.replies)
    return Said(message.ts, float(message.ts), parts, len(message.edits), replies)


def _part(block: Json, people: Mapping[str, str]) -> Part:
    match block["type"]:
        case "header":
            return Part("header", (mrkdwn.plain(block["text"]["text"]),))
        case "section":
            texts = (_text(block["text"], people),) if "text" in block else ()
            fields = tuple(_text(each, people) for each in block.get("fields", ()))
            accessory = block.get("accessory", {})
            buttons = (_button(accessory),) if accessory.get("type") == "button" else ()
            return Part("section", texts, fields, buttons)
        case "context":
            return Part("context", tuple(_text(each, people) for each in block["elements"]))
        case "actions":
            return Part("actions", buttons=tuple(_button(each) for each in block["elements"]))
        case "divider":
            return Part("divider")
        case kind:
            return Part("other", (mrkdwn.plain(f"({kind})"),))


def _text(found: Json, people: Mapping[str, str]) -> Markup:
    match found["type"]:
        case "mrkdwn":
            return mrkdwn.rendered(found["text"], people, links.here)
        case "plain_text":
            return mrkdwn.plain(found["text"])
        case _:  # a picture, which is not fetched from where it is
            return mrkdwn.plain(found.get("alt_text", ""))


def _button(found: Json) -> Button:
    return Button(mrkdwn.plain(found["text"]["text"]), links.here(found.get("url", "")), found.get("style", ""))
