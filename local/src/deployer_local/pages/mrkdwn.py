"""Slack's message text as HTML: mrkdwn and emoji, mentions and links.

Pure. Whatever the text holds, only the tags that are made here come out: each piece of it is escaped on its way.

https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Callable, Mapping
from html import unescape

import emoji
from markupsafe import Markup, escape

from deployer_local.addresses import is_web_address

_SPAN = re.compile(
    r"```\n?(?P<block>.+?)\n?```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<angle>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])"
    r"|(?P<quote>(?:(?:^|(?<=\n))&gt; ?[^\n]*(?:\n|$))+)",
    re.DOTALL,
)
_AROUND = {"bold": "strong", "italic": "em", "strike": "s"}
_BROADCASTS = ("channel", "everyone", "here")

Address = Callable[[str], str]
"""Where a link leads on this machine."""


def rendered(text: str, people: Mapping[str, str], address: Address = str) -> Markup:
    """A text in mrkdwn as HTML. `people`: user id -> name; an id that is not there is shown as it is."""
    out, done = Markup(), 0
    for found in _SPAN.finditer(text):
        out += _plain(text[done : found.start()])
        out += _span(str(found.lastgroup), found[str(found.lastgroup)], people, address)
        done = found.end()
    return out + _plain(text[done:])


def plain(text: str) -> Markup:
    """A text of type plain_text as HTML: its emoji only."""
    return escape(_pictured(text))


def _span(kind: str, inner: str, people: Mapping[str, str], address: Address) -> Markup:
    match kind:
        case "block":
            return Markup("<pre>{}</pre>").format(unescape(inner))
        case "code":
            return Markup("<code>{}</code>").format(unescape(inner))
        case "angle":
            return _reference(inner, people, address)
        case "quote":
            lines = "\n".join(line.removeprefix("&gt;").removeprefix(" ") for line in inner.rstrip("\n").split("\n"))
            return Markup("<blockquote>{}</blockquote>").format(rendered(lines, people, address))
        case _:
            tag = _AROUND[kind]
            return Markup(f"<{tag}>{{}}</{tag}>").format(rendered(inner, people, address))  # noqa: S704 - one of ours


def _reference(inner: str, people: Mapping[str, str], address: Address) -> Markup:
    """What stands between angle brackets: a mention, or a link. Anything else is shown as it is."""
    target, _, label = inner.partition("|")
    mention = Markup('<span class="mention">{}</span>')
    if target.startswith("@"):
        return mention.format(f"@{people.get(target[1:]) or label or target[1:]}")
    if target.startswith("#"):
        return mention.format(f"#{label or target[1:]}")
    if target.startswith("!"):
        name = target[1:].partition("^")[0]
        return mention.format(f"@{name}") if name in _BROADCASTS else escape(unescape(label or target))
    url = unescape(target)
    if not is_web_address(url):
        return escape(unescape(label or target))
    there, said = address(url), _pictured(unescape(label)) or url
    return Markup('<a href="{}">{}</a>').format(there, said) if there else escape(said)


def _plain(text: str) -> Markup:
    return escape(_pictured(unescape(text)))


def _pictured(text: str) -> str:
    return emoji.emojize(text, language="alias")
