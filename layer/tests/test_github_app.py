"""A GitHub App's tokens, against a scripted server on loopback."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deployer.errors import Broken, Rejected
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.github_app import MARGIN, App, Chosen, Names, Permissions, chosen
from deployer.github_credentials import Credentials, OneToken, subject_of
from deployer.github_wire import Wire

PRIVATE = rsa.generate_private_key(65537, 2048)
KEY = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
NEEDED, WISHED = {"contents": "read", "statuses": "write"}, {"deployments": "write"}
GRANTED = {"contents": "write", "statuses": "write", "metadata": "read"}
NOW = 1_700_000_000.0
ONE = "ghs_one"
SITE = "repos/acme/site"


def app(server: Any, now: Callable[[], float] = lambda: NOW, key: str = KEY) -> App:
    return App(server.url, lambda: ("123", key), Permissions(NEEDED, WISHED), now=now)


def installed(server: Any, number: int = 5, *, permissions: dict[str, str] | None = None, suspended: str = "") -> None:
    server.answer(
        200, {"id": number, "permissions": permissions or GRANTED, "suspended_at": suspended or None}, real=False
    )


def issued(server: Any, token: str = ONE, ends: float = NOW + 3600, repository: int = 42) -> None:
    end = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    server.answer(201, {"token": token, "expires_at": end, "repositories": [{"id": repository}]}, real=False)


def test_a_token_is_for_one_repository_and_no_more_than_is_needed(server: Any) -> None:
    tokens = app(server)
    installed(server)
    issued(server)
    assert tokens.of(f"{SITE}/git/ref/heads/main") == "ghs_one"
    found, made = server.asked
    assert (found.method, found.target) == ("GET", "/repos/acme/site/installation")
    assert (made.method, made.target) == ("POST", "/app/installations/5/access_tokens")
    assert made.json == {"repositories": ["site"], "permissions": NEEDED}
    for asked in server.asked:
        signed = asked.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(signed, PRIVATE.public_key(), ["RS256"], options={"verify_exp": False, "verify_iat": False})
        assert claims == {"iat": int(NOW) - 60, "exp": int(NOW) + 540, "iss": "123"}
        assert claims["exp"] - claims["iat"] <= 600


def test_what_is_wished_is_asked_for_where_it_is_granted(server: Any) -> None:
    installed(server, permissions=GRANTED | {"deployments": "write"})
    issued(server)
    app(server).of(SITE)
    assert server.asked[1].json["permissions"] == NEEDED | WISHED


def test_a_token_is_kept_until_shortly_before_it_ends(server: Any) -> None:
    clock = [NOW]
    tokens = app(server, lambda: clock[0])
    installed(server)
    issued(server)
    for path in (SITE, "/repos/acme/site/commits/x?per_page=1", "repos/Acme/Site/statuses/x"):
        assert tokens.of(path) == "ghs_one"
    clock[0] = NOW + 3600 - MARGIN - 1
    assert tokens.of(SITE) == "ghs_one"
    clock[0] += 1
    installed(server)
    issued(server, "ghs_two", clock[0] + 3600)
    assert tokens.of(SITE) == "ghs_two"
    assert server.asked[3].json["repository_ids"] == [42], "by its number, which no renaming changes"


def test_each_repository_has_its_own(server: Any) -> None:
    tokens = app(server)
    for number, name in enumerate(("site", "api")):
        installed(server)
        issued(server, f"ghs_{name}", repository=number)
        assert tokens.of(f"repos/acme/{name}") == f"ghs_{name}"
    assert tokens.of(SITE) == "ghs_site"


def test_F41_pages_that_name_a_repository_by_its_number(server: Any) -> None:
    tokens = app(server)
    with pytest.raises(Rejected, match="no repository that is known"):
        tokens.of("/repositories/42/git/matching-refs/heads?page=2")
    tokens.know(RepositoryName(42, "acme", "site"))
    tokens.know(RepositoryName(0, "acme", "unknown"))
    installed(server)
    issued(server)
    assert tokens.of("/api/v3/repositories/42/git/matching-refs/heads?page=2") == "ghs_one"
    assert server.asked[1].json["repository_ids"] == [42]


def test_a_token_that_github_does_not_know_any_more_is_renewed_once(server: Any) -> None:
    wire = Wire(server.url, app(server))
    installed(server)
    issued(server)
    server.answer(401, {"message": "Bad credentials"})
    installed(server)
    issued(server, "ghs_two")
    server.answer(200, {"fine": True})
    assert wire.get(SITE).object() == {"fine": True}
    assert [each.headers["authorization"] for each in server.asked if each.target == "/repos/acme/site"] == [
        "Bearer ghs_one",
        "Bearer ghs_two",
    ]


def test_a_token_that_is_refused_again_is_an_alarm(server: Any) -> None:
    wire = Wire(server.url, app(server))
    for token in ("ghs_one", "ghs_two"):
        installed(server)
        issued(server, token)
        server.answer(401, {"message": "Bad credentials"})
    with pytest.raises(Broken, match="401"):
        wire.post(f"{SITE}/statuses/x", {})


def test_an_archive_is_asked_for_again_with_another_token(server: Any) -> None:
    github = GitHub(server.url, app(server))
    installed(server)
    issued(server)
    server.answer(401, {"message": "Bad credentials"})
    installed(server)
    issued(server, "ghs_two")
    server.answer(200, b"archive")
    with github.archive(RepositoryName(42, "acme", "site"), "a" * 40) as stream:
        assert stream.read() == b"archive"


def test_another_host_that_asks_for_a_token_gets_none(servers: Any) -> None:
    server, other = servers
    github = GitHub(server.url, app(server))
    installed(server)
    issued(server)
    server.answer(302, Location=f"{other.url}/archive")
    other.answer(401, {"message": "who are you"})
    with pytest.raises(Broken), github.archive(RepositoryName(42, "acme", "site"), "a" * 40):
        pass
    assert len(other.asked) == 1
    assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize(
    ("answers", "kind", "why"),
    [
        pytest.param([(404, {"message": "Not Found"})], Rejected, "not installed on it", id="not-installed"),
        pytest.param(
            [(401, {"message": "Integration not found"})],
            Broken,
            "refused the App .401: Integration not found",
            id="app",
        ),
        pytest.param(
            [(200, {"id": 5, "permissions": GRANTED, "suspended_at": "x"})], Broken, "suspended", id="suspended"
        ),
        pytest.param(
            [(200, {"id": 5, "permissions": {"contents": "read", "statuses": "read"}})],
            Broken,
            "lacks statuses: write",
            id="too-little",
        ),
        pytest.param(
            [(200, {"id": 5, "permissions": GRANTED}), (422, {"message": "no such repository"})],
            Rejected,
            "no such repository",
            id="not-for-this-repository",
        ),
    ],
)
def test_what_can_be_wrong_with_an_app(
    server: Any, answers: list[tuple[int, Any]], kind: type[Exception], why: str
) -> None:
    for status, body in answers:
        server.answer(status, body, real=False)
    with pytest.raises(kind, match=why):
        app(server).of(SITE)


def test_a_name_that_another_repository_has_by_now(server: Any) -> None:
    tokens = app(server)
    tokens.know(RepositoryName(41, "acme", "site"))
    installed(server)
    server.answer(422, {"message": "no such repository"}, real=False)
    with pytest.raises(Rejected):
        tokens.of(SITE)
    installed(server)
    issued(server)
    assert tokens.of(SITE) == "ghs_one"
    assert server.asked[3].json["repositories"] == ["site"]


@pytest.mark.parametrize("key", ["canary", KEY.replace("A", "B"), ""], ids=["words", "mangled", "none"])
def test_F91_a_key_that_is_none_is_not_told(server: Any, key: str) -> None:
    with pytest.raises(Broken, match="is no private key") as refusal:
        app(server, key=key).of(SITE)
    told = "".join(traceback.format_exception(refusal.value))
    assert "canary" not in told
    assert KEY[40:80] not in told
    assert server.asked == []


# --- which of them it is


class Shelf:
    """Secrets that are there."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def has(self, name: str, *, lines: bool = False) -> bool:
        return name in self.values

    def get(self, name: str, *, lines: bool = False) -> str:
        return self.values[name]

    def forget(self, name: str) -> None:
        """Somebody has set it anew meanwhile, if ``later`` says so."""
        self.values[name] = self.values.get("later", self.values[name])


@pytest.mark.parametrize("half", [{}, {"id": "123"}, {"key": KEY}], ids=["none", "its-id-alone", "its-key-alone"])
def test_without_a_whole_app_the_token_is_taken_and_nothing_is_signed(server: Any, half: dict[str, str]) -> None:
    found = chosen(Shelf(token="ghp_x", **half), Names("token", "id", "key"), server.url, Permissions({}, {}))  # type: ignore[arg-type]
    found.know(RepositoryName(1, "acme", "site"))
    assert (found.of("user"), found.refused("user")) == ("ghp_x", False)
    assert server.asked == []


@pytest.mark.parametrize(("later", "status"), [("ghp_y", 200), ("ghp_x", 401)], ids=["F94-rotated", "F42-revoked"])
def test_a_token_that_is_refused_is_read_anew(server: Any, later: str, status: int) -> None:
    shelf: Any = Shelf(token="ghp_x", later=later)
    wire = Wire(server.url, chosen(shelf, Names("token", "id", "key"), server.url, Permissions({}, {})))
    server.answer(401, {"message": "Bad credentials"})
    if status == 200:
        server.answer(200, {})
        assert wire.get("user").status == 200
    else:
        with pytest.raises(Broken, match="401"):
            wire.get("user")
    assert [each.headers["authorization"] for each in server.asked] == ["Bearer ghp_x", "Bearer ghp_y"][
        : 2 if status == 200 else 1
    ]


def test_with_an_app_it_is_the_app(server: Any) -> None:
    shelf = Shelf(id="123", key=KEY, token="ghp_x")
    found = chosen(shelf, Names("token", "id", "key"), server.url, Permissions(NEEDED, WISHED))  # type: ignore[arg-type]
    installed(server)
    issued(server, ends=4e9)
    assert found.of(SITE) == "ghs_one"
    assert (found.refused(SITE), found.refused(SITE)) == (True, False)


def test_credentials_know_nothing_and_have_no_other() -> None:
    token: Credentials = OneToken(lambda: "x")
    token.know(RepositoryName(1, "acme", "site"))
    assert (token.of(""), token.refused("")) == ("x", False)
    assert not Chosen(lambda: False, token, token).refused("")


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("repos/acme/site", ("acme/site", 0)),
        ("/api/v3/repos/acme/site/hooks?x=1", ("acme/site", 0)),
        ("/repositories/42/commits?page=2", ("", 42)),
        ("user", ("", 0)),
        ("repos/acme", ("", 0)),
    ],
)
def test_which_repository_a_path_is_about(path: str, subject: tuple[str, int]) -> None:
    assert subject_of(path) == subject


def test_nobody_without_an_app_pays_for_one() -> None:
    code = "import deployer.github_app, sys; print(sorted({'jwt', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
