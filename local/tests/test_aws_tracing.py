"""X-Ray as Lambda does it: active functions get a header and a segment, others get nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.contracts.xray import Daemon, Document

from deployer_local.aws import emulator
from deployer_local.aws.tracing import address, install

ENVIRONMENT = """
import os
def handler(event, context):
    return {name: value for name, value in os.environ.items() if "XRAY" in name or "TRACE" in name}
"""
HEADER = re.compile(r"Root=(1-[0-9a-f]{8}-[0-9a-f]{24});Parent=([0-9a-f]{16});Sampled=1")


def of(function: str) -> Callable[[list[Document]], Document | None]:
    """Finds the segment of a function."""
    return lambda documents: next((each for each in documents if each["name"] == function), None)


def test_an_invocation_of_an_active_function_has_a_header_and_its_segment(aws: Any, daemon: Daemon) -> None:
    function = aws.function(ENVIRONMENT, TracingConfig={"Mode": "Active"})

    first, second = aws.invoke(function), aws.invoke(function)

    assert first["AWS_XRAY_DAEMON_ADDRESS"] == daemon.address
    assert first["AWS_XRAY_CONTEXT_MISSING"] == "LOG_ERROR"
    headers = [HEADER.fullmatch(each["_X_AMZN_TRACE_ID"]) for each in (first, second)]
    segments = [each for each in daemon.received() if each["name"] == function]
    assert [(each["trace_id"], each["id"]) for each in segments] == [each.groups() for each in headers if each]
    assert len({each["trace_id"] for each in segments}) == 2
    for segment in segments:
        assert segment["origin"] == "AWS::Lambda::Function"
        assert segment["start_time"] <= segment["end_time"]
        assert "fault" not in segment


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        pytest.param("def handler(event, context):\n    return 1 / 0", {}, id="it-raises"),
        pytest.param("import nothing_of_that_name", {}, id="it-does-not-import"),
        pytest.param("import time\ndef handler(event, context):\n    time.sleep(60)", {"Timeout": 1}, id="it-hangs"),
    ],
)
def test_what_failed_is_at_fault(aws: Any, daemon: Daemon, source: str, settings: dict[str, Any]) -> None:
    function = aws.function(source, TracingConfig={"Mode": "Active"}, **settings)

    assert "errorMessage" in aws.invoke(function)

    assert daemon.until(of(function))["fault"] is True


@pytest.mark.parametrize("mode", ["PassThrough", None])
def test_a_function_that_is_not_active_is_not_traced(aws: Any, daemon: Daemon, mode: str | None) -> None:
    function = aws.function(ENVIRONMENT, **({"TracingConfig": {"Mode": mode}} if mode else {}))

    assert "_X_AMZN_TRACE_ID" not in aws.invoke(function)

    assert of(function)(daemon.received()) is None


def test_a_segment_that_cannot_be_sent_is_said_and_changes_no_answer(
    aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = emulator.module("core.lambda_runtime").Worker
    monkeypatch.setattr(worker, "invoke", worker.invoke)  # so that what is installed here ends with the test
    install("::1:2000")(aws.engine._host)  # the daemon's socket is one of IPv4
    function = aws.function("def handler(event, context):\n    return 'answer'", TracingConfig={"Mode": "Active"})

    assert aws.invoke(function) == "answer"

    [said] = [each.getMessage() for each in caplog.records if each.name == "deployer_local.aws.tracing"]
    assert said.startswith("no segment could be sent to ::1:2000: ")


@pytest.mark.parametrize("text", ["", "2000", "localhost:", ":2000", "localhost:0", "localhost:70000", "localhost:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        address(text)


def test_an_address() -> None:
    assert address("localhost:2000") == ("localhost", 2000)
