"""The sweep through the real engine: whatever was lost, its rule fires, and everything is where its ref is.

Nothing is waited for here but what must happen: the rule fires when the test says so.
"""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.small_site import PATIENCE, SmallSite

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_local.engine import Engine

RULE = "opolis-deployer-prod-sweep"
BRANCH = "feature/hello"


@pytest.fixture
def site(installed: Engine, tmp_path: Path) -> SmallSite:
    """A repository of the test's own, with its staging green."""
    numbers = [int(each.full_name.rpartition("-")[2]) for each in installed.github.repositories()]
    made = SmallSite(installed, tmp_path, f"swept-{max(numbers, default=0) + 1}")
    one = made.commit("one")
    made.push(one)
    made.green(one)
    made.quiet()
    return made


def sweep(site: SmallSite) -> None:
    """One tick, and all that it sets off."""
    site.engine.fire(RULE)
    site.quiet()


def lose_webhooks(site: SmallSite, number: int = 1) -> None:
    for _ in range(number):
        site.engine.github.drop_delivery()


def test_F26_a_push_whose_webhook_was_lost_is_built(site: SmallSite) -> None:
    two = site.commit("two")
    lose_webhooks(site)
    site.push(two)
    site.quiet()
    assert site.watch.statuses(two) == {}
    site.engine.fire(RULE)
    site.green(two)
    assert site.word() == "two"


def test_F46_a_look_that_github_does_not_answer_comes_again(site: SmallSite) -> None:
    two = site.commit("two")
    site.engine.github.fail_next("/repos/", 503)
    site.push(two)
    site.green(two)
    assert site.word() == "two"


def test_F26_a_branch_whose_webhook_was_lost_gets_its_environment_and_loses_it_likewise(site: SmallSite) -> None:
    hello = site.commit("hello")
    lose_webhooks(site)
    site.push(hello, BRANCH)
    site.quiet()
    assert site.stack(BRANCH) == {}
    site.engine.fire(RULE)
    site.green(hello, BRANCH)
    site.quiet()
    lose_webhooks(site)
    site.tree.delete(BRANCH)
    site.quiet()
    assert site.stack(BRANCH)["StackStatus"] == "CREATE_COMPLETE"
    site.engine.fire(RULE)
    site.gone(BRANCH)


def test_F25_tags_of_which_github_sent_no_event_are_found(site: SmallSite) -> None:
    """Of more than three tags in one push GitHub sends none; the newest release is what production gets."""
    commit = site.tip()
    tags = [f"v1.0.{number}" for number in range(4)]
    for tag in tags:
        site.tree.tag(tag, commit)
    site.tree.push(*(f"refs/tags/{tag}" for tag in tags))
    site.quiet()
    production = EnvironmentId(site.repository.id, Stage.PRODUCTION)
    assert site.watch.stack(production) is None
    sweep(site)
    until("production is there", lambda: None if site.watch.stack(production) else "not yet", PATIENCE)
    found = site.engine.client("dynamodb").get_item(
        TableName="opolis-deployer-prod-environments", Key={"id": {"S": str(production)}}, ConsistentRead=True
    )
    assert found["Item"]["ref"]["S"] == "refs/tags/v1.0.3"


def lost(site: SmallSite, matches: dict[str, Any]) -> Any:
    """Lose the next event of the repository whose detail has these members."""
    name = site.full_name.removeprefix("acme/")

    def is_it(event: dict[str, Any]) -> bool:
        detail = {**event["detail"], **event["detail"].get("status-details", {})}
        return name in str(event["resources"]) and all(detail.get(key) == value for key, value in matches.items())

    return site.engine.drop_event(is_it)


def test_F58_a_stacks_end_that_nobody_heard_of_is_seen(site: SmallSite) -> None:
    drop = lost(site, {"status": "UPDATE_COMPLETE"})
    two = site.commit("two")
    site.push(two)
    until("the event is lost", lambda: None if drop.event else "not yet", PATIENCE)
    site.quiet()
    assert [commit for commit, _ in site.runs()] == [site.runs()[0][0]], "nobody knows that its run may start"
    site.engine.fire(RULE)
    site.green(two)


def test_F63_a_runs_end_that_nobody_heard_of_is_told(site: SmallSite) -> None:
    two = site.commit("two")
    site.push(two)
    site.runs_are([*site.runs()[:1], (two, "InProgress")])
    site.quiet()
    # Each of them would have let the notifier look at the run, which ends at once.
    ends = [("Approve", "SUCCEEDED"), ("Deploy", "STARTED"), ("Deploy", "SUCCEEDED"), (None, "SUCCEEDED")]
    drops = [lost(site, {"stage": stage, "state": state, "action": None}) for stage, state in ends]
    drops.append(lost(site, {"stage": "Approve", "state": "SUCCEEDED", "action": "Approval"}))
    site.approve()
    until("the events are lost", lambda: None if all(drop.event for drop in drops) else "not yet", PATIENCE)
    site.quiet()
    assert site.watch.statuses(two).get("pipeline/Deploy") is None
    site.engine.fire(RULE)
    site.says(two, "success", "pipeline/Deploy")


def test_a_repository_at_rest_costs_no_call_of_githubs_limit(site: SmallSite) -> None:
    for _ in range(3):
        sweep(site)
    before, calls = left(site), len(site.engine.calls)
    for _ in range(3):
        sweep(site)
    assert left(site) == before
    made = [call.action for call in site.engine.calls[calls:]]
    assert made.count("DescribeStacks") == 3, "a list of all, for each sweep"
    assert not {"PutItem", "UpdateItem", "DeleteItem"} & set(made)


def left(site: SmallSite) -> str:
    """How many calls of GitHub the hour has yet."""
    request = urllib.request.Request(
        f"{site.engine.github_url}/rate_limit", headers={"Authorization": f"Bearer {site.engine.github_token}"}
    )
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers["X-RateLimit-Remaining"])
