"""F96: `deployer remove` against a laptop engine: what goes, what stays and works, and what is left in the end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.account import contents
from tests.killing import Death, Life, live, witness
from tests.sites import PATIENCE, Site
from tests.small_site import SmallSite, unquiet
from tests.test_deploy_command import changed, run, statuses
from typer.testing import Result

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_cli.demo.watch import contexts
from deployer_deploy import PARTS, Configuration, Tree
from deployer_local.engine import Engine
from deployer_local.installation import install

CHOSEN = Configuration()
BRANCH = "feature/login"
KEPT = ("core", "layer", "s3deployer", "s3cleaner", "stack-cleaner")
# AWS keeps the builds of projects that are gone; see test_nothing_left.py.
HISTORY = "codebuild: build "


@dataclass
class Story:
    """An installation with environments of every kind, and how it was taken away."""

    engine: Engine
    site: Site
    small: SmallSite
    before: set[str]
    commit: str = ""
    stood: set[str] = field(default_factory=set)
    listed: Result | None = None
    mistyped: Result | None = None
    untouched: list[str] = field(default_factory=list)
    killed: Life | None = None
    removed: Result | None = None
    then: dict[str, str] = field(default_factory=dict)

    def stack(self, site: Site | SmallSite, stage: Stage, branch: str = "") -> str:
        repository = site.repository
        found = site.watch.stack(EnvironmentId(repository.id, stage, branch))
        return str(found["StackName"]) if found else ""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("removed")
    with Engine(folder / "engine", clock=lambda: 0.0) as engine:
        before = contents(engine.client)
        install(engine, Tree.here())
        told = Story(engine, Site(engine, folder / "site"), SmallSite(engine, folder / "small", "small"), before)
        stand(told)
        told.stood = set(statuses(engine))
        since = len(engine.calls)
        told.listed = run(engine, "remove", "--dry-run")
        told.mistyped = run(engine, "remove", given="opolis-deployer\n")
        told.untouched = changed(engine, since)
        with witness(engine, folder / "data") as server:
            told.killed = live(server, folder / "data", "remove", "--yes", death=Death(5, arrives=True))
        told.removed = run(engine, "remove", given=f"{CHOSEN.prefix}\n")
        told.then = statuses(engine)
        yield told


def stand(told: Story) -> None:
    """Staging, production and a branch of a site; and a branch whose run waits for an approval."""
    tree = told.site.tree
    commit = told.commit = tree.commit("One")
    tree.push("HEAD:refs/heads/main")
    until("staging is green", told.site.watch.reported(commit, contexts()), PATIENCE)
    tree.tag("v1.0.0", commit)
    tree.push("v1.0.0")
    told.small.push(told.small.commit("one"), BRANCH)
    tree.switch(BRANCH, create=True)
    told.site.page("Two")
    branch = tree.commit("Two")
    tree.push(f"HEAD:refs/heads/{BRANCH}")
    until("the branch is green", told.site.watch.reported(branch, contexts()), PATIENCE)
    until("production is green", told.site.watch.reported(commit, contexts("production", "production")), PATIENCE)
    until("a run waits", lambda: None if told.small.runs(BRANCH) else "not yet", PATIENCE)
    told.small.quiet()


def test_F96_what_goes_and_what_stays_is_listed_before_anything_is_done(story: Story) -> None:
    assert story.listed
    assert story.listed.exit_code == 0, story.listed.stderr
    rows = [line.split("\t") for line in story.listed.stdout.splitlines()[1:]]
    assert [row[:2] for row in rows] == [
        ["remove", "acme/site feature/login"],
        ["remove", "acme/site staging"],
        ["remove", "acme/small feature/login"],
        ["remove", "the deployer's notifier"],
        ["remove", "the deployer's builder"],
        ["remove", "the deployer's listener"],
        ["keep", "acme/site production"],
    ]
    assert "Name it with --production" in story.listed.stderr
    assert story.untouched == []


def test_only_the_installations_own_name_removes_it(story: Story) -> None:
    assert story.mistyped
    assert story.mistyped.exit_code == 1
    assert "nothing was removed: that was not opolis-deployer-prod" in story.mistyped.stderr


def test_F93_killed_and_run_again_it_goes_on(story: Story) -> None:
    assert story.killed
    assert story.removed
    assert (story.killed.code, len(story.killed.changes)) == (-signal.SIGKILL, 5)
    assert story.removed.exit_code == 0, story.removed.stderr
    assert story.removed.stdout.splitlines()[-1] == (
        "opolis-deployer-prod builds nothing any more. Kept: acme/site production; "
        "`deployer deploy` takes it all up again."
    )


def test_F96_development_and_staging_are_gone_and_production_stays_with_what_it_needs(story: Story) -> None:
    production = story.stack(story.site, Stage.PRODUCTION)
    assert set(story.then) == {production, f"{production}-app", *(CHOSEN.stack(part) for part in KEPT)}
    assert len(story.stood - story.then.keys()) == 3 + 5, "three parts; two environments with their app, one without"
    rules = story.engine.client("events").list_rules()["Rules"]
    assert {rule["State"] for rule in rules if rule["Name"].startswith(CHOSEN.prefix)} == {"DISABLED"}
    buckets = {bucket for bucket in story.site.watch.buckets() if not bucket.startswith(CHOSEN.prefix)}
    assert buckets
    assert all(bucket.startswith(production) for bucket in buckets)


def test_F96_production_is_served_and_its_pipeline_runs(story: Story) -> None:
    engine, production = story.engine, story.stack(story.site, Stage.PRODUCTION)
    pipelines = engine.client("codepipeline")
    run_id = pipelines.start_pipeline_execution(name=production)["pipelineExecutionId"]

    def check() -> str | None:
        found = pipelines.get_pipeline_execution(pipelineName=production, pipelineExecutionId=run_id)
        status = found["pipelineExecution"]["status"]
        return None if status == "Succeeded" else f"it is {status}"

    until("production's pipeline runs to its end", check, PATIENCE)
    production_id = EnvironmentId(story.site.repository.id, Stage.PRODUCTION)
    assert story.site.watch.serves(production_id, story.commit, "main")() is None


def test_F96_it_is_taken_up_again_and_all_of_it_goes_once_production_is_named(story: Story) -> None:
    engine = story.engine
    assert run(engine, "deploy").exit_code == 0
    assert {CHOSEN.stack(part) for part in PARTS} <= statuses(engine).keys()
    rules = engine.client("events").list_rules()["Rules"]
    assert {rule["State"] for rule in rules if rule["Name"].startswith(CHOSEN.prefix)} == {"ENABLED"}

    refused = run(engine, "remove", "--production", "acme/shop", "--yes")
    assert refused.exit_code == 1
    assert "of these one does: acme/site" in refused.stderr

    unasked = run(engine, "remove", "--production", "acme/site", "--json")
    assert unasked.exit_code == 1
    assert "with --json nobody is asked" in unasked.stderr

    # On AWS a function's last words find no log group any more; the engine's would make one.
    until("no function runs", lambda: unquiet(engine), PATIENCE)
    done = run(engine, "remove", "--production", "acme/site", "--secrets", "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert [each["name"] for each in told["environments"]] == ["acme/site production"]
    assert (told["kept"], told["parts"]) == ([], list(PARTS))
    assert "opolis.github.hmac" in told["secrets"]
    left = contents(engine.client) - story.before
    assert sorted(line for line in left if not line.startswith(HISTORY)) == []

    nothing = run(engine, "remove", "--yes")
    assert nothing.exit_code == 1
    assert "there is no opolis-deployer-prod here" in nothing.stderr
