"""The examples, each lived through by `git push`: a branch, staging, a release, the branch's end.

The static site's life is test_lifecycle's.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.living import Kept, Living, living

from deployer_local.engine import Engine

BRANCH = "feature/spanish"
CONTEXTS = ("build/0-prep", "pipeline/Source", "pipeline/Build", "pipeline/Deploy", "pipeline/Smoke")
RELEASED = tuple(f"production/{name}" for name in ("0-prep", "Source", "Build", "Approve", "Deploy", "Smoke"))


# --- http-api


@dataclass
class Api:
    """What was seen of its life."""

    life: Living
    commits: dict[str, str] = field(default_factory=dict)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    before_approval: list[str] = field(default_factory=list)

    def ask(self, what: str, environment: str, path: str = "") -> None:
        self.answers[what] = self.life.get(self.life.outputs(environment)["Url"] + path)


def spanish(life: Living) -> None:
    file = life.site.tree.path / "api" / "greetings.py"
    file.write_text(file.read_text().replace('"fr":', '"es": "¡Hola, {name}!", "fr":'))
    test = life.site.tree.path / "tests" / "test_app.py"
    test.write_text(test.read_text().replace("en, de, fr", "en, de, es, fr"))


@pytest.fixture(scope="module")
def api(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Api:
    life = living(installed, tmp_path_factory.mktemp("api"), "acme/api", "http-api")
    seen, tree = Api(life), life.site.tree

    seen.commits["main"] = main = life.push("main", "Start")
    life.green(main, CONTEXTS)
    life.deployed("staging", main, "success", life.outputs("staging")["Url"])
    seen.kept.before = life.listed()

    tree.switch(BRANCH, create=True)
    spanish(life)
    seen.commits[BRANCH] = hola = life.push(BRANCH, "Greet in Spanish")
    life.green(hola, CONTEXTS)
    life.deployed(BRANCH, hola, "success", life.outputs(BRANCH)["Url"])
    for name in ("staging", BRANCH):
        seen.ask(f"{name} about", name)
        seen.ask(f"{name} spanish", name, "greetings/Ada?language=es")
        seen.ask(f"{name} nothing", name, "nothing/here")
    seen.said["wrong commit"] = smoke(tree.path).problem(life.outputs(BRANCH)["Url"], main)
    seen.kept.during = life.listed()
    life.delete(BRANCH, seen.kept)

    tree.switch("main")
    tree.tag("v1.0.0", main)
    tree.push("refs/tags/v1.0.0")
    seen.said["waits"] = life.told(main, "production/Approve", "pending")
    life.deployed("production", main, "pending")
    seen.waiting = life.watch.statuses(main)
    seen.before_approval = sorted(life.outputs("production"))
    life.answer("production", "Approve", "Release", "Approved")
    life.green(main, RELEASED)
    life.deployed("production", main, "success", life.outputs("production")["Url"])
    seen.ask("production about", "production")

    tree.tag("v1.0.1", hola)
    tree.push("refs/tags/v1.0.1")
    life.told(hola, "production/Approve", "pending")
    life.answer("production", "Approve", "Release", "Rejected")
    seen.said["rejected"] = life.told(hola, "production/Approve", "failure")
    seen.ask("production after", "production")
    seen.waiting |= {f"rejected {name}": state for name, state in life.watch.statuses(hola).items()}
    return seen


def smoke(folder: Path) -> Any:
    """The example's own smoke test."""
    spec = importlib.util.spec_from_file_location("smoke", folder / "smoke.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_api_each_environment_answers_with_its_own_commit(api: Api) -> None:
    for name, stage, branch in (("staging", "staging", "main"), (BRANCH, "development", BRANCH)):
        commit = api.commits["main" if name == "staging" else name]
        about = {"service": "http-api", "stage": stage, "branch": branch, "commit": commit}
        assert api.answers[f"{name} about"] == (200, about)


def test_api_a_branch_changes_nothing_of_staging(api: Api) -> None:
    assert api.answers[f"{BRANCH} spanish"] == (200, {"greeting": "¡Hola, Ada!"})
    assert api.answers["staging spanish"][0] == 400


def test_api_a_route_that_it_does_not_have_is_not_found(api: Api) -> None:
    assert api.answers["staging nothing"] == (404, {"message": "Not Found"})


def test_api_the_smoke_test_notices_another_commit(api: Api) -> None:
    assert f"serves {api.commits[BRANCH]}, not {api.commits['main']}" in api.said["wrong commit"]


def test_api_a_release_waits_and_touches_nothing_of_production_before_it_is_approved(api: Api) -> None:
    assert api.said["waits"] == "production v1.0.0: Approve waits for an approval"
    assert "production/Deploy" not in api.waiting
    assert api.waiting["production/Build"] == "success"
    assert api.before_approval == []


def test_api_an_approved_release_is_live(api: Api) -> None:
    status, about = api.answers["production about"]
    assert (status, about["stage"], about["commit"]) == (200, "production", api.commits["main"])


def test_api_a_rejected_release_says_so_and_leaves_production_as_it_was(api: Api) -> None:
    assert "Rejected by hand" in api.said["rejected"]
    assert "rejected production/Deploy" not in api.waiting
    assert api.answers["production after"] == api.answers["production about"]


def test_api_nothing_is_left_of_a_deleted_branch(api: Api) -> None:
    assert (api.kept.left, api.kept.lost) == ([], [])


@pytest.mark.parametrize("kind", ["lambda: function", "apigatewayv2: api", "iam: role", "logs: group", "s3: Versions"])
def test_api_it_was_there(api: Api, kind: str) -> None:
    """A listing that shows nothing would prove nothing."""
    assert [line for line in api.kept.during - api.kept.before if line.startswith(kind)]


def test_api_only_what_lasts_is_watched(api: Api) -> None:
    alarms = api.life.engine.client("cloudwatch").describe_alarms()["MetricAlarms"]
    names = [each["AlarmName"] for each in alarms if each["AlarmName"].endswith("-app-failures")]
    assert sorted(names) == ["api-production-app-failures", "api-staging-app-failures"]
    assert not [line for line in api.kept.during - api.kept.before if "-app-failures" in line]


def test_api_logs_are_kept_as_long_as_each_stage_says(api: Api) -> None:
    groups = api.life.engine.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/api-")["logGroups"]
    assert {each["logGroupName"]: each["retentionInDays"] for each in groups} == {
        "/aws/lambda/api-staging-app": 30,
        "/aws/lambda/api-production-app": 365,
    }


# --- monorepo

TEA = "feature/tea"
SERVICES = {"api": ("Source", "Build", "Deploy"), "web": ("Source", "Build", "Deploy", "Release")}


def each_stage(group: str, prep: str) -> tuple[str, ...]:
    """The contexts of both pipelines."""
    stages = (f"{group}/{service}:{stage}" for service, stages in SERVICES.items() for stage in stages)
    return (f"{prep}/0-prep", *stages)


@dataclass
class Shop:
    """What was seen of the monorepo's life."""

    life: Living
    commits: dict[str, str] = field(default_factory=dict)
    api: dict[str, Any] = field(default_factory=dict)
    products: dict[str, Any] = field(default_factory=dict)
    web: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    environments: dict[str, set[str]] = field(default_factory=dict)
    slack: list[str] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)

    def app(self, environment: str, service: str) -> dict[str, str]:
        stage = self.life.id(environment).stage
        return self.life.outputs(environment, f"{service}-{stage}-app")

    def look(self, point: str, environment: str) -> None:
        url = self.app(environment, "api")["Url"]
        self.api[point], self.products[point] = self.life.get(url)[1], self.life.get(f"{url}products")[1]
        self.web[point] = self.life.get(self.app(environment, "web")["Url"])[1]
        stack, pipelines = self.life.stack(environment), self.life.engine.client("codepipeline")
        self.runs[point] = {
            service: [
                run["status"]
                for run in pipelines.list_pipeline_executions(pipelineName=f"{stack}-{service}")[
                    "pipelineExecutionSummaries"
                ]
            ]
            for service in SERVICES
        }

    def note(self, point: str) -> None:
        self.statuses[point] = self.life.watch.statuses(self.commits[point])
        found = self.life.engine.github.environments(self.life.watch.repository)
        self.environments[point] = {each.name for each in found}

    def shown(self, environment: str, commit: str) -> None:
        for service in SERVICES:
            self.life.deployed(f"{environment} ({service})", commit, "success", self.app(environment, service)["Url"])


@pytest.fixture(scope="module")
def shop(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    life = living(installed, tmp_path_factory.mktemp("shop"), "acme/shop", "monorepo")
    seen, tree = Shop(life), life.site.tree

    seen.commits["staging"] = main = life.push("main", "Start")
    life.green(main, each_stage("pipeline", "build"))
    seen.shown("staging", main)
    seen.look("staging", "staging")
    seen.note("staging")
    seen.kept.before = life.listed()

    tree.switch(TEA, create=True)
    catalogue = (tree.path / "shared" / "catalogue.py").read_text()
    tree.write("shared/catalogue.py", catalogue.replace('(Product("Coffee"', '(Product("Tea", 280), Product("Coffee"'))
    seen.commits["both"] = both = life.push(TEA, "Sell tea")
    life.green(both, each_stage("pipeline", "build"))
    seen.shown(TEA, both)
    seen.look("both", TEA)
    seen.look("staging meanwhile", "staging")
    seen.note("both")

    test = (tree.path / "services" / "api" / "tests" / "test_app.py").read_text()
    tree.write("services/api/tests/test_app.py", test.replace("3.20", "9.99"))
    seen.commits["broken"] = broken = life.push(TEA, "Break the API's test")
    life.told(broken, "pipeline/api:Build", "failure")
    life.green(broken, [context for context in each_stage("pipeline", "build") if "api:" not in context])
    life.deployed(f"{TEA} (api)", broken, "failure")
    life.deployed(f"{TEA} (web)", broken, "success", seen.app(TEA, "web")["Url"])
    seen.look("broken", TEA)
    seen.note("broken")
    seen.kept.during = life.listed()
    seen.slack = [message.text for message in installed.slack.messages("deployments") if "acme/shop" in message.text]
    life.delete(TEA, seen.kept)
    seen.commits["deleted"] = broken
    seen.note("deleted")

    tree.switch("main")
    tree.tag("v1.0.0", main)
    tree.push("refs/tags/v1.0.0")
    life.green(main, each_stage("production", "production"))
    seen.shown("production", main)
    seen.look("production", "production")
    return seen


@pytest.mark.parametrize(("point", "stage"), [("staging", "staging"), ("both", "development")])
def test_shop_one_push_builds_both_services_at_the_same_commit(shop: Shop, point: str, stage: str) -> None:
    commit = shop.commits[point]
    assert shop.api[point] == {"service": "api", "stage": stage, "commit": commit}
    assert f'<meta name="commit" content="{commit}">' in shop.web[point]


def test_shop_what_they_share_changes_in_both(shop: Shop) -> None:
    tea = {"name": "Tea", "price": "2.80"}
    assert tea in shop.products["both"]
    assert "<li>Tea: 2.80</li>" in shop.web["both"]
    assert tea not in shop.products["staging meanwhile"]
    assert "Tea" not in shop.web["staging meanwhile"]


def test_shop_a_change_of_one_service_runs_both_pipelines(shop: Shop) -> None:
    """As the example's page says: a run reads a commit, not a folder."""
    assert shop.runs["broken"] == {"api": ["Failed", "Succeeded"], "web": ["Succeeded"] * 2}
    assert shop.commits["broken"] in shop.web["broken"]


@pytest.mark.parametrize("point", ["staging", "both"])
def test_shop_each_pipelines_stages_have_contexts_of_their_own(shop: Shop, point: str) -> None:
    assert set(shop.statuses[point]) == set(each_stage("pipeline", "build"))


def test_shop_one_services_failure_is_seen_beside_the_others_success(shop: Shop) -> None:
    told = shop.statuses["broken"]
    assert told["pipeline/api:Build"] == "failure"
    assert told["pipeline/web:Build"] == told["pipeline/web:Release"] == "success"
    assert "pipeline/api:Deploy" not in told
    assert shop.api["broken"]["commit"] == shop.commits["both"], "what was there is still there"


def test_shop_slack_says_which_service_failed_and_takes_nothing_for_its_fix(shop: Shop) -> None:
    [failed] = [text for text in shop.slack if ":x:" in text]
    assert f"`{TEA} (api)` failed in *Build*" in failed
    assert not [text for text in shop.slack if "Fixed" in text]


def test_shop_githubs_environments_are_one_a_service(shop: Shop) -> None:
    staging, branch = ({f"{name} (api)", f"{name} (web)"} for name in ("staging", TEA))
    assert shop.environments["staging"] == staging
    assert shop.environments["both"] == staging | branch
    assert shop.environments["deleted"] == staging


def test_shop_nothing_is_left_of_a_deleted_branch(shop: Shop) -> None:
    assert (shop.kept.left, shop.kept.lost) == ([], [])
    gone = [each for each in shop.kept.during - shop.kept.before if each.startswith("codepipeline: pipelines")]
    assert len(gone) == 2


def test_shop_a_release_is_both_at_the_tagged_commit(shop: Shop) -> None:
    main = shop.commits["staging"]
    assert shop.api["production"] == {"service": "api", "stage": "production", "commit": main}
    assert main in shop.web["production"]
