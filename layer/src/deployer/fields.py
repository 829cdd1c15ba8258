"""Single fields of JSON that comes from outside: of the kind that they have to be, or the message is refused.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class Malformed(ValueError):  # noqa: N818 - says what the message is
    """A message that nobody should have sent; trying again changes nothing."""


def text_of(mapping: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    """Text, empty only where it may be missing too."""
    value = mapping.get(key, "" if optional else None)
    if not isinstance(value, str) or (not value and not optional):
        raise Malformed(f"{key}: expected text, got {type(value).__name__}")
    return value


def number_of(mapping: Mapping[str, Any], key: str) -> int:
    """A whole number, not negative."""
    value = mapping.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"{key}: expected a number, got {type(value).__name__}")
    return value


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object; ``what`` names it."""
    if not isinstance(value, dict):
        raise Malformed(f"{what}: expected an object, got {type(value).__name__}")
    return value


def matching(mapping: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    """Text that the whole pattern fits."""
    value = text_of(mapping, key)
    if not pattern.fullmatch(value):
        raise Malformed(f"{key}: not as AWS writes it: {value!r}")
    return value
