"""GitHub's REST API through the adapter, against a scripted server on loopback."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github import GitHub, cut
from deployer.ports import Commit, CommitStatus, Repository, Tip
from deployer.states import CommitState

TOKEN = "ghp_canary0123456789"
SITE = RepositoryName(7, "acme", "site")
SHA, TAG = "a" * 40, "b" * 40
API = "/api/v3"


@pytest.fixture
def github(server: Any) -> GitHub:
    return GitHub(server.url + API, lambda: TOKEN)


def ref(name: str, sha: str = SHA, kind: str = "commit") -> dict[str, Any]:
    return {"ref": name, "object": {"type": kind, "sha": sha}}


# --- what is read


def test_a_repository(server: Any, github: GitHub) -> None:
    server.answer(200, {"id": 7, "name": "Site", "owner": {"login": "Acme"}, "default_branch": "trunk"})
    assert github.repository("acme", "site") == Repository(RepositoryName(7, "Acme", "Site"), "trunk")
    [asked] = server.asked
    assert (asked.method, asked.target) == ("GET", f"{API}/repos/acme/site")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/vnd.github+json"
    assert asked.headers["x-github-api-version"] == "2022-11-28"
    assert asked.headers["user-agent"]


HOSTILE = [
    ("refs/heads/feature/login", "heads/feature/login"),
    ("refs/heads/a#b", "heads/a%23b"),
    ("refs/heads/a&ref=main", "heads/a%26ref%3Dmain"),
    ("refs/heads/a%2fb", "heads/a%252fb"),
    ("refs/heads/a<!channel>", "heads/a%3C%21channel%3E"),
    ("refs/heads/a?per_page=1", "heads/a%3Fper_page%3D1"),
    ("refs/heads/grüße", "heads/gr%C3%BC%C3%9Fe"),
    ("refs/heads/a;b,c'd\"e", "heads/a%3Bb%2Cc%27d%22e"),
    ("refs/heads/@", "heads/%40"),
]


@pytest.mark.parametrize(("name", "encoded"), HOSTILE, ids=[f"F40-{name}" for name, _ in HOSTILE])
def test_a_ref_is_encoded(server: Any, github: GitHub, name: str, encoded: str) -> None:
    server.answer(200, ref(name))
    assert github.tip(SITE, name) == Tip(SHA, SHA)
    assert server.asked[0].target == f"{API}/repos/acme/site/git/ref/{encoded}"


@pytest.mark.parametrize("name", ["refs/heads/../../../x", "refs/heads/./x", "refs/heads/.."])
def test_F40_a_name_of_dots_never_becomes_another_path(server: Any, github: GitHub, name: str) -> None:
    with pytest.raises(Rejected):
        github.tip(SITE, name)
    with pytest.raises(Rejected):
        github.repository("..", "site")
    assert server.asked == []


def test_F40_an_owner_is_one_segment(server: Any, github: GitHub) -> None:
    server.answer(404, {})
    github.repository("acme/site", "x?y")
    assert server.asked[0].target == f"{API}/repos/acme%2Fsite/x%3Fy"


def test_F40_files_are_read_by_commit(server: Any, github: GitHub) -> None:
    server.answer(200, [{"name": "pipeline.json", "type": "file"}, {"name": "x", "type": "symlink"}])
    server.answer(200, b"\x00{}", Content_Type="application/vnd.github.raw+json")
    assert github.directory(SITE, "deploy", SHA) == {"pipeline.json": "file", "x": "symlink"}
    assert github.read(SITE, "deploy/pipeline.json", SHA) == b"\x00{}"
    listing, raw = server.asked
    assert listing.target == f"{API}/repos/acme/site/contents/deploy?ref={SHA}"
    assert raw.target == f"{API}/repos/acme/site/contents/deploy/pipeline.json?ref={SHA}"
    assert raw.headers["accept"] == "application/vnd.github.raw+json"


def test_F22_a_file_where_a_directory_should_be(server: Any, github: GitHub) -> None:
    server.answer(200, {"name": "deploy", "type": "symlink"})
    assert github.directory(SITE, "deploy", SHA) is None


def test_F37_an_annotated_tag_is_peeled(server: Any, github: GitHub) -> None:
    server.answer(200, ref("refs/tags/v1.0.0", TAG, "tag"))
    server.answer(200, {"sha": SHA})
    assert github.tip(SITE, "refs/tags/v1.0.0") == Tip(TAG, SHA)
    assert server.asked[1].target == f"{API}/repos/acme/site/commits/tags/v1.0.0"


@pytest.mark.parametrize("kind", ["tree", "blob"])
def test_F37_a_tag_of_something_else_is_refused(server: Any, github: GitHub, kind: str) -> None:
    server.answer(200, ref("refs/tags/v1.0.0", TAG, kind))
    with pytest.raises(Rejected, match=kind):
        github.tip(SITE, "refs/tags/v1.0.0")


@pytest.mark.parametrize("status", [404, 409, 422])
def test_F37_an_annotated_tag_of_something_else_is_refused(server: Any, github: GitHub, status: int) -> None:
    server.answer(200, ref("refs/tags/v1.0.0", TAG, "tag"))
    server.answer(status, {"message": "No commit found"})
    with pytest.raises(Rejected, match="only a commit"):
        github.tip(SITE, "refs/tags/v1.0.0")


def test_a_ref_that_only_begins_alike_is_another(server: Any, github: GitHub) -> None:
    server.answer(200, ref("refs/heads/main-2"))
    assert github.tip(SITE, "refs/heads/main") is None


def test_all_refs_of_all_pages(server: Any, github: GitHub) -> None:
    page = f"{API}/repositories/7/git/matching-refs/heads?page=2"
    server.answer(200, [ref("refs/heads/a")], Link=f'<{server.url}{page}>; rel="next", <x>; rel="last"')
    server.answer(200, [ref("refs/heads/b")], Link=f'<{server.url}{page}>; rel="prev"')
    server.answer(404, {"message": "Not Found"})
    assert list(github.tips(SITE)) == [("refs/heads/a", SHA), ("refs/heads/b", SHA)]
    assert [each.target for each in server.asked] == [
        f"{API}/repos/acme/site/git/matching-refs/heads",
        page,
        f"{API}/repos/acme/site/git/matching-refs/tags",
    ]


def test_F41_the_next_page_is_on_the_same_host(servers: Any, github: GitHub) -> None:
    server, other = servers
    server.answer(200, [], Link=f'<{other.url}/x>; rel="next"')
    with pytest.raises(Broken, match="another host"):
        list(github.tips(SITE))
    assert other.asked == []


@pytest.mark.parametrize("author", [{"name": "Ada", "email": "ada@example.org"}, None], ids=["known", "nobody"])
def test_a_commit(server: Any, github: GitHub, author: Any) -> None:
    server.answer(200, {"sha": SHA, "commit": {"message": "Say hello\n\nAnd more", "author": author}})
    name, email = (author["name"], author["email"]) if author else ("", "")
    assert github.commit(SITE, SHA) == Commit(SHA, "Say hello", name, email)


# --- what is not there


def test_404_is_an_answer(server: Any, github: GitHub) -> None:
    for _ in range(3):
        server.answer(404, {"message": "Not Found"})
    assert github.repository("acme", "site") is None
    assert github.tip(SITE, "refs/heads/x") is None
    assert github.directory(SITE, "deploy", SHA) is None


def test_404_of_what_must_be_there(server: Any, github: GitHub) -> None:
    for _ in range(3):
        server.answer(404, {"message": "Not Found"})
    with pytest.raises(Rejected, match="is not in acme/site"):
        github.commit(SITE, SHA)
    with pytest.raises(Rejected, match="is not in acme/site"):
        github.read(SITE, "deploy/pipeline.json", SHA)
    with pytest.raises(Broken, match="statuses: write"):
        github.post(CommitStatus(SITE, SHA, "pipeline/Build", CommitState.SUCCESS, "done"))


# --- refusals

Call = Callable[[GitHub], object]


def archived(github: GitHub) -> None:
    with github.archive(SITE, SHA):
        pass


CALLS: list[Call] = [
    lambda github: github.repository("acme", "site"),
    lambda github: github.tip(SITE, "refs/heads/main"),
    lambda github: list(github.tips(SITE)),
    lambda github: github.commit(SITE, SHA),
    lambda github: github.directory(SITE, "deploy", SHA),
    lambda github: github.read(SITE, "deploy/pipeline.json", SHA),
    lambda github: github.post(CommitStatus(SITE, SHA, "c", CommitState.SUCCESS, "d")),
    archived,
]
NAMES = ["repository", "tip", "tips", "commit", "directory", "read", "post", "archive"]


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param((403, {"Retry_After": "77"}, "abuse"), (Transient, 77.0), id="F67-403-retry-after"),
        pytest.param((429, {"Retry_After": "5"}, "slow"), (Transient, 5.0), id="F67-429-retry-after"),
        pytest.param((429, {}, "slow"), (Transient, 60.0), id="F67-429-without-a-word"),
        pytest.param(
            (429, {"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT"}, ""), (Transient, 60.0), id="F67-429-a-date"
        ),
        pytest.param(
            (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1"}, ""),
            (Transient, 1.0),
            id="F67-primary-limit",
        ),
        pytest.param(
            (403, {}, "You have exceeded a secondary rate limit"), (Transient, 60.0), id="F67-secondary-limit"
        ),
        pytest.param((403, {}, "Resource not accessible by token"), (Broken, None), id="403"),
        pytest.param((401, {}, "Bad credentials"), (Broken, None), id="401"),
        pytest.param((500, {}, "oops"), (Transient, None), id="500"),
        pytest.param((502, {}, "oops"), (Transient, None), id="502"),
        pytest.param((503, {}, "oops"), (Transient, None), id="503"),
        pytest.param((422, {}, "Validation Failed"), (Rejected, None), id="422"),
        pytest.param((451, {}, "DMCA"), (Rejected, None), id="451"),
    ],
)
def test_refusals(
    server: Any, github: GitHub, call: Call, answer: tuple[int, dict[str, str], str], expected: tuple[Any, float | None]
) -> None:
    (status, headers, message), (kind, wait) = answer, expected
    server.answer(status, {"message": message}, **headers)
    with pytest.raises(DeployerError) as refusal:
        call(github)
    assert type(refusal.value) is kind
    assert getattr(refusal.value, "retry_after", None) == wait


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"{"], ids=repr)
def test_an_answer_that_is_no_json(server: Any, github: GitHub, body: bytes) -> None:
    server.answer(200, body)
    server.answer(500, body)
    for _ in range(2):
        with pytest.raises(Transient):
            github.repository("acme", "site")


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_nobody_there(server: Any, github: GitHub, call: Call) -> None:
    closed = GitHub("http://127.0.0.1:1", lambda: TOKEN)
    with pytest.raises(Transient, match="did not answer"):
        call(closed)


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_F41_a_renamed_repository_is_followed_on_the_same_host(server: Any, github: GitHub, status: int) -> None:
    server.answer(status, {}, Location=f"{server.url}{API}/repositories/7")
    server.answer(200, {"id": 7, "name": "new", "owner": {"login": "acme"}, "default_branch": "main"})
    found = github.repository("acme", "old")
    assert found is not None
    assert found.name.name == "new"
    assert server.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_F41_a_status_for_a_renamed_repository_keeps_its_body(server: Any, github: GitHub) -> None:
    server.answer(307, {}, Location=f"/api/v3/repositories/7/statuses/{SHA}")
    server.answer(201, {})
    github.post(CommitStatus(SITE, SHA, "pipeline/Build", CommitState.SUCCESS, "done"))
    assert server.asked[0].json == server.asked[1].json
    assert server.asked[1].method == "POST"


@pytest.mark.parametrize("call", CALLS[:-1], ids=NAMES[:-1])
def test_F41_the_token_does_not_follow_to_another_host(servers: Any, github: GitHub, call: Call) -> None:
    server, other = servers
    server.answer(302, {}, Location=f"{other.url}{API}/repos/acme/site")
    with pytest.raises(Broken, match="another host"):
        call(github)
    assert other.asked == []


@pytest.mark.parametrize("location", ["", "http://[", "http://127.0.0.1:99999/", "//", "javascript:1", "file:///etc"])
@pytest.mark.parametrize("call", [CALLS[0], archived], ids=["repository", "archive"])
def test_F41_a_redirect_to_nowhere(server: Any, github: GitHub, call: Call, location: str) -> None:
    for _ in range(4):
        server.answer(302, {}, Location=location)
    with pytest.raises(DeployerError):
        call(github)


def test_F41_redirects_end(server: Any, github: GitHub) -> None:
    for _ in range(4):
        server.answer(302, {}, Location=f"{server.url}{API}/repos/acme/site")
    with pytest.raises(Rejected):
        github.repository("acme", "site")


def test_F41_an_archive_is_fetched_from_another_host_without_the_token(servers: Any, github: GitHub) -> None:
    server, other = servers
    server.answer(302, {}, Location=f"{other.url}/acme/site/legacy.tar.gz/{SHA}?token=signed")
    other.answer(200, b"tarball" * 1000)
    with github.archive(SITE, SHA) as stream:
        assert stream.read(7) == b"tarball"
        assert len(stream.read()) == 6993
    assert server.asked[0].target == f"{API}/repos/acme/site/tarball/{SHA}"
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in other.asked[0].headers
    assert TOKEN not in str(other.asked)


def test_F41_the_token_does_not_come_back_either(servers: Any, github: GitHub) -> None:
    server, other = servers
    server.answer(302, {}, Location=f"{other.url}/x")
    other.answer(302, {}, Location=f"{server.url}/y")
    server.answer(200, b"x")
    with github.archive(SITE, SHA) as stream:
        assert stream.read() == b"x"
    assert "authorization" not in server.asked[1].headers


def test_an_archive_that_breaks_off(server: Any, github: GitHub) -> None:
    server.answer(200, b"tarball", missing=100)
    with pytest.raises(Transient, match="broke off"), github.archive(SITE, SHA) as stream:
        stream.read()


# --- statuses


def test_a_status(server: Any, github: GitHub) -> None:
    server.answer(201, {})
    github.post(CommitStatus(SITE, SHA, "pipeline/Build", CommitState.FAILURE, "feature: failed", "https://console"))
    [asked] = server.asked
    assert (asked.method, asked.target) == ("POST", f"{API}/repos/acme/site/statuses/{SHA}")
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {
        "state": "failure",
        "context": "pipeline/Build",
        "description": "feature: failed",
        "target_url": "https://console",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("é" * 140, "é" * 140),
        ("é" * 141, "é" * 139 + "…"),
        ("a\n  b\tc ", "a b c"),
        ("", ""),
        ("x" * 138 + " " + "y" * 20, "x" * 138 + "…"),
        ("🪣" * 70, "🪣" * 70),
        ("🪣" * 71, "🪣" * 69 + "…"),
        ("e\u0301" * 71, "e\u0301" * 69 + "e…"),
    ],
)
def test_a_description_is_cut(text: str, shown: str) -> None:
    assert cut(text) == shown
    assert len(cut(text)) <= 140


@given(st.text(max_size=300) | st.text(st.sampled_from("ae\u0301\u200d👩🏽🪣 \n\ud800"), max_size=300))
def test_a_description_of_any_text_is_cut_and_never_too_long_however_characters_are_counted(text: str) -> None:
    shown, whole = cut(text), " ".join(text.split())
    assert len(shown) <= 140
    assert len(shown.encode("utf-16-le", "surrogatepass")) <= 280
    if len(whole.encode("utf-16-le", "surrogatepass")) <= 280:
        assert shown == whole
    else:
        assert shown.endswith("…")
        assert whole.startswith(shown[:-1])
        assert len(shown.encode("utf-16-le", "surrogatepass")) >= 276, "all but half a pair and a space is kept"


def test_a_rotated_token_is_used_at_once(server: Any) -> None:
    tokens = iter(["old", "new"])
    github = GitHub(server.url, lambda: next(tokens))
    for _ in range(2):
        server.answer(404, {})
        github.repository("acme", "site")
    assert [each.headers["authorization"] for each in server.asked] == ["Bearer old", "Bearer new"]


# --- the canary


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
@pytest.mark.parametrize("status", [302, 401, 403, 404, 422, 429, 500])
def test_F91_no_token_in_any_error_or_log(
    servers: Any, github: GitHub, caplog: pytest.LogCaptureFixture, call: Call, status: int
) -> None:
    server, other = servers
    caplog.set_level(logging.DEBUG)
    server.answer(status, {"message": "no"}, Location=f"{other.url}/x")
    other.answer(500, {})
    try:
        call(github)
    except DeployerError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert TOKEN not in shown
    assert TOKEN not in caplog.text
