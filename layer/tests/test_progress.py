"""How far a run has come, as tables: structure and actions in, what to say of each stage out."""

from __future__ import annotations

import itertools

import pytest

from deployer.environments import parse
from deployer.events import RepositoryName
from deployer.pipelines import ActionRun
from deployer.ports import Environment
from deployer.progress import overruled, progress
from deployer.states import CommitState, RunState

PENDING, SUCCESS, FAILURE, ERROR = CommitState.PENDING, CommitState.SUCCESS, CommitState.FAILURE, CommitState.ERROR
STAGES = {"Source": 1, "Build": 2, "Release": 1}


def did(stage: str, action: str, status: str, at: int = 0, provider: str = "CodeBuild") -> ActionRun:
    return ActionRun(stage, action, provider, status, started=at * 1000, updated=at * 1000 + 2000)


SOURCE = did("Source", "GitHub", "Succeeded", provider="S3")
LINT, TEST = did("Build", "Lint", "Succeeded", 1), did("Build", "Test", "Succeeded", 4)
DONE = did("Release", "Publish", "Succeeded", 9)
RUNNING, SUPERSEDED = RunState.IN_PROGRESS, RunState.SUPERSEDED


@pytest.mark.parametrize(
    ("actions", "run", "expected"),
    [
        pytest.param([], RUNNING, [], id="nothing-yet"),
        pytest.param(
            [did("Source", "GitHub", "InProgress")], RUNNING, [("Source", PENDING, "is running")], id="source-runs"
        ),
        pytest.param([SOURCE], RUNNING, [("Source", SUCCESS, "succeeded")], id="source-done"),
        pytest.param(
            [SOURCE, LINT],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="one-of-two",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Test", "Failed", 4)],
            RunState.FAILED,
            [("Source", SUCCESS, "succeeded"), ("Build", FAILURE, "failed")],
            id="failed",
        ),
        pytest.param(
            [SOURCE, did("Build", "Lint", "Failed", 1), did("Build", "Test", "InProgress", 1)],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="failed-beside-a-running-one",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Test", "Failed", 4), did("Build", "Test", "InProgress", 20)],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="retried",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Test", "Failed", 4), did("Build", "Lint", "Succeeded", 20)],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="all-of-it-retried-and-between-two-actions",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Test", "Failed", 4), did("Build", "Lint", "Succeeded", 20)],
            RunState.STOPPED,
            [("Source", SUCCESS, "succeeded"), ("Build", FAILURE, "failed")],
            id="all-of-it-retried-and-stopped",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Test", "Failed", 4), did("Build", "Test", "Succeeded", 20)],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", SUCCESS, "succeeded")],
            id="retried-and-done",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Approve", "InProgress", 4, "Manual")],
            RUNNING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "waits for an approval")],
            id="approval",
        ),
        pytest.param(
            [SOURCE, LINT, did("Build", "Approve", "InProgress", 4, "Manual")],
            RunState.STOPPING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="an-approval-of-a-run-that-is-being-stopped",
        ),
        pytest.param(
            [SOURCE, LINT, TEST, DONE],
            RunState.SUCCEEDED,
            [("Source", SUCCESS, "succeeded"), ("Build", SUCCESS, "succeeded"), ("Release", SUCCESS, "succeeded")],
            id="all-done",
        ),
        pytest.param(
            [SOURCE, LINT, TEST, did("Release", "Publish", "InProgress", 9)],
            RunState.SUCCEEDED,
            [("Source", SUCCESS, "succeeded"), ("Build", SUCCESS, "succeeded"), ("Release", SUCCESS, "succeeded")],
            id="F63-the-list-of-actions-lags-behind",
        ),
        pytest.param(
            [SOURCE],
            SUPERSEDED,
            [("Source", SUCCESS, "succeeded"), ("Build", ERROR, "superseded by a newer run")],
            id="F61-superseded-between-stages",
        ),
        pytest.param([], SUPERSEDED, [("Source", ERROR, "superseded by a newer run")], id="F61-superseded-at-once"),
        pytest.param(
            [SOURCE, did("Build", "Lint", "Abandoned", 1)],
            RunState.STOPPED,
            [("Source", SUCCESS, "succeeded"), ("Build", ERROR, "stopped")],
            id="F61-stopped",
        ),
        pytest.param(
            [SOURCE, LINT],
            RunState.STOPPED,
            [("Source", SUCCESS, "succeeded"), ("Build", ERROR, "stopped")],
            id="F61-stopped-between-two-actions",
        ),
        pytest.param(
            [SOURCE, did("Build", "Lint", "Abandoned", 1)],
            RunState.CANCELLED,
            [("Source", SUCCESS, "succeeded"), ("Build", ERROR, "cancelled: the pipeline was changed")],
            id="F61-cancelled",
        ),
        pytest.param(
            [SOURCE, did("Build", "Lint", "InProgress", 1)],
            RunState.STOPPING,
            [("Source", SUCCESS, "succeeded"), ("Build", PENDING, "is running")],
            id="stopping",
        ),
        pytest.param(
            [SOURCE],
            RunState.FAILED,
            [("Source", SUCCESS, "succeeded"), ("Build", FAILURE, "failed")],
            id="a-condition-failed-the-stage",
        ),
        pytest.param([did("Gone", "Old", "Succeeded")], RUNNING, [], id="a-stage-that-this-version-does-not-have"),
    ],
)
def test_stages(actions: list[ActionRun], run: RunState, expected: list[tuple[str, CommitState, str]]) -> None:
    assert [(each.stage, each.state, each.text) for each in progress(STAGES, actions, run)] == expected


BY = "superseded by abc1234"


@pytest.mark.parametrize(
    ("actions", "run", "expected"),
    [
        pytest.param([SOURCE], SUPERSEDED, ("Build", ERROR, BY), id="F61-superseded-between-stages"),
        pytest.param([], SUPERSEDED, ("Source", ERROR, BY), id="F61-superseded-at-once"),
        pytest.param([SOURCE, LINT], RunState.STOPPED, ("Build", ERROR, BY), id="F61-stopped"),
        pytest.param([SOURCE, LINT], RunState.CANCELLED, ("Build", ERROR, BY), id="F61-cancelled"),
        pytest.param([SOURCE, LINT], RunState.STOPPING, ("Build", PENDING, "is running"), id="F61-not-yet"),
        pytest.param([SOURCE, LINT, TEST], RunState.FAILED, ("Release", FAILURE, "failed"), id="F62-failed-by-itself"),
        pytest.param(
            [SOURCE, did("Build", "Lint", "Failed", 1)],
            RunState.STOPPED,
            ("Build", FAILURE, "failed"),
            id="F62-failed-before-it-was-stopped",
        ),
        pytest.param(
            [SOURCE, LINT, TEST, DONE], RunState.SUCCEEDED, ("Release", SUCCESS, "succeeded"), id="F62-done-before"
        ),
    ],
)
def test_a_run_that_was_overruled_says_by_what(
    actions: list[ActionRun], run: RunState, expected: tuple[str, CommitState, str]
) -> None:
    last = progress(STAGES, actions, run, BY)[-1]
    assert (last.stage, last.state, last.text) == expected


NEW, OLD = "abc1234" + "0" * 33, "d" * 40


@pytest.mark.parametrize(
    ("wanted", "present", "commit", "said"),
    [
        pytest.param(NEW, True, OLD, BY, id="F61-another-commit"),
        pytest.param(NEW, True, NEW, "", id="F61-the-same-commit-again"),
        pytest.param(NEW, False, NEW, "stopped: the environment is being removed", id="F61-nothing"),
        pytest.param(NEW, False, OLD, "stopped: the environment is being removed", id="F61-nothing-any-more"),
        pytest.param("", True, OLD, "", id="F68-nothing-remembered"),
        pytest.param("0" * 40, True, OLD, "", id="F68-zeros"),
    ],
)
def test_what_is_wanted_instead(wanted: str, present: bool, commit: str, said: str) -> None:
    item = Environment(
        *(parse("7/refs/heads/x"), RepositoryName(7, "acme", "site"), "refs/heads/x", "site-x", 1),
        commit=wanted,
        present=present,
    )
    assert overruled(item, commit) == said


def test_the_action_that_failed_and_how_long_it_took() -> None:
    failed = did("Build", "Test", "Failed", 4)
    _, build = progress(STAGES, [SOURCE, LINT, failed], RunState.FAILED)
    assert (build.failed, build.seconds) == (failed, 5)


LIFE: list[list[ActionRun]] = [
    [did("Build", "Lint", "InProgress", 1)],
    [LINT],
    [LINT, did("Build", "Test", "InProgress", 4)],
    [LINT, did("Build", "Test", "Failed", 4)],
    [LINT, did("Build", "Test", "Failed", 4), did("Build", "Test", "InProgress", 20)],
    [LINT, did("Build", "Test", "Failed", 4), did("Build", "Test", "Succeeded", 20)],
]


AGAIN = [
    *LIFE[:4],
    [LINT, did("Build", "Test", "Failed", 4), did("Build", "Lint", "InProgress", 20)],
    [LINT, did("Build", "Test", "Failed", 4), did("Build", "Lint", "Succeeded", 20)],
    [
        LINT,
        did("Build", "Test", "Failed", 4),
        did("Build", "Lint", "Succeeded", 20),
        did("Build", "Test", "Failed", 24),
    ],
]


@pytest.mark.parametrize("life", [LIFE, AGAIN], ids=["what-failed-is-retried", "all-of-it-is-retried"])
def test_F63_what_is_observed_later_has_a_higher_rank_unless_it_says_the_same(life: list[list[ActionRun]]) -> None:
    runs = [RunState.FAILED if actions[-1].status == "Failed" else RUNNING for actions in life]
    seen = [progress({"Build": 2}, actions, run)[0] for actions, run in zip(life, runs, strict=True)]
    for earlier, later in itertools.pairwise(seen):
        assert later.rank > earlier.rank or (later.rank == earlier.rank and later.state is earlier.state)
