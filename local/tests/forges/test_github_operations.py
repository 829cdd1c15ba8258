"""What the local GitHub serves: every operation of it is GitHub's, and gives each answer that GitHub describes.

The table is complete or a test fails: a new route needs its rows, an answer that is never given needs its reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
import urllib3
from tests.contracts.github_description import description, omitted, operation_of

from deployer_local.github.rest.server import OF_A_REPOSITORY, OF_NONE

from .conftest import TOKEN, Forge, Work, receiving, running

REPO, EMPTY, NONE, OLD = "/repos/acme/site", "/repos/acme/empty", "/repos/acme/none", "/repos/acme/old"
DEPLOYMENT = {"ref": "main", "environment": "staging", "auto_merge": False, "required_contexts": []}
BY_THE_SERVER = ("GET /rate_limit",)
"""Answered before the routes are asked."""


@dataclass(frozen=True)
class Asked:
    """A request. `{sha}`, `{hook}`, `{app}` and the like in path and token are filled in; `again`: with its ETag."""

    method: str
    path: str
    json: object = None
    again: bool = False
    nonsense: bool = False
    token: str = TOKEN
    headers: Mapping[str, str] = field(default_factory=dict)


class World:
    """A local GitHub with all that the requests name."""

    def __init__(self, forge: Forge, work: Work, address: str) -> None:
        self.forge = forge
        for name in ("acme/site", "acme/empty"):
            forge.github.create_repository(name)
        work.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
        sha = work.commit("First", README__md="hello\n")
        work.git("branch", "topic")
        sha = work.commit("Second", more__md="more\n")
        work.git("branch", "feature")
        work.git("push", "-q", "origin", f"{sha}~:refs/heads/main", f"{sha}:refs/heads/feature")
        self.pull = forge.github.open_pull_request("acme/site", "feature", "main", "More").number
        work.git("push", "-q", "origin", "main", "topic")
        deployments = [self._deployed(forge) for _ in range(3)]
        hooks = [forge.github.add_hook("acme/site", f"{address}/{number}", "secret").id for number in range(2)]
        assert forge.github.settle()
        self.names: dict[str, Any] = {
            "sha": sha,
            "hook": hooks[0],
            "spare": hooks[1],
            "delivery": forge.github.deliveries()[0].id,
        }
        self.names |= dict(zip(("deployment", "active", "inactive"), deployments, strict=True))
        self.names |= {"pull": self.pull}
        for name in ("app", "shut"):
            number, key = forge.github.register_app(name)
            now = int(time.time())
            self.names[name] = jwt.encode({"iat": now - 60, "exp": now + 590, "iss": str(number)}, key, "RS256")
            self.names[f"of_{name}"] = forge.github.install_app(number, "acme", {"contents": "read"}).id
        forge.github.suspend_app(self.names["of_shut"])
        inactive = f"{REPO}/deployments/{deployments[2]}/statuses"
        assert forge.call("POST", inactive, {"state": "inactive"}).status == 201
        forge.github.rename("acme/site", "acme/old")
        self.number = forge.github.rename("acme/old", "acme/site").id

    @staticmethod
    def _deployed(forge: Forge) -> int:
        answer = forge.call("POST", f"{REPO}/deployments", DEPLOYMENT)
        assert answer.status == 201, answer.data
        return int(answer.json()["id"])

    def ask(self, asked: Asked) -> urllib3.BaseHTTPResponse:
        """The answer."""
        path, headers = asked.path.format(**self.names), dict(asked.headers)
        if asked.again:
            headers["If-None-Match"] = self.ask(replace(asked, again=False)).headers["ETag"]
        more: dict[str, Any] = {"token": asked.token.format(**self.names), "nonsense": asked.nonsense}
        return self.forge.call(asked.method, path, asked.json, headers, **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all: no request of the table is in another's way."""
    with receiving() as receiver, running(tmp_path_factory.mktemp("forge")) as forge:
        yield World(forge, Work(tmp_path_factory.mktemp("work")), receiver.url)


R, H, HERE = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/hooks", f"{REPO}/hooks/{{hook}}"
STATUS = {"state": "success", "context": "c"}
D, DEPLOYED = f"{R}/deployments", f"{REPO}/deployments"
T, TOKENS = "/app/installations/{installation_id}/access_tokens", "/app/installations/{}/access_tokens"
HOOK = {"config": {"url": "http://127.0.0.1:1/x"}}
TABLE = {
    "GET /user 200": Asked("GET", "/user"),
    "GET /user 304": Asked("GET", "/user", again=True),
    "GET /user 401": Asked("GET", "/user", token="wrong"),
    "GET /rate_limit 200": Asked("GET", "/rate_limit"),
    "GET /rate_limit 304": Asked("GET", "/rate_limit", again=True),
    f"GET {R} 200": Asked("GET", REPO),
    f"GET {R} 301": Asked("GET", OLD),
    f"GET {R} 404": Asked("GET", NONE),
    f"GET {R}/branches 200": Asked("GET", f"{REPO}/branches"),
    f"GET {R}/branches 404": Asked("GET", f"{NONE}/branches"),
    f"GET {R}/git/ref/{{ref}} 200": Asked("GET", f"{REPO}/git/ref/heads/main"),
    f"GET {R}/git/ref/{{ref}} 404": Asked("GET", f"{REPO}/git/ref/heads/none"),
    f"GET {R}/git/ref/{{ref}} 409": Asked("GET", f"{EMPTY}/git/ref/heads/main"),
    f"GET {R}/git/matching-refs/{{ref}} 200": Asked("GET", f"{REPO}/git/matching-refs/heads/"),
    f"GET {R}/git/matching-refs/{{ref}} 409": Asked("GET", f"{EMPTY}/git/matching-refs/heads/"),
    f"GET {R}/commits/{{ref}} 200": Asked("GET", f"{REPO}/commits/main"),
    f"GET {R}/commits/{{ref}} 404": Asked("GET", f"{NONE}/commits/main"),
    f"GET {R}/commits/{{ref}} 409": Asked("GET", f"{EMPTY}/commits/main"),
    f"GET {R}/commits/{{ref}} 422": Asked("GET", f"{REPO}/commits/none"),
    f"GET {R}/commits/{{ref}}/status 200": Asked("GET", f"{REPO}/commits/main/status"),
    f"GET {R}/commits/{{ref}}/status 404": Asked("GET", f"{REPO}/commits/none/status"),
    f"GET {R}/commits/{{ref}}/statuses 200": Asked("GET", f"{REPO}/commits/main/statuses"),
    f"GET {R}/commits/{{ref}}/statuses 301": Asked("GET", f"{OLD}/commits/main/statuses"),
    f"POST {R}/statuses/{{sha}} 201": Asked("POST", f"{REPO}/statuses/{{sha}}", STATUS),
    f"GET {R}/contents/{{path}} 200": Asked("GET", f"{REPO}/contents/README.md"),
    f"GET {R}/contents/{{path}} 304": Asked("GET", f"{REPO}/contents/README.md", again=True),
    f"GET {R}/contents/{{path}} 404": Asked("GET", f"{REPO}/contents/none"),
    f"GET {R}/tarball/{{ref}} 302": Asked("GET", f"{REPO}/tarball/main"),
    f"GET {D} 200": Asked("GET", DEPLOYED),
    f"POST {D} 202": Asked("POST", DEPLOYED, {"ref": "topic"}),
    f"POST {D} 201": Asked("POST", DEPLOYED, DEPLOYMENT),
    f"POST {D} 409": Asked("POST", DEPLOYED, DEPLOYMENT | {"required_contexts": ["never/reported"]}),
    f"POST {D} 422": Asked("POST", DEPLOYED, DEPLOYMENT | {"ref": "none"}),
    f"GET {D}/{{deployment_id}} 200": Asked("GET", f"{DEPLOYED}/{{deployment}}"),
    f"GET {D}/{{deployment_id}} 404": Asked("GET", f"{DEPLOYED}/999"),
    f"DELETE {D}/{{deployment_id}} 204": Asked("DELETE", f"{DEPLOYED}/{{inactive}}"),
    f"DELETE {D}/{{deployment_id}} 404": Asked("DELETE", f"{DEPLOYED}/999"),
    f"DELETE {D}/{{deployment_id}} 422": Asked("DELETE", f"{DEPLOYED}/{{active}}"),
    f"GET {D}/{{deployment_id}}/statuses 200": Asked("GET", f"{DEPLOYED}/{{deployment}}/statuses"),
    f"GET {D}/{{deployment_id}}/statuses 404": Asked("GET", f"{DEPLOYED}/999/statuses"),
    f"POST {D}/{{deployment_id}}/statuses 201": Asked(
        *("POST", f"{DEPLOYED}/{{deployment}}/statuses", {"state": "in_progress", "log_url": "https://x/1"})
    ),
    f"POST {D}/{{deployment_id}}/statuses 422": Asked(
        *("POST", f"{DEPLOYED}/{{deployment}}/statuses", {"state": "success", "environment_url": "ftp://x"})
    ),
    f"GET {R}/environments 200": Asked("GET", f"{REPO}/environments"),
    f"PUT {R}/environments/{{environment_name}} 200": Asked("PUT", f"{REPO}/environments/feature%2Fa%23b", {}),
    f"PUT {R}/environments/{{environment_name}} 422": Asked("PUT", f"{REPO}/environments/{'x' * 256}"),
    f"DELETE {R}/environments/{{environment_name}} 204": Asked("DELETE", f"{REPO}/environments/feature%2Fa%23b"),
    f"GET {R}/pulls 200": Asked("GET", f"{REPO}/pulls"),
    f"GET {R}/pulls 304": Asked("GET", f"{REPO}/pulls", again=True),
    f"GET {R}/pulls/{{pull_number}} 200": Asked("GET", f"{REPO}/pulls/{{pull}}"),
    f"GET {R}/pulls/{{pull_number}} 304": Asked("GET", f"{REPO}/pulls/{{pull}}", again=True),
    f"GET {R}/pulls/{{pull_number}} 404": Asked("GET", f"{REPO}/pulls/999"),
    f"GET {R}/commits/{{commit_sha}}/pulls 200": Asked("GET", f"{REPO}/commits/{{sha}}/pulls"),
    f"GET {R}/commits/{{commit_sha}}/pulls 409": Asked("GET", f"{EMPTY}/commits/main/pulls"),
    f"GET {H} 200": Asked("GET", f"{REPO}/hooks"),
    f"GET {H} 404": Asked("GET", f"{NONE}/hooks"),
    f"POST {H} 201": Asked("POST", f"{REPO}/hooks", HOOK),
    f"POST {H} 404": Asked("POST", f"{NONE}/hooks", HOOK),
    f"POST {H} 422": Asked("POST", f"{REPO}/hooks", {"config": {"url": "ftp://x"}}),
    f"GET {H}/{{hook_id}} 200": Asked("GET", HERE),
    f"GET {H}/{{hook_id}} 404": Asked("GET", f"{REPO}/hooks/999"),
    f"PATCH {H}/{{hook_id}} 200": Asked("PATCH", HERE, {"add_events": ["create"]}),
    f"PATCH {H}/{{hook_id}} 404": Asked("PATCH", f"{REPO}/hooks/999", {"active": True}),
    f"PATCH {H}/{{hook_id}} 422": Asked("PATCH", HERE, {"config": {"url": "http://["}}),
    f"DELETE {H}/{{hook_id}} 204": Asked("DELETE", f"{REPO}/hooks/{{spare}}"),
    f"DELETE {H}/{{hook_id}} 404": Asked("DELETE", f"{REPO}/hooks/999"),
    f"POST {H}/{{hook_id}}/pings 204": Asked("POST", f"{HERE}/pings"),
    f"POST {H}/{{hook_id}}/pings 404": Asked("POST", f"{REPO}/hooks/999/pings"),
    f"GET {H}/{{hook_id}}/deliveries 200": Asked("GET", f"{HERE}/deliveries?per_page=1"),
    f"GET {H}/{{hook_id}}/deliveries 400": Asked(
        "GET", f"{HERE}/deliveries", headers={"X-GitHub-Api-Version": "1999-12-31"}, nonsense=True
    ),
    f"GET {H}/{{hook_id}}/deliveries 422": Asked("GET", f"{HERE}/deliveries?cursor=second"),
    f"POST {H}/{{hook_id}}/deliveries/{{delivery_id}}/attempts 202": Asked(
        "POST", f"{HERE}/deliveries/{{delivery}}/attempts"
    ),
    f"POST {H}/{{hook_id}}/deliveries/{{delivery_id}}/attempts 400": Asked(
        *("POST", f"{HERE}/deliveries/{{delivery}}/attempts"),
        headers={"X-GitHub-Api-Version": "1999-12-31"},
        nonsense=True,
    ),
    f"GET {R}/installation 200": Asked("GET", f"{REPO}/installation", token="{app}"),
    f"GET {R}/installation 301": Asked("GET", f"{OLD}/installation", token="{app}"),
    f"GET {R}/installation 404": Asked("GET", f"{NONE}/installation", token="{app}"),
    f"POST {T} 201": Asked("POST", TOKENS.format("{of_app}"), {"repositories": ["site"]}, token="{app}"),
    f"POST {T} 401": Asked("POST", TOKENS.format("{of_app}")),
    f"POST {T} 403": Asked("POST", TOKENS.format("{of_shut}"), token="{shut}"),
    f"POST {T} 404": Asked("POST", TOKENS.format("{of_shut}"), token="{app}"),
    f"POST {T} 422": Asked("POST", TOKENS.format("{of_app}"), {"repositories": ["none"]}, token="{app}"),
}
NEVER_GIVEN = {
    "GET /rate_limit 404": "only where rate limiting is switched off",
    "GET /user 403": "only a limit, and the limits are tested for every operation",
    f"GET {R} 403": "only a limit, and the limits are tested for every operation",
    f"GET {R}/commits/{{ref}} 500": "nothing fails here by itself; on demand it does",
    f"GET {R}/commits/{{ref}} 503": "nothing fails here by itself; on demand it does",
    f"GET {R}/contents/{{path}} 302": "only names and archives are redirected",
    f"GET {R}/contents/{{path}} 403": "only for a file over 100 MB: test_github_rest.py has one that only says so",
    f"GET {R}/pulls 422": "a filter that means nothing here is ignored",
    f"GET {R}/pulls/{{pull_number}} 406": "other media types than JSON are not served, and not refused",
    f"GET {R}/pulls/{{pull_number}} 500": "nothing fails here by itself; on demand it does",
    f"GET {R}/pulls/{{pull_number}} 503": "nothing fails here by itself; on demand it does",
    f"POST {H} 403": "the token may do everything",
    f"POST {H}/{{hook_id}}/deliveries/{{delivery_id}}/attempts 422": "a delivery is there, or it is not: 404",
}


def served() -> set[str]:
    """The operations of the local GitHub, in the words of GitHub's description where that has them."""
    found = set(BY_THE_SERVER)
    for prefix, routes in (("", OF_NONE), (REPO, OF_A_REPOSITORY)):
        for route in routes:
            path = prefix + route.template.replace("{+", "").replace("{", "").replace("}", "")
            found.add(str(operation_of(route.method, path) or f"{route.method} {path}"))
    return found


def described(operation: str) -> list[str]:
    """The statuses that GitHub's description itself lists for an operation: not those that it omits."""
    method, _, path = operation.partition(" ")
    ours = omitted()["responses"]
    listed: dict[str, Any] = description()["paths"][path][method.lower()]["responses"]
    return [code for code, of in listed.items() if of["description"] != ours.get(code, {}).get("description")]


def test_every_operation_that_is_served_is_githubs() -> None:
    theirs = {
        f"{method.upper()} {path}" for path, operations in description()["paths"].items() for method in operations
    }
    assert served() - theirs == set()


def test_the_table_has_each_answer_of_each_operation() -> None:
    wanted = {f"{operation} {status}" for operation in served() for status in described(operation)}
    assert TABLE.keys() | NEVER_GIVEN.keys() == wanted
    assert TABLE.keys() & NEVER_GIVEN.keys() == set()


@pytest.mark.parametrize("row", TABLE)
def test_each_answer_that_github_describes_is_given(world: World, row: str) -> None:
    operation, _, status = row.rpartition(" ")
    answer = world.ask(TABLE[row])
    assert answer.status == int(status), answer.data
    assert str(world.forge.tap.exchanges[-1].operation) == operation


GOOD = {row.rpartition(" ")[0]: asked for row, asked in TABLE.items() if row[-3] == "2" or row.endswith("302")}
OF_THE_REPOSITORY = {operation: asked for operation, asked in GOOD.items() if asked.path.startswith(REPO)}
GETS = {
    operation: asked for operation, asked in GOOD.items() if operation.startswith("GET") and "tarball" not in operation
}


def left(world: World) -> int:
    """How many calls the primary limit allows yet."""
    return int(world.ask(Asked("GET", "/rate_limit")).json()["rate"]["remaining"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("operation", GETS)
def test_what_has_not_changed_is_304_and_costs_nothing(world: World, operation: str, method: str) -> None:
    first = world.ask(GETS[operation])
    before = left(world)
    again = world.ask(replace(GETS[operation], method=method, headers={"If-None-Match": first.headers["ETag"]}))
    assert (again.status, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert before == int(again.headers["X-RateLimit-Remaining"]) == left(world)
    changed = world.ask(replace(GETS[operation], method=method, headers={"If-None-Match": 'W/"another", "x"'}))
    assert changed.status == 200
    assert before - left(world) == (0 if operation == "GET /rate_limit" else 1)


@pytest.mark.parametrize("operation", GETS)
def test_a_head_is_the_get_without_its_body(world: World, operation: str) -> None:
    whole, head = world.ask(GETS[operation]), world.ask(replace(GETS[operation], method="HEAD"))
    assert (head.status, head.data) == (200, b"")
    names = ["Content-Type", "Link", *(["Content-Length", "ETag"] if operation != "GET /rate_limit" else [])]
    assert {name: head.headers.get(name) for name in names} == {name: whole.headers.get(name) for name in names}


@pytest.mark.parametrize("operation", GOOD)
@pytest.mark.parametrize(("status", "seconds"), [(403, 7), (429, None)], ids=["403-seconds", "429-without"])
def test_F67_a_secondary_limit_on_demand(world: World, operation: str, status: int, seconds: int | None) -> None:
    world.forge.github.slow_down(".", seconds=seconds, status=status)
    answer = world.ask(GOOD[operation])
    assert (answer.status, answer.headers.get("Retry-After")) == (status, str(seconds) if seconds else None)
    assert answer.json()["message"].startswith("You have exceeded a secondary rate limit.")
    assert answer.json()["documentation_url"].endswith("#about-secondary-rate-limits")


@pytest.mark.parametrize("operation", GOOD)
def test_F42_a_wrong_token_is_told_nothing(world: World, operation: str) -> None:
    answer = world.ask(replace(GOOD[operation], token=f"{TOKEN}x"))
    assert (answer.status, answer.json()["message"]) == (401, "Bad credentials")


@pytest.mark.parametrize("operation", OF_THE_REPOSITORY)
def test_F42_what_the_token_may_not_see_is_not_found(world: World, operation: str) -> None:
    asked = OF_THE_REPOSITORY[operation]
    world.forge.github.hide("acme/site")
    try:
        old, number = asked.path.replace(REPO, OLD), asked.path.replace(REPO, f"/repositories/{world.number}")
        answers = [world.ask(replace(asked, path=path)) for path in (asked.path, old, number)]
    finally:
        world.forge.github.show("acme/site")
    missing = world.ask(replace(asked, path=asked.path.replace(REPO, NONE)))
    assert [(each.status, each.data) for each in answers] == [(404, missing.data)] * 3


@pytest.mark.parametrize("operation", OF_THE_REPOSITORY)
def test_F41_the_old_name_leads_to_the_number(world: World, operation: str) -> None:
    asked = replace(OF_THE_REPOSITORY[operation], path=OF_THE_REPOSITORY[operation].path.replace(REPO, OLD))
    answer = world.ask(asked)
    there = f"{world.forge.url}/api/v3" + asked.path.format(**world.names).replace(OLD, f"/repositories/{world.number}")
    assert answer.headers["Location"] == answer.json()["url"] == there
    assert (answer.status, answer.json()["message"]) == (301 if asked.method == "GET" else 307, "Moved Permanently")
