"""GitHub's REST API through the adapter, against a scripted server on loopback.

Each request, and each answer that is not marked as one that GitHub never gives, is held to GitHub's description.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.github import Exchange, check, wrong_answer, wrong_request
from tests.contracts.github_answers import error, example, moved

from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.lengths import description
from deployer.ports import Commit, CommitStatus, Refs, Repository, Tip
from deployer.states import CommitState

TOKEN = "ghp_canary0123456789"
SITE = RepositoryName(7, "acme", "site")
SHA, TAG = "a" * 40, "b" * 40
API = "/api/v3"
Call = Callable[[GitHub], object]


@pytest.fixture
def github(server: Any) -> Iterator[GitHub]:
    yield GitHub(server.url + API, lambda: TOKEN)
    check(list(broken(server)))


def broken(server: Any) -> Iterator[str]:
    """What does not fit GitHub's description. A request that goes where an unreal answer led is not the adapter's."""
    led = "".join(str(answer.headers) for _, answer in server.exchanges if not answer.real)
    for asked, answer in server.exchanges:
        if asked.target.startswith(API):
            target = asked.target.removeprefix(API)
            request = (asked.method, target, asked.headers, asked.body)
            exchange = Exchange(*request, answer.status, answer.headers, answer.body)
            yield from wrong_request(exchange) if asked.target not in led else []
            yield from wrong_answer(exchange) if answer.real else []


def repository(name: str, owner: str = "acme", branch: str = "main") -> dict[str, Any]:
    owned = example("repository")["owner"] | {"login": owner}
    found: dict[str, Any] = example("repository", id=7, name=name, owner=owned, default_branch=branch)
    return found


def ref(name: str, sha: str = SHA, kind: str = "commit") -> dict[str, Any]:
    found: dict[str, Any] = example("ref", ref=name, object=example("ref")["object"] | {"type": kind, "sha": sha})
    return found


def commit(**inner: Any) -> dict[str, Any]:
    found: dict[str, Any] = example("commit", sha=SHA, commit=example("commit")["commit"] | inner)
    return found


def entry(name: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = example("directory")[0] | {"name": name, "type": kind}
    return found


GONE = error(404, "Not Found")


# --- what is read


def test_a_repository(server: Any, github: GitHub) -> None:
    server.answer(200, repository("Site", "Acme", "trunk"))
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
    server.answer(404, GONE)
    github.repository("acme/site", "x?y")
    assert server.asked[0].target == f"{API}/repos/acme%2Fsite/x%3Fy"


def test_F40_files_are_read_by_commit(server: Any, github: GitHub) -> None:
    server.answer(200, [entry("pipeline.json", "file"), entry("x", "symlink")])
    server.answer(200, b"\x00{}", Content_Type="application/vnd.github.raw+json; charset=utf-8")
    assert github.directory(SITE, "deploy", SHA) == {"pipeline.json": "file", "x": "symlink"}
    assert github.read(SITE, "deploy/pipeline.json", SHA) == b"\x00{}"
    listing, raw = server.asked
    assert listing.target == f"{API}/repos/acme/site/contents/deploy?ref={SHA}"
    assert raw.target == f"{API}/repos/acme/site/contents/deploy/pipeline.json?ref={SHA}"
    assert raw.headers["accept"] == "application/vnd.github.raw+json"


def test_F22_a_file_where_a_directory_should_be(server: Any, github: GitHub) -> None:
    server.answer(200, example("symlink", name="deploy"))
    assert github.directory(SITE, "deploy", SHA) is None


def test_F37_an_annotated_tag_is_peeled(server: Any, github: GitHub) -> None:
    server.answer(200, ref("refs/tags/v1.0.0", TAG, "tag"))
    server.answer(200, commit())
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
    server.answer(status, error(status, "No commit found for SHA: tags/v1.0.0"))
    with pytest.raises(Rejected, match="only a commit"):
        github.tip(SITE, "refs/tags/v1.0.0")


def test_F28_the_last_branch_of_a_repository_is_gone(server: Any, github: GitHub) -> None:
    server.answer(409, error(409, "Git Repository is empty."))
    assert github.tip(SITE, "refs/heads/main") is None


def test_F42_a_repository_that_is_out_of_reach_is_no_proof(server: Any, github: GitHub) -> None:
    server.answer(409, error(409, "Git Repository is unavailable."))
    with pytest.raises(Rejected, match="unavailable"):
        github.tip(SITE, "refs/heads/main")


def test_a_ref_that_only_begins_alike_is_another(server: Any, github: GitHub) -> None:
    server.answer(200, ref("refs/heads/main-2"))
    assert github.tip(SITE, "refs/heads/main") is None


def test_all_refs(server: Any, github: GitHub) -> None:
    server.answer(200, [ref("refs/heads/a"), ref("refs/heads/b")])
    server.answer(200, [ref("refs/tags/v1", TAG, "tag")])
    assert list(github.tips(SITE)) == [("refs/heads/a", SHA), ("refs/heads/b", SHA), ("refs/tags/v1", TAG)]
    assert [each.target for each in server.asked] == [
        f"{API}/repos/acme/site/git/matching-refs/heads",
        f"{API}/repos/acme/site/git/matching-refs/tags",
    ]


def test_all_refs_of_all_pages(server: Any, github: GitHub) -> None:
    """GitHub has one page of refs today (https://github.com/github/docs/issues/3863); its other lists have many."""
    pages = [f"{API}/repositories/7/git/matching-refs/heads?page={number}" for number in (1, 2, 3)]
    first, second, third = (f"<{server.url}{page}>" for page in pages)
    server.answer(200, [ref("refs/heads/a")], Link=f'{second}; rel="next", {third}; rel="last"', real=False)
    around = f'{first}; rel="prev", {third}; rel="next", {third}; rel="last", {first}; rel="first"'
    server.answer(200, [ref("refs/heads/b")], Link=around, real=False)
    server.answer(200, [ref("refs/heads/c")], Link=f'{second}; rel="prev", {first}; rel="first"', real=False)
    server.answer(200, [])
    assert [name for name, _ in github.tips(SITE)] == ["refs/heads/a", "refs/heads/b", "refs/heads/c"]
    assert [each.target for each in server.asked] == [
        f"{API}/repos/acme/site/git/matching-refs/heads",
        *pages[1:],
        f"{API}/repos/acme/site/git/matching-refs/tags",
    ]


def test_F41_the_next_page_is_on_the_same_host(servers: Any, github: GitHub) -> None:
    server, other = servers
    server.answer(200, [], Link=f'<{other.url}/x>; rel="next"', real=False)
    with pytest.raises(Broken, match="another host"):
        list(github.tips(SITE))
    assert other.asked == []


# --- what has not changed

REPO, HEADS, TAGS = (
    f"{API}/repos/acme/site{below}" for below in ("", "/git/matching-refs/heads", "/git/matching-refs/tags")
)
KEYS = [path.removeprefix(f"{API}/") for path in (REPO, HEADS, TAGS)]
KNOWN = dict(zip(KEYS, ['W/"r1"', 'W/"h1"', '"t1"'], strict=True))
TIPS = {"refs/heads/main": SHA, "refs/tags/v1": TAG}


def holds(server: Any, *paths: str) -> None:
    """Answer a whole read of these, and of those alone."""
    bodies = {REPO: repository("site"), HEADS: [ref("refs/heads/main")], TAGS: [ref("refs/tags/v1", TAG, "tag")]}
    etags = dict(zip(bodies, ['W/"r2"', 'W/"h2"', '"t2"'], strict=True))
    for path in paths:
        server.answer(200, bodies[path], ETag=etags[path])


def asked_of(server: Any) -> list[tuple[str, str | None]]:
    """What was asked for, and what it was validated with."""
    return [(each.target, each.headers.get("if-none-match")) for each in server.asked]


def test_a_repository_with_all_its_refs(server: Any, github: GitHub) -> None:
    holds(server, REPO, HEADS, TAGS)
    validators = dict(zip(KEYS, ['W/"r2"', 'W/"h2"', '"t2"'], strict=True))
    assert github.refs(SITE, {}) == Refs(Repository(SITE, "main"), TIPS, validators)
    assert asked_of(server) == [(REPO, None), (HEADS, None), (TAGS, None)]


def test_F26_a_repository_at_rest_is_asked_with_what_it_gave(server: Any, github: GitHub) -> None:
    """A 304 costs nothing of the rate limit; a weak validator goes back as it came."""
    for etag in KNOWN.values():
        server.answer(304, ETag=etag)
    assert github.refs(SITE, KNOWN) is None
    assert asked_of(server) == list(zip((REPO, HEADS, TAGS), KNOWN.values(), strict=True))


CHANGED = {"the-repository": 0, "a-branch": 1, "a-tag": 2}


@pytest.mark.parametrize("at", CHANGED.values(), ids=CHANGED)
def test_F26_where_one_has_changed_the_others_are_read_whole(server: Any, github: GitHub, at: int) -> None:
    paths, etags = [REPO, HEADS, TAGS], list(KNOWN.values())
    for etag in etags[:at]:
        server.answer(304, ETag=etag)
    holds(server, paths[at], *(path for path in paths if path != paths[at]))
    found = github.refs(SITE, KNOWN)
    assert found is not None
    assert found.tips == TIPS
    assert set(found.validators) == set(KNOWN)
    assert not set(found.validators.values()) & set(etags)
    conditional = list(zip(paths, etags, strict=True))[: at + 1]
    assert asked_of(server) == conditional + [(path, None) for path in paths if path != paths[at]]


def test_every_page_of_refs_has_a_validator_of_its_own(server: Any, github: GitHub) -> None:
    second = f"{API}/repositories/7/git/matching-refs/heads?page=2"
    holds(server, REPO)
    link = f'<{server.url}{second}>; rel="next"'
    server.answer(200, [ref("refs/heads/a")], ETag='"h1"', Link=link, real=False)
    server.answer(200, [ref("refs/heads/b")], ETag='"h2"', real=False)
    holds(server, TAGS)
    found = github.refs(SITE, {})
    assert found is not None
    assert list(found.tips) == ["refs/heads/a", "refs/heads/b", "refs/tags/v1"]
    assert found.validators == dict(zip([*KEYS[:2], second, KEYS[2]], ['W/"r2"', '"h1"', '"h2"', '"t2"'], strict=True))
    for etag in found.validators.values():
        server.answer(304, ETag=etag)
    assert github.refs(SITE, found.validators) is None
    assert asked_of(server)[4:] == list(
        zip((REPO, HEADS, second, TAGS), ('W/"r2"', '"h1"', '"h2"', '"t2"'), strict=True)
    )


EMPTY = error(409, "Git Repository is empty.")
KNOWN_EMPTY = {KEYS[0]: 'W/"r2"', KEYS[1]: ""}


def test_an_empty_repository_has_no_refs(server: Any, github: GitHub) -> None:
    holds(server, REPO)
    server.answer(409, EMPTY)
    assert github.refs(SITE, {}) == Refs(Repository(SITE, "main"), {}, KNOWN_EMPTY)
    server.answer(200, repository("site"))
    server.answer(409, EMPTY)
    assert github.refs(SITE, {}) == Refs(Repository(SITE, "main"), {}, {}), "and nothing validates that"


def test_an_empty_repository_is_asked_whether_it_still_is(server: Any, github: GitHub) -> None:
    """A refusal has no validator, and what the repository says of itself may be the same after its first push."""
    for _ in range(2):
        server.answer(304, ETag='W/"r2"')
        server.answer(409, EMPTY)
        assert github.refs(SITE, KNOWN_EMPTY) is None
    assert asked_of(server)[2:] == [(REPO, 'W/"r2"'), (HEADS, None)]
    server.answer(304, ETag='W/"r2"')
    holds(server, HEADS, REPO, TAGS)
    found = github.refs(SITE, KNOWN_EMPTY)
    assert found is not None
    assert found.tips == TIPS


@pytest.mark.parametrize("known", [{}, KNOWN_EMPTY, KNOWN], ids=["unknown", "known-empty", "known"])
def test_F42_a_repository_that_is_out_of_reach_is_not_empty(server: Any, github: GitHub, known: dict[str, str]) -> None:
    """A 409 with other words."""
    if known:
        server.answer(304, ETag='W/"r"')
        server.answer(409, error(409, "Git Repository is unavailable."))
    holds(server, REPO)
    if not known:
        server.answer(409, error(409, "Git Repository is unavailable."))
    with pytest.raises(Rejected, match="unavailable"):
        github.refs(SITE, known)
    server.answer(409, error(409, "Git Repository is unavailable."))
    with pytest.raises(Rejected, match="unavailable"):
        list(github.tips(SITE))


def test_a_repository_that_was_emptied(server: Any, github: GitHub) -> None:
    server.answer(304, ETag='W/"r1"')
    server.answer(409, EMPTY)
    holds(server, REPO)
    assert github.refs(SITE, KNOWN) == Refs(Repository(SITE, "main"), {}, KNOWN_EMPTY)


def test_what_has_no_validator_is_never_taken_for_unchanged(server: Any, github: GitHub) -> None:
    holds(server, REPO, HEADS)
    server.answer(200, [])
    found = github.refs(SITE, {})
    assert found is not None
    assert found.validators == {}


def test_that_nothing_has_changed_is_an_answer_only_to_who_asked(server: Any, github: GitHub) -> None:
    server.answer(304, ETag='W/"r1"')
    with pytest.raises(Rejected, match="304"):
        github.refs(SITE, {})


@pytest.mark.parametrize("known", [{}, KNOWN], ids=["unknown", "known"])
@pytest.mark.parametrize("absent", [0, 1, 2], ids=["repository", "branches", "tags"])
def test_F42_what_the_token_may_not_see_is_refused_and_never_empty(
    server: Any, github: GitHub, absent: int, known: dict[str, str]
) -> None:
    """The token is revoked at any moment: before the first call, or between two."""
    paths = [REPO, HEADS, TAGS]
    if known:
        for etag in list(known.values())[:absent]:
            server.answer(304, ETag=etag)
        server.answer(404, GONE)
    holds(server, *paths[:absent])
    if not known or absent == 2:
        server.answer(404, GONE)
    with pytest.raises(Rejected, match="acme/site is not there, or not for this token: nothing is known of its refs"):
        github.refs(SITE, known)


def test_F41_another_repository_under_that_name_is_refused(server: Any, github: GitHub) -> None:
    holds(server, REPO)
    with pytest.raises(Rejected, match=r"acme/site is another repository now \(7, not 8\)"):
        github.refs(RepositoryName(8, "acme", "site"), {})


def test_a_repository_of_which_only_the_name_is_known_has_whatever_number_it_has(server: Any, github: GitHub) -> None:
    holds(server, REPO, HEADS, TAGS)
    found = github.refs(RepositoryName(0, "acme", "site"), {})
    assert found is not None
    assert found.repository.name == SITE


@pytest.mark.parametrize("known", [{}, {key.replace("site", "old"): etag for key, etag in KNOWN.items()}], ids=len)
def test_F41_a_renamed_repository_is_followed_and_read_by_its_new_name(
    server: Any, github: GitHub, known: dict[str, str]
) -> None:
    there = f"{server.url}{API}/repositories/7"
    server.answer(301, moved(there), Location=there)
    holds(server, REPO, HEADS, TAGS)
    found = github.refs(RepositoryName(7, "acme", "old"), known)
    assert found is not None
    assert found.repository.name == SITE
    assert found.tips == TIPS
    assert set(found.validators) == set(KEYS), "what it was called before validates nothing"
    assert [each.target for each in server.asked] == [f"{API}/repos/acme/old", f"{API}/repositories/7", HEADS, TAGS]


def test_a_list_that_is_none_is_not_an_empty_one(server: Any, github: GitHub) -> None:
    holds(server, REPO)
    server.answer(200, {}, real=False)
    with pytest.raises(Transient, match="not with a list"):
        github.refs(SITE, {})


def test_F41_a_page_is_kept_without_its_host(servers: Any) -> None:
    server, other = servers
    for each in ("/x", f"//127.0.0.1:{other.port}/x"):
        server.answer(200, repository("site"), ETag='"r"')
        server.answer(200, [], ETag='"h1"', Link=f'<{server.url}{each}>; rel="next"', real=False)
        for etag in ('"h2"', '"t"'):
            server.answer(200, [], ETag=etag)
        found = GitHub(server.url, lambda: TOKEN).refs(SITE, {})
        assert found is not None
        assert not [key for key in found.validators if key.startswith(("http", "//"))]
    assert other.asked == []


ADA = {"name": "Ada", "email": "ada@example.org", "date": "2011-04-14T16:00:49Z"}


@pytest.mark.parametrize("author", [ADA, None], ids=["known", "nobody"])
def test_a_commit(server: Any, github: GitHub, author: Any) -> None:
    server.answer(200, commit(message="Say hello\n\nAnd more", author=author))
    name, email = (author["name"], author["email"]) if author else ("", "")
    found = github.commit(SITE, SHA)
    assert found == Commit(SHA, "Say hello\n\nAnd more", name, email, example("commit")["html_url"])
    assert found.subject == "Say hello"


# --- what is not there


def test_404_is_an_answer(server: Any, github: GitHub) -> None:
    server.answer(404, GONE)
    assert github.repository("acme", "site") is None


ABSENT: dict[str, Call] = {
    "ref": lambda github: github.tip(SITE, "refs/heads/x"),
    "directory": lambda github: github.directory(SITE, "deploy", SHA),
}
NEEDED: dict[str, Call] = {"file": lambda github: github.read(SITE, "deploy/pipeline.json", SHA)}


@pytest.mark.parametrize("call", ABSENT.values(), ids=ABSENT)
def test_F42_something_is_gone_where_its_repository_can_be_read_after_it(
    server: Any, github: GitHub, call: Call
) -> None:
    server.answer(404, GONE)
    server.answer(200, repository("site"))
    assert call(github) is None
    assert server.asked[1].target == REPO


@pytest.mark.parametrize("call", (ABSENT | NEEDED).values(), ids=ABSENT | NEEDED)
def test_F42_nothing_is_gone_because_the_token_is(server: Any, github: GitHub, call: Call) -> None:
    """Revoked after the repository was read, and before this was."""
    for _ in range(2):
        server.answer(404, GONE)
    with pytest.raises(Transient, match="acme/site can't be read any more"):
        call(github)


@pytest.mark.parametrize("read", [0, 1], ids=["at-once", "between-two-lists"])
def test_F42_a_list_of_refs_is_not_empty_because_the_token_is_revoked(server: Any, github: GitHub, read: int) -> None:
    holds(server, *[HEADS][:read])
    server.answer(404, GONE)
    with pytest.raises(Transient, match="acme/site can't be read any more"):
        list(github.tips(SITE))


def test_all_refs_of_an_empty_repository(server: Any, github: GitHub) -> None:
    for _ in range(2):
        server.answer(409, EMPTY)
    assert list(github.tips(SITE)) == []


def test_404_of_what_must_be_there(server: Any, github: GitHub) -> None:
    for _ in range(2):
        server.answer(404, GONE)
    holds(server, REPO)
    server.answer(404, GONE)
    with pytest.raises(Rejected, match="is not in acme/site"):
        github.commit(SITE, SHA)
    with pytest.raises(Rejected, match="is not in acme/site"):
        github.read(SITE, "deploy/pipeline.json", SHA)
    with pytest.raises(Broken, match="statuses: write"):
        github.post(CommitStatus(SITE, SHA, "pipeline/Build", CommitState.SUCCESS, "done"))


# --- refusals


def archived(github: GitHub) -> None:
    with github.archive(SITE, SHA):
        pass


CALLS: list[Call] = [
    lambda github: github.repository("acme", "site"),
    lambda github: github.tip(SITE, "refs/heads/main"),
    lambda github: list(github.tips(SITE)),
    lambda github: github.refs(SITE, {}),
    lambda github: github.refs(SITE, KNOWN),
    lambda github: github.commit(SITE, SHA),
    lambda github: github.directory(SITE, "deploy", SHA),
    lambda github: github.read(SITE, "deploy/pipeline.json", SHA),
    lambda github: github.post(CommitStatus(SITE, SHA, "c", CommitState.SUCCESS, "d")),
    lambda github: github.states(SITE, SHA),
    archived,
]
NAMES = ["repository", "tip", "tips", "refs", "refs-known", "commit", "directory", "read", "post", "states", "archive"]


SLOW = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
SPENT = "API rate limit exceeded for user ID 1."
BLOCK = {"reason": "dmca", "created_at": "2021-04-22T17:53:56Z", "html_url": "https://github.com/github/dmca"}
REFUSALS = {
    "F67-403-retry-after": ((403, {"Retry_After": "77"}, SLOW), (Transient, 77.0)),
    "F67-429-retry-after": ((429, {"Retry_After": "5"}, SLOW), (Transient, 5.0)),
    "F67-429-without-a-time": ((429, {}, SLOW), (Transient, 60.0)),
    "F67-secondary-limit": ((403, {}, SLOW), (Transient, 60.0)),
    "F67-secondary-limit-with-calls-left": (
        (403, {"X_RateLimit_Remaining": "4987", "X_RateLimit_Reset": "1"}, SLOW),
        (Transient, 60.0),
    ),
    "F67-primary-limit": ((403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1"}, SPENT), (Transient, 1.0)),
    "F67-primary-limit-429": ((429, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1"}, SPENT), (Transient, 1.0)),
    "403": ((403, {}, "Resource not accessible by personal access token"), (Broken, None)),
    "403-archived": ((403, {}, "Repository was archived so is read-only."), (Rejected, None)),
    "401": ((401, {}, "Bad credentials"), (Broken, None)),
    "500": ((500, {}, "Server Error"), (Transient, None)),
    "502": ((502, {}, "Server Error"), (Transient, None)),
    "422": ((422, {}, "Validation Failed"), (Rejected, None)),
}
UNREAL = {
    # What stands between GitHub and us may say in its own words.
    "F67-429-without-a-word": ((429, {}, "slow"), (Transient, 60.0)),
    "F67-429-a-date": ((429, {"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT"}, ""), (Transient, 60.0)),
    "F67-403-a-time-and-no-reason": ((403, {"Retry_After": "77"}, "no"), (Transient, 77.0)),
    "408": ((408, {}, "Request Timeout"), (Transient, None)),
}


REFUSED = [
    pytest.param(call, refusal, id=f"{refusal}-{name}")
    for name, call in zip(NAMES, CALLS, strict=True)
    for refusal in [*REFUSALS, *UNREAL]
    if (name, refusal) != ("states", "422")  # that is how GitHub says that there is no such commit
]


@pytest.mark.parametrize(("call", "refusal"), REFUSED)
def test_refusals(server: Any, github: GitHub, call: Call, refusal: str) -> None:
    (status, headers, message), (kind, wait) = (REFUSALS | UNREAL)[refusal]
    server.answer(status, error(status, message), real=refusal in REFUSALS, **headers)
    with pytest.raises(DeployerError) as refused:
        call(github)
    assert type(refused.value) is kind
    assert getattr(refused.value, "retry_after", None) == wait


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_a_blocked_repository_is_refused(server: Any, github: GitHub, call: Call) -> None:
    server.answer(451, {"message": "Repository access blocked", "block": BLOCK})
    with pytest.raises(Rejected, match="451: Repository access blocked"):
        call(github)


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_trouble_in_html(server: Any, github: GitHub, call: Call, status: int) -> None:
    server.answer(status, b"<html>Unicorn!</html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(Transient, match=str(status)):
        call(github)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"{"], ids=repr)
def test_an_answer_that_is_no_json(server: Any, github: GitHub, body: bytes) -> None:
    server.answer(200, body, real=False)
    server.answer(500, body, real=False)
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
    there = f"{server.url}{API}/repositories/7"
    server.answer(status, b"" if status == 302 else moved(there), Location=there, real=status != 308)
    server.answer(200, repository("new"))
    found = github.repository("acme", "old")
    assert found is not None
    assert found.name.name == "new"
    assert server.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_F41_a_status_for_a_renamed_repository_keeps_its_body(server: Any, github: GitHub) -> None:
    there = f"/api/v3/repositories/7/statuses/{SHA}"
    server.answer(307, moved(f"{server.url}{there}"), Location=there)
    server.answer(201, example("status"))
    github.post(CommitStatus(SITE, SHA, "pipeline/Build", CommitState.SUCCESS, "done"))
    assert server.asked[0].json == server.asked[1].json
    assert server.asked[1].method == "POST"


@pytest.mark.parametrize("call", CALLS[:-1], ids=NAMES[:-1])
def test_F41_the_token_does_not_follow_to_another_host(servers: Any, github: GitHub, call: Call) -> None:
    server, other = servers
    server.answer(302, Location=f"{other.url}{API}/repos/acme/site")
    with pytest.raises(Broken, match="another host"):
        call(github)
    assert other.asked == []


@pytest.mark.parametrize("location", ["", "http://[", "http://127.0.0.1:99999/", "//", "javascript:1", "file:///etc"])
@pytest.mark.parametrize("call", [CALLS[0], archived], ids=["repository", "archive"])
def test_F41_a_redirect_to_nowhere(server: Any, github: GitHub, call: Call, location: str) -> None:
    for _ in range(4):
        server.answer(302, Location=location, real=False)
    with pytest.raises(DeployerError):
        call(github)


def test_F41_redirects_end(server: Any, github: GitHub) -> None:
    for _ in range(4):
        server.answer(302, Location=f"{server.url}{API}/repos/acme/site")
    with pytest.raises(Rejected):
        github.repository("acme", "site")


def test_F41_an_archive_is_fetched_from_another_host_without_the_token(servers: Any, github: GitHub) -> None:
    server, other = servers
    server.answer(302, Location=f"{other.url}/acme/site/legacy.tar.gz/{SHA}?token=signed")
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
    server.answer(302, Location=f"{other.url}/x")
    other.answer(302, Location=f"{server.url}/y")
    server.answer(200, b"x")
    with github.archive(SITE, SHA) as stream:
        assert stream.read() == b"x"
    assert "authorization" not in server.asked[1].headers


def test_F41_an_archive_is_never_fetched_in_the_clear() -> None:
    """Only where GitHub itself is encrypted, which the scripted server is not: its place is taken by a pool of one."""

    class Pool(urllib3.PoolManager):
        asked: ClassVar[list[str]] = []

        def request(self, method: str, url: str, **_: Any) -> Any:  # type: ignore[override]
            self.asked.append(url)
            return urllib3.HTTPResponse(b"", {"Location": "http://codeload.example/x"}, 302)

    encrypted = GitHub("https://api.github.com", lambda: TOKEN, Pool())
    with pytest.raises(Broken, match="not encrypted"):
        archived(encrypted)
    assert Pool.asked == [f"https://api.github.com/repos/acme/site/tarball/{SHA}"]


def test_an_archive_that_breaks_off(server: Any, github: GitHub) -> None:
    server.answer(200, b"tarball", missing=100, real=False)  # GitHub redirects first; where to does not matter here
    with pytest.raises(Transient, match="broke off"), github.archive(SITE, SHA) as stream:
        stream.read()


# --- statuses


def test_a_status(server: Any, github: GitHub) -> None:
    server.answer(201, example("status"))
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
        ("🪣 is full", "� is full"),
        ("🪣" * 140, "�" * 140),
        ("🪣" * 141, "�" * 139 + "…"),
        ("e\u0301" * 71, "e\u0301" * 69 + "e…"),
    ],
)
def test_a_description_is_cut(text: str, shown: str) -> None:
    assert description(text) == shown
    assert len(description(text)) <= 140


@given(st.text(max_size=300) | st.text(st.sampled_from("ae\u0301\u200d👩🏽🪣 \n\ud800"), max_size=300))
def test_a_description_of_any_text_is_cut_and_never_too_long_however_characters_are_counted(text: str) -> None:
    whole = " ".join(text.split())
    shown = description(text)
    assert len(shown) <= 140
    assert all(len(character.encode()) <= 3 for character in shown), "GitHub takes no character of four bytes"
    kept = shown if len(whole) <= 140 else shown[:-1]
    assert all(there in (said, "�") for said, there in zip(whole, kept, strict=False))
    if len(whole) <= 140:
        assert len(shown) == len(whole)
    else:
        assert shown.endswith("…")
        assert len(shown) >= 139, "all but a space is kept"


def combined(*states: tuple[int, str, str]) -> dict[str, Any]:
    listed = example("combined-status")["statuses"][0]
    found: dict[str, Any] = example(
        "combined-status", statuses=[listed | {"id": at, "context": of, "state": said} for at, of, said in states]
    )
    return found


STATUS = f"{API}/repos/acme/site/commits/{SHA}/status?per_page=100"


def test_the_statuses_that_hold(server: Any, github: GitHub) -> None:
    states = [(at, f"ci/{state}", str(state)) for at, state in enumerate(CommitState)]
    server.answer(200, combined(*states, (9, "theirs", "awaiting")))
    assert github.states(SITE, SHA) == {f"ci/{state}": state for state in CommitState}
    assert [each.target for each in server.asked] == [STATUS]


def test_of_a_context_on_two_pages_the_latest_holds(server: Any, github: GitHub) -> None:
    """One was posted between the two calls, and pushed what is older to the next page."""
    second = f"{API}/repositories/7/commits/{SHA}/status?per_page=100&page=2"
    link = f'<{server.url}{second}>; rel="next"'
    server.answer(200, combined((5, "a", "success"), (6, "b", "failure")), Link=link)
    server.answer(200, combined((4, "a", "pending"), (7, "c", "error")))
    assert github.states(SITE, SHA) == {"a": CommitState.SUCCESS, "b": CommitState.FAILURE, "c": CommitState.ERROR}
    assert [each.target for each in server.asked] == [STATUS, second]


@pytest.mark.parametrize("status", [404, 409, 422])
def test_what_is_no_commit_has_no_statuses(server: Any, github: GitHub, status: int) -> None:
    server.answer(status, error(status, f"No commit found for SHA: {SHA}"), real=status == 404)
    assert github.states(SITE, SHA) == {}


def test_a_rotated_token_is_used_at_once(server: Any) -> None:
    tokens = iter(["old", "new"])
    github = GitHub(server.url, lambda: next(tokens))
    for _ in range(2):
        server.answer(404, GONE)
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
    # The words do not matter here, but that they are there to be repeated.
    server.answer(status, {"message": f"no {TOKEN[:4]}"}, Location=f"{other.url}/x", real=False)
    other.answer(500, {})
    try:
        call(github)
    except DeployerError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert TOKEN not in shown
    assert TOKEN not in caplog.text
