"""One page of a list, in the API's way: ``maxResults``, ``nextToken``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ServiceError


def page(name: str, items: Sequence[Any], body: Mapping[str, Any], most: int) -> dict[str, Any]:
    """``{name: […], nextToken?}``; the token is the position of the next item."""
    token = body.get("nextToken", "0")
    if not token.isdecimal() or int(token) > len(items):
        raise ServiceError("InvalidNextTokenException", "The next token was specified in an invalid format")
    end = int(token) + min(body.get("maxResults", most), most)
    rest = {"nextToken": str(end)} if end < len(items) else {}
    return {name: list(items[int(token) : end]), **rest}
