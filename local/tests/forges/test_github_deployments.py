"""Deployments, environments and pull requests on the local GitHub: what GitHub's pages say of them, by example."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deployer.events import RepositoryName
from deployer.github_deployments import GitHubDeployments
from deployer.ports import Deployment
from deployer.states import DeploymentState
from deployer_local.github import DeploymentStatus

from .conftest import TOKEN, Forge, Work, running

REPO = "/repos/acme/site"
DEPLOYMENTS = f"{REPO}/deployments"
AS_IT_IS = {"auto_merge": False, "required_contexts": []}
HOSTILE = "feature/a#b&c=d?e%2f\"<script>'…"


def deploy(forge: Forge, environment: str = "staging", ref: str = "main", **more: Any) -> int:
    answer = forge.call("POST", DEPLOYMENTS, {"ref": ref, "environment": environment, **AS_IT_IS, **more})
    assert answer.status == 201, answer.data
    return int(answer.json()["id"])


def say(forge: Forge, deployment: int, state: str, **more: Any) -> dict[str, Any]:
    answer = forge.call("POST", f"{DEPLOYMENTS}/{deployment}/statuses", {"state": state, **more})
    assert answer.status == 201, answer.data
    said: dict[str, Any] = answer.json()
    return said


def states(forge: Forge) -> dict[int, list[str]]:
    """Of each deployment, oldest first."""
    found = sorted(forge.github.deployments("acme/site"), key=lambda each: each.id)
    return {each.id: [status.state for status in each.statuses] for each in found}


def names(forge: Forge) -> list[str]:
    return [each["name"] for each in forge.call("GET", f"{REPO}/environments").json()["environments"]]


def test_a_deployment_is_of_the_commit_that_its_ref_named(forge: Forge, site: Work) -> None:
    sha = site.git("rev-parse", "HEAD")
    wanted = {"production_environment": True, "transient_environment": True, "description": "d", "payload": {"run": 1}}
    first, second = deploy(forge, "production", **wanted), deploy(forge, "production", ref=sha)
    site.commit("Second")
    site.git("push", "-q", "origin", "main")
    shown = forge.call("GET", f"{DEPLOYMENTS}/{first}").json()
    assert {name: shown[name] for name in (*wanted, "ref", "sha", "task", "environment")} == {
        **wanted,
        "ref": "main",
        "sha": sha,
        "task": "deploy",
        "environment": "production",
    }
    plain = forge.call("GET", f"{DEPLOYMENTS}/{second}").json()
    assert (plain["ref"], plain["sha"], plain["payload"], plain["description"]) == (sha, sha, "", "")
    assert (plain["production_environment"], plain["transient_environment"]) == (True, False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [({"a": [1]}, {"a": [1]}), ('{"a": "b"}', {"a": "b"}), ("[1]", "[1]"), ("plain", "plain"), ("", "")],
    ids=["object", "object-in-text", "list-in-text", "text", "nothing"],
)
def test_a_payload_comes_back(forge: Forge, site: Work, given: object, kept: object) -> None:
    assert forge.call("GET", f"{DEPLOYMENTS}/{deploy(forge, payload=given)}").json()["payload"] == kept


def test_they_are_listed_newest_first_and_narrowed_down(forge: Forge, site: Work) -> None:
    sha = site.git("rev-parse", "HEAD")
    made = [deploy(forge, "a/b"), deploy(forge, "c"), deploy(forge, "A/B", ref=sha), deploy(forge, "c", task="migrate")]

    def listed(query: str = "") -> list[int]:
        return [each["id"] for each in forge.call("GET", DEPLOYMENTS + query).json()]

    assert listed() == made[::-1]
    assert listed("?environment=a%2Fb") == [made[2], made[0]]
    assert listed("?environment=none&ref=none&sha=none&task=none") == made[::-1]
    assert listed(f"?ref={sha}") == [made[2]]
    assert listed("?task=migrate&environment=c") == [made[3]]
    assert listed(f"?sha={'0' * 40}") == []
    page = forge.call("GET", f"{DEPLOYMENTS}?per_page=3")
    assert [each["id"] for each in page.json()] == made[:0:-1]
    assert 'rel="next"' in page.headers["Link"]


REFUSED = {
    "no-ref": ({}, "Deployment"),
    "ref-of-nothing": ({"ref": "none"}, "No ref found for: none"),
    "number-for-a-ref": ({"ref": 1}, "Deployment"),
    "environment-too-long": ({"environment": "x" * 256}, "Environment"),
    "environment-of-blanks": ({"environment": " "}, "Environment"),
    "payload": ({"payload": [1]}, "payload"),
    "auto-merge": ({"auto_merge": "no"}, "auto_merge"),
    "contexts": ({"required_contexts": "none"}, "required_contexts"),
    "contexts-of-numbers": ({"required_contexts": [1]}, "required_contexts"),
}
RIGHT = {"environment-too-long", "environment-of-blanks", "ref-of-nothing"}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_deployment_is_refused(forge: Forge, site: Work, case: str) -> None:
    given, said = REFUSED[case]
    sent = given if case == "no-ref" else {"ref": "main", **AS_IT_IS} | given
    answer = forge.call("POST", DEPLOYMENTS, sent, nonsense=case not in RIGHT)
    assert (answer.status, said in answer.data.decode()) == (422, True), answer.data
    assert forge.github.deployments("acme/site") == []


def test_a_branch_behind_the_default_one_is_merged_instead(forge: Forge, site: Work) -> None:
    site.git("push", "-q", "origin", "HEAD:refs/heads/topic")
    main = site.commit("Second", more__md="more\n")
    site.git("push", "-q", "origin", "main")
    before = len(forge.github.deliveries())
    hook = forge.github.add_hook("acme/site", "http://127.0.0.1:1/x", "secret")
    answer = forge.call("POST", DEPLOYMENTS, {"ref": "topic"})
    assert (answer.status, answer.json()) == (202, {"message": "Auto-merged main into topic on deployment."})
    assert forge.github.deployments("acme/site") == []
    tip = forge.github.refs("acme/site")["refs/heads/topic"]
    site.git("fetch", "-q", "origin", "topic")
    assert site.git("rev-list", "--parents", "-1", tip).split()[2] == main
    assert forge.github.settle()
    assert [each.event for each in forge.github.deliveries()[before:] if each.hook_id == hook.id] == ["ping", "push"]
    again = forge.call("POST", DEPLOYMENTS, {"ref": "refs/heads/topic"})
    assert (again.status, again.json()["sha"]) == (201, tip)


@pytest.mark.parametrize("ref", ["topic", "commit"])
def test_what_can_not_be_merged_is_a_conflict(forge: Forge, site: Work, ref: str) -> None:
    first = site.git("rev-parse", "HEAD")
    site.git("switch", "-q", "-c", "topic")
    site.commit("Ours", README__md="ours\n")
    site.git("switch", "-q", "main")
    site.commit("Theirs", README__md="theirs\n")
    site.git("push", "-q", "origin", "main", "topic")
    given = first if ref == "commit" else ref  # a commit is nothing that a merge could move
    answer = forge.call("POST", DEPLOYMENTS, {"ref": given})
    assert (answer.status, answer.json()["message"]) == (409, f"Conflict merging main into {given}.")
    deploy(forge, ref=given)


def test_statuses_that_are_not_green_are_a_conflict_unless_nobody_asks(forge: Forge, site: Work) -> None:
    sha = site.git("rev-parse", "HEAD")
    for context, state in (("build", "failure"), ("build", "success"), ("lint", "pending")):
        assert forge.call("POST", f"{REPO}/statuses/{sha}", {"state": state, "context": context}).status == 201
    answer = forge.call("POST", DEPLOYMENTS, {"ref": "main"})
    assert (answer.status, answer.json()["message"]) == (409, "Conflict: Commit status checks failed for main.")
    [error] = answer.json()["errors"]
    assert error["contexts"] == [{"context": "lint", "state": "pending"}, {"context": "build", "state": "success"}]
    for contexts, status in ((["build"], 201), (["build", "test"], 409), ([], 201)):
        assert forge.call("POST", DEPLOYMENTS, {"ref": "main", "required_contexts": contexts}).status == status


def test_a_first_deployment_makes_its_environment(forge: Forge, site: Work) -> None:
    for environment in ("staging", HOSTILE, "Staging"):
        deploy(forge, environment)
    assert names(forge) == ["staging", HOSTILE]
    [_, shown] = forge.call("GET", f"{REPO}/environments").json()["environments"]
    assert shown["url"].endswith(f"/environments/{quote(HOSTILE, safe='')}")
    say(forge, deploy(forge), "success", environment="elsewhere")
    assert names(forge) == ["staging", HOSTILE, "elsewhere"]
    assert forge.github.deployments("acme/site")[0].environment == "elsewhere"


def test_a_removed_environment_has_vanished_and_its_deployments_have_not(forge: Forge, site: Work) -> None:
    kept = deploy(forge, HOSTILE)
    path = f"{REPO}/environments/{quote(HOSTILE, safe='')}"
    assert [forge.call("DELETE", path).status for _ in range(2)] == [204, 404]
    assert names(forge) == [] == forge.github.environments("acme/site")
    assert forge.call("GET", f"{DEPLOYMENTS}/{kept}").status == 200


def test_environments_take_a_right_that_a_token_may_lack(forge: Forge, site: Work) -> None:
    deploy(forge, "staging")
    forge.github.allow_administration(allowed=False)
    for method in ("PUT", "DELETE"):
        answer = forge.call(method, f"{REPO}/environments/staging")
        assert (answer.status, answer.json()["message"]) == (403, "Resource not accessible by personal access token")
    assert names(forge) == ["staging"]
    forge.github.allow_administration(allowed=True)
    assert forge.call("DELETE", f"{REPO}/environments/staging").status == 204


def test_a_protection_rule_is_refused_by_name(forge: Forge, site: Work) -> None:
    path = f"{REPO}/environments/staging"
    answer = forge.call("PUT", path, {"wait_timer": 30})
    assert (answer.status, answer.json()["message"]) == (422, "not served by the local GitHub: wait_timer")
    assert names(forge) == []
    nothing = {"wait_timer": 0, "reviewers": None, "deployment_branch_policy": None, "prevent_self_review": False}
    made = [forge.call("PUT", path, nothing).json()["id"] for _ in range(2)]
    assert made[0] == made[1]


def test_a_status_says_where_to_look(forge: Forge, site: Work) -> None:
    deployment = deploy(forge)
    say(forge, deployment, "queued")
    said = say(
        *(forge, deployment, "in_progress"),
        log_url="https://log.example/1",
        environment_url="https://site.example/",
        description="d" * 140,
    )
    assert (said["log_url"], said["target_url"]) == ("https://log.example/1",) * 2
    assert (said["environment_url"], said["description"], said["environment"]) == (
        *("https://site.example/", "d" * 140),
        "staging",
    )
    older = say(forge, deployment, "error", target_url="https://log.example/2")
    assert (older["log_url"], older["environment_url"]) == ("https://log.example/2", "")
    listed = forge.call("GET", f"{DEPLOYMENTS}/{deployment}/statuses").json()
    assert [each["state"] for each in listed] == ["error", "in_progress", "queued"]


WRONG = {
    "no-state": ({}, "missing_field"),
    "unknown-state": ({"state": "done"}, "state is not included in the list"),
    "long": ({"state": "success", "description": "x" * 141}, "description is too long"),
    "log-url": ({"state": "success", "log_url": "javascript:alert(1)"}, "log_url must use http(s) scheme"),
    "environment-url": ({"state": "success", "environment_url": "site"}, "environment_url must use http(s) scheme"),
    "auto-inactive": ({"state": "success", "auto_inactive": 1}, "auto_inactive"),
    "environment": ({"state": "success", "environment": "x" * 256}, "Environment"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_status_that_is_none_is_refused(forge: Forge, site: Work, case: str) -> None:
    sent, said = WRONG[case]
    nonsense = case in {"no-state", "unknown-state", "auto-inactive"}
    deployment = deploy(forge)
    answer = forge.call("POST", f"{DEPLOYMENTS}/{deployment}/statuses", sent, nonsense=nonsense)
    assert (answer.status, said in answer.data.decode()) == (422, True), answer.data
    assert states(forge) == {deployment: []}


def test_a_success_makes_the_earlier_ones_of_its_environment_inactive(forge: Forge, site: Work) -> None:
    plain, failed, transient = deploy(forge), deploy(forge), deploy(forge, transient_environment=True)
    production, other = deploy(forge, production_environment=True), deploy(forge, "other")
    for each in (plain, transient, production, other):
        say(forge, each, "success", auto_inactive=False)
    say(forge, failed, "failure")
    newest = deploy(forge, "Staging")
    say(forge, newest, "in_progress")
    later = deploy(forge)
    say(forge, later, "success", auto_inactive=False)
    say(forge, newest, "success")
    assert states(forge) == {
        plain: ["success", "inactive"],
        failed: ["failure"],
        transient: ["success"],
        production: ["success"],
        other: ["success"],
        newest: ["in_progress", "success"],
        later: ["success"],
    }


def test_an_active_deployment_is_removed_only_where_it_is_the_only_one(forge: Forge, site: Work) -> None:
    only = deploy(forge)
    say(forge, only, "success")
    other = deploy(forge)
    for each in (only, other):
        answer = forge.call("DELETE", f"{DEPLOYMENTS}/{each}")
        assert (answer.status, answer.json()["message"][:40]) == (422, "We cannot delete an active deployment un")
    say(forge, other, "inactive")
    assert [forge.call("DELETE", f"{DEPLOYMENTS}/{each}").status for each in (other, only)] == [204, 204]
    assert states(forge) == {}
    assert forge.call("GET", f"{DEPLOYMENTS}/{only}/statuses").status == 404


def test_what_another_repository_has_is_not_there(forge: Forge, site: Work) -> None:
    deployment = deploy(forge)
    forge.github.create_repository("acme/other")
    path = f"/repos/acme/other/deployments/{deployment}"
    assert [forge.call(method, path).status for method in ("GET", "DELETE")] == [404, 404]
    assert forge.call("GET", "/repos/acme/other/environments").json() == {"total_count": 0, "environments": []}


def test_F98_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    root, work = tmp_path / "forge", Work(tmp_path / "work")
    work.commit("First", a="1")
    with running(root) as forge:
        forge.github.create_repository("acme/site")
        work.git("push", "-q", f"{forge.url}/acme/site.git", "main")
        work.git("switch", "-q", "-c", "feature")
        work.commit("Second", a="2")
        work.git("push", "-q", f"{forge.url}/acme/site.git", "feature")
        say(forge, deploy(forge), "success", environment_url="https://x")
        forge.github.open_pull_request("acme/site", "feature", "main", "Feature")
        github = forge.github
        before = [github.deployments("acme/site"), github.environments("acme/site"), github.pull_requests("acme/site")]
    with running(root) as forge:
        github = forge.github
        assert before == [
            *(github.deployments("acme/site"), github.environments("acme/site"), github.pull_requests("acme/site"))
        ]
    assert isinstance(before[0][0].statuses[0], DeploymentStatus)


# The deployer's own client


@pytest.mark.parametrize("name", ["site", "old"], ids=["F40-hostile-names", "F41-by-its-old-name"])
def test_the_client_tells_the_life_of_an_environment(forge: Forge, site: Work, name: str) -> None:
    forge.github.rename("acme/site", "acme/old")
    forge.github.rename("acme/old", "acme/site")
    github = GitHubDeployments(f"{forge.url}/api/v3", lambda: TOKEN)
    repository, sha = RepositoryName(1, "acme", name), site.git("rev-parse", "HEAD")
    assert forge.call("POST", f"{REPO}/statuses/{sha}", {"state": "failure", "context": "build"}).status == 201
    ids = [
        github.deploy(repository, sha, HOSTILE, production=False, transient=True, payload={"run": "1"}) for _ in "ab"
    ]
    for deployment in ids:
        github.post_deployment(repository, deployment, DeploymentState.IN_PROGRESS, log_url="https://log.example/")
        github.post_deployment(repository, deployment, DeploymentState.SUCCESS, environment_url="https://site.example/")
    assert list(github.deployments(repository, HOSTILE)) == [
        Deployment(each, sha, HOSTILE, transient=True, payload={"run": "1"}) for each in reversed(ids)
    ]
    last, first = github.deployment_states(repository, ids[0])
    assert (last.state, last.environment_url) == (DeploymentState.SUCCESS, "https://site.example/")
    assert (first.state, first.log_url) == (DeploymentState.IN_PROGRESS, "https://log.example/")
    for deployment in ids:
        github.post_deployment(repository, deployment, DeploymentState.INACTIVE)
        assert github.deployment_states(repository, deployment)[0].state is DeploymentState.INACTIVE
    forge.github.allow_administration(allowed=False)
    assert github.remove_environment(repository, HOSTILE) is False
    forge.github.allow_administration(allowed=True)
    assert names(forge) == [HOSTILE]
    assert [github.remove_environment(repository, HOSTILE) for _ in "ab"] == [True, True]
    assert names(forge) == []


# Pull requests


def branch(work: Work, name: str, subject: str = "On a branch", **files: str) -> str:
    work.git("switch", "-q", "-c", name, "main")
    sha = work.commit(subject, **files)
    work.git("push", "-q", "origin", name)
    return sha


def pulls(forge: Forge, query: str = "") -> list[int]:
    return [each["number"] for each in forge.call("GET", f"{REPO}/pulls{query}").json()]


def test_a_pull_request_follows_its_branches_and_is_closed_with_them(forge: Forge, site: Work) -> None:
    base = site.git("rev-parse", "main")
    head = branch(site, "feature/a#b", more__md="1\n2\n")
    opened = forge.github.open_pull_request("acme/site", "feature/a#b", "main", "<b>Title</b>")
    assert (opened.number, opened.state, opened.head_sha, opened.base_sha) == (1, "open", head, base)
    assert forge.github.open_pull_request("acme/site", "feature/a#b", "main", "Again") == opened
    shown = forge.call("GET", f"{REPO}/pulls/1").json()
    assert (shown["title"], shown["head"]["ref"], shown["head"]["label"]) == (
        *("<b>Title</b>", "feature/a#b"),
        "acme:feature/a#b",
    )
    assert [shown[name] for name in ("commits", "additions", "deletions", "changed_files")] == [1, 2, 0, 1]
    moved = site.commit("More", README__md="other\n")
    site.git("push", "-q", "origin", "feature/a#b")
    shown = forge.call("GET", f"{REPO}/pulls/1").json()
    assert shown["head"]["sha"] == moved
    assert [shown[name] for name in ("commits", "additions", "deletions", "changed_files")] == [2, 3, 1, 2]
    site.git("push", "-q", "origin", "--delete", "feature/a#b")
    [closed] = forge.github.pull_requests("acme/site")
    assert (closed.state, closed.head_sha, closed.closed_at is not None) == ("closed", moved, True)
    shown = forge.call("GET", f"{REPO}/pulls/1").json()
    assert (shown["state"], shown["merged"], bool(shown["closed_at"])) == ("closed", False, True)
    site.git("push", "-q", "origin", "feature/a#b")
    assert forge.github.open_pull_request("acme/site", "feature/a#b", "main", "Again").number == 2


def test_pull_requests_are_listed_as_asked_for(tmp_path: Path) -> None:
    site = Work(tmp_path / "work")
    site.commit("First", a="1")
    with running(tmp_path / "forge", clock=count(1_700_000_000).__next__) as forge:
        forge.github.create_repository("acme/site")
        site.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
        site.git("push", "-q", "origin", "main")
        for name in ("one", "two", "three"):
            branch(site, name, **{name: name})
            forge.github.open_pull_request("acme/site", name, "main", name)
        forge.github.open_pull_request("acme/site", "two", "three", "two into three")
        site.git("push", "-q", "origin", "--delete", "one")
        assert pulls(forge) == [4, 3, 2]
        assert pulls(forge, "?state=closed") == [1]
        assert pulls(forge, "?state=all&direction=asc") == [1, 2, 3, 4]
        assert pulls(forge, "?state=all&sort=updated&direction=desc") == [1, 4, 3, 2]
        assert pulls(forge, "?state=all&sort=updated") == [2, 3, 4, 1]
        assert pulls(forge, "?head=acme:two") == [4, 2]
        assert pulls(forge, "?base=three") == [4]
        assert pulls(forge, "?per_page=1&page=2") == [3]


def test_the_pull_requests_of_a_commit(forge: Forge, site: Work) -> None:
    first, second = site.git("rev-parse", "main"), branch(site, "one", a="1")
    third = site.commit("Third", a="2")
    site.git("push", "-q", "origin", "one")
    forge.github.open_pull_request("acme/site", "one", "main", "One")

    def found(ref: str) -> list[int]:
        return [each["number"] for each in forge.call("GET", f"{REPO}/commits/{ref}/pulls").json()]

    assert [found(ref) for ref in (first, second, third, "one", "heads/one", "main")] == [[], [1], [1], [1], [1], []]
    assert forge.call("GET", f"{REPO}/commits/none/pulls").status == 422
    site.git("push", "-q", "origin", "--delete", "one")
    assert found(second) == []


@pytest.mark.parametrize(("head", "base"), [("none", "main"), ("main", "none"), ("main", "main")])
def test_there_is_nothing_to_pull(forge: Forge, site: Work, head: str, base: str) -> None:
    with pytest.raises(ValueError, match="nothing to pull from"):
        forge.github.open_pull_request("acme/site", head, base, "Title")
    assert json.loads(forge.call("GET", f"{REPO}/pulls?state=all").data) == []
