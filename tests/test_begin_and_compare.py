"""A repository from its first hour on: `deployer init`, `validate`, a push, and `diff` before each further one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.sites import PATIENCE
from typer.testing import CliRunner

from deployer.environments import EnvironmentId, stack_names
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_cli.demo.watch import Watcher, contexts
from deployer_cli.demo.worktree import Worktree
from deployer_cli.main import app
from deployer_local.engine import Engine

NAME = "acme/begin"
TEMPLATE, APP, PARAMETERS = "deploy/pipeline.json", "deploy/deploy.json", "deploy/pipeline.parameters.json"


@dataclass
class Begun:
    """A repository that has its staging environment. ``before``: what diff said before its first push."""

    engine: Engine
    tree: Worktree
    number: int
    before: dict[str, Any]
    commit: str

    def deployer(self, *arguments: str) -> Any:
        """Run the command in the checkout."""
        return CliRunner().invoke(app, list(arguments), env={"XDG_CACHE_HOME": os.devnull})

    def diff(self, *arguments: str) -> dict[str, Any]:
        """What it says, as JSON."""
        done = self.deployer("diff", *arguments, "--local", "--data", str(self.engine.data), "--json")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def change(self, path: str, edit: Any) -> None:
        """Edit a JSON file of the checkout."""
        file = self.tree.path / path
        document = json.loads(file.read_text())
        edit(document)
        file.write_text(json.dumps(document, indent=2))


@pytest.fixture(scope="module")
def begun(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    folder = tmp_path_factory.mktemp("begin")
    (folder / "empty").mkdir()
    repository = installed.github.create_repository(NAME)
    tree = Worktree(folder / "work", folder / "empty", installed.git_url(NAME))
    begun = Begun(installed, tree, repository.id, {}, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree.path)
        made = begun.deployer("init", "--example", "static-site")
        assert made.exit_code == 0, made.output
        clean = begun.deployer("validate", "--strict")
        assert (clean.exit_code, clean.stdout) == (0, ""), clean.output
        begun.commit = tree.commit("Begin")
        begun.before = begun.diff()
    tree.push("HEAD:refs/heads/main")
    watch, staging = Watcher(installed, NAME), EnvironmentId(repository.id, Stage.STAGING)
    until("staging serves it", watch.serves(staging, begun.commit, "main"), PATIENCE)
    until("it is green", watch.reported(begun.commit, contexts()), PATIENCE)
    return begun


@pytest.fixture
def here(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begun]:
    """In the checkout, which is as it was pushed before and after."""
    monkeypatch.chdir(begun.tree.path)
    yield begun
    begun.tree._git("reset", "--quiet", "--hard", begun.commit)
    begun.tree._git("clean", "--quiet", "--force", "-d")


def stacks(found: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Stack -> action -> resources."""
    told: dict[str, dict[str, list[str]]] = {}
    for stack in found["stacks"]:
        actions = told.setdefault(stack["stack"], {})
        for resource in stack["resources"]:
            actions.setdefault(resource["action"], []).append(resource["name"])
    return told


def test_before_the_first_push_everything_is_new(begun: Begun) -> None:
    found = begun.before
    assert (found["outlook"], found["environment"], found["stack"]) == ("create", "staging", "begin-staging")
    assert stacks(found) == {
        "begin-staging": {"add": ["AppStack", "BuildLog", "BuildProject", "BuildRole", "Pipeline", "PipelineRole"]},
        "begin-staging-app": {"add": ["Bucket", "EmptyBucket", "PublicRead"]},
    }
    values = {each["name"]: each["new"] for each in found["stacks"][0]["parameters"]}
    assert values["Stage"] == "staging"
    assert values["SourceKey"] == "sources/begin-staging.zip"
    assert values["DeployRole"].endswith(":role/opolis-deployer-prod-staging")


def test_the_environment_got_what_was_foretold(begun: Begun) -> None:
    client = begun.engine.client("cloudformation")
    for stack in begun.before["stacks"]:
        [made] = client.describe_stacks(StackName=stack["stack"])["Stacks"]
        given = {each["ParameterKey"]: each["ParameterValue"] for each in made["Parameters"]}
        assert given == {each["name"]: each["new"] for each in stack["parameters"]}
        listed = client.list_stack_resources(StackName=stack["stack"])["StackResourceSummaries"]
        assert {each["LogicalResourceId"] for each in listed} == {each["name"] for each in stack["resources"]}


def test_what_is_there_already_changes_nothing(here: Begun) -> None:
    found = here.diff("--exit-code")
    assert (found["outlook"], found["reason"], found["changed"]) == ("nothing", "this very commit is there", False)


def test_another_page_is_another_run_and_nothing_more(here: Begun) -> None:
    here.tree.write("site/pages/index.md", "# Two\n")
    assert here.tree.commit("Go on") != here.commit
    found = here.diff()
    assert (found["outlook"], found["changed"]) == ("run", False)


def test_a_parameter_and_a_resource_are_told_and_the_change_sets_are_gone(here: Begun) -> None:
    here.change(PARAMETERS, lambda it: it["staging"].append({"ParameterKey": "BuildTimeout", "ParameterValue": "7"}))
    here.change(APP, lambda it: it["Resources"].update(Topic={"Type": "AWS::SNS::Topic", "Properties": {}}))
    found = here.diff()
    assert found["outlook"] == "update"
    own, site = found["stacks"]
    assert own["parameters"] == [{"name": "BuildTimeout", "old": "10", "new": "7"}]
    # Of what refers to a changed resource, the engine is less sure than AWS.
    assert "BuildProject" in [name for names in stacks(found)["begin-staging"].values() for name in names]
    assert stacks(found)["begin-staging-app"] == {"add": ["Topic"]}
    assert {own["how"], site["how"]} == {"by a change set, deleted again"}
    client = here.engine.client("cloudformation")
    for stack in stacks(found):
        assert client.list_change_sets(StackName=stack)["Summaries"] == []
        assert client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"].endswith("_COMPLETE")


def test_a_bucket_that_would_go_is_warned_of(here: Begun) -> None:
    here.change(APP, lambda it: it["Resources"]["Bucket"]["Properties"].update(BucketName="another-name"))
    done = here.deployer("diff", "--local", "--data", str(here.engine.data), "--exit-code")
    assert done.exit_code == 1
    assert "replace Bucket  AWS::S3::Bucket  ! what it holds" in done.stdout


def test_a_parameter_is_told_to_people(here: Begun) -> None:
    here.change(PARAMETERS, lambda it: it["staging"].append({"ParameterKey": "BuildTimeout", "ParameterValue": "7"}))
    here.change(TEMPLATE, lambda it: it["Parameters"].pop("RepoBranch"))
    here.change(TEMPLATE, lambda it: it["Parameters"].update(More={"Type": "String", "Default": "x"}))
    done = here.deployer("diff", "--local", "--data", str(here.engine.data))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        "acme/begin refs/heads/main: environment staging is updated",
    )
    assert "\n  ~ BuildTimeout: 10 → 7\n  + More: x\n  - RepoBranch: main\n" in done.stdout


def test_where_aws_can_not_be_reached_it_says_so(here: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = here.deployer("diff", "--profile", "nowhere")
    assert done.exit_code == 1
    assert "AWS can't be reached as it is configured here" in done.stderr


def test_what_is_not_committed_can_be_left_out(here: Begun) -> None:
    here.change(APP, lambda it: it["Resources"].pop("EmptyBucket"))
    assert here.diff()["changed"]
    found = here.diff("--committed")
    assert (found["outlook"], found["changed"]) == ("nothing", False)


def test_an_output_alone_is_a_change_too(here: Begun) -> None:
    here.change(APP, lambda it: it["Outputs"].update(More={"Value": "x"}))
    done = here.deployer("diff", "--local", "--data", str(here.engine.data))
    assert done.exit_code == 0
    assert "outputs, conditions or the like" in done.stdout


def test_what_a_run_makes_is_compared_as_far_as_that_goes(here: Begun) -> None:
    overrides = json.dumps({"DeployerPrefix": {"Fn::GetParam": ["Site", "names.json", "Prefix"]}, "New": "#{x.y}"})

    def later(template: dict[str, Any]) -> None:
        stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
        stages[2]["Actions"][0]["Configuration"]["ParameterOverrides"] = overrides

    here.change(TEMPLATE, later)
    here.change(APP, lambda it: it["Parameters"].update(New={"Type": "String"}))
    found = here.diff()
    [site] = [stack for stack in found["stacks"] if stack["stack"].endswith("-app")]
    assert site["how"] == "by the two templates; no change set: a run makes the value of New"
    assert site["parameters"] == [{"name": "New", "old": None, "new": "(made by the run)"}]


def test_what_comes_out_of_the_run_is_said(here: Begun) -> None:
    def later(template: dict[str, Any]) -> None:
        stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
        stages[2]["Actions"][0]["Configuration"]["TemplatePath"] = "Site::deploy.json"

    here.change(TEMPLATE, later)
    done = here.deployer("diff", "--local", "--data", str(here.engine.data))
    assert "Stack: its template comes out of the run" in done.stderr

    def file(template: dict[str, Any]) -> None:
        later(template)
        configuration = template["Resources"]["Pipeline"]["Properties"]["Stages"][2]["Actions"][0]["Configuration"]
        configuration.update(TemplatePath="Source::deploy/deploy.json", TemplateConfiguration="Site::x.json")

    here.change(TEMPLATE, file)
    assert here.diff()["notes"] == ["Stack: the parameters of begin-staging-app come out of the run"]


@pytest.mark.parametrize(
    ("named", "outlook", "environment", "reason"),
    [
        ("feature/x", "create", "feature/x", ""),
        ("x-NOBUILD", "nothing", "x-NOBUILD", "refs/heads/x-NOBUILD has NOBUILD in its name"),
        ("refs/tags/v1.0.0", "create", "production", ""),
        ("refs/tags/other", "nothing", "", "refs/tags/other has no environment"),
    ],
)
def test_each_ref_has_its_environment(here: Begun, named: str, outlook: str, environment: str, reason: str) -> None:
    found = here.diff(named)
    assert (found["outlook"], found["environment"], found["reason"]) == (outlook, environment, reason)


def test_a_commit_that_says_so_is_skipped(here: Begun) -> None:
    here.tree.write("said.txt", "x")
    here.tree.commit("Say x [skip ci]")
    assert here.diff()["reason"] == "the commit says [skip ci]"


def test_F53_what_is_refused_is_refused_before_the_push(here: Begun) -> None:
    here.change(PARAMETERS, lambda it: it["staging"].append({"ParameterKey": "Stage", "ParameterValue": "x"}))
    done = here.deployer("diff", "--local", "--data", str(here.engine.data))
    assert done.exit_code == 1
    assert "is refused: parameters set by the deployer, not by the repository: Stage" in done.stdout
    (here.tree.path / TEMPLATE).unlink()
    assert here.diff()["reason"] == "deploy/pipeline.json is missing"


def test_F92_the_token_is_not_read_and_not_shown(here: Begun) -> None:
    here.change(TEMPLATE, lambda it: it["Parameters"].update(RepoToken={"Type": "String", "NoEcho": True}))
    found = here.diff("feature/token")
    [shown] = [each["new"] for each in found["stacks"][0]["parameters"] if each["name"] == "RepoToken"]
    assert shown == "****"
    assert here.engine.github_token not in json.dumps(found)


def test_F55_a_strangers_stack_is_told(here: Begun) -> None:
    [name] = stack_names(EnvironmentId(here.number, Stage.DEVELOPMENT, "taken"), "begin")
    client = here.engine.client("cloudformation")
    body = json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})
    client.create_stack(StackName=name, TemplateBody=body)
    assert here.diff("taken")["reason"] == "there is a stack of that name that is not this environment's"
    client.delete_stack(StackName=name)


def test_a_repository_that_is_not_there_is_said(here: Begun) -> None:
    done = here.deployer("diff", "--repo", "acme/nowhere", "--local", "--data", str(here.engine.data))
    assert done.exit_code == 1
    assert "acme/nowhere can't be read" in done.stderr
