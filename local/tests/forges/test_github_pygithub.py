"""PyGithub, as it comes from PyPI, against the local GitHub: every call that is served, and what goes wrong.

It was written against GitHub and knows nothing of us: what it cannot read here, other tools cannot either.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import github
import pytest
from github import Auth, Github, GithubException, GithubRetry
from github.ContentFile import ContentFile
from github.Repository import Repository

from .conftest import TOKEN, Forge, Receiver, Work, receiving, running

BRANCHES = [f"many/{number:02}" for number in range(40)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Forge, Work]]:
    """A local GitHub whose acme/site has 42 branches, a folder, and tags of both kinds; acme/old is its old name."""
    with running(tmp_path_factory.mktemp("forge")) as forge:
        forge.github.create_repository("acme/old")
        forge.github.rename("acme/old", "acme/site")
        work = Work(tmp_path_factory.mktemp("work"))
        work.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
        (work.path / "deploy").mkdir()
        (work.path / "deploy/pipeline.json").write_text("{}\n")
        work.commit("First\n\nWith a body", README__md="hello\n")
        work.git("tag", "light")
        work.git("tag", "-a", "v1.0.0", "-m", "release")
        for name in ["a#b", *BRANCHES]:
            work.git("branch", name)
        work.git("push", "-q", "origin", "--all")
        work.git("push", "-q", "origin", "--tags")
        yield forge, work


def client(forge: Forge, token: str = TOKEN, per_page: int = 30, retry: GithubRetry | None = None) -> Github:
    """PyGithub. Without `retry` it tries once."""
    return Github(
        *(None, None, None, None),
        base_url=f"{forge.url}/api/v3",
        auth=Auth.Token(token),
        per_page=per_page,
        retry=retry,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


@pytest.fixture
def forge(there: tuple[Forge, Work]) -> Forge:
    return there[0]


@pytest.fixture
def sha(there: tuple[Forge, Work]) -> str:
    return there[1].git("rev-parse", "main")


@pytest.fixture
def site(forge: Forge) -> Repository:
    return client(forge).get_repo("acme/site")


def test_the_repository_and_who_asks(forge: Forge, site: Repository) -> None:
    known = forge.github.repository("acme/site")
    assert (site.id, site.full_name, site.owner.login, site.default_branch) == (known.id, "acme/site", "acme", "main")
    assert (site.private, site.pushed_at.timestamp()) == (True, known.pushed_at)
    assert client(forge).get_repo(known.id).full_name == "acme/site"
    assert client(forge).get_user().login == "opolis-deployer"


@pytest.mark.parametrize("per_page", [7, 30, 100])
def test_branches_of_every_page(forge: Forge, sha: str, per_page: int) -> None:
    branches = client(forge, per_page=per_page).get_repo("acme/site").get_branches()
    assert [each.name for each in branches] == sorted(["main", "a#b", *BRANCHES])
    assert {each.commit.sha for each in branches} == {sha}
    assert branches.totalCount == 42
    assert [each.name for each in branches.reversed] == sorted(["main", "a#b", *BRANCHES], reverse=True)


@pytest.mark.parametrize("name", ["heads/main", "heads/a#b", "heads/many/07", "tags/light"])
def test_a_ref(site: Repository, sha: str, name: str) -> None:
    found = site.get_git_ref(name)
    assert (found.ref, found.object.type, found.object.sha) == (f"refs/{name}", "commit", sha)


def test_F37_an_annotated_tag(site: Repository, sha: str) -> None:
    found = site.get_git_ref("tags/v1.0.0").object
    assert (found.type, found.sha != sha) == ("tag", True)
    assert site.get_commit("tags/v1.0.0").sha == sha


def test_matching_refs_come_in_one_page(site: Repository) -> None:
    assert [each.ref for each in site.get_git_matching_refs("heads/many/")] == [
        f"refs/heads/{each}" for each in BRANCHES
    ]


def test_a_commit(site: Repository, sha: str) -> None:
    found = site.get_commit(sha)
    assert (found.sha, found.commit.message, found.commit.author.name) == (sha, "First\n\nWith a body", "Mona Lisa")
    assert sorted(each.filename for each in found.files) == ["README.md", "deploy/pipeline.json"]
    assert (found.parents, found.stats.total) == ([], 2)


def test_a_file_and_a_folder(site: Repository, sha: str) -> None:
    file = site.get_contents("deploy/pipeline.json", ref=sha)
    assert isinstance(file, ContentFile)
    assert (file.type, file.decoded_content, base64.b64decode(file.content)) == ("file", b"{}\n", b"{}\n")
    folder = site.get_contents("", ref="main")
    assert isinstance(folder, list)
    assert [(each.path, each.type) for each in folder] == [("README.md", "file"), ("deploy", "dir")]
    assert [each.path for each in site.get_contents("deploy")] == ["deploy/pipeline.json"]


def test_an_archive(forge: Forge, site: Repository, sha: str) -> None:
    for link in (site.get_archive_link("tarball", sha), site.get_archive_link("tarball")):
        assert forge.http.request("GET", link).data[:2] == b"\x1f\x8b"


def test_statuses(site: Repository, sha: str) -> None:
    commit = site.get_commit(sha)
    posted = commit.create_status("pending", "https://x.example", "d" * 140, "pipeline/Build")
    assert (posted.state, posted.context, posted.target_url) == ("pending", "pipeline/Build", "https://x.example")
    assert posted.creator.login == "opolis-deployer"
    commit.create_status("success", context="pipeline/Build")
    commit.create_status("failure", context="pipeline/Deploy")
    combined = commit.get_combined_status()
    assert (combined.state, combined.total_count, combined.sha) == ("failure", 2, sha)
    assert {each.context: each.state for each in combined.statuses} == {
        "pipeline/Build": "success",
        "pipeline/Deploy": "failure",
    }
    assert [each.state for each in commit.get_statuses()] == ["failure", "success", "pending"]


def test_a_description_over_140_characters_is_refused(site: Repository, sha: str) -> None:
    with pytest.raises(GithubException) as refused:
        site.get_commit(sha).create_status("success", description="d" * 141)
    assert refused.value.status == 422
    [reason] = refused.value.data["errors"]
    assert (reason["resource"], reason["field"], reason["code"]) == ("Status", "description", "custom")


def test_hooks_and_their_deliveries(forge: Forge, site: Repository) -> None:
    with receiving() as receiver:
        config = {"url": receiver.url, "content_type": "json", "secret": "s3cret"}
        hook = site.create_hook("web", config, ["push"], active=True)
        assert (hook.events, hook.active, hook.config["secret"]) == (["push"], True, "********")
        with forge.tap.nonsense():  # it sends `name` with a change, too: GitHub describes none there and ignores it
            hook.edit("web", config, events=["push", "create"])
        assert [each.events for each in site.get_hooks()] == [["push", "create"]]
        for _ in range(4):
            hook.ping()
        assert forge.github.settle()
        delivered(forge, site, hook.id, receiver)
        hook.delete()
    with pytest.raises(github.UnknownObjectException):
        site.get_hook(hook.id)


def delivered(forge: Forge, site: Repository, hook: int, receiver: Receiver) -> None:
    """Five pings, of which it sees all, newest first, whatever the size of a page."""
    assert [headers["x-github-event"] for headers, _ in receiver.got] == ["ping"] * 5
    for size in (2, 5, 30):
        found = list(client(forge, per_page=size).get_repo("acme/site").get_hook_deliveries(hook))
        assert [each.guid for each in found] == [
            each.guid for each in forge.github.deliveries() if each.hook_id == hook
        ][::-1]
        assert {(each.event, each.status, each.status_code, each.redelivery) for each in found} == {
            ("ping", "OK", 202, False)
        }
    assert site.get_hook(hook).last_response.code == 202


def test_the_rate_limit(forge: Forge) -> None:
    asking = client(forge)
    core = asking.get_rate_limit().resources.core
    asking.get_user().login  # noqa: B018 - asks
    again = asking.get_rate_limit().resources.core
    assert (core.limit, core.remaining - again.remaining, again.reset) == (5000, 1, core.reset)
    assert asking.rate_limiting == (again.remaining, 5000)


def test_a_conditional_request(forge: Forge, site: Repository) -> None:
    assert site.update() is False
    assert forge.tap.exchanges[-1].status == 304
    assert forge.tap.exchanges[-1].request_headers["if-none-match"] == site.etag
    forge.github.set_default_branch("acme/site", "a#b")
    try:
        assert site.update() is True
        assert site.default_branch == "a#b"
    finally:
        forge.github.set_default_branch("acme/site", "main")


# --- what goes wrong


def test_F41_a_renamed_repository(forge: Forge, sha: str) -> None:
    old = client(forge).get_repo("acme/old")
    assert (old.full_name, old.id) == ("acme/site", forge.github.repository("acme/site").id)
    assert old.get_commit(sha).create_status("success", context="renamed").state == "success"


def test_F42_what_may_not_be_seen_is_not_found(forge: Forge, site: Repository) -> None:
    forge.github.hide("acme/site")
    try:
        for call in (lambda: client(forge).get_repo("acme/site").id, lambda: site.get_git_ref("heads/main").ref):
            with pytest.raises(github.UnknownObjectException):
                call()
    finally:
        forge.github.show("acme/site")


def test_F42_a_revoked_token(forge: Forge) -> None:
    with pytest.raises(github.BadCredentialsException):
        client(forge, token="revoked").get_repo("acme/site").id  # noqa: B018 - asks


@pytest.mark.parametrize("seconds", [None, 60])
def test_F67_a_secondary_limit(forge: Forge, seconds: int | None) -> None:
    forge.github.slow_down("/user", seconds=seconds)
    with pytest.raises(github.RateLimitExceededException) as limited:
        client(forge).get_user().login  # noqa: B018 - asks
    assert limited.value.headers.get("retry-after") == (None if seconds is None else str(seconds))


@pytest.mark.parametrize("seconds", [None, 0])
def test_F67_its_retries_get_through_a_secondary_limit(forge: Forge, seconds: int | None) -> None:
    before = len(forge.tap.exchanges)
    forge.github.slow_down("/user", seconds=seconds, times=2)
    retrying = client(forge, retry=GithubRetry(total=2, secondary_rate_wait=0))
    assert retrying.get_user().login == "opolis-deployer"
    assert [each.status for each in forge.tap.exchanges[before:]] == [403, 403, 200]


def test_F67_the_primary_limit_and_its_end(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    with running(tmp_path, rate_limit=2, clock=lambda: now[0]) as forge:
        asking = client(forge)
        for _ in range(2):
            assert asking.get_user().login == "opolis-deployer"
        with pytest.raises(github.RateLimitExceededException) as limited:
            asking.get_user().login  # noqa: B018 - asks
        assert limited.value.data["message"].startswith("API rate limit exceeded for user ID")
        assert (asking.rate_limiting, asking.rate_limiting_resettime) == ((0, 2), 1_700_003_600)
        core = asking.get_rate_limit().resources.core  # asking for it is free
        assert (core.remaining, core.reset.timestamp()) == (0, 1_700_003_600)
        now[0] += 3600
        assert asking.get_user().login == "opolis-deployer"
