"""Which run is looked at: that of the generation that is wanted, wherever its pipeline reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from cli.tests.environments import NOW, OLD, STACK, did, item, run, seen

from deployer.addresses import Addresses
from deployer.pipelines import RunDetails
from deployer.ports import Run, Source
from deployer.states import RunState
from deployer_cli.everyday.gather import Gatherer
from deployer_cli.everyday.judge import judge
from deployer_cli.everyday.logs import Reader

OURS = Run("ours", RunState.SUCCEEDED, NOW, {"Source": "v1"})
EARLIER = Run("earlier", RunState.SUCCEEDED, NOW - 900_000, {"Source": "v0"})
ELSEWHERE = Run("elsewhere", RunState.SUCCEEDED, NOW, {"Image": "sha256:1"})


@dataclass
class Pipelines:
    """One pipeline's runs. ``ours``: whether it reads our source; ``there``: whether a run is still to be read."""

    found: tuple[Run, ...]
    ours: bool = True
    there: bool = True

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        return self.found

    def run(self, pipeline: str, run: str) -> RunDetails | None:
        return RunDetails(run, RunState.SUCCEEDED, 1) if self.there else None

    def stages(self, pipeline: str, version: int) -> dict[str, int]:
        return {"Source": 1}

    def actions(self, pipeline: str, run: str) -> tuple[Any, ...]:
        return (did("Source"),)

    def source(self, pipeline: str, key: str, repository: str) -> Source | None:
        assert (key, repository) == (f"sources/{STACK}.zip", "acme/site")
        return Source("Source", pinnable=True) if self.ours else None


class Nothing:
    """No stacks, and no reasons."""

    def describe(self, name: str) -> None:
        return None

    def of(self, stage: object) -> None:
        return None


class Region:
    """Where it is."""

    region = "eu-central-1"


@pytest.mark.parametrize(
    ("pipelines", "expected"),
    [
        pytest.param(Pipelines((EARLIER, OURS)), "ours", id="by-the-source-it-read"),
        pytest.param(Pipelines((EARLIER,)), None, id="an-earlier-generations"),
        pytest.param(Pipelines((ELSEWHERE, OURS)), "ours", id="ours-before-a-later-one"),
        pytest.param(Pipelines((ELSEWHERE,)), None, id="a-stray"),
        pytest.param(Pipelines((ELSEWHERE,), ours=False), "elsewhere", id="of-a-pipeline-that-reads-elsewhere"),
        pytest.param(Pipelines((OURS,), there=False), None, id="gone-meanwhile"),
        pytest.param(Pipelines(()), None, id="none"),
    ],
)
def test_the_run_of_the_generation_that_is_wanted(pipelines: Pipelines, expected: str | None) -> None:
    fakes = cast(Any, Nothing())
    gatherer = Gatherer(cast(Any, Region()), fakes, cast(Any, pipelines), fakes, Addresses(fakes), lambda: NOW)
    [found] = gatherer.many([item()])
    ran = found.runs[STACK]
    assert (ran.id if ran else None) == expected
    assert ran is None or ran.commit == OLD
    assert (found.now, found.region) == (NOW, "eu-central-1")


class Account:
    """A place whose builds are complete and say nothing."""

    def client(self, service: str) -> Any:
        return self

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        return {"builds": [{"buildComplete": True}]}


def test_a_build_is_read_on_and_not_begun_anew() -> None:
    reader = Reader(cast(Any, Account()), None)
    report = judge(seen(runs={STACK: run(RunState.SUCCEEDED, did("Build", external_id="p:1"))}))
    assert reader.read(report).over
    [log] = reader.logs.values()
    assert reader.read(report).over
    assert list(reader.logs.values()) == [log]
