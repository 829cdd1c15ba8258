"""Checks of JSON, made of the limits that they keep; their complaints are Slack's words.

Pure. A check is given a value and the JSON pointer to it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Complaint = tuple[str, str]
"""What is wrong, and the JSON pointer to it."""
Check = Callable[[Any, str], Iterator[Complaint]]


def string(most: int | None = None, least: int = 1, starts: str = "") -> Check:
    """Text of so many characters."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if not isinstance(value, str):
            yield "must be a string", at
        elif len(value) < least:
            yield f"must be more than {least - 1} characters", at
        elif most is not None and len(value) > most:
            yield f"must be less than {most + 1} characters", at
        elif not value.startswith(starts):
            yield f"must start with {starts}", at

    return check


def one_of(*values: str) -> Check:
    """One of these words."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if value not in values:
            yield f"must be one of: {', '.join(values)}", at

    return check


def whole_number(least: int = 0, most: int | None = None) -> Check:
    """An integer from `least` to `most`."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            yield f"must be an integer from {least}" + ("" if most is None else f" to {most}"), at

    return check


def boolean(value: Any, at: str) -> Iterator[Complaint]:
    """True or false."""
    if not isinstance(value, bool):
        yield "must be a boolean", at


def number(value: Any, at: str) -> Iterator[Complaint]:
    """An integer or a fraction."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        yield "must be a number", at


def list_of(item: Check, most: int | None = None, least: int = 1) -> Check:
    """An array of so many items, each of which passes `item`."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if not isinstance(value, list):
            yield "must be an array", at
            return
        if len(value) < least:
            yield f"no fewer than {least} items allowed", at
        if most is not None and len(value) > most:
            yield f"no more than {most} items allowed", at
            return
        for place, each in enumerate(value):
            yield from item(each, f"{at}/{place}")

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """An object with these fields and, beside its `type`, no others."""

    known = {**required, **optional}

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if not isinstance(value, dict):
            yield "must be an object", at
            return
        for name in required:
            if name not in value:
                yield f"missing required field: {name}", at
        for name, given in value.items():
            if name in known:
                yield from known[name](given, f"{at}/{name}")
            elif name != "type":
                yield f"invalid additional property: {name}", at

    return check


def either(*names: str) -> Check:
    """One of these fields has to be there."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if isinstance(value, dict) and not any(name in value for name in names):
            yield f"missing required field: {names[0]}", at

    return check


def both(*checks: Check) -> Check:
    """Every one of these."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        for each in checks:
            yield from each(value, at)

    return check


def typed(kinds: Mapping[str, Check], unserved: frozenset[str] = frozenset()) -> Check:
    """An object whose `type` says which check applies."""

    def check(value: Any, at: str) -> Iterator[Complaint]:
        if not isinstance(value, dict):
            yield "must be an object", at
            return
        kind = value.get("type")
        if not isinstance(kind, str):
            yield "missing required field: type", at
        elif kind in kinds:
            yield from kinds[kind](value, at)
        elif kind in unserved:
            yield f"not served by the local Slack: {kind}", f"{at}/type"
        else:
            yield f"unsupported type: {kind}", f"{at}/type"

    return check
