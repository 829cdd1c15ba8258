"""What the demo ends with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo import report
from deployer_cli.demo.scenario import Result

STAGING = Result(
    EnvironmentId(7, Stage.STAGING),
    "refs/heads/main",
    "a" * 40,
    "site-staging",
    "http://127.0.0.1:1/sites/bucket/",
    {"build/0-prep": "success", "pipeline/Build": "failure"},
    2.34,
    1.2,
)
GONE = Result(EnvironmentId(7, Stage.DEVELOPMENT, "feature/x"), "refs/heads/feature/x", "b" * 40)


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        pytest.param({}, "none", id="none"),
        pytest.param({"a": "success", "b": "success"}, "2 success", id="all-green"),
        pytest.param({"a": "success", "b": "failure"}, "1 failure, 1 success", id="mixed"),
    ],
)
def test_statuses_are_counted(statuses: dict[str, str], text: str) -> None:
    assert report.summary(statuses) == text


def test_the_table_has_a_row_for_each_environment_and_never_cuts_an_address() -> None:
    said = io.StringIO()
    report.show(Console(file=said, width=60), [STAGING, GONE], 12.0)
    lines = said.getvalue().splitlines()
    assert any("staging" in line and "aaaaaaa" in line and "http://127.0.0.1:1/sites/bucket/" in line for line in lines)
    assert any("feature/x" in line and "removed" in line for line in lines)
    assert "Everything held, in 12 s." in lines


def test_json_says_the_same(tmp_path: Path) -> None:
    target = tmp_path / "demo.json"
    report.write(target, report.as_json([STAGING, GONE], [{"detail-type": "x", "time": "t"}], 12.3456))
    found = json.loads(target.read_text())
    assert found["seconds"] == 12.346
    assert found["events"] == [{"detail-type": "x", "time": "t"}]
    assert found["environments"][0] == {
        "name": "staging",
        "ref": "refs/heads/main",
        "commit": "a" * 40,
        "stack": "site-staging",
        "url": "http://127.0.0.1:1/sites/bucket/",
        "statuses": {"build/0-prep": "success", "pipeline/Build": "failure"},
    }
    assert found["environments"][1]["url"] is None
