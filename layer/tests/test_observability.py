"""Logs as JSON lines."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.observability import JsonFormatter, bound, configure, logger, traced

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_is_one_object(lines: Lines) -> None:
    logger("builder").info("stack\ncreated", stack="site-staging", count=3, path=Path("/x"))
    [line] = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "builder",
        "message": "stack\ncreated",
        "stack": "site-staging",
        "count": 3,
        "path": "/x",
    }


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_levels(lines: Lines, level: str) -> None:
    getattr(logger("x"), level)("message")
    assert lines()[0]["level"] == level.upper()


def test_context_is_bound_for_as_long_as_it_holds(lines: Lines) -> None:
    log = logger("x")
    with bound(delivery="1"):
        with bound(environment="7/staging"):
            log.info("both")
        log.info("one")
    log.info("none")
    both, one, none = lines()
    assert (both["delivery"], both["environment"]) == ("1", "7/staging")
    assert "environment" not in one
    assert "delivery" not in none


def test_a_traceback_is_in_the_same_line(lines: Lines) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        logger("x").exception("failed")
    [line] = lines()
    assert line["error"].endswith("ValueError: why")


def test_no_text_can_make_a_line_of_its_own(lines: Lines) -> None:
    logger("x").info("a", ref='refs/heads/x\n{"level": "ERROR"}')
    assert len(lines()) == 1


@pytest.mark.parametrize(
    "text",
    ["grüße, \U0001f680", "\x9b2J", "\x7f", "a\u2028b", "\u202egnp.exe", "\ud800", "\U000e0041", "\x1b[2J"],
    ids=ascii,
)
def test_no_text_moves_a_cursor_or_turns_a_line_around(text: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "message", (), None)
    record.fields = {"ref": text}
    line = JsonFormatter().format(record)
    assert line.isprintable()
    assert line.encode("utf-8")
    assert json.loads(line)["ref"] == text
    assert (text in line) is text.isprintable(), "what can be read stays readable"


def test_the_context_ends_with_the_invocation(lines: Lines) -> None:
    class Context:
        aws_request_id = "request-1"

    @traced("x")
    def handler(event: Any, context: Any) -> Any:
        logger("x").info("inside")
        return event

    before = logging.getLogger().handlers[:]
    try:
        assert handler({"a": 1}, Context()) == {"a": 1}
        assert handler.__name__ == "handler"
        logger("x").info("outside")
        inside, outside = lines()
    finally:
        logging.getLogger().handlers[:] = before
    assert inside["request"] == "request-1"
    assert "request" not in outside


@pytest.mark.parametrize("noisy", ["boto3", "botocore", "urllib3", "slack_sdk"])
def test_F91_what_logs_whole_requests_is_silenced(noisy: str) -> None:
    root, quiet = logging.getLogger(), logging.getLogger(noisy)
    before, level = root.handlers[:], root.level
    try:
        configure()
        configure()
        assert not quiet.isEnabledFor(logging.DEBUG)
        assert not quiet.isEnabledFor(logging.INFO)
        ours = [each for each in root.handlers if isinstance(each.formatter, JsonFormatter)]
        assert len(ours) == len(root.handlers) == 1
    finally:
        root.handlers[:] = before
        root.setLevel(level)


HANDLERS = sorted(ROOT.glob("*/src/*/handler.py"))


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_every_handler_is_traced_under_its_name(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    [handler] = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "handler"]
    decorators = [ast.unparse(each) for each in handler.decorator_list]
    assert any(each.endswith(f"traced('{path.parent.name}')") for each in decorators), decorators
