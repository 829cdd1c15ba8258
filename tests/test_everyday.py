"""What one does every day, by the `deployer` command and nothing else, with an engine into which `git push` goes.

One story is lived once, in a checkout as a person has it; what each command said is asserted here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.sites import PATIENCE, Site
from tests.small_site import unquiet
from typer.testing import CliRunner

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_cli.main import app
from deployer_local.engine import Engine

BRANCH = "feature/hello"
PREFIX = "opolis-deployer-prod"


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Story:
    """What was said, by what it was about."""

    site: Site
    said: dict[str, Said] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, keep: str = "") -> Said:
        """Run a command in the checkout."""
        with contextlib.chdir(self.site.tree.path):
            done = CliRunner().invoke(app, [*arguments, "--local", "--data", str(self.site.engine.data)])
        said = Said(done.exit_code, done.stdout, done.stderr)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        if keep:
            self.said[keep] = said
        return said

    def commit(self, name: str, link: str = "about.html") -> str:
        self.site.page(name, link)
        self.commits[name] = self.site.tree.commit(name)
        return self.commits[name]

    def runs(self, pipeline: str) -> list[str]:
        """The states of a pipeline's runs, newest first."""
        client = self.site.engine.client("codepipeline")
        try:
            found = client.list_pipeline_executions(pipelineName=pipeline)["pipelineExecutionSummaries"]
        except client.exceptions.PipelineNotFoundException:
            return []
        return [run["status"] for run in found]

    def unlike(self, pipeline: str, states: list[str]) -> str | None:
        runs = self.runs(pipeline)
        return None if runs == states else f"its runs are {runs}"

    def there(self, name: str) -> str | None:
        """Whether the deployer remembers an environment."""
        number = self.site.repository.id
        key = f"{number}/production" if name == "production" else f"{number}/refs/heads/{name}"
        table = self.site.engine.client("dynamodb")
        found = table.get_item(TableName=f"{PREFIX}-environments", Key={"id": {"S": key}}, ConsistentRead=True)
        return "it is remembered" if "Item" in found else None

    def quiet(self) -> None:
        engine = self.site.engine
        until("every webhook was delivered", lambda: None if engine.github.settle(1) else "not yet", PATIENCE)
        until("nothing is left to be done", lambda: unquiet(engine), PATIENCE)


@pytest.fixture(scope="module")
def story(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    made = Story(Site(installed, tmp_path_factory.mktemp("work") / "site"))
    push(made)
    break_it(made)
    release(made)
    remove(made)
    prune(made)
    redrive(made)
    return made


def push(story: Story) -> None:
    tree, run = story.site.tree, story.run
    run("ls", keep="nothing")
    story.commit("One")
    with story.site.engine.hold_stack(lambda operation: operation.stack == "site-staging-app") as hold:
        tree.push("HEAD:refs/heads/main")
        hold.wait()
        run("status", keep="pending")
        run("status", "--json", keep="pending-json")
    run("watch", "--exit-status", keep="watched")
    run("status", keep="good")
    run("open", "--print", keep="open")
    run("open", "--commit", keep="open-commit")
    run("open", "--pipeline", "--json", keep="open-pipeline")
    run("logs", keep="logs-good")


def break_it(story: Story) -> None:
    tree, run = story.site.tree, story.run
    tree.switch(BRANCH, create=True)
    run("status", keep="not-pushed")
    story.commit("Broken", "nowhere.html")
    tree.push(f"HEAD:refs/heads/{BRANCH}")
    run("logs", "--follow", keep="followed")
    run("watch", "--exit-status", keep="watched-failure")
    run("watch", keep="watched-anyway")
    run("status", keep="failed")
    run("status", "--json", keep="failed-json")
    run("logs", "--stage", "build", "--json", keep="logs-json")
    run("logs", "--stage", "Deploy", keep="logs-none")
    run("ls", keep="ls")
    run("ls", "--repo", "acme/site", "--json", keep="ls-json")


def release(story: Story) -> None:
    tree, run = story.site.tree, story.run
    run("redeploy", "main", keep="redeployed")
    run("watch", "main", "--exit-status", keep="watched-again")
    for number, tag in enumerate(("v1.0.0", "v1.1.0"), 1):
        tree.tag(tag, story.commits["One"])
        tree.push(f"refs/tags/{tag}")
        good = ["Succeeded"] * number
        until(f"{tag} is there", lambda good=good: story.unlike("site-production", good), PATIENCE)  # type: ignore[misc]
    run("redeploy", "--tag", "v1.0.0", "--json", keep="back")
    run("watch", "--env", "production", "--exit-status", keep="watched-back")
    run("redeploy", "--tag", "v9.9.9", keep="no-such-release")


def remove(story: Story) -> None:
    run = story.run
    run("rm", BRANCH, keep="rm-unattended")
    run("rm", "main", keep="rm-main")
    run("rm", BRANCH, "--yes", keep="rm")
    until(f"{BRANCH} is gone", lambda: story.there(BRANCH), PATIENCE)
    run("status", keep="removed")
    run("redeploy", keep="woken")
    run("watch", "--exit-status", keep="watched-woken")


def prune(story: Story) -> None:
    run, github = story.run, story.site.engine.github
    story.quiet()
    run("prune", "--dry-run", keep="prune-nothing")
    github.drop_delivery()
    story.site.tree.delete(BRANCH)
    story.quiet()
    run("prune", "--dry-run", "--json", keep="prune-dry")
    run("prune", keep="prune-unattended")
    run("prune", "--yes", keep="prune")
    until(f"{BRANCH} is gone", lambda: story.there(BRANCH), PATIENCE)
    run("rm", "--env", "production", "--yes", keep="rm-production")
    until("production is gone", lambda: story.there("production"), PATIENCE)
    run("status", "--env", "production", keep="no-production")


def redrive(story: Story) -> None:
    run = story.run
    die(story)
    run("redrive", "--dry-run", keep="dead")
    run("redrive", "looks", "--yes", "--json", keep="redriven")
    story.quiet()
    run("redrive", keep="alive")
    run("sweep", "--unlimited", keep="sweep-unattended")
    run("sweep", "--yes", "--unlimited", "--json", keep="sweep")
    story.quiet()
    run("status", "main", keep="after-all")


def die(story: Story) -> None:
    """Let a look fail as often as one may, which is once for now."""
    engine = story.site.engine
    sqs = engine.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PREFIX}-looks.fifo")["QueueUrl"]
    policy = json.loads(
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps({**policy, "maxReceiveCount": 1})})
    engine.github.fail_next("/repos/", 500)
    staging = EnvironmentId(story.site.repository.id, Stage.STAGING)
    name = {"id": staging.repository, "owner": "acme", "name": "site"}
    sqs.send_message(
        QueueUrl=url,
        MessageBody=json.dumps({"environment": str(staging), "repository": name, "reason": "a\x1b[2J look"}),
        MessageGroupId=str(staging),
        MessageDeduplicationId="dead",
    )
    dead = sqs.get_queue_url(QueueName=f"{PREFIX}-looks-dead.fifo")["QueueUrl"]
    counted = "ApproximateNumberOfMessages"

    def died() -> str | None:
        found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[counted])["Attributes"][counted]
        return None if found == "1" else f"{found} are dead"

    until("the look died", died, PATIENCE)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})


# --- how environments stand


def test_before_the_first_push_there_is_nothing(story: Story) -> None:
    said = story.said["nothing"]
    assert (said.code, said.out) == (0, "")
    assert said.err == "No environments. A push makes the first.\n"


def test_while_a_run_goes_on_status_is_pending(story: Story) -> None:
    said, found = story.said["pending"], story.said["pending-json"]
    assert (said.code, found.code) == (8, 8)
    assert "Build\t✓ success\tsucceeded" in said.out
    assert "Deploy\t• pending\tis running" in said.out
    assert "Release\t• pending\thas not begun" in said.out
    stages = {each["name"]: each["state"] for each in found.json["pipelines"][0]["stages"]}
    assert stages == {"Source": "success", "Build": "success", "Deploy": "pending", "Release": "pending"}


def test_watch_ends_with_the_run_and_says_where_it_is_served(story: Story) -> None:
    said = story.said["watched"]
    assert said.code == 0
    assert "success\tis deployed" in said.out
    [served] = [line for line in said.out.splitlines() if line.startswith("Serves\t")]
    assert served.startswith(f"Serves\t{story.site.engine.web_url}/sites/")
    assert story.said["open"].out == f"{served.partition(chr(9))[2]}\n"


def test_a_good_one_exits_with_0_and_its_page_and_run_are_there(story: Story) -> None:
    said = story.said["good"]
    assert said.code == 0
    assert said.out.splitlines()[0] == f"acme/site staging at {story.commits['One'][:7]}: is deployed"
    web = story.site.engine.web_url
    assert story.said["open-commit"].out == f"{web}/acme/site/commit/{story.commits['One']}\n"
    assert story.said["open-pipeline"].json["url"].startswith(f"{web}/runs/site-staging/")


def test_a_branch_that_was_not_pushed_has_none(story: Story) -> None:
    said = story.said["not-pushed"]
    assert (said.code, said.out) == (
        1,
        "acme/site feature/hello: no environment, and no such branch on GitHub\n",
    )


def test_a_failure_exits_with_1_and_says_why(story: Story) -> None:
    why = "python3 build.py --output public exited with 1"
    assert story.said["watched-failure"].code == 1
    assert story.said["watched-anyway"].code == 0
    said, found = story.said["failed"], story.said["failed-json"]
    assert (said.code, found.code) == (1, 1)
    assert f"Build\t✗ failure\t{why}" in said.out
    assert f"Build\t{story.site.engine.web_url}/builds/" in said.out
    assert "Deploy\t- none\twas not reached" in said.out
    assert (found.json["state"], found.json["reason"]) == ("failure", f"Build: {why}")
    assert found.json["commit"] == story.commits["Broken"]


def test_its_log_is_followed_to_the_end_and_read_again(story: Story) -> None:
    why = "broken link in index.html: nowhere.html"
    followed = story.said["followed"]
    assert followed.code == 0
    assert followed.out.count(why) == 1
    lines = story.said["logs-json"].json["lines"]
    assert any(why in line["text"] for line in lines)
    assert story.said["logs-none"].code == 1
    assert "no build in its stage Deploy has begun" in story.said["logs-none"].err
    assert "python3 build.py" in story.said["logs-good"].out


def test_ls_has_each_with_its_run(story: Story) -> None:
    rows = [line.split("\t") for line in story.said["ls"].out.splitlines()]
    assert [row[0] for row in rows] == ["staging", BRANCH]
    assert [row[4] for row in rows] == ["Succeeded", "Failed"]
    assert rows[1][5] == "✓ Source ✗ Build - Deploy - Release"
    assert [each["state"] for each in story.said["ls-json"].json["environments"]] == ["success", "failure"]


# --- what is asked for


def test_redeploy_builds_the_same_commit_again(story: Story) -> None:
    said = story.said["redeployed"]
    assert (said.code, said.out) == (0, "asked: build staging again\n")
    assert "Next: `deployer watch --env staging`" in said.err
    assert story.said["watched-again"].code == 0
    assert story.runs("site-staging") == ["Succeeded", "Succeeded"]


def test_F38_production_goes_back_to_an_older_release_when_somebody_asks(story: Story) -> None:
    [look] = story.said["back"].json["asked"]
    assert (look["ref"], bool(look["request"])) == ("refs/tags/v1.0.0", True)
    assert story.said["watched-back"].code == 0
    said = story.said["no-such-release"]
    assert (said.code, "v9.9.9 is not on GitHub" in said.err) == (1, True)


def test_rm_asks_and_takes_staging_by_its_name_alone(story: Story) -> None:
    assert story.said["rm-unattended"].code == 1
    assert "say --yes where that is what you want" in story.said["rm-unattended"].err
    assert story.said["rm-main"].code == 1
    assert "it is removed by that name alone, with --env staging" in story.said["rm-main"].err


def test_F43c_what_was_removed_stays_away_until_it_is_woken(story: Story) -> None:
    assert story.said["rm"].out == f"asked: remove {BRANCH}\n"
    said = story.said["removed"]
    assert (said.code, "no environment: removed by hand; a push brings it back" in said.out) == (1, True)
    assert story.said["woken"].code == 0
    assert story.said["watched-woken"].code == 1, "its build is as broken as it was"


def test_prune_finds_what_is_left_over_and_has_it_seen_to(story: Story) -> None:
    assert "Nothing is left over." in story.said["prune-nothing"].err
    [found] = story.said["prune-dry"].json["leftovers"]
    assert (found["kind"], found["environment"], found["why"]) == ("gone", BRANCH, f"refs/heads/{BRANCH} is gone")
    assert (story.said["prune-unattended"].code, story.said["prune"].code) == (1, 0)
    assert "Asked for 1." in story.said["prune"].err


def test_F32_production_goes_by_its_name_and_nothing_older_takes_its_place(story: Story) -> None:
    assert story.said["rm-production"].out == "asked: remove production\n"
    said = story.said["no-production"]
    assert (said.code, "no environment: removed by hand" in said.out) == (1, True)
    sent = story.said["after-all"]
    assert sent.code == 0
    names = [stack for stack in _stacks(story) if "production" in stack]
    assert names == []


def _stacks(story: Story) -> list[str]:
    pages = story.site.engine.client("cloudformation").get_paginator("describe_stacks").paginate()
    return [str(stack["StackName"]) for page in pages for stack in page["Stacks"]]


def test_F21_a_look_that_died_is_shown_and_tried_again(story: Story) -> None:
    dead = story.said["dead"].out
    number = story.site.repository.id
    assert f"look: {number}/staging (a�[2J look)" in dead
    assert "\x1b" not in dead
    [queue] = story.said["redriven"].json["queues"]
    assert (queue["messages"], queue["moved"]) == (1, 1)
    assert f"{PREFIX}-looks-dead.fifo\t0" in story.said["alive"].out


def test_a_sweep_is_agreed_to(story: Story) -> None:
    assert story.said["sweep-unattended"].code == 1
    assert story.said["sweep"].json == {"swept": ["acme/site"], "unlimited": True}
