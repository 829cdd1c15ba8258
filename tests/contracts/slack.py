"""Slack's published contract: what its methods take and answer, for the tests of whoever speaks or plays Slack.

Answers are held to `data/slack-web-api.json`, written from the methods' pages; arguments to the signatures of
slack-sdk's own client; blocks to the limits that its models know. Nothing of ours is asked whether it is right.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator
from slack_sdk import WebClient
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "slack-web-api.json").read_text())
METHODS = frozenset(DOCUMENT["methods"])


def arguments_of(method: str) -> frozenset[str]:
    """The names that a method takes, as slack-sdk's client has them."""
    call = getattr(WebClient, method.replace(".", "_"))
    return frozenset(inspect.signature(call).parameters) - {"self", "kwargs"} | {"token"}


def of_request(method: str, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with a call: an unknown method, an argument that it does not have, blocks over a limit."""
    if method not in METHODS:
        return [f"no method {method}"]
    wrong = [f"{method} has no argument {name}" for name in sorted(set(arguments) - arguments_of(method))]
    return wrong + of_blocks(arguments.get("blocks") or [])


def of_blocks(blocks: Any) -> list[str]:
    """What slack-sdk's models say against blocks, which may be a JSON text."""
    try:
        given = json.loads(blocks) if isinstance(blocks, str) else blocks
        parsed = [Block.parse(dict(each)) for each in given]
    except (TypeError, ValueError, KeyError, AttributeError, SlackObjectFormationError) as error:
        return [f"no blocks: {error!r}"]
    wrong = ["an unknown block"] if None in parsed else []
    for each in filter(None, parsed):
        try:
            each.to_dict()
        except (SlackObjectFormationError, AttributeError, TypeError) as error:
            wrong.append(str(error))
    return wrong


def of_answer(method: str, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """What is wrong with an answer; header names in lower case. Of a failing server nothing is promised."""
    if status >= 500:
        return []
    wrong = [] if headers.get("content-type") == "application/json" else ["an answer that is not called JSON"]
    # https://docs.slack.dev/apis/web-api/rate-limits
    if status == 429 and not headers.get("retry-after", "").isdecimal():
        wrong.append("429 without Retry-After in seconds")
    if status not in (200, 413, 429):
        wrong.append(f"Slack answers 200 or 429, not {status}")
    answer = json.loads(body)
    known = DOCUMENT["methods"].get(method, DOCUMENT["unknown"])
    kind = "answer" if answer.get("ok") is True and "answer" in known else "refusal"
    schema = {"$defs": DOCUMENT["$defs"], **known[kind]}
    return wrong + [f"{each.json_path}: {each.message}" for each in Draft202012Validator(schema).iter_errors(answer)]


def arguments_in(query: str, content_type: str, body: bytes) -> dict[str, Any]:
    """The arguments of a call as they came over the wire."""
    given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" and body:
        return given | json.loads(body)
    return given | dict(parse_qsl(body.decode(), keep_blank_values=True)) if kind.endswith("urlencoded") else given


def of_exchange(exchange: Any, *, ours: bool = False) -> list[str]:
    """What is wrong with an exchange of the local Slack's. ``ours``: the call was our own code's, and has to be right.

    A call that was accepted has to be one that Slack accepts, whoever made it.
    """
    wrong = of_answer(exchange.method, exchange.status, exchange.headers, exchange.answer)
    if ours or (exchange.status == 200 and json.loads(exchange.answer)["ok"]):
        given = arguments_in(exchange.query, exchange.content_type, exchange.body)
        wrong += of_request(exchange.method, given)
    return [f"{exchange.method}: {each}" for each in wrong]
