"""The plan over every stack status, wish and owner: what must never happen never does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import botocore.session
import pytest

from builder.plan import plan
from builder.situation import Gone, Invalid, Nothing, Present, Refused, Situation, Wish
from builder.steps import Begin, Clear, Forget, Operate, Report, Settle, Start, Stop, Upload
from deployer.environments import EnvironmentId, owner_tags
from deployer.events import RepositoryName
from deployer.ports import Environment, Operation, Outcome, Run, Stack
from deployer.refs import Stage
from deployer.runs import belongs
from deployer.states import RunState, StackPhase, stack_phase

STATUSES = (
    botocore.session.Session().get_service_model("cloudformation").shape_for("StackStatus").enum  # type: ignore[no-untyped-call]
)
NAME = RepositoryName(42, "acme", "site")
PREFIX = "opolis-deployer-prod"
IDS = {stage: EnvironmentId(42, stage, "x" if stage is Stage.DEVELOPMENT else "") for stage in Stage}
OLD, NEW = "a" * 40, "b" * 40
WISHES: dict[str, Wish] = {
    "same": Present("refs/heads/x", OLD, "x", digest="d", template="t"),
    "moved": Present("refs/heads/x", NEW, "x", digest="d", template="t"),
    "changed": Present("refs/heads/x", NEW, "x", digest="e", template="u"),
    "gone": Gone("proven"),
    "invalid": Invalid("refs/heads/x", NEW, "bad"),
    "refused": Refused("refs/tags/v1.0.0", NEW, "older"),
    "nothing": Nothing("unreadable"),
}
RUNS = {
    "idle": (Run("r1", RunState.SUCCEEDED, 1, {"Source": "v1"}),),
    "running": (Run("r1", RunState.IN_PROGRESS, 1, {"Source": "v1"}),),
    "reading": (Run("r1", RunState.IN_PROGRESS, 1),),
}


def situation(stage: Stage, status: str | None, wish: Wish, *, ours: bool, runs: str, known: bool) -> Situation:
    tags = owner_tags(IDS[stage], PREFIX, "acme/site") if ours else {"opolis:deployer:environment": "7/staging"}
    stack = Stack("arn:aws:cloudformation:r:a:stack/s/1", "s", status, tags) if status else None
    item = Environment(
        IDS[stage], NAME, "refs/heads/x", "s", 5, OLD, True, "d", "d", "v1", 1, outcome=Outcome.SUCCESS, version=3
    )
    shown = stack is not None and ours and stack.phase not in (StackPhase.BUSY, StackPhase.ABSENT)
    return Situation(
        IDS[stage],
        NAME,
        PREFIX,
        wish,
        item if known else None,
        stack,
        "s",
        {"s": RUNS[runs]} if shown else {},
        projects=("p",) if shown else (),
        now=10,
    )


CASES = [
    pytest.param(stage, status, wish, ours, runs, known, id=f"{stage}-{status}-{wish}-{ours}-{runs}-{known}")
    for stage, status, wish, ours, runs, known in itertools.product(
        Stage, [None, *STATUSES], WISHES, (True, False), RUNS, (True, False)
    )
]


def test_every_status_has_a_phase() -> None:
    """A status that AWS adds fails here, not in production."""
    assert [status for status in STATUSES if not isinstance(stack_phase(status), StackPhase)] == []


def test_what_must_never_happen_never_does() -> None:
    seen = 0
    for case in CASES:
        stage, status, wish, ours, runs, known = case.values
        found = situation(stage, status, WISHES[wish], ours=ours, runs=runs, known=known)  # type: ignore[arg-type]
        steps = plan(found)
        operations = [step.operation for step in steps if isinstance(step, Operate)]
        stack, where = found.stack, case.id
        busy = stack is not None and stack.phase is StackPhase.BUSY
        seen += 1
        if wish in ("nothing", "refused"):
            assert not any(isinstance(step, Operate | Forget | Start | Stop | Upload | Begin) for step in steps), where
        if stack is not None and not found.ours:
            assert not any(isinstance(step, Operate | Start | Stop) for step in steps), f"{where}: a foreign stack"
        if busy:
            assert operations == [], f"{where}: an operation under an operation"
        assert len(operations) <= 1, where
        if runs != "idle" and found.runs:
            assert operations == [], f"{where}: under a running pipeline"
        if stage is not Stage.DEVELOPMENT:
            assert not any(isinstance(step, Stop) for step in steps), f"{where}: only development is stopped"
            if wish == "gone":
                assert steps == (), f"{where}: a reserved environment went with its ref"
        if Operation.CONTINUE in operations:
            assert stack, where
            assert stack.status == "UPDATE_ROLLBACK_FAILED", f"{where}: nothing to be rolled back"
        if Operation.DELETE in operations and wish != "gone":
            assert stack, where
            failed = stack.status == "DELETE_FAILED" and stage is Stage.DEVELOPMENT
            dead = stack.phase is StackPhase.DEAD or failed
            assert dead, f"{where}: deleted though it lives"
        cleared = [step for step in steps if isinstance(step, Clear)]
        removal = wish == "gone" and operations == [Operation.DELETE]
        assert cleared == ([Clear(("s",), ("p",))] if removal and found.runs else []), where
        if cleared:
            assert steps[-2:] == (*cleared, Operate(Operation.DELETE)), f"{where}: too early"
        if any(isinstance(step, Forget) for step in steps):
            assert wish == "gone", where
            assert stack is None or not found.ours or stack.phase is StackPhase.ABSENT, where
    assert seen == len(CASES) > 3000


@pytest.mark.parametrize("wish", ["moved", "changed"])
def test_F62_a_new_wish_is_a_new_generation(wish: str) -> None:
    steps = plan(situation(Stage.STAGING, "CREATE_COMPLETE", WISHES[wish], ours=True, runs="idle", known=True))
    [begin] = [step for step in steps if isinstance(step, Begin)]
    assert begin.environment.generation == 6
    assert begin.environment.source == ""


def test_a_new_environments_generation_is_the_clocks() -> None:
    steps = plan(situation(Stage.STAGING, None, WISHES["moved"], ours=True, runs="idle", known=False))
    [begin] = [step for step in steps if isinstance(step, Begin)]
    assert begin.environment.generation == 10


@pytest.mark.parametrize(
    ("run", "source", "expected"),
    [
        pytest.param(Run("r", RunState.SUCCEEDED, 9, {"S": "v2"}), "v2", True, id="read-it"),
        pytest.param(Run("r", RunState.SUCCEEDED, 9, {"S": "v1"}), "v2", False, id="read-another"),
        pytest.param(Run("r", RunState.IN_PROGRESS, 9), "v2", True, id="can-read-nothing-else"),
        pytest.param(Run("r", RunState.IN_PROGRESS, 4), "v2", False, id="began-before"),
        pytest.param(Run("r", RunState.IN_PROGRESS, 9), "", False, id="nothing-uploaded"),
    ],
)
def test_a_run_belongs_to_the_generation_whose_source_it_read(run: Run, source: str, *, expected: bool) -> None:
    item = Environment(IDS[Stage.STAGING], NAME, "refs/heads/x", "s", 5, source=source, source_at=5)
    assert belongs(item, run) is expected


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stuck_stack_says_what_a_person_has_to_do(status: str) -> None:
    found = situation(Stage.STAGING, status, WISHES["changed"], ours=True, runs="idle", known=True)
    [report] = [step for step in plan(found) if isinstance(step, Report) and step.outcome is Outcome.FAILURE]
    assert "repair or delete it in CloudFormation" in report.text


@pytest.mark.parametrize(
    ("outcome", "settled"),
    [(Outcome.NEW, False), (Outcome.PENDING, False), (Outcome.SUCCESS, True), (Outcome.FAILURE, True)],
)
def test_what_is_being_prepared_is_not_at_rest(outcome: Outcome, *, settled: bool) -> None:
    found = situation(Stage.STAGING, "CREATE_COMPLETE", WISHES["gone"], ours=True, runs="idle", known=True)
    assert found.item
    steps = plan(replace(found, sweeping=True, item=replace(found.item, outcome=outcome)))
    assert any(isinstance(step, Settle) for step in steps) is settled
