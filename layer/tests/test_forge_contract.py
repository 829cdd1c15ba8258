"""Repositories, Files and Statuses: the in-memory twin and GitHub's adapter, held to one contract.

The adapter stands in front of a scripted server that answers as GitHub documents.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.ports import Commit, CommitStatus, Files, Repositories, Statuses
from deployer.states import CommitState
from deployer.testing import Forge

NAME = RepositoryName(42, "acme", "site")
SHA, LOST = "a" * 40, "b" * 40
COMMIT = {
    "sha": SHA,
    "commit": {"message": f"Subject of {SHA[:7]}", "author": {"name": "Ada", "email": "ada@example.com"}},
}


class All(Repositories, Files, Statuses, Protocol):
    """What GitHub is to the builder and the notifier."""


Says = Callable[..., None]


@pytest.fixture(params=["in-memory", "github"])
def forge(request: pytest.FixtureRequest, server: Any) -> tuple[All, Says]:
    """The forge, and what its server is to answer next."""
    if request.param == "in-memory":
        twin = Forge()
        twin.add(NAME).commits[SHA] = {"deploy/pipeline.json": b"{}", "deploy/more/x": b"", "README.md": b""}
        return twin, lambda *_: None
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
    assert github.directory(NAME, "nothing", SHA) is None


def test_a_file_that_is_not_there_is_refused_by_its_path(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(404, {"message": "Not Found"})
    with pytest.raises(Rejected, match=f"deploy/gone.json is not in acme/site at {SHA[:7]}"):
        github.read(NAME, "deploy/gone.json", SHA)


def test_F37_a_status_on_what_is_no_commit_is_refused(forge: tuple[All, Says]) -> None:
    github, says = forge
    says(422, {"message": f"No commit found for SHA: {LOST}"})
    with pytest.raises(Rejected, match=f"GitHub answered 422: No commit found for SHA: {LOST}"):
        github.post(CommitStatus(NAME, LOST, "build/0-prep", CommitState.SUCCESS, "staging: prepared"))
