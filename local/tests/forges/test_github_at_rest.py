"""What a sweep asks for, against the local GitHub: nothing changed costs nothing, whatever changed is seen.

Time stands still here: what GitHub says of a repository's last push, in seconds, helps nobody to see the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.ports import CommitStatus, Refs, Repository
from deployer.states import CommitState

from .conftest import TOKEN, Forge, Work, running


@dataclass
class Place:
    """acme/site with main, another branch and an annotated tag; acme/empty with nothing."""

    forge: Forge
    work: Work
    github: GitHub

    def left(self) -> int:
        """How many calls the hour has yet."""
        return int(self.forge.call("GET", "/rate_limit").json()["rate"]["remaining"])

    def named(self, name: str = "site") -> RepositoryName:
        """One of the repositories as it is called now."""
        return RepositoryName(self.forge.github.repository(f"acme/{name}").id, "acme", name)

    def read(self, name: str = "site") -> Refs:
        """All of its refs, unconditionally."""
        found = self.github.refs(self.named(name), {})
        assert found is not None
        return found

    def push(self, *refs: str) -> None:
        """Push, by force."""
        self.work.git("push", "-q", "-f", "origin", *refs)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with running(tmp_path / "forge", clock=lambda: 1_700_000_000.0) as forge:
        for name in ("acme/site", "acme/empty"):
            forge.github.create_repository(name)
        work = Work(tmp_path / "work")
        work.git("remote", "add", "origin", f"{forge.url}/acme/site.git")
        work.commit("First", README__md="1\n")
        work.commit("Second", README__md="2\n")
        work.git("tag", "-a", "v1.0.0", "-m", "release")
        work.git("push", "-q", "origin", "main", "main:other", "v1.0.0")
        yield Place(forge, work, GitHub(f"{forge.url}/api/v3", lambda: TOKEN))


def test_a_repository_with_all_its_refs(place: Place) -> None:
    sha, tag = (place.work.git("rev-parse", name) for name in ("main", "v1.0.0"))
    found = place.read()
    assert found.repository == Repository(place.named(), "main")
    assert found.tips == {"refs/heads/main": sha, "refs/heads/other": sha, "refs/tags/v1.0.0": tag}
    assert {etag[:3] for etag in found.validators.values()} == {'W/"'}


def test_a_repository_at_rest_costs_nothing(place: Place) -> None:
    known = place.read().validators
    before, heard = place.left(), len(place.forge.tap.exchanges)
    for _ in range(3):
        assert place.github.refs(place.named(), known) is None
    assert place.left() == before
    assert [each.status for each in place.forge.tap.exchanges[heard:-1]] == [304] * 9


def test_an_empty_repository_at_rest(place: Place) -> None:
    found = place.read("empty")
    assert found.tips == {}
    assert place.github.refs(place.named("empty"), found.validators) is None
    place.work.git("push", "-q", f"{place.forge.url}/acme/empty.git", "main")
    again = place.github.refs(place.named("empty"), found.validators)
    assert again is not None
    assert list(again.tips) == ["refs/heads/main"]


def says(place: Place) -> None:
    sha = place.work.git("rev-parse", "main")
    place.github.post(CommitStatus(place.named(), sha, "build/0-prep", CommitState.SUCCESS, "done"))


def asks(place: Place) -> None:
    place.forge.github.add_hook("acme/site", "http://127.0.0.1:1/x", "secret")


def elsewhere(place: Place) -> None:
    place.work.git("push", "-q", f"{place.forge.url}/acme/empty.git", "main")


def nothing(place: Place) -> None:
    place.push("main")


@pytest.mark.parametrize("change", [says, asks, elsewhere, nothing])
def test_what_changes_no_ref_changes_no_answer(place: Place, change: Callable[[Place], None]) -> None:
    known = place.read().validators
    change(place)
    assert place.github.refs(place.named(), known) is None


def created(place: Place) -> None:
    place.push("main:new")


def forced(place: Place) -> None:
    place.push("main~1:other")


def deleted(place: Place) -> None:
    place.push(":other")


def tagged(place: Place) -> None:
    place.push("main:refs/tags/v2.0.0")


def moved(place: Place) -> None:
    place.push("main:refs/tags/v1.0.0")


def untagged(place: Place) -> None:
    place.push(":refs/tags/v1.0.0")


def defaulted(place: Place) -> None:
    place.forge.github.set_default_branch("acme/site", "other")


CHANGES = [created, forced, deleted, tagged, moved, untagged, defaulted]


@pytest.mark.parametrize("change", CHANGES)
def test_F26_whatever_changes_is_seen(place: Place, change: Callable[[Place], None]) -> None:
    before = place.read()
    change(place)
    found = place.github.refs(place.named(), before.validators)
    assert found is not None
    assert found == place.read(), "and all of it is told"
    assert found.tips == place.forge.github.refs("acme/site")
    assert found.repository.default_branch == place.forge.github.repository("acme/site").default_branch
    assert place.github.refs(place.named(), found.validators) is None


def test_F26_there_and_back_is_as_it_was(place: Place) -> None:
    known = place.read().validators
    place.push("main:new")
    place.push(":new")
    assert place.github.refs(place.named(), known) is None


def test_F41_a_renamed_repository_is_followed(place: Place) -> None:
    before, old = place.read(), place.named()
    place.forge.github.rename("acme/site", "acme/shop")
    found = place.github.refs(old, before.validators)
    assert found is not None
    assert found.repository.name == RepositoryName(old.id, "acme", "shop")
    assert found.tips == before.tips
    assert place.github.refs(found.repository.name, found.validators) is None


def test_F41_another_repository_under_its_old_name_is_refused(place: Place) -> None:
    known, old = place.read().validators, place.named()
    place.forge.github.rename("acme/site", "acme/shop")
    place.forge.github.create_repository("acme/site")
    with pytest.raises(Rejected, match="is another repository now"):
        place.github.refs(old, known)


def test_F42_a_repository_that_is_hidden_is_refused_and_then_as_it_was(place: Place) -> None:
    known = place.read().validators
    place.forge.github.hide("acme/site")
    with pytest.raises(Rejected, match="nothing is known of its refs"):
        place.github.refs(place.named(), known)
    place.forge.github.show("acme/site")
    assert place.github.refs(place.named(), known) is None


def test_the_states_of_more_statuses_than_a_page_has(place: Place) -> None:
    """The latest of each context, whatever page it is on."""
    sha = place.work.git("rev-parse", "main")
    with place.forge.github._store.change() as rows:  # hundreds of calls would only be slower
        rows.executemany(
            "insert into statuses (repository_id, sha, context, state, creator, created_at)"
            " values (1, ?, ?, ?, 'x', 0)",
            [(sha, f"ci/{number:03}", state) for state in ("pending", "success") for number in range(250)],
        )
    place.github.post(CommitStatus(place.named(), sha, "ci/000", CommitState.ERROR, "superseded"))
    found = place.github.states(place.named(), sha)
    assert found == {f"ci/{number:03}": CommitState.SUCCESS for number in range(250)} | {"ci/000": CommitState.ERROR}
    assert len([each for each in place.forge.tap.exchanges if "/status?" in each.target]) == 3
    assert place.github.states(place.named(), place.work.git("rev-parse", "main~1")) == {}
    assert place.github.states(place.named(), "1" * 40) == {}
