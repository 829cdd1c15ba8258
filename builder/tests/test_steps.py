"""F48: what exactly is done for every stack status, wish and pipeline, as a table to be read.

A status that AWS adds has no row and fails here. How the rows came to be there is the business of the lives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from builder.tests.test_plan import STATUSES, WISHES, situation

from builder.plan import MAX_ATTEMPTS, Operate, Report, Step, plan
from deployer.ports import Environment, Operation, Outcome, Run
from deployer.refs import Stage
from deployer.states import RunState

RUNS: dict[str, tuple[Run, ...]] = {
    "no run": (),
    "idle": (Run("r1", RunState.SUCCEEDED, 1, {"Source": "v1"}),),
    "running": (Run("r1", RunState.IN_PROGRESS, 1, {"Source": "v1"}),),
    "reading": (Run("r1", RunState.IN_PROGRESS, 1),),
    "stopping": (Run("r1", RunState.STOPPING, 1, {"Source": "v1"}),),
}
ACTIVE = ("running", "reading", "stopping")
NONE = "no stack"
ABSENT = (NONE, "DELETE_COMPLETE")
BUSY = tuple(status for status in STATUSES if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS")
STABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")
REVERTED = ("UPDATE_ROLLBACK_COMPLETE",)
DEAD = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
BEYOND = ("UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED")
HALF_DELETED = ("DELETE_FAILED",)
HALF_ROLLED_BACK = ("UPDATE_ROLLBACK_FAILED",)

# same: nothing new is wished; moved: another commit with the template that is there; changed: another template;
# gone: the ref is not there any more.
WISHED = ("same", "moved", "changed", "gone")


@dataclass(frozen=True)
class Row:
    """For these statuses and pipelines: the steps for each wish, as in ``WISHED``."""

    statuses: tuple[str, ...]
    pipelines: tuple[str, ...]
    steps: tuple[str, str, str, str]


DEVELOPMENT = (
    Row(ABSENT, ("idle",), ("create", "new upload create", "new upload create", "begin forget")),
    Row(BUSY, ("idle",), ("", "new", "new", "begin")),
    Row(STABLE + REVERTED, ("idle",), ("", "new upload start success", "new upload update", "begin clear delete")),
    # Its first run was never seen, or its pipeline was made anew: one is started for what stands, too.
    Row(
        STABLE + REVERTED, ("no run",), ("start", "new upload start success", "new upload update", "begin clear delete")
    ),
    Row(STABLE + REVERTED, ("running",), ("", "new upload start success", "new stop", "begin stop")),
    # What has not read its source would read what is uploaded for the next commit.
    Row(STABLE + REVERTED, ("reading",), ("", "new", "new stop", "begin stop")),
    # What ran in it may have ended since, and an approval be left, which nobody is to be waited for.
    Row(STABLE + REVERTED, ("stopping",), ("", "new upload start success", "new stop", "begin stop")),
    Row(DEAD + HALF_DELETED, ("idle", "no run"), ("delete", "new delete", "new delete", "begin clear delete")),
    Row(HALF_ROLLED_BACK, ("idle", "no run"), ("continue", "new continue", "new continue", "begin clear delete")),
    Row(DEAD + HALF_DELETED + HALF_ROLLED_BACK, ACTIVE, ("stop", "new stop", "new stop", "begin stop")),
    Row(BEYOND, ("idle", "no run"), ("failure", "new failure", "new failure", "begin clear delete")),
    Row(BEYOND, ACTIVE, ("failure", "new failure", "new failure", "begin stop")),
)
# Nobody's deletion removes them, and their runs are never stopped: they come to their end first.
RESERVED = (
    Row(ABSENT, ("idle",), ("create", "new upload create", "new upload create", "")),
    Row(BUSY, ("idle",), ("", "new", "new", "")),
    Row(STABLE + REVERTED, ("idle",), ("", "new upload start success", "new upload update", "")),
    Row(STABLE + REVERTED, ("no run",), ("start", "new upload start success", "new upload update", "")),
    Row(STABLE + REVERTED, ("running", "stopping"), ("", "new upload start success", "new", "")),
    Row(STABLE + REVERTED, ("reading",), ("", "new", "new", "")),
    Row(DEAD, ("idle", "no run"), ("delete", "new delete", "new delete", "")),
    Row(HALF_ROLLED_BACK, ("idle", "no run"), ("continue", "new continue", "new continue", "")),
    Row(DEAD + HALF_ROLLED_BACK, ACTIVE, ("", "new", "new", "")),
    # Somebody else's deletion stopped half-way: theirs to go on with.
    Row(HALF_DELETED + BEYOND, tuple(RUNS), ("failure", "new failure", "new failure", "")),
)
STAGES = {Stage.DEVELOPMENT: DEVELOPMENT, Stage.STAGING: RESERVED, Stage.PRODUCTION: RESERVED}


def word(step: Step) -> str:
    match step:
        case Operate(operation):
            return str(operation)
        case Report(outcome):
            return str(outcome)
    return type(step).__name__.lower()


def words(steps: tuple[Step, ...]) -> str:
    """``new``: a generation begins, and says so."""
    return " ".join(word(step) for step in steps).replace("begin pending", "new")


def steps(stage: Stage, status: str, wish: str, pipeline: str, item: Environment | None = None) -> tuple[Step, ...]:
    """The plan for an environment whose pipeline is known, or for ``item``."""
    found = situation(stage, None if status == NONE else status, WISHES[wish], ours=True, runs="idle", known=True)
    assert found.item
    runs = dict.fromkeys(found.runs, RUNS[pipeline])
    return plan(replace(found, runs=runs, item=item or replace(found.item, pipelines=("s",))))


@pytest.mark.parametrize("stage", STAGES)
def test_F48_every_status_wish_and_pipeline_has_its_steps(stage: Stage) -> None:
    table = {
        (status, wish, pipeline): expected
        for row in STAGES[stage]
        for status in row.statuses
        for pipeline in row.pipelines
        for wish, expected in zip(WISHED, row.steps, strict=True)
    }
    statuses = {status for status, _, _ in table}
    assert statuses == {NONE, *STATUSES}, "a row for every status that AWS has"
    seen = {(status, wish, pipeline): words(steps(stage, status, wish, pipeline)) for status, wish, pipeline in table}
    assert seen == table
    for status in statuses - {*ABSENT, *BUSY}:  # these have no pipeline to be looked at
        assert {pipeline for at, _, pipeline in table if at == status} == set(RUNS), status


@pytest.mark.parametrize("status", [NONE, *STATUSES])
@pytest.mark.parametrize("stage", Stage)
def test_F55_what_is_not_ours_is_left_alone(stage: Stage, status: str) -> None:
    for wish in WISHED:
        stack = None if status == NONE else status
        found = plan(situation(stage, stack, WISHES[wish], ours=False, runs="idle", known=False))
        expected = {"gone": ""}.get(wish, "begin failure" if stack else "new upload create")
        assert words(found) == expected, wish


@pytest.mark.parametrize(
    ("status", "asked", "attempt", "expected", "says"),
    [
        pytest.param("ROLLBACK_COMPLETE", "none", 0, "delete", "", id="F49-left-by-another-commit"),
        pytest.param("ROLLBACK_FAILED", "none", 0, "delete", "", id="F49-rollback-failed"),
        pytest.param("CREATE_FAILED", "none", 0, "delete", "", id="F49-create-failed"),
        pytest.param("REVIEW_IN_PROGRESS", "none", 0, "delete", "", id="F49-nothing-but-a-change-set"),
        pytest.param("ROLLBACK_COMPLETE", "create", 0, "failure", "could not be created", id="F49-this-commits-own"),
        pytest.param(NONE, "delete", 0, "create", "", id="F49-deleted-now-created"),
        pytest.param(NONE, "create", 1, "create", "", id="F49-vanished"),
        pytest.param(NONE, "create", MAX_ATTEMPTS - 1, "failure", "vanished each time", id="F49-bounded"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", "update", 0, "failure", "could not be updated", id="F50-this-commits"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", "none", 0, "update", "", id="F50-left-by-another-commit"),
        pytest.param("UPDATE_ROLLBACK_FAILED", "none", 0, "continue", "", id="F51-continued"),
        pytest.param("UPDATE_ROLLBACK_FAILED", "continue", 1, "continue", "", id="F51-continued-again"),
        pytest.param(
            "UPDATE_ROLLBACK_FAILED",
            "continue",
            MAX_ATTEMPTS - 1,
            "failure",
            "repair or delete it in CloudFormation, then push again",
            id="F51-continued-for-the-last-time",
        ),
        pytest.param(
            "UPDATE_ROLLBACK_FAILED",
            "update",
            0,
            "failure",
            "push again once the cause is mended",
            id="F51-this-commits",
        ),
        pytest.param("DELETE_FAILED", "delete", 1, "delete", "", id="F51-deleted-again"),
        pytest.param(
            "DELETE_FAILED",
            "delete",
            MAX_ATTEMPTS - 1,
            "failure",
            "repair or delete it in CloudFormation, then push again",
            id="F51-deleted-for-the-last-time",
        ),
        pytest.param("UPDATE_FAILED", "none", 0, "failure", "repair or delete it in CloudFormation", id="F51-beyond"),
    ],
)
def test_recovery_is_bounded_and_at_its_bound_says_what_to_do(
    status: str, asked: str, attempt: int, expected: str, says: str
) -> None:
    found = situation(Stage.DEVELOPMENT, "CREATE_COMPLETE", WISHES["changed"], ours=True, runs="idle", known=True)
    assert found.item
    item = replace(
        found.item,
        commit="b" * 40,
        digest="e",
        applied="",
        operation=Operation(asked),
        accepted=asked != "none",
        attempt=attempt,
        outcome=Outcome.PENDING,
        pipelines=("s",),
    )
    made = steps(Stage.DEVELOPMENT, status, "changed", "idle", item)
    assert words(made) == expected
    assert [says in step.text for step in made if isinstance(step, Report)] == [True] * bool(says)


def test_F51_a_teardown_is_bounded_too() -> None:
    found = situation(Stage.DEVELOPMENT, "DELETE_FAILED", WISHES["gone"], ours=True, runs="idle", known=True)
    assert found.item
    item = replace(found.item, present=False, operation=Operation.DELETE, accepted=True, pipelines=("s",))
    seen = [
        words(steps(Stage.DEVELOPMENT, "DELETE_FAILED", "gone", "idle", replace(item, attempt=attempt)))
        for attempt in range(MAX_ATTEMPTS)
    ]
    assert seen == ["clear delete"] * (MAX_ATTEMPTS - 1) + ["failure"]
