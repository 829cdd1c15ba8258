"""The state machine: a table of situations, and properties over random ones."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deployer_local.codepipeline
from deployer.states import RunState
from deployer_local.codepipeline.machine import (
    ActionView,
    EndRun,
    EndStage,
    EnterStage,
    Mode,
    PipelineView,
    RunView,
    StageView,
    StartAction,
    Status,
    Step,
    due,
)
from deployer_local.codepipeline.shapes import CONTRACT

IN, OK, NO, GONE = Status.IN_PROGRESS, Status.SUCCEEDED, Status.FAILED, Status.ABANDONED
DONE = StageView("A", (ActionView("a", 1, OK),), OK)
FRESH = StageView("B", (ActionView("b"),))


def stage(*actions: tuple[int, Status | None], status: Status | None = IN) -> StageView:
    return StageView("A", tuple(ActionView(f"a{n}", order, s) for n, (order, s) in enumerate(actions)), status)


def one(*stages: StageView, stopping: bool = False) -> PipelineView:
    return PipelineView(Mode.SUPERSEDED, (RunView("r", 1, stages, stopping),))


@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        pytest.param(one(stage((1, None), status=None)), [EnterStage("r", "A")], id="a-new-run-enters"),
        pytest.param(
            one(stage((1, None), (2, None), (1, None))),
            [StartAction("r", "A", "a0"), StartAction("r", "A", "a2")],
            id="the-first-run-order-starts-together",
        ),
        pytest.param(one(stage((1, OK), (1, IN), (2, None))), [], id="the-next-order-waits-for-all"),
        pytest.param(one(stage((1, OK), (2, None))), [StartAction("r", "A", "a1")], id="the-next-order-starts"),
        pytest.param(one(stage((1, NO), (1, IN))), [], id="a-failure-waits-for-its-companions"),
        pytest.param(
            one(stage((1, NO), (1, OK), (2, None)), FRESH),
            [EndStage("r", "A", NO), EndRun("r", NO)],
            id="a-failure-ends-stage-and-run",
        ),
        pytest.param(one(stage((1, OK))), [EndStage("r", "A", OK)], id="all-succeeded"),
        pytest.param(one(DONE), [EndRun("r", OK)], id="last-stage-succeeded"),
        pytest.param(one(DONE, FRESH), [EnterStage("r", "B")], id="on-to-the-next-stage"),
        pytest.param(one(DONE, FRESH, stopping=True), [EndRun("r", Status.STOPPED)], id="stopped-between-stages"),
        pytest.param(
            one(stage((1, OK), (2, None), status=Status.STOPPING), stopping=True),
            [EndStage("r", "A", Status.STOPPED), EndRun("r", Status.STOPPED)],
            id="stopping-starts-nothing-more",
        ),
        pytest.param(
            one(stage((1, GONE))),
            [EndStage("r", "A", Status.STOPPED), EndRun("r", Status.STOPPED)],
            id="abandoned-stops",
        ),
        pytest.param(replace(one(DONE, FRESH), closed=frozenset({"B"})), [], id="a-closed-transition-holds"),
    ],
)
def test_one_run(pipeline: PipelineView, steps: list[Step]) -> None:
    assert list(due(pipeline)) == steps


BUSY = RunView("busy", 1, (DONE, replace(FRESH, status=IN, actions=(ActionView("b", 1, IN),))))
OLD, NEW = (RunView(name, number, (DONE, FRESH)) for name, number in (("old", 2), ("new", 3)))


@pytest.mark.parametrize(
    ("mode", "runs", "steps"),
    [
        pytest.param("SUPERSEDED", (BUSY, OLD, NEW), [EndRun("old", Status.SUPERSEDED)], id="superseded-while-busy"),
        pytest.param(
            "SUPERSEDED",
            (NEW, OLD),
            [EndRun("old", Status.SUPERSEDED), EnterStage("new", "B")],
            id="superseded-and-the-newer-enters",
        ),
        pytest.param("QUEUED", (BUSY, OLD, NEW), [], id="queued-waits"),
        pytest.param("QUEUED", (NEW, OLD), [EnterStage("old", "B")], id="queued-oldest-first"),
        pytest.param(
            "PARALLEL", (BUSY, OLD, NEW), [EnterStage("old", "B"), EnterStage("new", "B")], id="parallel-all-enter"
        ),
    ],
)
def test_several_runs(mode: str, runs: tuple[RunView, ...], steps: list[Step]) -> None:
    assert list(due(PipelineView(Mode(mode), runs))) == steps


def apply(pipeline: PipelineView, step: Step) -> PipelineView:
    """What the engine does with a step, on views; an ended run leaves."""
    runs = []
    for run in pipeline.runs:
        if run.id != step.run:
            runs.append(run)
            continue
        if isinstance(step, EndRun):
            continue
        stages = []
        for view in run.stages:
            if view.name == step.stage:
                match step:
                    case EnterStage():
                        view = replace(view, status=IN)  # noqa: PLW2901
                    case EndStage(status=status):
                        view = replace(view, status=status)  # noqa: PLW2901
                    case StartAction(action=name):
                        actions = tuple(replace(a, status=IN) if a.name == name else a for a in view.actions)
                        view = replace(view, actions=actions)  # noqa: PLW2901
            stages.append(view)
        runs.append(replace(run, stages=tuple(stages)))
    return replace(pipeline, runs=tuple(runs))


def settled(pipeline: PipelineView) -> tuple[PipelineView, list[EndRun]]:
    ended = []
    for _ in range(500):
        steps = due(pipeline)
        if not steps:
            return pipeline, ended
        for step in steps:
            pipeline = apply(pipeline, step)
            if isinstance(step, EndRun):
                ended.append(step)
    raise AssertionError("the machine never comes to rest")


def test_F97_the_states_are_those_of_the_api() -> None:
    """Each kind of execution uses its own part of them; stages are never skipped, since conditions are refused."""

    def enum(shape: str) -> set[str]:
        return set(CONTRACT.model.shape_for(shape).enum)

    status = {each.value for each in Status}
    assert enum("PipelineExecutionStatus") == status - {"Abandoned"} == {each.value for each in RunState}
    assert enum("StageExecutionStatus") - {"Skipped"} == status - {"Abandoned", "Superseded"}
    assert enum("ActionExecutionStatus") == {"InProgress", "Succeeded", "Failed", "Abandoned"} <= status
    assert enum("ExecutionMode") == {each.value for each in Mode}


def test_F97_one_function_decides_what_happens_next() -> None:
    """Whatever is served, resumed or retried asks the same machine: nobody else makes a step, or asks another one."""
    package = Path(deployer_local.codepipeline.__file__).parent
    steps = {kind.__name__ for kind in get_args(Step)}
    made, asking = set(), set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            # A pattern that matches a step is no call.
            made |= {file.name} if called in steps else set()
            asking |= {file.name} if called == "due" else set()
    assert steps == {"EnterStage", "StartAction", "EndStage", "EndRun"}
    assert (made, asking) == ({"machine.py"}, {"turn.py"})


SHAPES = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.sampled_from(list(Mode)), st.integers(1, 5), st.data())
def test_every_run_ends_and_a_stage_holds_one_run(
    shape: list[list[int]], mode: Mode, count: int, data: st.DataObject
) -> None:
    """Actions end in any order and any way; all runs come to an end, and only PARALLEL shares a stage."""
    stages = tuple(
        StageView(f"S{n}", tuple(ActionView(f"a{m}", order) for m, order in enumerate(orders)))
        for n, orders in enumerate(shape)
    )
    pipeline = PipelineView(mode, tuple(RunView(f"r{n}", n, stages) for n in range(1, count + 1)))
    ended: list[EndRun] = []
    for _ in range(count * 9 + 1):
        pipeline, more = settled(pipeline)
        ended += more
        inside = [(run.position, run.id) for run in pipeline.runs if run.stages[run.position].status is IN]
        if mode is not Mode.PARALLEL:
            assert len({position for position, _ in inside}) == len(inside)
        open_actions = [
            (run.id, view.name, action.name)
            for run in pipeline.runs
            for view in run.stages
            for action in view.actions
            if action.status is IN
        ]
        if not open_actions:
            break
        run_id, stage_name, action_name = data.draw(st.sampled_from(open_actions))
        outcome = data.draw(st.sampled_from([OK, OK, OK, NO]))
        runs = []
        for run in pipeline.runs:
            views = tuple(
                replace(
                    view,
                    actions=tuple(replace(a, status=outcome) if a.name == action_name else a for a in view.actions),
                )
                if (run.id, view.name) == (run_id, stage_name)
                else view
                for view in run.stages
            )
            runs.append(replace(run, stages=views))
        pipeline = replace(pipeline, runs=tuple(runs))
    assert pipeline.runs == ()
    assert sorted(step.run for step in ended) == [f"r{n}" for n in range(1, count + 1)]
    if mode is not Mode.SUPERSEDED:
        assert all(step.status in {OK, NO} for step in ended)
