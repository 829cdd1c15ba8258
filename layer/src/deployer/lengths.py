"""Cutting text to what others take, measured so that none of the ways to count a character finds it too long.

Pure. Whole characters (code points) only.
"""

from __future__ import annotations

from collections.abc import Callable

Measure = Callable[[str], int]
ELLIPSIS = "…"


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
