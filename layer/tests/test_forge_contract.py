"""Repositories, Files and Statuses: the in-memory twin and GitHub's adapter, held to one contract.

The adapter stands in front of a scripted server that answers as GitHub documents.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from deployer.errors import Rejected, Transient
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.ports import Commit, CommitStatus, Files, Refs, Repositories, Repository, Statuses
from deployer.states import CommitState
from deployer.testing import Forge

NAME = RepositoryName(42, "acme", "site")
SHA, LOST = "a" * 40, "b" * 40
COMMIT = {
    "sha": SHA,
    "commit": {"message": f"Subject of {SHA[:7]}", "author": {"name": "Ada", "email": "ada@example.com"}},
}


REPOSITORY = {"id": 42, "name": "site", "owner": {"login": "acme"}, "default_branch": "main"}
HEADS = [{"ref": "refs/heads/main", "object": {"type": "commit", "sha": SHA}}]
TAGS = [{"ref": "refs/tags/v1", "object": {"type": "commit", "sha": SHA}}]


class All(Repositories, Files, Statuses, Protocol):
    """What GitHub is to the builder and the notifier."""


Says = Callable[..., None]


@pytest.fixture(params=["in-memory", "github"])
def forge(request: pytest.FixtureRequest, server: Any) -> tuple[All, Says]:
    """The forge, and what its server is to answer next."""
    if request.param == "in-memory":
        twin = Forge()
        repo = twin.add(NAME)
        repo.commits[SHA] = {"deploy/pipeline.json": b"{}", "deploy/more/x": b"", "README.md": b""}
        repo.refs |= {"refs/heads/main": SHA, "refs/tags/v1": SHA}
        return twin, lambda *_, **__: None
    return GitHub(server.url, lambda: "ghp_canary"), server.answer


def test_a_commit(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(200, COMMIT)
    assert github.commit(NAME, SHA) == Commit(SHA, f"Subject of {SHA[:7]}", "Ada", "ada@example.com")


@pytest.mark.parametrize("status", [404, 422])
def test_a_commit_that_is_not_there_is_refused(forge: tuple[All, Says], status: int) -> None:
    """A commit that a force-push left behind is pruned some day."""
    github, says = forge
    says(status, {"message": f"No commit found for SHA: {LOST}"})
    with pytest.raises(Rejected):
        github.commit(NAME, LOST)


def test_what_a_folder_holds(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(200, [{"name": "more", "type": "dir"}, {"name": "pipeline.json", "type": "file"}])
    assert github.directory(NAME, "deploy", SHA) == {"more": "dir", "pipeline.json": "file"}
    says(404, {"message": "Not Found"})
    says(200, REPOSITORY)
    assert github.directory(NAME, "nothing", SHA) is None


def test_a_file_that_is_not_there_is_refused_by_its_path(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(404, {"message": "Not Found"})
    says(200, REPOSITORY)
    with pytest.raises(Rejected, match=f"deploy/gone.json is not in acme/site at {SHA[:7]}"):
        github.read(NAME, "deploy/gone.json", SHA)


def test_F37_a_status_on_what_is_no_commit_is_refused(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(422, {"message": f"No commit found for SHA: {LOST}"})
    with pytest.raises(Rejected, match=f"GitHub answered 422: No commit found for SHA: {LOST}"):
        github.post(CommitStatus(NAME, LOST, "build/0-prep", CommitState.SUCCESS, "staging: prepared"))


@pytest.mark.parametrize("context", ["🚀/build/0-prep", "c" * 256], ids=["emoji", "256-characters"])
def test_F40_a_status_in_a_context_that_github_does_not_take_is_refused(forge: tuple[All, Says], context: str) -> None:
    github, says = forge
    says(422, {"message": "Validation Failed"})
    with pytest.raises(Rejected, match="GitHub answered 422: Validation Failed"):
        github.post(CommitStatus(NAME, SHA, context, CommitState.SUCCESS, "prepared"))


def test_a_status_in_an_archived_repository_is_refused_and_no_matter_of_the_token(forge: tuple[All, Says]) -> None:
    github, says = forge
    if isinstance(github, Forge):
        github.repos["acme/site"].archived = True
    says(403, {"message": "Repository was archived so is read-only."})
    with pytest.raises(Rejected, match="GitHub answered 403: Repository was archived so is read-only"):
        github.post(CommitStatus(NAME, SHA, "build/0-prep", CommitState.SUCCESS, "staging: prepared"))


def test_F40_a_description_is_posted_as_github_takes_it(forge: tuple[All, Says], server: Any) -> None:
    github, says = forge
    says(201, {})
    github.post(CommitStatus(NAME, SHA, "build/0-prep", CommitState.SUCCESS, f"🚀: {'x' * 140}"))
    [shown] = (
        [each.description for each in github.statuses]
        if isinstance(github, Forge)
        else [each.json["description"] for each in server.asked]
    )
    assert shown == f"�: {'x' * 136}…"


def has(says: Says, *, then: bool = False) -> None:
    """GitHub tells all of it once, and ``then`` that nothing has changed."""
    for body, etag in ((REPOSITORY, 'W/"1"'), (HEADS, 'W/"2"'), (TAGS, 'W/"3"')):
        says(200, body, ETag=etag)
    for etag in ('W/"1"', 'W/"2"', 'W/"3"') if then else ():
        says(304, ETag=etag)


def test_all_refs_and_then_that_nothing_has_changed(forge: tuple[All, Says]) -> None:
    github, says = forge
    has(says, then=True)
    found = github.refs(NAME, {})
    assert found is not None
    assert found == Refs(Repository(NAME, "main"), {"refs/heads/main": SHA, "refs/tags/v1": SHA}, found.validators)
    assert found.validators
    assert github.refs(NAME, found.validators) is None


def test_validators_of_something_else_validate_nothing(forge: tuple[All, Says]) -> None:
    github, says = forge
    has(says)
    assert github.refs(NAME, {"repos/acme/other": 'W/"1"'}) is not None


def test_F41_refs_of_another_repository_under_that_name_are_refused(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(200, REPOSITORY, ETag='W/"1"')
    with pytest.raises(Rejected):
        github.refs(RepositoryName(43, "acme", "site"), {})


def test_refs_of_a_repository_of_which_only_the_name_is_known(forge: tuple[All, Says]) -> None:
    github, says = forge
    has(says)
    found = github.refs(RepositoryName(0, "acme", "site"), {})
    assert found is not None
    assert found.repository.name == NAME


def test_F41_refs_of_a_renamed_repository_are_found_by_its_old_name(forge: tuple[All, Says], server: Any) -> None:
    github, says = forge
    if isinstance(github, Forge):
        github.rename("acme/site", "acme", "new")
    says(301, {}, Location=f"{server.url}/repositories/42")
    says(200, REPOSITORY | {"name": "new"}, ETag='W/"4"')
    says(200, HEADS, ETag='W/"2"')
    says(200, TAGS, ETag='W/"3"')
    found = github.refs(NAME, {})
    assert found is not None
    assert found.repository.name == RepositoryName(42, "acme", "new")
    assert found.tips == {"refs/heads/main": SHA, "refs/tags/v1": SHA}


def test_F42_a_ref_is_gone_where_its_repository_can_be_read(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(404, {"message": "Not Found"})
    says(200, REPOSITORY)
    assert github.tip(NAME, "refs/heads/gone") is None


def test_F42_nothing_is_gone_where_nothing_can_be_read(forge: tuple[All, Says]) -> None:
    github, says = forge
    for _ in range(7):
        says(404, {"message": "Not Found"})
    gone = RepositoryName(44, "acme", "gone")
    for call in (
        lambda: github.tip(gone, "refs/heads/main"),
        lambda: list(github.tips(gone)),
        lambda: github.directory(gone, "deploy", SHA),
        lambda: github.read(gone, "deploy/pipeline.json", SHA),
    ):
        with pytest.raises(Transient, match="can't be read any more"):
            call()


def test_F42_refs_of_what_can_not_be_read_are_refused(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(404, {"message": "Not Found"})
    with pytest.raises(Rejected):
        github.refs(RepositoryName(44, "acme", "gone"), {})


def test_the_states_that_hold(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(201, {})
    github.post(CommitStatus(NAME, SHA, "build/0-prep", CommitState.PENDING, "staging: preparing"))
    says(201, {})
    github.post(CommitStatus(NAME, SHA, "build/0-prep", CommitState.SUCCESS, "staging: prepared"))
    says(200, {"statuses": [{"id": 2, "context": "build/0-prep", "state": "success"}]})
    assert github.states(NAME, SHA) == {"build/0-prep": CommitState.SUCCESS}


def test_what_is_no_commit_has_no_states(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(404, {"message": "Not Found"})
    assert github.states(NAME, LOST) == {}
