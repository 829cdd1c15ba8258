"""Repositories, Files, Statuses and Deployments: the in-memory twin and GitHub's adapters, held to one contract.

The adapters stand in front of a scripted server that answers as GitHub documents.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from deployer.errors import Rejected, Transient
from deployer.events import RepositoryName
from deployer.github import GitHub
from deployer.github_deployments import GitHubDeployments
from deployer.ports import (
    Commit,
    CommitStatus,
    Deployment,
    Deployments,
    DeploymentStatus,
    Files,
    Refs,
    Repositories,
    Repository,
    Statuses,
)
from deployer.states import CommitState, DeploymentState
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
        return in_memory(), lambda *_, **__: None
    return GitHub(server.url, lambda: "ghp_canary"), server.answer


@pytest.fixture(params=["in-memory", "github"])
def deployments(request: pytest.FixtureRequest, server: Any) -> tuple[Deployments, Says]:
    """The forge's deployments, and what its server is to answer next."""
    if request.param == "in-memory":
        return in_memory(), lambda *_, **__: None
    return GitHubDeployments(server.url, lambda: "ghp_canary"), server.answer


def in_memory() -> Forge:
    twin = Forge()
    repo = twin.add(NAME)
    repo.commits[SHA] = {"deploy/pipeline.json": b"{}", "deploy/more/x": b"", "README.md": b""}
    repo.refs |= {"refs/heads/main": SHA, "refs/tags/v1": SHA}
    return twin


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


# --- Deployments


def deployed(number: int = 1, environment: str = "feature/a", **more: object) -> dict[str, object]:
    """A deployment as GitHub tells of it."""
    told = {"id": number, "sha": SHA, "environment": environment, "description": "", "payload": {}}
    return told | {"production_environment": False, "transient_environment": False} | more


def deploy(deployments: tuple[Deployments, Says], number: int = 1, environment: str = "feature/a", **more: Any) -> int:
    github, says = deployments
    says(201, deployed(number, environment))
    flags = {"production": False, "transient": False} | more
    return github.deploy(NAME, SHA, environment, **flags)


def test_a_deployment_is_made_and_found_in_its_environment_however_that_is_written(
    deployments: tuple[Deployments, Says],
) -> None:
    github, says = deployments
    more = {"production": True, "transient": True, "description": "d", "payload": {"run": "1"}}
    assert deploy(deployments, 1, "feature/a", **more) == 1
    assert deploy(deployments, 2, "Feature/A") == 2
    assert deploy(deployments, 3, "feature/a") == 3
    told = {"production_environment": True, "transient_environment": True, "description": "d", "payload": {"run": "1"}}
    says(200, [deployed(3), deployed(2, "Feature/A"), deployed(1, **told)])
    assert list(github.deployments(NAME, "feature/a")) == [
        Deployment(3, SHA, "feature/a"),
        Deployment(2, SHA, "Feature/A"),
        Deployment(1, SHA, "feature/a", "d", production=True, transient=True, payload={"run": "1"}),
    ]
    for environment, sha in (("elsewhere", ""), ("feature/a", LOST)):
        says(200, [])
        assert list(github.deployments(NAME, environment, sha)) == []
    says(200, [deployed(3)])
    assert Deployment(3, SHA, "feature/a") in github.deployments(NAME, "feature/a", SHA)


def test_F42_deployments_of_what_can_not_be_read_are_refused_and_never_none(
    deployments: tuple[Deployments, Says],
) -> None:
    github, says = deployments
    gone = RepositoryName(44, "acme", "gone")
    says(404, {"message": "Not Found"})
    with pytest.raises(Rejected, match="deployments of acme/gone are not ours"):
        list(github.deployments(gone, "staging"))
    says(404, {"message": "Not Found"})
    with pytest.raises(Rejected, match="deployments of acme/gone are not ours"):
        github.deploy(gone, SHA, "staging", production=False, transient=False)


@pytest.mark.parametrize(
    ("sha", "environment", "refusal"),
    [(LOST, "staging", f"422: No ref found for: {LOST}"), (SHA, "x" * 256, "422: Validation Failed")],
    ids=["what-is-no-commit", "256-characters"],
)
def test_what_github_does_not_deploy_is_refused(
    deployments: tuple[Deployments, Says], sha: str, environment: str, refusal: str
) -> None:
    github, says = deployments
    says(422, {"message": refusal.removeprefix("422: ")})
    with pytest.raises(Rejected, match=refusal):
        github.deploy(NAME, sha, environment, production=False, transient=False)


def test_a_deployment_in_an_archived_repository_is_refused(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    if isinstance(github, Forge):
        github.repos["acme/site"].archived = True
    says(403, {"message": "Repository was archived so is read-only."})
    with pytest.raises(Rejected, match="GitHub answered 403: Repository was archived so is read-only"):
        github.deploy(NAME, SHA, "staging", production=False, transient=False)


def test_what_was_said_of_a_deployment_is_told_newest_first(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    number = deploy(deployments)
    urls = {"log_url": "https://log.example/1", "environment_url": "https://site.example/"}
    for _ in range(2):
        says(201, {})
    github.post_deployment(NAME, number, DeploymentState.IN_PROGRESS)
    github.post_deployment(NAME, number, DeploymentState.SUCCESS, **urls, description="x" * 141)
    plain = {"state": "in_progress", "description": "", "log_url": "", "environment_url": ""}
    says(200, [{"state": "success", "description": "x" * 139 + "…", **urls}, plain])
    assert github.deployment_states(NAME, number) == [
        DeploymentStatus(DeploymentState.SUCCESS, "x" * 139 + "…", **urls),
        DeploymentStatus(DeploymentState.IN_PROGRESS),
    ]


def test_an_address_that_is_none_is_refused(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    number = deploy(deployments)
    says(422, {"message": "Validation Failed"})
    with pytest.raises(Rejected, match="GitHub answered 422: Validation Failed"):
        github.post_deployment(NAME, number, DeploymentState.SUCCESS, environment_url="javascript:alert(1)")


def test_a_success_ends_what_succeeded_there_before(deployments: tuple[Deployments, Says]) -> None:
    """But for what is in production or transient, and what is elsewhere or did not succeed."""
    github, says = deployments
    others: dict[str, dict[str, Any]] = {"production": {"production": True}, "transient": {"transient": True}}
    plain, failed = deploy(deployments, 1), deploy(deployments, 2)
    kept = [deploy(deployments, number, **more) for number, more in enumerate(others.values(), 3)]
    kept.append(deploy(deployments, 5, "elsewhere"))
    newest = deploy(deployments, 6, "Feature/A")
    for number in (plain, *kept, failed, newest):
        says(201, {})
        state = DeploymentState.FAILURE if number == failed else DeploymentState.SUCCESS
        github.post_deployment(NAME, number, state)
    success, inactive = {"state": "success"}, {"state": "inactive"}
    for number in (plain, failed, *kept, newest):
        says(200, [inactive, success] if number == plain else [{"state": "failure"} if number == failed else success])
    said = {number: github.deployment_states(NAME, number)[0].state for number in (plain, failed, *kept, newest)}
    ended = {plain: DeploymentState.INACTIVE, failed: DeploymentState.FAILURE}
    assert said == ended | dict.fromkeys((*kept, newest), DeploymentState.SUCCESS)


def test_of_a_deployment_that_is_gone(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    for _ in range(2):
        says(404, {"message": "Not Found"})
    assert github.deployment_states(NAME, 7) == []
    with pytest.raises(Rejected, match="deployment 7 of acme/site is gone"):
        github.post_deployment(NAME, 7, DeploymentState.INACTIVE)


@pytest.mark.parametrize("times", [1, 2], ids=["there", "gone"])
def test_an_environment_is_removed(deployments: tuple[Deployments, Says], times: int) -> None:
    github, says = deployments
    deploy(deployments)
    for status in (204, 404)[:times]:
        says(status, b"" if status == 204 else {"message": "Not Found"})
        assert github.remove_environment(NAME, "feature/a") is True
    assert not (isinstance(github, Forge) and github.environments[NAME.id])
    says(200, [deployed()])
    assert [each.id for each in github.deployments(NAME, "feature/a")] == [1]


def test_that_an_environment_may_not_be_removed_is_an_answer(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    deploy(deployments)
    if isinstance(github, Forge):
        github.administers = False
    says(403, {"message": "Resource not accessible by personal access token"})
    assert github.remove_environment(NAME, "feature/a") is False
    assert not isinstance(github, Forge) or github.environments[NAME.id] == {"feature/a": "feature/a"}


def test_an_environment_of_a_repository_that_is_gone_is_gone(deployments: tuple[Deployments, Says]) -> None:
    github, says = deployments
    says(404, {"message": "Not Found"})
    assert github.remove_environment(RepositoryName(44, "acme", "gone"), "staging") is True
