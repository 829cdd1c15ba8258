"""The logs of builds: of which, how far, and as what they may be printed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from cli.tests.environments import STACK, did, run, seen

from deployer.errors import Broken, Transient
from deployer.states import RunState
from deployer_cli.everyday.build_logs import BuildLog, chosen, readable_line
from deployer_cli.everyday.judge import judge

LINT, TEST = (did("Build", at=at, action=name, external_id=f"p:{name}") for name, at in (("Lint", -90), ("Test", -80)))
SMOKE = did("Smoke", at=-30, provider="CodeBuild", action="Smoke", external_id="p:Smoke")
BROKEN = did("Build", "Failed", at=-80, action="Test", external_id="p:Test")
RETRIED = did("Build", at=-40, action="Test", external_id="p:Again")


@pytest.mark.parametrize(
    ("actions", "stage", "builds"),
    [
        pytest.param((LINT, TEST, SMOKE), None, ["p:Lint", "p:Test", "p:Smoke"], id="all"),
        pytest.param((LINT, BROKEN), None, ["p:Test"], id="what-failed"),
        pytest.param((LINT, BROKEN, RETRIED), None, ["p:Lint", "p:Again"], id="the-latest-attempt"),
        pytest.param((LINT, TEST, SMOKE), "smoke", ["p:Smoke"], id="a-stage"),
        pytest.param((LINT, BROKEN), "Build", ["p:Lint", "p:Test"], id="all-of-a-stage-that-failed"),
        pytest.param((LINT,), "Deploy", [], id="a-stage-without-a-build"),
        pytest.param((did("Build", external_id=""),), None, [], id="one-that-has-not-begun"),
        pytest.param((did("Deploy", external_id="arn"),), None, [], id="no-build"),
    ],
)
def test_which_builds_are_meant(actions: Any, stage: str | None, builds: list[str]) -> None:
    report = judge(seen(runs={STACK: run(RunState.FAILED, *actions), "other": None}))
    assert [action.external_id for action in chosen(report, stage)] == builds


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain\n", "plain"),
        ("\x1b[31;1mred\x1b[0m and \x1b[2Kgone\n", "red and gone"),
        ("\x1b]0;owned\x07title\n", "title"),
        ("\x1b]0;owned\x1b\\title", "title"),
        ("10%\r50%\r100%\r\n", "100%"),
        ("a\tb", "a    b"),
        ("bell\x07\x9b2J", "bell\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}2J"),
        ("\x1b", "\N{REPLACEMENT CHARACTER}"),
        ("über ✓", "über ✓"),
    ],
)
def test_a_line_does_not_steer_the_terminal(text: str, line: str) -> None:
    assert readable_line(text) == line


class Builds:
    """One build, complete from the look on that is named; without a log where it has none yet."""

    def __init__(self, complete_at: int = 1, *, there: bool = True, logged: bool = True) -> None:
        self.looks, self.complete_at, self.there, self.logged = 0, complete_at, there, logged

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        self.looks += 1
        build = {"id": ids[0], "buildComplete": self.looks >= self.complete_at}
        if self.logged:
            build["logs"] = {"groupName": "g", "streamName": "s"}
        return {"builds": [build] if self.there else []}


class Stream:
    """A log stream that grows; its token says how much was read."""

    def __init__(self, *lines: str, error: str = "") -> None:
        self.lines, self.error = list(lines), error

    def get_log_events(self, nextToken: str = "0", **asked: Any) -> dict[str, Any]:  # noqa: N803 - AWS's
        assert asked["startFromHead"] is True
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": ""}}, "GetLogEvents")
        first = int(nextToken)
        page = self.lines[first : first + 2]
        events = [{"timestamp": first + at, "message": f"{line}\n"} for at, line in enumerate(page)]
        return {"events": events, "nextForwardToken": str(first + len(page))}


def texts(log: BuildLog) -> list[str]:
    return [message.text.rstrip() for message in log.more()]


def test_a_log_is_read_to_its_end_and_on_from_there() -> None:
    stream = Stream("a", "b", "c")
    log = BuildLog(Builds(complete_at=3), stream, LINT)
    assert (texts(log), log.over) == (["a", "b", "c"], False)
    stream.lines += ["d"]
    assert (texts(log), log.over) == (["d"], False)
    assert (texts(log), log.over) == ([], True)


def test_an_empty_log_ends_too() -> None:
    log = BuildLog(Builds(), Stream(), LINT)
    assert (texts(log), log.over) == ([], True)


@pytest.mark.parametrize(
    ("builds", "stream", "over"),
    [
        pytest.param(Builds(9, logged=False), Stream("a"), False, id="no-log-yet"),
        pytest.param(Builds(9), Stream(error="ResourceNotFoundException"), False, id="no-stream-yet"),
        pytest.param(Builds(there=False), Stream("a"), True, id="no-such-build"),
    ],
)
def test_a_log_that_is_not_there(builds: Builds, stream: Stream, *, over: bool) -> None:
    log = BuildLog(builds, stream, LINT)
    assert (texts(log), log.over) == ([], over)


@pytest.mark.parametrize(("code", "kind"), [("ThrottlingException", Transient), ("AccessDeniedException", Broken)])
def test_a_log_that_cannot_be_read_is_not_taken_for_none(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        texts(BuildLog(Builds(), Stream(error=code), LINT))
