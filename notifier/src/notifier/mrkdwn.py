"""Slack's notation, and text from outside in it: no text from outside can mention anybody or make a link of its own.

Pure. Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deployer import lengths

# Console and GitHub URLs are far shorter; one that is not, or that could end the link that it is in, is left out.
LONGEST_URL = 400
_URL = re.compile(r"https?://[!-;=?-{}~]+")
_PERSON = re.compile(r"[UW][A-Z0-9]{2,30}", re.ASCII)


def escape(text: str) -> str:
    """Outside text as Slack shows it verbatim."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def outside(text: str, most: int) -> str:
    """Outside text, cut where its escaped form would be longer than ``most``."""
    return escape(lengths.cut(text, most, _escaped))


def link(url: str, shown: str) -> str:
    """A link with an escaped text; the text alone where there is no such URL, or none to show."""
    fits = _URL.fullmatch(url) and len(escape(url)) <= LONGEST_URL
    return f"<{escape(url)}|{shown}>" if shown.strip() and fits else shown


def mention(person: str) -> str:
    """A mention of somebody by id, which notifies them; empty for what is no id."""
    return f"<@{person}>" if _PERSON.fullmatch(person) else ""


def code(lines: Sequence[str], most: int) -> str:
    """The end of some lines as a block of code, which what is in it cannot close; empty where they are."""
    text = "\n".join(lines).replace("```", "'''")
    if not text.strip():
        return ""
    end = lengths.cut(text[::-1], most, _escaped)[::-1]  # cut at its beginning
    return f"```{escape(end)}```"


def _escaped(character: str) -> int:
    return lengths.units(character) + len(escape(character)) - 1
