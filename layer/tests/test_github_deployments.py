"""Deployments through the adapter, against a scripted server; each exchange is held to GitHub's description."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.contracts.github import Exchange, check, wrong_answer, wrong_request
from tests.contracts.github_answers import error, example

from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github_deployments import GitHubDeployments
from deployer.ports import Deployment, DeploymentStatus
from deployer.states import DeploymentState

SITE = RepositoryName(7, "acme", "site")
SHA, TOKEN, API = "a" * 40, "ghp_canary0123456789", "/api/v3"
HERE = f"{API}/repos/acme/site"
WHEN = {"created_at": "2012-07-20T01:19:13Z", "updated_at": "2012-07-20T01:19:13Z"}
Call = Callable[[GitHubDeployments], object]


@pytest.fixture
def github(server: Any) -> Iterator[GitHubDeployments]:
    yield GitHubDeployments(server.url + API, lambda: TOKEN)
    found = []
    for asked, answer in server.exchanges:
        request = (asked.method, asked.target.removeprefix(API), asked.headers, asked.body)
        exchange = Exchange(*request, answer.status, answer.headers, answer.body)
        found += wrong_request(exchange) + (wrong_answer(exchange) if answer.real else [])
    check(found)


def deployment(number: int = 1, environment: str = "staging", **more: Any) -> dict[str, Any]:
    """As https://docs.github.com/rest/deployments/deployments#get-a-deployment shows one."""
    here = f"https://api.github.com/repos/acme/site/deployments/{number}"
    return {
        **WHEN,
        "url": here,
        "id": number,
        "node_id": "MDEwOkRlcGxveW1lbnQx",
        "sha": SHA,
        "ref": SHA,
        "task": "deploy",
        "payload": {},
        "original_environment": environment,
        "environment": environment,
        "description": None,
        "creator": example("status")["creator"],
        "statuses_url": f"{here}/statuses",
        "repository_url": "https://api.github.com/repos/acme/site",
        "transient_environment": False,
        "production_environment": True,
    } | more


def status(state: str, **more: str) -> dict[str, Any]:
    """As https://docs.github.com/rest/deployments/statuses#get-a-deployment-status shows one."""
    here = "https://api.github.com/repos/acme/site/deployments/1"
    return {
        **WHEN,
        "url": f"{here}/statuses/1",
        "id": 1,
        "node_id": "MDE2OkRlcGxveW1lbnRTdGF0dXMx",
        "state": state,
        "creator": example("status")["creator"],
        "description": "",
        "environment": "staging",
        "target_url": "",
        "deployment_url": here,
        "repository_url": "https://api.github.com/repos/acme/site",
        "environment_url": "",
        "log_url": "",
    } | more


def test_a_deployment_asks_for_nothing_but_itself(server: Any, github: GitHubDeployments) -> None:
    server.answer(201, deployment(9))
    assert github.deploy(SITE, SHA, "staging", production=True, transient=False, description=" 🚀  a\n") == 9
    [asked] = server.asked
    assert (asked.method, asked.target) == ("POST", f"{HERE}/deployments")
    assert asked.headers["accept"] == "application/vnd.github+json"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.json == {
        "ref": SHA,
        "environment": "staging",
        "auto_merge": False,
        "required_contexts": [],
        "production_environment": True,
        "transient_environment": False,
        "description": "\ufffd a",
        "payload": {},
    }


HOSTILE = {
    "staging": "staging",
    "feature/login": "feature%2Flogin",
    "a#b": "a%23b",
    "a&environment=x": "a%26environment%3Dx",
    "a%2fb": "a%252fb",
    "a?b": "a%3Fb",
    "../x": "..%2Fx",
    "grüße 🚀": "gr%C3%BC%C3%9Fe%20%F0%9F%9A%80",
}


@pytest.mark.parametrize(("name", "encoded"), HOSTILE.items(), ids=[f"F40-{name}" for name in HOSTILE])
def test_an_environment_is_one_segment(server: Any, github: GitHubDeployments, name: str, encoded: str) -> None:
    server.answer(204)
    server.answer(200, [])
    assert github.remove_environment(SITE, name) is True
    assert list(github.deployments(SITE, name)) == []
    assert [asked.target for asked in server.asked] == [
        f"{HERE}/environments/{encoded}",
        f"{HERE}/deployments?environment={encoded}&per_page=100",
    ]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_F40_an_environment_of_dots_never_becomes_another_path(
    server: Any, github: GitHubDeployments, name: str
) -> None:
    with pytest.raises(Rejected, match="is no environment that GitHub can be asked about"):
        github.remove_environment(SITE, name)
    assert server.asked == []


def test_deployments_of_all_pages(server: Any, github: GitHubDeployments) -> None:
    after = f'<{server.url}{API}/repositories/7/deployments?environment=staging&page=2>; rel="next"'
    server.answer(200, [deployment(3), deployment(2, "Staging")], Link=after)
    server.answer(200, [deployment(1, payload="text", description="d", production_environment=False)])
    assert list(github.deployments(SITE, "staging")) == [
        Deployment(3, SHA, "staging", production=True),
        Deployment(2, SHA, "Staging", production=True),
        Deployment(1, SHA, "staging", "d"),
    ]


def test_who_stops_early_asks_for_no_further_page(server: Any, github: GitHubDeployments) -> None:
    after = f'<{server.url}{API}/repositories/7/deployments?environment=staging&page=2>; rel="next"'
    server.answer(200, [deployment(3)], Link=after)
    assert next(iter(github.deployments(SITE, "staging"))).id == 3
    assert len(server.asked) == 1


def test_statuses_of_all_pages_and_one_that_is_not_known(server: Any, github: GitHubDeployments) -> None:
    after = f'<{server.url}{API}/repositories/7/deployments/1/statuses?page=2>; rel="next"'
    urls = {"log_url": "https://log.example/", "environment_url": "https://site.example/"}
    server.answer(200, [status("success", description="done", **urls)], Link=after)
    server.answer(200, [status("paused")], real=False)
    assert github.deployment_states(SITE, 1) == [
        DeploymentStatus(DeploymentState.SUCCESS, "done", **urls),
        DeploymentStatus(None),
    ]


@pytest.mark.parametrize("state", DeploymentState)
def test_each_state_is_posted_and_an_address_only_where_there_is_one(
    server: Any, github: GitHubDeployments, state: DeploymentState
) -> None:
    server.answer(201, status(str(state)))
    server.answer(201, status(str(state)))
    github.post_deployment(SITE, 1, state)
    github.post_deployment(SITE, 1, state, log_url="https://l", environment_url="https://e", description="x" * 200)
    assert [asked.target for asked in server.asked] == [f"{HERE}/deployments/1/statuses"] * 2
    assert [asked.json for asked in server.asked] == [
        {"state": str(state), "description": ""},
        {"state": str(state), "description": f"{'x' * 139}…", "log_url": "https://l", "environment_url": "https://e"},
    ]


CALLS: dict[str, Call] = {
    "deployments": lambda github: list(github.deployments(SITE, "staging")),
    "deploy": lambda github: github.deploy(SITE, SHA, "staging", production=False, transient=True),
    "states": lambda github: github.deployment_states(SITE, 1),
    "post": lambda github: github.post_deployment(SITE, 1, DeploymentState.SUCCESS),
    "remove-environment": lambda github: github.remove_environment(SITE, "staging"),
}
REFUSALS: dict[str, tuple[int, str, dict[str, str], type[DeployerError]]] = {
    "401": (401, "Bad credentials", {}, Broken),
    "403-archived": (403, "Repository was archived so is read-only.", {}, Rejected),
    "F67-403-secondary-limit": (403, "You have exceeded a secondary rate limit.", {"Retry-After": "7"}, Transient),
    "F67-429": (429, "You have exceeded a secondary rate limit.", {}, Transient),
    "502": (502, "Server Error", {}, Transient),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_refusals(server: Any, github: GitHubDeployments, call: Call, refusal: str) -> None:
    code, message, headers, kind = REFUSALS[refusal]
    server.answer(code, error(code, message), **{name.replace("-", "_"): value for name, value in headers.items()})
    with pytest.raises(kind) as raised:
        call(github)
    assert type(raised.value) is kind
    if "Retry-After" in headers:
        assert isinstance(raised.value, Transient)
        assert raised.value.retry_after == 7.0


def test_deployments_of_one_commit(server: Any, github: GitHubDeployments) -> None:
    server.answer(200, [])
    assert list(github.deployments(SITE, "staging", SHA)) == []
    assert server.asked[0].target == f"{HERE}/deployments?environment=staging&sha={SHA}&per_page=100"


@pytest.mark.parametrize("call", [name for name in CALLS if name != "remove-environment"])
def test_what_the_token_may_not_do_is_refused_and_says_what_it_needs(
    server: Any, github: GitHubDeployments, call: str
) -> None:
    server.answer(403, error(403, "Resource not accessible by integration"))
    with pytest.raises(Rejected, match="the token needs `deployments: write`"):
        CALLS[call](github)


def test_F67_a_conflict_is_refused(server: Any, github: GitHubDeployments) -> None:
    server.answer(409, error(409, f"Conflict merging main into {SHA}."))
    with pytest.raises(Rejected, match="GitHub answered 409: Conflict merging main into"):
        CALLS["deploy"](github)
