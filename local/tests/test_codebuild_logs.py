"""The log of a build where CloudWatch Logs is in trouble: the build goes on, the loss is said once."""

from __future__ import annotations

from typing import Any

import pytest

from deployer_local.codebuild.logs import BuildLog
from deployer_local.codepipeline.testing import error


class Logs:
    """CloudWatch Logs that refuses what `refused` names."""

    def __init__(self, **refused: str) -> None:
        self._refused = refused
        self.lines: list[str] = []
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if code := self._refused.get(name):
            raise error(code, "no")

    def create_log_group(self, **_: Any) -> None:
        self._call("create_log_group")

    def create_log_stream(self, **_: Any) -> None:
        self._call("create_log_stream")

    def put_log_events(self, logEvents: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
        self._call("put_log_events")
        self.lines += [event["message"] for event in logEvents]


EXISTS = "ResourceAlreadyExistsException"
LINES = [f"line {number}\n" for number in range(501)]
"""More than one call takes."""


@pytest.mark.parametrize(
    ("refused", "lines", "puts", "said"),
    [
        pytest.param({}, LINES, None, [], id="in-order"),
        pytest.param({"create_log_group": EXISTS, "create_log_stream": EXISTS}, LINES, None, [], id="made-before"),
        pytest.param({"create_log_group": "AccessDenied"}, [], 0, ["build s has no log"], id="no-group"),
        pytest.param({"create_log_stream": "Throttling"}, [], 0, ["build s has no log"], id="no-stream"),
        pytest.param({"put_log_events": "Throttling"}, [], 1, ["the log of build s is incomplete"], id="lost"),
    ],
)
def test_a_build_is_not_held_up_by_its_log(
    caplog: pytest.LogCaptureFixture, refused: dict[str, str], lines: list[str], puts: int | None, said: list[str]
) -> None:
    logs = Logs(**refused)
    log = BuildLog(logs, "/aws/codebuild/web", "s", clock=lambda: 1_800_000_000.0)
    for line in LINES:
        log.line(line.rstrip())
    log.close()
    assert logs.lines == lines
    assert puts is None or logs.calls.count("put_log_events") == puts
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == said
