"""What is shown of a build's log, as tables: what CodeBuild keeps of it in, lines for people out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.logs import LINES, clean, ending

AT = "[Container] 2026/11/25 01:02:10.409062"
FAILED = f"{AT} Command did not exit successfully npm test exit status 1\n"
AFTER = [
    f"{AT} Phase complete: BUILD State: FAILED\n",
    f"{AT} Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: npm test. "
    "Reason: exit status 1\n",
    f"{AT} Entering phase POST_BUILD\n",
    f"{AT} Running command echo Build completed\n",
    "Build completed\n",
    "\n",
    f"{AT} Phase complete: POST_BUILD State: SUCCEEDED\n",
    f"{AT} Found 3 file(s)\n",
]


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param(["one\n", "two"], ("one", "two"), id="what-commands-print"),
        pytest.param(["one\ntwo\n"], ("one", "two"), id="two-lines-in-one-event"),
        pytest.param(
            [f"{AT} Entering phase BUILD\n", f"{AT} Running command npm test\n", "1 failing\n", FAILED, *AFTER],
            ("$ npm test", "1 failing"),
            id="up-to-the-command-that-failed",
        ),
        pytest.param(
            ["1 failing\n", FAILED, f"{AT} Running command rm -r x\n", "rm: x\n", FAILED],
            ("1 failing",),
            id="the-first",
        ),
        pytest.param([f"{AT} Running command test -f x\n", FAILED], ("$ test -f x",), id="that-printed-nothing"),
        pytest.param([*AFTER], ("$ echo Build completed", "Build completed"), id="where-what-failed-is-too-far-back"),
        pytest.param(
            [
                f"{AT} Waiting for agent ping\n",
                f"{AT} Phase context status code: YAML_FILE_ERROR Message: no version\n",
            ],
            (),
            id="no-command-ran",
        ),
        pytest.param(
            ["[Container] 2018/07/29 23:51:23 Entering phase INSTALL\n", "one\n"], ("one",), id="whole-seconds"
        ),
        pytest.param([f"{AT} Entering phase BUILD\r\n", "one\r\n"], ("one",), id="line-ends-of-windows"),
        pytest.param(["[Container] up and running\n"], ("[Container] up and running",), id="a-command-that-says-so"),
        pytest.param(["\n", "one\n", "\n", " \n", "two\n", "\n"], ("one", "", "two"), id="blank-lines"),
        pytest.param([f"line {n}\n" for n in range(30)], tuple(f"line {n}" for n in range(10, 30)), id="the-last"),
    ],
)
def test_the_end_of_a_log(messages: list[str], shown: tuple[str, ...]) -> None:
    assert ending(messages) == shown


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("\x1b[31m1 failing\x1b[0m", "1 failing"),
        ("\x1b]0;npm test\x07ok", "ok"),
        ("\x1b[2K\x1b[1G 10 %\r 50 %\r100 %", "100 %"),
        ("one\ttwo\x08\x00", "one\ttwo"),
        ("\x1b", ""),
        ("remote: https://x-access-token:ghs_0123456789@github.com/acme", "remote: https://***@github.com/acme"),
        ("GITHUB_TOKEN=ghp_" + "a1" * 18, "GITHUB_TOKEN=ghp_***"),
        ("token github_pat_11AAAAAAA0_" + "b" * 59, "token github_pat_***"),
        ("SLACK=xoxb-1-2-" + "c" * 24, "SLACK=xoxb-***"),
        ("https://example.com/@ada", "https://example.com/@ada"),
        ("ghp_short", "ghp_short"),
    ],
    ids=[
        "colours",
        "a-title",
        "written-over",
        "control-characters",
        "torn",
        "F91-in-a-url",
        "F91-github",
        "F91-github-fine-grained",
        "F91-slack",
        "no-credentials",
        "no-token",
    ],
)
def test_what_is_left_of_a_line(line: str, left: str) -> None:
    assert clean(line) == left


@given(st.lists(st.text(st.sampled_from("ab \n\r\x1b[m]Container0123/:$"), max_size=30), max_size=40))
def test_whatever_is_in_a_log_some_lines_are_left(messages: list[str]) -> None:
    shown = ending(messages)
    assert len(shown) <= LINES
    assert not shown or (shown[-1] and "\x1b" not in "".join(shown))
