"""What the builder measures: each thing once, and nothing of an environment at rest."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from builder.handler import receive
from deployer.errors import Transient
from deployer.events import Look, RepositoryName, RunChange
from deployer.observability import JsonFormatter, logger
from deployer.states import RunState

MAIN, HELLO = "refs/heads/main", "refs/heads/feature/hello"
Log = Callable[[], list[dict[str, Any]]]


def measured(log: Log, name: str, *dimensions: str) -> list[Any]:
    """The values of a metric, with those of its dimensions."""
    found = [line for line in log() if line["message"] == "measured" and name in line]
    return [(line[name], *(line[each] for each in dimensions)) if dimensions else line[name] for line in found]


def test_the_time_from_a_push_to_its_pipeline_is_measured_once_for_each(world: Any, log: Log) -> None:
    pushed = world.push(HELLO, world.commit())
    world.look(pushed)
    world.look(pushed)
    world.finish(HELLO)
    world.run_to(HELLO)
    world.swept(3)
    # Two looks of a second each, and a minute until its stack was there with the first run.
    assert measured(log, "PushToPipeline") == [63_000]
    world.live(HELLO)
    assert len(measured(log, "PushToPipeline")) == 2


def test_a_push_that_a_sweep_found_was_nobodys_whose_time_could_be_told(world: Any, log: Log) -> None:
    world.live(MAIN)
    world.push(MAIN, world.commit())
    before = len(measured(log, "PushToPipeline"))
    world.quiet()
    assert len(world.built(MAIN)) == 2
    assert len(measured(log, "PushToPipeline")) == before


def test_preparations_are_measured_by_how_they_ended(world: Any, log: Log) -> None:
    world.live(MAIN)
    world.look(world.push(MAIN, world.commit({"deploy/pipeline.json": b"{"})))
    assert measured(log, "Preparations", "Outcome") == [(1, "success"), (1, "failure")]


def test_runs_are_measured_by_how_they_ended_and_stages_are_not(world: Any, log: Log) -> None:
    world.live(MAIN)
    stack = world.item(MAIN).stack
    world.builder.forward(RunChange(stack, "run", "FAILED", stage="Build"))
    world.builder.forward(RunChange(stack, "run", "STARTED"))
    world.builder.forward(RunChange("somebody-elses", "run", "FAILED"))
    world.run_to(MAIN, RunState.FAILED)
    assert measured(log, "Runs", "Outcome") == [(1, "SUCCEEDED"), (1, "FAILED")]


def test_what_a_sweep_finds_out_of_place_is_measured_and_what_is_in_place_is_not(world: Any, log: Log) -> None:
    world.live(MAIN)
    world.swept(3)
    assert measured(log, "SweepRepairs") == []
    world.push(MAIN, world.commit())
    world.push(HELLO, world.commit())
    world.swept()
    assert sum(measured(log, "SweepRepairs")) == 2


def test_the_regions_pipelines_are_counted_at_each_tick(world: Any, log: Log) -> None:
    world.live(MAIN)
    world.live(HELLO)
    world.swept()
    assert measured(log, "Pipelines") == [2]
    assert measured(log, "PipelinesUsed") == [0.2]


def test_that_pipelines_cannot_be_counted_holds_no_sweep_up(
    world: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.live(MAIN)
    lost = world.commit()
    world.push(MAIN, lost)

    def throttled() -> int:
        raise Transient("throttled")

    monkeypatch.setattr(world.cloud, "count", throttled)
    world.swept()
    assert measured(log, "Pipelines") == []
    assert world.item(MAIN).commit == lost


class Logging:
    """A builder that logs a line for each look."""

    def look(self, look: Look, receives: int = 1) -> None:
        logger("builder").info("looking")


def test_lines_of_a_pushs_look_name_its_delivery_environment_and_commit() -> None:
    """GitHub shows the delivery in its list, and the log what became of it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    look = Look("42/staging", RepositoryName(42, "acme", "site"), "push 72d3162e-cc78", MAIN, "a" * 40)
    try:
        receive(Logging(), {"body": look.to_json()})  # type: ignore[arg-type]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    line = json.loads(stream.getvalue())
    assert (line["delivery"], line["environment"], line["commit"]) == ("72d3162e-cc78", "42/staging", "a" * 40)
