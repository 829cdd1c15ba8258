"""How environments are shown: durations, rows, links; and JSON in the shape that docs/cli.md documents."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli.tests.environments import NEW, NOW, PRODUCTION, STACK, did, item, parked, run, seen
from rich.console import Console
from rich.text import Text

from deployer.builds import Failure
from deployer.ports import Tip
from deployer.states import RunState
from deployer_cli.everyday import shown
from deployer_cli.everyday.judge import Report, State, judge
from deployer_cli.everyday.reading import Appended, fingerprint, has_browser, target
from deployer_cli.output import Output

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
ESCAPE = "\x1b[2J\x1b]0;owned\x07"


def same(url: str) -> str:
    return url


def failed(reason: str = "npm test exited with 1") -> Report:
    why = {"Build": Failure(reason, url="https://log")}
    broken = run(RunState.FAILED, did("Source"), did("Build", "Failed", at=-80), failures=why)
    return judge(seen(runs={STACK: broken}))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (-3, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7_200, "2 h"),
        (7_265, "2 h 1 min"),
        (1_036_800, "12 d"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: int | None, text: str) -> None:
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("then", "text"), [(0, ""), (NOW - 185_000, "3 min"), (NOW, "0 s"), (NOW - 90_061_000, "1 d"), (NOW + 5_000, "0 s")]
)
def test_an_age_is_told_by_the_clock_that_is_given_in_its_largest_unit(then: int, text: str) -> None:
    assert shown.age(NOW, then) == text


def test_a_moment_is_told_as_iso_8601() -> None:
    assert shown.moment(NOW) == "2027-01-15T08:00:00+00:00"
    assert shown.moment(0) is None


def texts(row: list[str | Text]) -> list[str]:
    return [str(cell) for cell in row]


def test_a_failure_has_a_row_for_each_stage_and_a_link_to_its_log() -> None:
    rows = [texts(row) for row in shown.rows(failed())]
    assert rows[1:] == [
        ["Source", "✓ success", "succeeded", "20 s"],
        ["Build", "✗ failure", "npm test exited with 1", "20 s"],
        ["Deploy", "- none", "was not reached", ""],
    ]
    links = shown.links(failed(), same)
    assert [name for name, _ in links] == ["Run", "Build", "Serves"]
    assert ("Build", "https://log") in links
    assert ("Serves", "https://login.example") in links


def test_an_approval_has_its_link_and_a_page_that_is_not_here_has_none() -> None:
    waiting = judge(
        seen(runs={STACK: run(RunState.IN_PROGRESS, did("Source"), did("Build", "InProgress", provider="Manual"))})
    )
    assert "Approve" in dict(shown.links(waiting, same))
    assert dict(shown.links(waiting, lambda _: "")) == {"Serves": "https://login.example"}
    assert dict(shown.links(judge(seen(served="")), lambda _: "")) == {}


def test_the_heading_names_what_is_reported_on() -> None:
    assert shown.heading(judge(seen())) == "acme/site feature/login at aaaaaaa: is deployed"
    release = judge(seen(item(PRODUCTION, ref="refs/tags/v1.0.0"), id=PRODUCTION))
    assert shown.heading(release) == "acme/site production v1.0.0 at aaaaaaa: is deployed"
    nothing = judge(replace(seen(), item=None, tip=None, runs={}))
    assert shown.heading(nothing) == "acme/site feature/login: no environment, and no such branch on GitHub"


def test_a_row_of_the_list() -> None:
    row = texts(shown.list_row(failed()))
    assert row == [
        "feature/login",
        "acme/site",
        "aaaaaaa",
        "✓ success",
        "Failed",
        "✓ Source ✗ Build - Deploy",
        "2 min",
        "https://login.example",
    ]
    going = texts(shown.list_row(judge(seen(item(present=False), runs={}))))
    assert going[4] == "removing"
    empty = texts(shown.list_row(judge(replace(seen(), item=None, tip=None, runs={}, served=""))))
    assert empty == ["feature/login", "acme/site", "", "", "", "", "", ""]


def test_nothing_from_outside_steers_the_terminal() -> None:
    report = failed(f"{ESCAPE}rm\n-rf")
    hostile = replace(report, seen=replace(report.seen, served=f"https://x/{ESCAPE}"))
    for terminal in (True, False):
        said = io.StringIO()
        output = Output(console=Console(file=said, force_terminal=terminal, color_system=None, width=200))
        output.say(shown.heading(hostile))
        output.table(shown.COLUMNS, shown.rows(hostile), "")
        output.table(shown.LIST_COLUMNS, [shown.list_row(hostile)], "")
        for _, url in shown.links(hostile, same):
            output.say(url)
        Appended(output)(hostile)
        assert "\x1b" not in said.getvalue()
        assert "\x07" not in said.getvalue()
    long = texts(shown.rows(failed("x" * 500))[2])[2]
    assert (len(long), long[-1]) == (200, "…")


def keys(value: Any) -> Any:
    """The shape of a document: members, and of a list what is in it."""
    if isinstance(value, dict):
        return {name: keys(each) for name, each in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return "text" if isinstance(value, str) else "number" if isinstance(value, int) else None


def fits(documented: Any, found: Any) -> bool:
    """Whether a document has just what is documented; anything may be null."""
    if found is None or documented is None:
        return True
    if isinstance(documented, dict):
        return documented.keys() == found.keys() and all(fits(documented[name], found[name]) for name in documented)
    if isinstance(documented, list):
        return all(fits(documented[0], each) for each in found)
    return bool(documented == found)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(failed(), id="failed"),
        pytest.param(judge(seen()), id="good"),
        pytest.param(judge(seen(runs={STACK: None})), id="no-run-yet"),
        pytest.param(judge(replace(seen(), item=None, place=parked(), runs={}, served="")), id="none"),
    ],
)
def test_the_json_is_what_the_page_says(report: Report) -> None:
    [documented] = [
        json.loads(body)
        for body in re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        if '"preparation"' in body
    ]
    found = shown.as_json(report, same)
    assert fits(keys(documented), keys(json.loads(json.dumps(found))))
    assert found["state"] == str(report.state)


def test_the_json_of_a_good_one() -> None:
    found = shown.as_json(judge(seen()), same)
    assert (found["environment"], found["stage"], found["repository"]) == ("feature/login", "development", "acme/site")
    assert (found["url"], found["parked"], found["touched"]) == (
        "https://login.example",
        None,
        "2027-01-15T07:57:50+00:00",
    )
    assert [each["name"] for each in found["pipelines"][0]["stages"]] == ["Source", "Build", "Deploy"]
    hidden = shown.as_json(judge(seen()), lambda _: "")
    assert hidden["pipelines"][0]["url"] is None
    assert shown.as_json(judge(seen(place=parked())), same)["parked"] == "removed by hand; a push brings it back"


# --- what `watch` appends, and where `open` leads


def test_where_nobody_looks_each_new_thing_is_a_line_and_is_said_once() -> None:
    said = io.StringIO()
    appended = Appended(Output(console=Console(file=said, width=300)))
    building = run(RunState.IN_PROGRESS, did("Source"), did("Build", "InProgress", at=-5))
    appended(judge(seen(runs={STACK: building})))
    appended(judge(seen(runs={STACK: building}, now=NOW + 5_000)))
    first = said.getvalue().splitlines()
    assert first[0] == "pending\tBuild: is running"
    assert "Build\tpending\tis running" in first
    appended(judge(seen()))
    later = said.getvalue().splitlines()[len(first) :]
    assert later == ["success\tis deployed", "Build\tsuccess\tsucceeded\t20 s", "Deploy\tsuccess\tsucceeded\t20 s"]


def test_the_seconds_that_pass_are_nothing_new() -> None:
    building = run(RunState.IN_PROGRESS, did("Source"), did("Build", "InProgress", at=-5))
    now, later = (judge(seen(runs={STACK: building}, now=NOW + more)) for more in (0, 5_000))
    assert now.lines != later.lines
    assert fingerprint(now) == fingerprint(later)
    assert fingerprint(now) != fingerprint(judge(seen()))


@pytest.mark.parametrize(
    ("kind", "report", "url"),
    [
        pytest.param("environment", judge(seen()), "https://login.example", id="environment"),
        pytest.param("commit", judge(seen()), f"https://github.com/acme/site/commit/{'a' * 40}", id="commit"),
        pytest.param(
            "commit", judge(seen(tip=Tip(NEW, NEW))), f"https://github.com/acme/site/commit/{NEW}", id="pushed"
        ),
        pytest.param("commit", judge(replace(seen(), item=None)), "", id="no-commit"),
        pytest.param("pipeline", judge(replace(seen(), item=None, runs={})), "", id="no-pipeline"),
        pytest.param(
            "pipeline",
            judge(seen(runs={STACK: None})),
            f"https://eu-central-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/{STACK}/view?region=eu-central-1",
            id="no-run",
        ),
    ],
)
def test_where_open_leads(kind: str, report: Report, url: str) -> None:
    assert target(report, kind, same, "https://github.com") == url


@pytest.mark.parametrize(
    ("platform", "variables", "there"),
    [
        ("darwin", {}, True),
        ("win32", {}, True),
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "w"}, True),
        ("linux", {"BROWSER": "firefox", "DISPLAY": ""}, True),
    ],
)
def test_a_browser_is_there_where_a_window_can_be(platform: str, variables: dict[str, str], *, there: bool) -> None:
    assert has_browser(platform, variables) is there


def test_each_state_has_its_mark() -> None:
    assert [str(shown.state_text(state)) for state in State] == ["✓ success", "✗ failure", "• pending", "- none"]
