"""How an environment stands: what was seen of it in, state, reason and exit code out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli.tests.environments import (
    ARN,
    DONE,
    NEW,
    NOW,
    OLD,
    PRODUCTION,
    STACK,
    STAGES,
    did,
    item,
    parked,
    run,
    seen,
    stack,
)

from deployer.builds import Failure
from deployer.ports import Outcome, Tip
from deployer.states import RunState
from deployer_cli.everyday.judge import LATE, Report, State, judge
from deployer_cli.everyday.seen import Seen

RUNNING, FAILED = RunState.IN_PROGRESS, RunState.FAILED
WHY = {"Build": Failure("npm test exited with 1", url="https://log")}


def with_run(*found: object, **changes: object) -> Seen:
    return seen(runs={STACK: found[0]}, **changes)


@pytest.mark.parametrize(
    ("found", "state", "reason", "code"),
    [
        pytest.param(seen(), State.SUCCESS, "is deployed", 0, id="all-is-well"),
        pytest.param(
            seen(item(pipelines=()), runs={}),
            State.SUCCESS,
            "prepared",
            0,
            id="a-template-without-a-pipeline",
        ),
        pytest.param(
            seen(item(outcome=Outcome.PENDING, said="preparing the pipeline", pipelines=()), runs={}),
            State.PENDING,
            "0-prep: preparing the pipeline",
            8,
            id="being-prepared",
        ),
        pytest.param(
            seen(item(outcome=Outcome.NEW, said="", pipelines=()), runs={}),
            State.PENDING,
            "0-prep: is being prepared",
            8,
            id="just-taken-up",
        ),
        pytest.param(
            seen(item(outcome=Outcome.FAILURE, said="Site (AWS::S3::Bucket): taken"), runs={STACK: None}),
            State.FAILURE,
            "0-prep: Site (AWS::S3::Bucket): taken",
            1,
            id="the-preparation-failed",
        ),
        pytest.param(
            with_run(run(RUNNING, did("Source"), did("Build", "InProgress"))),
            State.PENDING,
            "Build: is running",
            8,
            id="a-stage-runs",
        ),
        pytest.param(
            with_run(run(RUNNING, did("Source"))), State.PENDING, "Build: has not begun", 8, id="between-two-stages"
        ),
        pytest.param(
            with_run(run(RUNNING, did("Source"), did("Build", "InProgress", provider="Manual"))),
            State.PENDING,
            "Build: waits for an approval",
            8,
            id="waits-for-a-person",
        ),
        pytest.param(
            with_run(run(FAILED, did("Source"), did("Build", "Failed"), failures=WHY)),
            State.FAILURE,
            "Build: npm test exited with 1",
            1,
            id="a-build-failed",
        ),
        pytest.param(
            with_run(run(RunState.STOPPED, did("Source"))), State.FAILURE, "Build: stopped", 1, id="F61-stopped"
        ),
        pytest.param(with_run(None), State.PENDING, "run: has not begun", 8, id="F64-no-run-is-listed-yet"),
        pytest.param(
            with_run(None, now=NOW + LATE + 1),
            State.FAILURE,
            "run: no run of this commit is known; `deployer redeploy` starts one",
            1,
            id="no-run-is-known",
        ),
        pytest.param(
            seen(tip=Tip(NEW, NEW)),
            State.PENDING,
            "bbbbbbb was pushed and is not taken up yet",
            8,
            id="F62-a-push-comes",
        ),
        pytest.param(
            seen(tip=Tip(NEW, NEW), place=parked(sha=NEW)),
            State.SUCCESS,
            "is deployed; bbbbbbb is left out: removed by hand; a push brings it back",
            0,
            id="a-commit-that-is-left-out",
        ),
        pytest.param(seen(tip=None, unasked="no token"), State.SUCCESS, "is deployed", 0, id="github-was-not-asked"),
        pytest.param(
            seen(item(present=False, outcome=Outcome.NEW, said="")), State.PENDING, "is being removed", 8, id="goes"
        ),
        pytest.param(
            seen(item(present=False, outcome=Outcome.FAILURE, said="could not be removed: Bucket")),
            State.FAILURE,
            "could not be removed: Bucket",
            1,
            id="F51-its-removal-failed",
        ),
        pytest.param(
            replace(seen(), item=None),
            State.NONE,
            "no environment; a push makes one, or `deployer redeploy`",
            1,
            id="none",
        ),
        pytest.param(
            replace(seen(), item=None, tip=None),
            State.NONE,
            "no environment, and no such branch on GitHub",
            1,
            id="no-branch",
        ),
        pytest.param(
            replace(seen(), id=PRODUCTION, item=None, tip=None), State.NONE, "no environment", 1, id="no-production"
        ),
        pytest.param(
            replace(seen(), item=None, place=parked(retired=True)),
            State.NONE,
            "no environment: removed by hand; a push brings it back",
            1,
            id="parked",
        ),
    ],
)
def test_state_reason_and_exit_code(found: Seen, state: State, reason: str, code: int) -> None:
    report = judge(found)
    assert (report.state, report.reason, report.exit_code) == (state, reason, code)
    assert report.over is (state is not State.PENDING)


def line(report: Report, name: str) -> tuple[State, str, int | None, str]:
    [found] = [each for each in report.lines if each.name == name]
    return found.state, found.text, found.seconds, found.url


CONSOLE = f"https://eu-central-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/{STACK}"


def test_every_stage_says_how_it_stands_how_long_it_took_and_where_it_is_seen() -> None:
    broken = run(FAILED, did("Source"), did("Build", "Failed", at=-80), failures=WHY)
    report = judge(with_run(broken))
    url = f"{CONSOLE}/executions/run-1/timeline?region=eu-central-1"
    assert line(report, "Source") == (State.SUCCESS, "succeeded", 20, url)
    assert line(report, "Build") == (State.FAILURE, "npm test exited with 1", 20, "https://log")
    assert line(report, "Deploy") == (State.NONE, "was not reached", None, "")
    prepared = line(report, "0-prep")
    assert prepared[:3] == (State.SUCCESS, "prepared", None)
    assert ARN.rpartition("/")[0].replace(":", "%3A").replace("/", "%2F") in prepared[3]


def test_what_goes_on_says_how_long_it_has_until_now_and_an_approval_where_it_is_given() -> None:
    waiting = run(RUNNING, did("Source"), did("Build", "InProgress", at=-40, provider="Manual"))
    state, _, seconds, url = line(judge(with_run(waiting)), "Build")
    assert (state, seconds, url) == (State.PENDING, 40, f"{CONSOLE}/view?region=eu-central-1")
    preparing = seen(item(outcome=Outcome.PENDING, said=""), runs={}, stack=None)
    assert line(judge(preparing), "0-prep") == (State.PENDING, "is being prepared", 130, "")


def test_of_several_pipelines_each_stage_has_its_pipelines_name_and_all_have_to_end() -> None:
    failed = run(FAILED, did("Source", "Failed"), pipeline="web")
    going = run(RUNNING, did("Source", "InProgress"), pipeline="api")
    report = judge(seen(item(pipelines=("web", "api")), runs={"web": failed, "api": going}))
    assert [each.name for each in report.lines][:2] == ["0-prep", "web/Source"]
    assert (report.state, report.over) == (State.FAILURE, False)
    both = judge(seen(item(pipelines=("web", "api")), runs={"web": failed, "api": replace(DONE, pipeline="api")}))
    assert (both.state, both.over) == (State.FAILURE, True)


def test_the_commit_is_that_which_is_meant() -> None:
    assert judge(seen()).commit == OLD
    assert judge(seen(tip=Tip(NEW, NEW))).commit == NEW
    assert judge(replace(seen(), item=None)).commit == ""


def test_a_run_that_was_overruled_says_by_what() -> None:
    superseded = replace(run(RunState.SUPERSEDED, did("Source")), commit=NEW)
    assert judge(with_run(superseded)).reason == f"Build: superseded by {OLD[:7]}"


def test_a_stack_that_stands_still_has_its_events_and_one_that_is_not_there_none() -> None:
    assert line(judge(seen(stack=None)), "0-prep")[3] == ""
    assert line(judge(seen(stack=stack())), "0-prep")[3].startswith("https://")
    assert list(STAGES) == [each.name for each in judge(seen()).lines[1:]]
