"""The deployer's own GitHub client against the local GitHub; each exchange is held to GitHub's description."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployer.errors import Broken, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.ports import CommitStatus, Repository, Tip
from deployer.states import CommitState

from .conftest import TOKEN, Forge, Work, running

Call = Callable[[GitHub], Any]


@dataclass(frozen=True)
class Place:
    """A local GitHub whose acme/site, once acme/old, has twelve commits on main; `bare` is its folder."""

    forge: Forge
    work: Work
    bare: Path

    @contextmanager
    def branches(self, wanted: Mapping[str, str]) -> Iterator[None]:
        """Refs that are there for a while, made by git itself: name -> commit."""
        self._update("".join(f"create {ref}\0{sha}\0" for ref, sha in wanted.items()))
        try:
            yield
        finally:
            self._update("".join(f"delete {ref}\0\0" for ref in wanted))

    def _update(self, orders: str) -> None:
        subprocess.run(["git", "update-ref", "-z", "--stdin"], cwd=self.bare, input=orders.encode(), check=True)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for all: each test leaves it as it was."""
    root = tmp_path_factory.mktemp("forge")
    with running(root) as forge:
        forge.github.create_repository("acme/old")
        forge.github.rename("acme/old", "acme/site")
        work = Work(tmp_path_factory.mktemp("work"))
        work.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
        (work.path / "deploy").mkdir()
        (work.path / "deploy/pipeline.json").write_text("{}\n")
        for number in range(12):
            work.commit(f"Number {number}", README__md=f"{number}\n")
        work.git("tag", "-a", "v1.0.0", "-m", "release")
        work.git("push", "-q", "origin", "main", "v1.0.0")
        yield Place(forge, work, root / "repositories/1.git")


@pytest.fixture
def forge(there: Place) -> Forge:
    return there.forge


@pytest.fixture
def sha(there: Place) -> str:
    return there.work.git("rev-parse", "main")


def client(forge: Forge) -> GitHub:
    return GitHub(f"{forge.url}/api/v3", lambda: TOKEN)


def named(forge: Forge, name: str = "site") -> RepositoryName:
    return RepositoryName(forge.github.repository("acme/site").id, "acme", name)


def archived(github: GitHub, repository: RepositoryName, sha: str) -> set[str]:
    """The paths in the archive, without the folder that holds them."""
    with github.archive(repository, sha) as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as tar:
        return {member.name.partition("/")[2] for member in tar.getmembers()}


def status(repository: RepositoryName, sha: str, context: str = "c", description: str = "d") -> CommitStatus:
    return CommitStatus(repository, sha, context, CommitState.SUCCESS, description, "https://x.example")


def calls(repository: RepositoryName, sha: str) -> dict[str, Call]:
    """Every call that the client makes."""
    return {
        "repository": lambda github: github.repository("acme", repository.name),
        "tip": lambda github: github.tip(repository, "refs/heads/main"),
        "tips": lambda github: list(github.tips(repository)),
        "refs": lambda github: github.refs(repository, {}),
        "commit": lambda github: github.commit(repository, sha),
        "directory": lambda github: github.directory(repository, "deploy", sha),
        "read": lambda github: github.read(repository, "deploy/pipeline.json", sha),
        "archive": lambda github: archived(github, repository, sha),
        "post": lambda github: github.post(status(repository, sha)),
        "states": lambda github: github.states(repository, sha),
    }


CALLS = list(calls(RepositoryName(1, "acme", "site"), ""))


def test_what_it_reads_is_what_was_pushed(forge: Forge, there: Place, sha: str) -> None:
    github, site = client(forge), named(forge)
    tag = there.work.git("rev-parse", "v1.0.0")
    assert github.repository("ACME", "Site") == Repository(site, "main")
    assert github.tip(site, "refs/heads/main") == Tip(sha, sha)
    assert github.tip(site, "refs/tags/v1.0.0") == Tip(tag, sha)
    assert dict(github.tips(site)) == {"refs/heads/main": sha, "refs/tags/v1.0.0": tag}
    assert (github.commit(site, sha).subject, github.commit(site, sha).email) == ("Number 11", "mona@example.com")
    assert github.directory(site, "deploy", sha) == {"pipeline.json": "file"}
    assert github.read(site, "deploy/pipeline.json", sha) == b"{}\n"
    assert archived(github, site, sha) >= {"README.md", "deploy/pipeline.json"}


# --- names

AWKWARD = "/%#&+;=@'\"<>|!$(),.-_{}é\x85\u2028\u200babc12"
FORBIDDEN = "\x7f ~^:?*[\\"
LETTERS = st.sampled_from(AWKWARD) | st.characters(
    min_codepoint=0x21, exclude_categories=["Cs"], exclude_characters=FORBIDDEN
)


def is_legal(name: str) -> bool:
    """Whether git takes `refs/heads/` + name. https://git-scm.com/docs/git-check-ref-format"""
    parts = name.split("/")
    wrong = any(not part or part.startswith(".") or part.endswith((".lock", ".")) for part in parts)
    long = any(len(part.encode()) > 200 for part in parts)  # a file of that name holds the ref
    return not (wrong or long or ".." in name or "@{" in name or set(name) & set(FORBIDDEN))


def are_apart(names: list[str]) -> bool:
    """Whether no name is a folder of another, which git cannot have."""
    return not any(other.startswith(f"{name}/") for name in names for other in names)


NAMES = st.lists(st.text(LETTERS, min_size=1, max_size=24).filter(is_legal), min_size=1, max_size=5, unique=True)


def alike(name: str) -> set[str]:
    """Names that a slip in the encoding would take for this one."""
    found = {quote(name, safe=""), quote(name), unquote(name), name[:-1], f"{name}x", f"{name}/x", name.swapcase()}
    found |= {name.partition(mark)[0] for mark in "#&;%="}
    return {each for each in found if each and is_legal(each)}


@settings(max_examples=20)
@given(names=NAMES.filter(are_apart))
@example(names=["a%2fb", "a#b", "a&ref=main", "a+b", "a;b", "-x", "@", "{ref}"])
@example(names=["x\u2028y", "x\x85y", "é", "e\u0301", "status", "x/status", "refs/heads/main"])
def test_F40_each_legal_branch_is_found_and_no_other(there: Place, names: list[str]) -> None:
    github, site = client(there.forge), named(there.forge)
    commits = there.work.git("rev-list", "main").split()[1:]
    wanted = {f"refs/heads/{name}": commits[at] for at, name in enumerate(names)}
    with there.branches(wanted):
        seen = dict(github.tips(site))
        assert {ref: seen.get(ref) for ref in wanted} == wanted
        assert len(seen) == len(wanted) + 2
        assert {ref: github.tip(site, ref) for ref in wanted} == {ref: Tip(sha, sha) for ref, sha in wanted.items()}
        others = {other for name in names for other in alike(name)} - {*names, "main"}
        assert {other: github.tip(site, f"refs/heads/{other}") for other in others} == dict.fromkeys(others)


@settings(max_examples=25)
@given(
    text=st.text(max_size=150) | st.text(min_size=141, max_size=300),
    context=st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=40),
)
def test_github_takes_any_description_of_a_status(there: Place, text: str, context: str) -> None:
    sha = there.work.git("rev-parse", "main")
    client(there.forge).post(status(named(there.forge), sha, context, text))
    posted = there.forge.github.statuses("acme/site", sha)[-1]
    assert posted.context == context
    assert len(posted.description or "") <= 140


# --- what goes wrong


@pytest.mark.parametrize("name", CALLS)
def test_F41_under_its_old_name_the_repository_is_still_there(forge: Forge, sha: str, name: str) -> None:
    github, before = client(forge), len(forge.tap.exchanges)
    by_old_name = calls(named(forge, "old"), sha)[name](github)
    followed = [each.status for each in forge.tap.exchanges[before:]]
    assert followed[:1] == [307 if name == "post" else 301]
    assert by_old_name == calls(named(forge), sha)[name](github)


def test_F41_a_status_for_the_old_name_reaches_the_commit(forge: Forge, sha: str) -> None:
    client(forge).post(status(named(forge, "old"), sha, "pipeline/Renamed", "it arrived"))
    posted = forge.github.statuses("acme/site", sha)[-1]
    assert (posted.context, posted.description, posted.state) == ("pipeline/Renamed", "it arrived", "success")


HIDDEN: dict[str, Any] = {"repository": None, "states": {}}
REFUSED = {"refs": Rejected, "commit": Rejected, "archive": Rejected, "post": Broken}
# Asked for after the repository was read: who tries again begins with that.
REFUSED |= dict.fromkeys(["tip", "tips", "directory", "read"], Transient)


@pytest.mark.parametrize("name", CALLS)
def test_F42_what_the_token_may_not_see(forge: Forge, sha: str, name: str) -> None:
    call = calls(named(forge), sha)[name]
    forge.github.hide("acme/site")
    try:
        if name in HIDDEN:
            assert call(client(forge)) == HIDDEN[name]
        else:
            with pytest.raises(REFUSED[name]):
                call(client(forge))
    finally:
        forge.github.show("acme/site")


@pytest.mark.parametrize("name", CALLS)
def test_F42_a_revoked_token_is_an_alarm(forge: Forge, sha: str, name: str) -> None:
    with pytest.raises(Broken, match="Bad credentials"):
        calls(named(forge), sha)[name](GitHub(f"{forge.url}/api/v3", lambda: "revoked"))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("limit", [(403, 7, 7.0), (429, 7, 7.0), (403, None, 60.0)], ids=["403", "429", "no-time"])
def test_F67_a_secondary_limit(forge: Forge, sha: str, name: str, limit: tuple[int, int | None, float]) -> None:
    code, seconds, wait = limit
    forge.github.slow_down(".", seconds=seconds, status=code)
    call = calls(named(forge), sha)[name]
    with pytest.raises(Transient, match="slow down") as limited:
        call(client(forge))
    assert limited.value.retry_after == wait
    call(client(forge))


@pytest.mark.parametrize("name", CALLS)
def test_F67_the_primary_limit(tmp_path: Path, name: str) -> None:
    reset = int(time.time()) + 3000
    with running(tmp_path, rate_limit=0, clock=lambda: reset - 3600.0) as forge:
        forge.github.create_repository("acme/site")
        with pytest.raises(Transient, match="slow down") as limited:
            calls(named(forge), "0" * 40)[name](client(forge))
    assert limited.value.retry_after == pytest.approx(3000, abs=60)


@pytest.mark.parametrize("of", ["0" * 40, "1" * 40], ids=["F68-zeros", "unknown"])
def test_a_status_on_no_commit_is_refused(forge: Forge, of: str) -> None:
    with pytest.raises(Rejected, match="No commit found for SHA"):
        client(forge).post(status(named(forge), of))


def test_F66_the_thousand_and_first_status_is_refused(forge: Forge, sha: str) -> None:
    with forge.github._store.change() as rows:  # a thousand calls would only be slower
        rows.executemany(
            "insert into statuses (repository_id, sha, context, state, creator, created_at)"
            " values (1, ?, 'full', 'pending', 'x', 0)",
            [(sha,)] * 1000,
        )
    with pytest.raises(Rejected, match="Validation Failed"):
        client(forge).post(status(named(forge), sha, "full"))
