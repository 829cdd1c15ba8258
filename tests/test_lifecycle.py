"""The life of a repository's environments, driven by `git push` and seen from the outside.

One life is lived once; what was seen at each point is asserted here, sentence by sentence.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.contracts import slack as contract
from tests.sites import PATIENCE, Site

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_cli.demo.watch import Page, contexts
from deployer_local.engine import Engine
from deployer_local.github.deployments import Deployment
from deployer_local.slack import Exchange

BRANCH = "feature/hello"
PLAIN, RELEASE = contexts(), contexts("production", "production")


@dataclass
class Seen:
    """What was there at one point of the life."""

    commit: str
    pages: dict[str, Page] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    stacks: dict[str, str] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    runs: dict[str, list[str]] = field(default_factory=dict)
    deployments: dict[str, list[Deployment]] = field(default_factory=dict)


class Life:
    """Pushes, waits, and keeps what it saw."""

    def __init__(self, site: Site) -> None:
        self.site, self.engine = site, site.engine
        number = site.repository.id
        self.ids = {
            "staging": EnvironmentId(number, Stage.STAGING),
            "production": EnvironmentId(number, Stage.PRODUCTION),
            BRANCH: EnvironmentId(number, Stage.DEVELOPMENT, BRANCH),
        }
        self.buckets: dict[str, str] = {}

    def green(self, name: str, commit: str, branch: str, wanted: tuple[str, ...]) -> None:
        until(f"{name} serves {commit}", self.site.watch.serves(self.ids[name], commit, branch), PATIENCE)
        until(f"{commit} is green", self.site.watch.reported(commit, wanted), PATIENCE)
        until(f"GitHub shows {commit}", self.site.watch.deployed(self.ids[name], commit), PATIENCE)
        app = self.site.watch.app(self.ids[name])
        assert app
        self.buckets[name] = app["Bucket"]

    def seen(self, commit: str) -> Seen:
        watch = self.site.watch
        pipelines = self.engine.client("codepipeline")
        runs = {}
        for pipeline in pipelines.list_pipelines()["pipelines"]:
            found = pipelines.list_pipeline_executions(pipelineName=pipeline["name"])["pipelineExecutionSummaries"]
            runs[pipeline["name"]] = [run["status"] for run in found]
        deployments: dict[str, list[Deployment]] = {}
        for each in reversed(self.engine.github.deployments(self.site.repository.full_name)):
            deployments.setdefault(each.environment, []).append(each)
        return Seen(
            commit,
            {name: watch.page(bucket) for name, bucket in self.buckets.items()},
            watch.statuses(commit),
            watch.descriptions(commit),
            {stack["StackName"]: stack["StackStatus"] for stack in self.stacks()},
            watch.buckets(),
            runs,
            deployments,
        )

    def stacks(self) -> list[dict[str, Any]]:
        found = self.engine.client("cloudformation").get_paginator("describe_stacks").paginate()
        return [stack for page in found for stack in page["Stacks"] if not stack["StackName"].startswith("opolis-")]


@dataclass
class Story:
    first: Seen
    second: Seen
    hello: Seen
    without_page: tuple[int, int]
    broken: Seen
    fixed: Seen
    released: Seen
    deleted: Seen
    life: Life
    told_slack: list[Exchange]


@pytest.fixture(scope="module")
def story(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    told_slack: list[Exchange] = []
    installed.slack.watch(told_slack.append)
    installed.slack.add_user("ada@example.com", "Ada")
    installed.slack.fail_next(429, retry_after=1, method="chat.postMessage")
    installed.slack.fail_next(503, method="chat.postMessage")
    site = Site(installed, tmp_path_factory.mktemp("work") / "site")
    life, tree = Life(site), site.tree

    site.page("One")
    one = tree.commit("Start")
    tree.push("HEAD:refs/heads/main")
    life.green("staging", one, "main", PLAIN)
    first = life.seen(one)

    site.page("Two")
    two = tree.commit("Go on")
    tree.push("HEAD:refs/heads/main")
    life.green("staging", two, "main", PLAIN)
    second = life.seen(two)

    tree.switch(BRANCH, create=True)
    site.page("Hello")
    hi = tree.commit("Say hello")
    # Its run lasts until GitHub has seen it going on: what is over before anybody looks was never seen to begin.
    with installed.hold_stack(
        lambda operation: operation.stack.startswith("site-feature") and operation.stack.endswith("-app")
    ):
        tree.push(f"HEAD:refs/heads/{BRANCH}")
        until("its deployment is in progress", lambda: in_progress(installed, hi), PATIENCE)
    life.green(BRANCH, hi, BRANCH, PLAIN)
    hello = life.seen(hi)
    installed.client("s3").delete_object(Bucket=life.buckets[BRANCH], Key="about.html")
    about = [site.watch.page(life.buckets[name], "about.html").status for name in (BRANCH, "staging")]

    site.page("Broken", "nowhere.html")
    bad = tree.commit("Break it")
    tree.push(f"HEAD:refs/heads/{BRANCH}")
    until("the build fails", lambda: None if life_failed(site, bad) else "not yet", PATIENCE)
    until("Slack tells it", lambda: None if "nowhere.html" in slack_text(installed) else "not yet", PATIENCE)
    broken = life.seen(bad)

    site.page("Mended")
    mended = tree.commit("Mend it")
    tree.push(f"HEAD:refs/heads/{BRANCH}")
    life.green(BRANCH, mended, BRANCH, PLAIN)
    fixed = life.seen(mended)

    tree.tag("v1.0.0", one)
    tree.push("refs/tags/v1.0.0")
    life.green("production", one, "main", RELEASE)
    released = life.seen(one)

    [stack] = [name for name in released.stacks if name.startswith("site-feature") and not name.endswith("-app")]
    tree.delete(BRANCH)
    until("its stacks are gone", gone(life, stack), PATIENCE)
    until("its memory is gone", lambda: None if not remembered(installed, life.ids[BRANCH]) else "not yet", PATIENCE)
    until("GitHub shows it no more", lambda: site.watch.undeployed(life.ids[BRANCH]), PATIENCE)
    deleted = life.seen(mended)
    return Story(first, second, hello, (about[0], about[1]), broken, fixed, released, deleted, life, told_slack)


def in_progress(engine: Engine, commit: str) -> str | None:
    found = [each for each in engine.github.deployments("acme/site") if each.sha == commit]
    told = [status.state for each in found for status in each.statuses]
    return None if told == ["in_progress"] else f"{told}"


def life_failed(site: Site, commit: str) -> bool:
    return site.watch.statuses(commit).get("pipeline/Build") == "failure"


def gone(life: Life, stack: str) -> Callable[[], str | None]:
    def check() -> str | None:
        left = [each["StackName"] for each in life.stacks() if each["StackName"].startswith(stack)]
        return f"{left} are left" if left else None

    return check


def slack_text(engine: Engine) -> str:
    return "\n".join(reply.text for message in engine.slack.messages() for reply in message.replies)


def remembered(engine: Engine, environment: EnvironmentId) -> list[str]:
    items = engine.client("dynamodb").scan(TableName="opolis-deployer-prod-environments", ConsistentRead=True)["Items"]
    commits = ("commit/", "run/")
    return [
        item["id"]["S"]
        for item in items
        if str(environment) in (item["id"]["S"], item.get("environment", {}).get("S"))
        and not item["id"]["S"].startswith(commits)
    ]


def test_each_push_to_main_is_served_by_staging(story: Story) -> None:
    assert "<h1>One</h1>" in story.first.pages["staging"].text
    assert "<h1>Two</h1>" in story.second.pages["staging"].text
    assert story.first.pages["staging"].commit == story.first.commit
    assert story.second.pages["staging"].commit == story.second.commit


@pytest.mark.parametrize("point", ["first", "second", "hello", "fixed"])
def test_every_stage_of_a_good_push_is_green(story: Story, point: str) -> None:
    statuses = getattr(story, point).statuses
    assert {context: statuses.get(context) for context in PLAIN} == dict.fromkeys(PLAIN, "success")


def test_each_generation_has_exactly_one_run(story: Story) -> None:
    runs = story.released.runs
    assert len(runs["site-staging"]) == 2
    assert len(runs["site-production"]) == 1
    [feature] = [name for name in runs if name.startswith("site-feature")]
    assert sorted(runs[feature]) == ["Failed", "Succeeded", "Succeeded"]


def states(deployments: list[Deployment]) -> list[str]:
    return [deployment.state for deployment in deployments]


def test_each_run_is_a_deployment_and_the_newest_good_one_stands(story: Story) -> None:
    assert states(story.second.deployments["staging"]) == ["inactive", "success"]
    assert states(story.fixed.deployments[BRANCH]) == ["inactive", "failure", "success"]
    assert states(story.released.deployments["production"]) == ["success"]
    for name, found in story.released.deployments.items():
        assert len(found) == {"staging": 2, "production": 1, BRANCH: 3}[name]
    assert [each.transient for each in story.fixed.deployments[BRANCH]] == [True] * 3
    assert [each.production for each in story.released.deployments["production"]] == [True]


def test_a_deployment_goes_on_until_it_ends_and_leads_to_the_page(story: Story) -> None:
    [hello] = story.hello.deployments[BRANCH]
    assert [status.state for status in hello.statuses] == ["in_progress", "success"]
    assert story.life.buckets[BRANCH] in hello.statuses[-1].environment_url
    _, broken, _ = story.fixed.deployments[BRANCH]
    assert "python3 build.py --output public exited with 1" in broken.statuses[-1].description


def test_deleting_a_branch_leaves_nothing_of_it_deployed(story: Story) -> None:
    assert states(story.deleted.deployments[BRANCH]) == ["inactive", "failure", "inactive"]
    assert states(story.deleted.deployments["staging"]) == ["inactive", "success"]
    names = [each.name for each in story.life.engine.github.environments("acme/site")]
    assert sorted(names) == ["production", "staging"]


def test_a_branch_lives_beside_main_and_serves_its_own_page(story: Story) -> None:
    assert "<h1>Hello</h1>" in story.hello.pages[BRANCH].text
    assert "<h1>Two</h1>" in story.hello.pages["staging"].text
    assert story.hello.pages[BRANCH].branch == BRANCH


def test_a_page_is_served_from_its_bucket_and_from_nowhere_else(story: Story) -> None:
    assert story.without_page == (404, 200)


def test_a_failed_build_says_on_the_commit_what_failed(story: Story) -> None:
    assert story.broken.statuses["pipeline/Build"] == "failure"
    assert story.broken.descriptions["pipeline/Build"].startswith(f"{BRANCH}: Build failed")
    assert "python3 build.py --output public exited with 1" in story.broken.descriptions["pipeline/Build"]


def test_a_failed_build_never_reaches_the_later_stages(story: Story) -> None:
    assert "pipeline/Deploy" not in story.broken.statuses
    assert "<h1>Hello</h1>" in story.broken.pages[BRANCH].text


def test_slack_has_one_message_a_run_and_the_end_of_the_failed_log(story: Story) -> None:
    messages = story.life.engine.slack.messages("deployments")
    runs = sum(len(runs) for runs in story.released.runs.values())
    assert len(messages) == runs
    failed = [message for message in messages if ":x:" in message.text]
    assert len(failed) == 1
    [ada] = {identity for reply in failed[0].replies for identity in re.findall(r"<@(\w+)>", reply.text)}
    assert sum(reply.text.count(f"<@{ada}>") for message in messages for reply in message.replies) == 1
    fixed = [message.text for message in messages if "Fixed: *Build*, which had failed at" in message.text]
    assert len(fixed) == 1
    assert all(f"`{BRANCH}` is deployed\n" in text for text in fixed)
    assert any("broken link in index.html: nowhere.html" in reply.text for reply in failed[0].replies)
    assert all(f"`{BRANCH}`" in message.text for message in failed)


def test_F67_F70_slack_is_told_once_it_takes_messages_again(story: Story) -> None:
    """The two messages that it did not take are among those of the test above: each run still has one."""
    posts = [exchange.status for exchange in story.told_slack if exchange.method == "chat.postMessage"]
    assert posts[:2] == [429, 503]
    assert set(posts[2:]) == {200}


def test_what_was_said_to_slack_and_what_it_answered_is_as_slack_documents_it(story: Story) -> None:
    assert {exchange.method for exchange in story.told_slack} == {
        "chat.postMessage",
        "chat.update",
        "users.lookupByEmail",
    }
    wrong = [each for exchange in story.told_slack for each in contract.of_exchange(exchange, ours=True)]
    assert wrong == []


def test_a_release_serves_exactly_the_tagged_commit(story: Story) -> None:
    assert story.released.pages["production"].commit == story.first.commit
    assert "<h1>One</h1>" in story.released.pages["production"].text
    assert {context: story.released.statuses.get(context) for context in RELEASE} == dict.fromkeys(RELEASE, "success")


def test_F37_an_annotated_tag_is_peeled_and_the_tag_object_gets_no_status(story: Story) -> None:
    tag = story.life.engine.github.refs("acme/site")["refs/tags/v1.0.0"]
    assert tag != story.first.commit
    assert story.life.engine.github.statuses("acme/site", tag) == []


def test_deleting_a_branch_removes_its_stacks_its_bucket_and_its_memory(story: Story) -> None:
    assert not [name for name in story.deleted.stacks if name.startswith("site-feature")]
    assert story.life.buckets[BRANCH] not in story.deleted.buckets
    keys = story.life.engine.client("s3").list_object_versions(
        Bucket=artifact_store(story.life.engine), Prefix="sources/site-feature"
    )
    assert keys.get("Versions", []) + keys.get("DeleteMarkers", []) == []


def artifact_store(engine: Engine) -> str:
    [stack] = engine.client("cloudformation").describe_stacks(StackName="opolis-deployer-prod-core")["Stacks"]
    return next(str(out["OutputValue"]) for out in stack["Outputs"] if out["OutputKey"] == "ArtifactStore")


def test_deleting_a_branch_leaves_the_others_untouched(story: Story) -> None:
    others = {name: status for name, status in story.released.stacks.items() if not name.startswith("site-feature")}
    assert {name: story.deleted.stacks.get(name) for name in others} == others
    assert story.deleted.pages["staging"].commit == story.second.commit
    assert story.deleted.pages["production"].commit == story.first.commit


def test_the_built_archive_is_exactly_the_commit(story: Story) -> None:
    """The page says the commit that `.deployer/commit.json` in the source archive named."""
    assert story.first.commit in story.first.pages["staging"].text


def test_F91_no_secret_is_seen_anywhere(story: Story) -> None:
    engine = story.life.engine
    secret = engine.client("ssm").get_parameter(Name="opolis.github.hmac", WithDecryption=True)["Parameter"]["Value"]
    canaries = [secret, engine.github_token, engine.slack_token]
    text = "\n".join(everything_written(engine))
    assert [canary for canary in canaries if canary in text] == []


def everything_written(engine: Engine) -> list[str]:
    """Logs, tables, statuses, messages, stacks."""
    found: list[str] = []
    logs = engine.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"]
        for stream in logs.describe_log_streams(logGroupName=name)["logStreams"]:
            events = logs.get_log_events(
                logGroupName=name, logStreamName=stream["logStreamName"], startFromHead=True, limit=10_000
            )["events"]
            found.extend(event["message"] for event in events)
    found.append(str(engine.client("dynamodb").scan(TableName="opolis-deployer-prod-environments")["Items"]))
    found.append(str(engine.client("cloudformation").describe_stacks()["Stacks"]))
    found.extend(str(event) for event in engine.events)
    found.extend(message.text for message in engine.slack.messages())
    found.append(slack_text(engine))
    for commit in engine.github.refs("acme/site").values():
        found.extend(str(status) for status in engine.github.statuses("acme/site", commit))
    assert len(found) > 50
    return found


def test_nothing_ends_in_a_dead_letter_queue(story: Story) -> None:
    sqs = story.life.engine.client("sqs")
    for url in sqs.list_queues()["QueueUrls"]:
        if "-dead" in url:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0", url


def test_nothing_runs_while_a_stack_operation_is_held_open(story: Story, tmp_path: Path) -> None:
    """No builder is billed, and CloudFormation is not asked, while CloudFormation works."""
    engine = story.life.engine
    site = Site(engine, tmp_path / "held", "acme/held")
    held = EnvironmentId(site.repository.id, Stage.STAGING)
    with engine.hold_stack(lambda operation: operation.stack == "held-staging") as hold:
        commit = site.tree.commit("Start")
        site.tree.push("HEAD:refs/heads/main")
        hold.wait(PATIENCE)
        until("the builder has ended", lambda: "it runs" if builders_running(engine) else None, PATIENCE)
        calls, invocations = len(engine.calls), len(builds(engine))
        time.sleep(float(os.environ.get("HELD_SECONDS", "2")))
        assert [call for call in engine.calls[calls:] if call.service == "cloudformation"] == []
        assert len(builds(engine)) == invocations
    until("it goes on when released", site.watch.serves(held, commit, "main"), PATIENCE)


def test_an_app_stack_that_can_not_be_deployed_says_which_resource_failed_and_stands_nowhere(
    story: Story, tmp_path: Path
) -> None:
    """The pipeline's own word would be that its action failed."""
    engine = story.life.engine
    site = Site(engine, tmp_path / "apps", "acme/apps")
    template = json.loads((tmp_path / "apps" / "deploy" / "deploy.json").read_text())
    template["Resources"]["Second"] = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not_A_Bucket"}}
    site.tree.write("deploy/deploy.json", json.dumps(template))
    commit = site.tree.commit("Ask for too much")
    site.tree.push("HEAD:refs/heads/main")

    def failed() -> str | None:
        standing = [each.state for each in engine.github.deployments("acme/apps")]
        told = site.watch.statuses(commit).get("pipeline/Deploy"), standing
        return None if told == ("failure", ["failure"]) else f"{told}"

    until("it fails", failed, PATIENCE)
    said = site.watch.descriptions(commit)["pipeline/Deploy"]
    # How long it took is said in seconds, of which it may have taken none.
    assert re.match(r"staging: Deploy failed(?: in [1-9]\d* s)?: ", said)
    assert "Second (AWS::S3::Bucket): The specified bucket is not valid" in said
    [deployment] = engine.github.deployments("acme/apps")
    assert (deployment.statuses[-1].description, deployment.statuses[-1].environment_url) == (said, "")


def builds(engine: Engine) -> list[Any]:
    return [invocation for invocation in engine.invocations if invocation.function.endswith("-builder")]


def builders_running(engine: Engine) -> bool:
    queue = engine.client("sqs").get_queue_url(QueueName="opolis-deployer-prod-looks.fifo")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = engine.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return any(int(counts[name]) for name in names) or any(not build.ended for build in builds(engine))
