"""Cutting text to what others take, measured so that none of the ways to count a character finds it too long.

Pure. Whole characters (code points) only.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Measure = Callable[[str], int]
ELLIPSIS = "…"
DESCRIPTION_LENGTH = 140
# What UTF-8 writes with four bytes, or not at all.
FOUR_BYTES = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")


def units(character: str) -> int:
    """UTF-16 code units, as Java and JavaScript count: never fewer than code points."""
    return 2 if ord(character) > 0xFFFF else 1


def octets(character: str) -> int:
    """Bytes in UTF-8."""
    return len(character.encode("utf-8", "surrogatepass"))


def cut(text: str, most: int, measure: Measure = units) -> str:
    """The text where it is at most ``most`` long, else as much of its beginning as fits with an ellipsis after it."""
    room = most - sum(map(measure, ELLIPSIS))
    length, fits = 0, 0
    for at, character in enumerate(text, 1):
        length += measure(character)
        if length > most:
            return text[:fits] + ELLIPSIS
        if length <= room:
            fits = at
    return text


def description(text: str) -> str:
    """A status's description as GitHub takes it: at most 140 characters, of at most three bytes each; else 422.

    Whether GitHub counts code points or UTF-16 units makes no difference to what is left.
    Source: "description doesn't accept 4-byte Unicode", as it answers to POST /repos/{owner}/{repo}/statuses/{sha}
    """
    whole = FOUR_BYTES.sub("\ufffd", " ".join(text.split()))
    shown = cut(whole, DESCRIPTION_LENGTH)
    return shown if shown == whole else shown[:-1].rstrip() + ELLIPSIS
