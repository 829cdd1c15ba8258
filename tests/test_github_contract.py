"""The contract itself: what GitHub says passes, and each way of breaking it is seen and named.

Without this, a contract that lets everything pass would look like one that is kept.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.contracts import github_webhooks as webhooks
from tests.contracts.github import ContractError, Exchange, check, violations, wrong_answer, wrong_request
from tests.contracts.github_answers import error, example, moved, recorded
from tests.contracts.github_description import description, omitted, operation_of

REPO, SHA = "/repos/acme/site", "a" * 40
ASKED = {"User-Agent": "tests", "Authorization": "Bearer x", "Accept": "application/vnd.github+json"}
JSON = {"Content-Type": "application/json; charset=utf-8"}


def exchange(
    target: str = REPO, body: Any = None, status: int = 200, *, method: str = "GET", sent: Any = None, **headers: str
) -> Exchange:
    """One exchange. `body` and `sent` are bytes, or data that goes as JSON; header names with `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = ASKED if sent is None else ASKED | {"Content-Type": "application/json"}
    payload = b"" if sent is None else json.dumps(sent).encode()
    return Exchange(method, target, asked, payload, status, {**JSON, **given}, raw)


def posted(sent: Any, body: Any = None, status: int = 201) -> Exchange:
    """A status that is posted."""
    return exchange(f"{REPO}/statuses/{SHA}", body or example("status"), status, method="POST", sent=sent)


GOOD = {
    "repository": exchange(REPO, example("repository")),
    "repository-by-number": exchange("/repositories/7", example("repository")),
    "branches": exchange(f"{REPO}/branches?per_page=100&page=2&protected=false", example("branches")),
    "ref": exchange(f"{REPO}/git/ref/heads/a/b", example("ref")),
    "ref-encoded": exchange(f"{REPO}/git/ref/heads%2Fa%2Fb%23c", example("ref")),
    "refs": exchange(f"{REPO}/git/matching-refs/heads", example("matching-refs")),
    "refs-all": exchange(f"{REPO}/git/matching-refs/", example("matching-refs")),
    "commit": exchange(f"{REPO}/commits/heads/main", example("commit")),
    "combined": exchange(f"{REPO}/commits/heads/main/status", example("combined-status")),
    "statuses": exchange(f"{REPO}/commits/heads/main/statuses", example("statuses")),
    "file": exchange(f"{REPO}/contents/deploy/pipeline.json?ref=main", example("file")),
    "directory": exchange(f"{REPO}/contents/", example("directory")),
    "symlink": exchange(f"{REPO}/contents/x", example("symlink")),
    "submodule": exchange(f"{REPO}/contents/x", example("submodule")),
    "status": posted({"state": "success", "context": "c", "description": None, "target_url": "https://x"}),
    "hook": exchange(f"{REPO}/hooks/1", example("hook")),
    "deliveries": exchange(f"{REPO}/hooks/1/deliveries?cursor=v1_9&status=failure", example("deliveries")),
    "limit": exchange("/rate_limit", example("rate-limit-overview")),
    "user": exchange("/user", example("user")),
    "304": exchange(REPO, b"", 304, ETag='"x"'),
    "401": exchange(REPO, error(401, "Bad credentials"), 401),
    "404-anywhere": exchange(f"{REPO}/git/matching-refs/heads", error(404, "Not Found"), 404),
    "secondary-limit": exchange(REPO, error(403, "You have exceeded a secondary rate limit."), 403, Retry_After="60"),
    "primary-limit": exchange(
        *(REPO, error(429, "API rate limit exceeded"), 429), X_RateLimit_Remaining="0", X_RateLimit_Reset="1700000000"
    ),
    "moved": exchange(f"{REPO}/branches", moved("https://x"), 301, Location="https://x"),
    "html-503": exchange(REPO, b"<html>", 503, Content_Type="text/html"),
    "409-of-a-deployment": exchange(
        *(f"{REPO}/deployments", error(409, "Conflict merging main into topic."), 409),
        method="POST",
        sent={"ref": "topic"},
    ),
    "422-of-a-status": posted({"state": "error"}, error(422, "No commit found for SHA: 0"), 422),
}


@pytest.mark.parametrize("right", GOOD.values(), ids=GOOD)
def test_what_github_says_passes(right: Exchange) -> None:
    check(violations(right))


SCENARIOS = {"get-content": 2, "create-status": 4, "get-archive": 1, "rename-repository": 1}


@pytest.mark.parametrize(("scenario", "count"), SCENARIOS.items(), ids=SCENARIOS)
def test_what_was_recorded_passes(scenario: str, count: int) -> None:
    described = [each for each in recorded(scenario) if each.operation]
    assert len(described) == count
    for each in described:
        check(violations(each))


REPOSITORY = example("repository")
BAD_REQUESTS = {
    "unknown-path": (exchange("/repos/acme/site/nothing"), "no such path"),
    "unknown-method": (exchange(REPO, method="PUT"), "no such path"),
    "path-of-dots": (exchange("/repos/acme"), "no such path"),
    "number-expected": (exchange(f"{REPO}/hooks/x"), "hook_id"),
    "unknown-parameter": (exchange(f"{REPO}?per_page=1"), "no query parameter 'per_page'"),
    "parameter-twice": (exchange(f"{REPO}/branches?page=1&page=2"), "given twice"),
    "parameter-of-another-type": (exchange(f"{REPO}/branches?per_page=many"), "per_page"),
    "parameter-not-in-list": (exchange(f"{REPO}/hooks/1/deliveries?status=bad"), "status"),
    "body-where-none-is": (exchange(REPO, sent={"x": 1}), "takes no body"),
    "no-body": (exchange(f"{REPO}/statuses/{SHA}", method="POST"), "body"),
    "unknown-property": (posted({"state": "error", "sha": SHA}), "'sha' was unexpected"),
    "unknown-property-within": (
        exchange(f"{REPO}/hooks", method="POST", sent={"config": {"url": "https://x", "token": "x"}}),
        "config: Additional properties",
    ),
    "missing-property": (posted({"context": "c"}), "'state' is a required property"),
    "wrong-value": (posted({"state": "done"}), "state: 'done'"),
    "wrong-type": (posted({"state": "error", "context": 1}), "context: 1"),
    "no-content-type": (replace(posted({"state": "error"}), request_headers=ASKED), "mimetype"),
    "no-user-agent": (replace(exchange(), request_headers={"Authorization": "token x"}), "User-Agent"),
    "no-token": (replace(exchange(), request_headers={"User-Agent": "x"}), "no token"),
    "basic": (replace(exchange(), request_headers=ASKED | {"Authorization": "Basic x"}), "no token"),
    "version": (replace(exchange(), request_headers=ASKED | {"X-GitHub-Api-Version": "2020-01-01"}), "no version"),
    "media-type": (
        replace(exchange(), request_headers=ASKED | {"Accept": "application/vnd.github.raw+json"}),
        "no media type",
    ),
}


@pytest.mark.parametrize(("wrong", "said"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_request_that_github_does_not_describe_is_named(wrong: Exchange, said: str) -> None:
    found = wrong_request(wrong)
    assert any(said in each and str(wrong) in each for each in found), found


HOOK = {"config": {"url": "https://x"}}
BAD_ANSWERS = {
    "missing-field": (exchange(REPO, {k: v for k, v in REPOSITORY.items() if k != "default_branch"}), "default_branch"),
    "missing-field-within": (exchange(REPO, REPOSITORY | {"owner": {"login": "acme"}}), "owner"),
    "wrong-type": (exchange(REPO, REPOSITORY | {"id": "7"}), "id: '7'"),
    "null-where-none-may-be": (exchange(REPO, REPOSITORY | {"default_branch": None}), "default_branch: None"),
    "no-date": (exchange(REPO, REPOSITORY | {"pushed_at": "yesterday"}), "pushed_at"),
    "unknown-field": (exchange(REPO, REPOSITORY | {"colour": "red"}), "'colour' was unexpected"),
    "unknown-field-within": (exchange(f"{REPO}/branches", [example("branches")[0] | {"x": 1}]), "0: Additional"),
    "object-for-a-list": (exchange(f"{REPO}/branches", {}), "is not of type 'array'"),
    "one-of-none": (exchange(f"{REPO}/contents/x", {"type": "file"}), "any of the given schemas"),
    "unlisted-status": (exchange(REPO, example("repository"), 202), "202"),
    "status-of-another-method": (exchange(f"{REPO}/hooks", moved("x"), 301, method="POST", Location="x"), "301"),
    "unlisted-success": (posted({"state": "error"}, status=200), "200"),
    "content-type": (exchange(REPO, example("repository"), Content_Type="text/html"), "text/html"),
    "no-json": (exchange(REPO, b"{"), "application/json"),
    "raw-that-nobody-asked-for": (
        exchange(f"{REPO}/contents/x", b"x", Content_Type="application/vnd.github.raw+json"),
        "nobody asked",
    ),
    "conflict-without-message": (
        exchange(f"{REPO}/deployments", {"message": 1}, 409, method="POST", sent={"ref": "x"}),
        "message",
    ),
    "conflict-where-none-is": (exchange(f"{REPO}/hooks", error(409, "x"), 409, method="POST", sent=HOOK), "409"),
    "error-without-message": (exchange(REPO, {"message": 1}, 404), "message"),
    "moved-nowhere": (exchange(REPO, moved("https://x"), 301), "Location"),
    "moved-without-a-word": (exchange(f"{REPO}/branches", error(301, "Moved"), 301, Location="x"), "url"),
    "304-with-a-body": (exchange(REPO, b"{}", 304, ETag='"x"'), "a body of 2 bytes"),
    "304-without-etag": (exchange(REPO, b"", 304), "ETag"),
    "204-with-a-body": (exchange(f"{REPO}/hooks/1", b"{}", 204, method="DELETE"), "a body of 2 bytes"),
    "head-with-a-body": (exchange(REPO, example("repository"), method="HEAD"), "where GitHub sends none"),
    "primary-limit-with-calls-left": (
        exchange(REPO, error(403, "API rate limit exceeded"), 403, X_RateLimit_Remaining="7"),
        "the primary limit",
    ),
    "primary-limit-without-end": (
        exchange(REPO, error(403, "API rate limit exceeded"), 403, X_RateLimit_Remaining="0"),
        "X-RateLimit-Reset",
    ),
    "secondary-limit-until-a-date": (
        exchange(REPO, error(403, "You have exceeded a secondary rate limit"), 403, Retry_After="Fri, 31 Dec 1999"),
        "Retry-After",
    ),
    "429-for-no-reason": (exchange(REPO, error(429, "slow"), 429), "no limit"),
    "success-on-an-unknown-path": (exchange("/nothing", {}), "has not"),
    "unlike-404-on-an-unknown-path": (exchange("/nothing", {"message": 1}, 404), "message"),
}


@pytest.mark.parametrize(("wrong", "said"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_github_does_not_give_is_named(wrong: Exchange, said: str) -> None:
    found = wrong_answer(wrong)
    assert any(said in each and str(wrong) in each for each in found), found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = violations(posted({"state": "done", "x": 1}, {"id": "1"}, 201))
    with pytest.raises(ContractError) as told:
        check(found)
    for each in ("state: 'done'", "'x' was unexpected", "id: '1'", "'creator' is a required property"):
        assert each in str(told.value)


SENT = {
    "User-Agent": "GitHub-Hookshot/044aadd",
    "Content-Type": "application/json",
    "X-GitHub-Hook-ID": "1",
    "X-GitHub-Event": "push",
    "X-GitHub-Hook-Installation-Target-ID": "7",
    "X-GitHub-Hook-Installation-Target-Type": "repository",
    "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
}
PUSH = webhooks.recorded("push")[-1]
BAD_DELIVERIES = {
    "missing-header": ({"X-GitHub-Delivery": ""}, PUSH, "header X-GitHub-Delivery is missing"),
    "missing-field": ({}, {k: v for k, v in PUSH.items() if k != "forced"}, "'forced' is a required property"),
    "field-that-may-be-missing": ({}, {k: v for k, v in PUSH.items() if k != "sender"}, "/sender is missing"),
    "unknown-field": ({}, PUSH | {"full_ref": "refs/heads/x"}, "'full_ref' was unexpected"),
    "unknown-field-within": ({}, PUSH | {"sender": PUSH["sender"] | {"x": 1}}, "sender: Additional"),
    "wrong-type": ({}, PUSH | {"created": 0}, "created: 0"),
    "wrong-type-within": ({}, PUSH | {"repository": PUSH["repository"] | {"id": "7"}}, "repository/id: '7'"),
    "null": ({}, PUSH | {"before": None}, "before: None"),
}


@pytest.mark.parametrize("event", ["push", "create", "delete", "ping"])
def test_what_github_was_recorded_to_send_passes(event: str) -> None:
    payload = webhooks.recorded(event)[-1]
    if event == "push":  # recorded before repositories had discussions
        payload = payload | {"repository": payload["repository"] | {"has_discussions": False}}
    check(webhooks.wrong_delivery(event, SENT, json.dumps(payload).encode()))


@pytest.mark.parametrize("case", BAD_DELIVERIES)
def test_a_webhook_that_github_does_not_send_is_named(case: str) -> None:
    headers, payload, said = BAD_DELIVERIES[case]
    found = webhooks.wrong_delivery("push", SENT | headers, json.dumps(payload).encode())
    assert any(said in each and "webhook push" in each for each in found), found


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("GET", "/repos/a/b/commits/heads/x/status", "GET /repos/{owner}/{repo}/commits/{ref}/status"),
        ("GET", "/repos/a/b/commits/heads/x", "GET /repos/{owner}/{repo}/commits/{ref}"),
        ("HEAD", "/repos/a/b", "GET /repos/{owner}/{repo}"),
        ("GET", "/repos/a/b/contents", "GET /repos/{owner}/{repo}/contents/{path}"),
        ("GET", "/repos/a/b/tarball", "GET /repos/{owner}/{repo}/tarball/{ref}"),
        ("GET", "/repositories/7/git/ref/heads/x", "GET /repos/{owner}/{repo}/git/ref/{ref}"),
        ("POST", "/repositories/7/statuses/0", "POST /repos/{owner}/{repo}/statuses/{sha}"),
        ("GET", "/repos/a/b/statuses/heads/x", "GET /repos/{owner}/{repo}/commits/{ref}/statuses"),
        ("GET", "/repositories/x", "None"),
        ("GET", "/repos/a/b/git/ref/", "None"),
        ("POST", "/repos/a/b", "None"),
    ],
)
def test_which_operation_a_path_means(method: str, path: str, meant: str) -> None:
    assert str(operation_of(method, path)) == meant


def test_each_omission_says_its_source_and_is_one() -> None:
    parts = [*omitted()["responses"].values(), *omitted()["media"].values()]
    parts += [*omitted()["properties"].values(), *omitted()["elsewhere"].values()]
    parts += omitted()["legacy"].values()
    assert all("https://" in each["x-source"] for each in parts)
    assert all("https://" in each for each in omitted()["without"].values())
    operations = {f"{method.upper()} {path}" for path, methods in description()["paths"].items() for method in methods}
    assert omitted()["media"].keys() | omitted()["without"].keys() <= operations
