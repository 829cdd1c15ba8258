"""GitHub Apps: strict about who they are, where they are installed, and what their tokens are for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from .conftest import Forge, Work, running

GRANTED = {"contents": "read", "statuses": "write", "metadata": "read"}
NOW = int(time.time())


class Made:
    """An App of the local GitHub."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.id, self.key = forge.github.register_app("deployer")

    def signed(self, key: str = "", **changes: Any) -> str:
        claims = {"iat": NOW - 60, "exp": NOW + 500, "iss": str(self.id)} | changes
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None}, key or self.key, "RS256"
        )

    def installation(self, name: str = "acme/site", token: str = "") -> Any:
        return self.forge.call("GET", f"/repos/{name}/installation", token=token or self.signed())

    def token(self, number: int, **asked: Any) -> Any:
        path = f"/app/installations/{number}/access_tokens"
        return self.forge.call("POST", path, asked or None, token=self.signed())


@pytest.fixture
def app(forge: Forge) -> Made:
    for name in ("acme/site", "acme/other", "zed/site"):
        forge.github.create_repository(name)
    return Made(forge)


def test_an_installation_is_found_at_its_repositories_alone(app: Made) -> None:
    assert app.installation().status == 404
    made = app.forge.github.install_app(app.id, "acme", GRANTED, ["acme/site"])
    found = app.installation().json()
    assert (found["id"], found["app_id"], found["permissions"]) == (made.id, app.id, GRANTED)
    assert (found["repository_selection"], found["suspended_at"]) == ("selected", None)
    assert [app.installation(name).status for name in ("acme/other", "zed/site", "acme/nothing")] == [404, 404, 404]
    app.forge.github.install_app(app.id, "Acme", GRANTED)
    assert app.installation("acme/other").json()["repository_selection"] == "all"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"iss": "99"}, "Integration not found", id="nobodys"),
        pytest.param({"iss": "x"}, "could not be decoded", id="no-number"),
        pytest.param({"exp": NOW - 1}, "('exp') must be", id="over"),
        pytest.param({"exp": NOW + 3600}, "too far in the future", id="for-too-long"),
        pytest.param({"iat": NOW + 300}, "('iat') must be", id="from-the-future"),
        pytest.param({"iat": None}, "could not be decoded", id="without-its-time"),
        pytest.param({"key": "another"}, "could not be decoded", id="signed-with-another-key"),
    ],
)
def test_a_jwt_that_github_refuses(app: Made, changes: dict[str, Any], message: str) -> None:
    if changes.get("key"):
        changes = {"key": app.forge.github.register_app("another")[1]}
    refused = app.installation(token=app.signed(**changes))
    assert refused.status == 401
    assert message in refused.json()["message"]


def test_what_is_no_jwt_and_who_is_no_app(app: Made) -> None:
    assert app.installation(token="a.b.c").status == 401
    assert app.forge.call("GET", "/repos/acme/site/installation").status == 401, "a person is no App"
    assert app.forge.call("GET", "/repos/acme/site", token=app.signed()).status == 401, "an App is no person"


@pytest.fixture
def scoped(app: Made) -> tuple[Made, int]:
    installation = app.forge.github.install_app(app.id, "acme", GRANTED | {"deployments": "write"})
    return app, installation.id


def test_a_token_is_for_what_was_asked_and_no_more(scoped: tuple[Made, int], work: Work) -> None:
    app, number = scoped
    work.git("remote", "add", "origin", f"{app.forge.url}/acme/site.git")
    sha = work.commit()
    work.git("push", "-q", "origin", "main")
    made = app.token(number, repositories=["site"], permissions={"contents": "read", "statuses": "write"})
    assert made.status == 201
    body = made.json()
    assert [each["full_name"] for each in body["repositories"]] == ["acme/site"]
    assert body["permissions"] == {"contents": "read", "statuses": "write", "metadata": "read"}
    assert body["repository_selection"] == "selected"

    def call(method: str, path: str, json: object = None) -> int:
        return int(app.forge.call(method, path, json, token=body["token"]).status)

    assert call("GET", "/repos/acme/site") == 200
    assert call("GET", "/repos/acme/site/git/ref/heads/main") == 200
    assert call("GET", f"/repos/acme/site/commits/{sha}") == 200
    assert call("POST", f"/repos/acme/site/statuses/{sha}", {"state": "success"}) == 201
    assert call("GET", f"/repos/acme/site/commits/{sha}/status") == 200
    assert call("GET", "/repos/acme/site/deployments") == 403
    assert call("GET", "/repos/acme/site/hooks") == 403
    assert call("GET", "/repos/acme/other") == 404
    assert call("GET", "/user") == 403


def test_a_token_for_everything_that_is_granted(scoped: tuple[Made, int]) -> None:
    app, number = scoped
    body = app.token(number).json()
    assert "repositories" not in body
    assert (body["permissions"]["deployments"], body["repository_selection"]) == ("write", "all")
    assert app.forge.call("GET", "/repos/acme/other", token=body["token"]).status == 200
    assert app.forge.call("GET", "/repos/zed/site", token=body["token"]).status == 404


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({"permissions": {"contents": "write"}}, "not granted", id="more-than-is-granted"),
        pytest.param({"permissions": {"issues": "read"}}, "not granted", id="another"),
        pytest.param({"repositories": ["nothing"]}, "does not exist or is not accessible", id="no-such-repository"),
        pytest.param({"repository_ids": [3]}, "does not exist or is not accessible", id="another-owners"),
    ],
)
def test_a_token_that_github_does_not_give(scoped: tuple[Made, int], asked: dict[str, Any], message: str) -> None:
    app, number = scoped
    refused = app.token(number, **asked)
    assert refused.status == 422
    assert message in refused.json()["message"]


def test_permissions_that_are_none(scoped: tuple[Made, int]) -> None:
    app, number = scoped
    path, body = f"/app/installations/{number}/access_tokens", {"permissions": {"contents": "all"}}
    assert app.forge.call("POST", path, body, token=app.signed(), nonsense=True).status == 422


def test_an_installation_of_another_app_and_one_that_is_suspended(scoped: tuple[Made, int]) -> None:
    app, number = scoped
    assert Made(app.forge).token(number).status == 404
    token = app.token(number).json()["token"]
    app.forge.github.suspend_app(number)
    assert app.token(number).status == 403
    assert app.installation().json()["suspended_at"]
    assert app.forge.call("GET", "/repos/acme/site", token=token).status == 401


def test_tokens_end_and_outlive_a_restart(tmp_path: Path) -> None:
    clock = [float(NOW)]
    with running(tmp_path / "forge", clock=lambda: clock[0]) as forge:
        forge.github.create_repository("acme/site")
        app = Made(forge)
        number = forge.github.install_app(app.id, "acme", GRANTED).id
        first, second = (app.token(number, repositories=["site"]).json()["token"] for _ in range(2))
    with running(tmp_path / "forge", clock=lambda: clock[0]) as forge:
        for at, status in ((0, 200), (3599, 200), (3600, 401)):
            clock[0] = NOW + at
            assert forge.call("GET", "/repos/acme/site", token=first).status == status
        clock[0] = NOW
        forge.github.end_app_tokens()
        assert forge.call("GET", "/repos/acme/site", token=second).status == 401
