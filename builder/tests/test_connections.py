"""Pipelines that read the repository through a connection: a run builds the commit that is wanted, or is refused."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.environments import EnvironmentId
from deployer.events import Look, RepositoryName, RunChange
from deployer.ports import Environment, Outcome, Run
from deployer.refs import Stage
from deployer.runs import belongs
from deployer.states import RunState

MAIN, TAG = "refs/heads/main", "refs/tags/v1.0.0"
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def connected(world: Any) -> Any:
    """Its pipelines read the head of the default branch, unless they are told."""
    world.cloud.connected = True
    world.cloud.version = lambda _: world.repo.refs[MAIN]
    return world


def read(world: Any, ref: str) -> list[str]:
    """The commits that the runs read, oldest first."""
    return [run.revisions["Source"] for run in reversed(world.cloud.executions[world.item(ref).stack])]


def look(world: Any, ref: str) -> None:
    world.look(Look(str(world.id(ref)), world.repo.name, "run", ref))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(Run("r", RunState.SUCCEEDED, 9, {"S": NEW}), True, id="F62-read-it"),
        pytest.param(Run("r", RunState.SUCCEEDED, 4, {"S": NEW}), False, id="F62-read-it-for-an-earlier-generation"),
        pytest.param(Run("r", RunState.SUCCEEDED, 9, {"S": OLD}), False, id="F62-read-another"),
    ],
)
def test_a_run_belongs_to_the_commit_that_it_read(run: Run, *, expected: bool) -> None:
    name = RepositoryName(42, "acme", "site")
    item = Environment(EnvironmentId(42, Stage.STAGING), name, MAIN, "s", 5, commit=NEW, source="v2", source_at=5)
    assert belongs(item, run) is expected


def test_F62_each_push_has_one_run_of_its_own_commit(connected: Any) -> None:
    one, two = connected.live(MAIN), connected.live(MAIN)
    for _ in range(3):
        look(connected, MAIN)
    assert read(connected, MAIN) == [one, two]


def test_F62_a_run_that_read_another_commit_is_made_up_for(connected: Any) -> None:
    sha = connected.commit()
    connected.look(connected.push(MAIN, sha))
    connected.cloud.version = lambda _: OLD
    connected.finish(MAIN)
    connected.run_to(MAIN)
    look(connected, MAIN)
    connected.run_to(MAIN)
    assert read(connected, MAIN) == [OLD, sha]
    assert connected.prep(sha).startswith("success")


def test_F62_what_cannot_be_told_what_to_read_is_not_started_for_ever(connected: Any) -> None:
    connected.cloud.pinnable = False
    sha = connected.commit()
    connected.look(connected.push(MAIN, sha))
    connected.cloud.version = lambda _: OLD
    connected.finish(MAIN)
    for _ in range(3):
        connected.run_to(MAIN)
        look(connected, MAIN)
    assert read(connected, MAIN) == [OLD]


def test_F38_a_release_is_built_and_not_the_branchs_head(connected: Any) -> None:
    head, release = connected.live(MAIN), connected.commit()
    connected.look(connected.push(TAG, release))
    connected.finish(TAG)
    [first] = connected.cloud.executions["site-production"]
    connected.cloud.read("site-production")
    look(connected, TAG)
    assert read(connected, TAG) == [head, release]
    [stopped] = [run for run in connected.cloud.executions["site-production"] if run.id == first.id]
    assert stopped.state is RunState.STOPPING
    look(connected, TAG)
    assert connected.cloud.executions["site-production"][0].state is RunState.IN_PROGRESS
    connected.run_to(TAG)
    look(connected, TAG)
    assert connected.prep(release, "production/0-prep").startswith("success")


def test_F38_a_run_of_another_commit_after_the_releases_is_stopped_and_told(connected: Any) -> None:
    head, release = connected.live(MAIN), connected.commit()
    connected.live(TAG, release)
    look(connected, TAG)
    connected.run_to(TAG)
    stray = connected.cloud.start("site-production", None, "", "")
    connected.cloud.read("site-production")
    connected.builder.forward(RunChange("site-production", stray, "SUCCEEDED", "Source"))
    connected.forwarded()
    assert connected.cloud.executions["site-production"][0].state is RunState.STOPPING
    said = connected.prep(release, "production/0-prep")
    assert said.startswith(f"failure: production v1.0.0: a run read {head[:7]}, not {release[:7]}")
    connected.run_to(TAG)
    statuses = len(connected.forge.statuses)
    connected.swept(3)
    assert len(connected.forge.statuses) == statuses
    assert connected.cloud.executions["site-production"][0].id == stray
    connected.look(Look(str(connected.id(TAG)), connected.repo.name, "by hand", TAG, request="again"))
    assert read(connected, TAG)[-1] == release
    connected.run_to(TAG)
    look(connected, TAG)
    assert connected.item(TAG).outcome is Outcome.SUCCESS


def test_F60_a_run_that_an_update_cancelled_is_made_up_for_and_is_nobodys_fault(connected: Any) -> None:
    connected.live(MAIN)
    first = connected.live(TAG)
    look(connected, TAG)
    connected.run_to(TAG)
    release = connected.commit({"deploy/pipeline.json": connected.template("changed")})
    connected.look(connected.push("refs/tags/v1.1.0", release))
    # Somebody starts runs of this very commit, and of another, while the stack is being updated.
    for sha in (release, first, OLD):
        run = Run(f"of-{sha}", RunState.IN_PROGRESS, connected.now, {"Source": sha})
        connected.cloud.executions["site-production"].insert(0, run)
    connected.finish(TAG)
    look(connected, TAG)
    assert [run.state for run in connected.cloud.executions["site-production"][:4]] == [
        RunState.IN_PROGRESS,
        RunState.CANCELLED,
        RunState.CANCELLED,
        RunState.CANCELLED,
    ]
    assert connected.prep(release, "production/0-prep").startswith("success")


def test_F38_a_pipeline_that_cannot_be_told_the_release_fails_it(connected: Any) -> None:
    connected.cloud.pinnable = False
    head, release = connected.live(MAIN), connected.commit()
    connected.look(connected.push(TAG, release))
    connected.finish(TAG)
    for _ in range(4):
        connected.run_to(TAG)
        look(connected, TAG)
    assert read(connected, TAG) == [head, head]
    assert connected.prep(release, "production/0-prep").startswith("failure")
