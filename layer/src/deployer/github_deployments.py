"""GitHub's deployments, their statuses and environments, over the same wire as ``deployer.github``.

A deployment here is of one commit and asks for nothing: neither that the default branch is merged first nor that the
commit's statuses are green, which GitHub does unless it is told not to. A token that may not deploy is no alarm, as it
is for statuses: its owner may well have left that permission out.
Source: https://docs.github.com/rest/deployments (version 2022-11-28)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import urllib3

from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.github_credentials import Credentials
from deployer.github_wire import Answer, Wire, path_to
from deployer.lengths import description as as_taken
from deployer.ports import Deployment, DeploymentStatus
from deployer.states import DeploymentState

_STATES = {str(state): state for state in DeploymentState}
_FORBIDDEN = frozenset({403})


class GitHubDeployments:
    """Implements ``Deployments``.

    ``base_url``: ``https://api.github.com`` or an Enterprise ``https://host/api/v3``. ``token``: called for each
    request, so that a rotated one is used.
    """

    def __init__(
        self, base_url: str, token: Callable[[], str] | Credentials, http: urllib3.PoolManager | None = None
    ) -> None:
        self._wire = Wire(base_url, token, http)

    def deployments(self, repository: RepositoryName, environment: str, sha: str = "") -> Iterator[Deployment]:
        """GET /repos/{owner}/{repo}/deployments, page by page."""
        of = f"&sha={_segment(sha)}" if sha else ""
        path = f"{self._wire.to(repository)}/deployments?environment={_segment(environment)}{of}&per_page=100"
        for _, page in self._wire.pages(path, also=_FORBIDDEN):
            yield from map(_deployment, _permitted(page, repository).list())

    def deploy(
        self,
        repository: RepositoryName,
        sha: str,
        environment: str,
        *,
        production: bool,
        transient: bool,
        description: str = "",
        payload: Mapping[str, object] | None = None,
    ) -> int:
        """POST /repos/{owner}/{repo}/deployments. The description as a status has it."""
        body = {
            "ref": sha,
            "environment": environment,
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": production,
            "transient_environment": transient,
            "description": as_taken(description),
            "payload": dict(payload or {}),
        }
        answer = self._wire.post(f"{self._wire.to(repository)}/deployments", body, also=_FORBIDDEN)
        return int(_permitted(answer, repository).object()["id"])

    def deployment_states(self, repository: RepositoryName, deployment: int) -> Sequence[DeploymentStatus]:
        """GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses, all pages."""
        listed: list[Mapping[str, Any]] = []
        for _, page in self._wire.pages(f"{_path(repository, deployment)}/statuses?per_page=100", also=_FORBIDDEN):
            if page.status == 404:
                return []
            listed += _permitted(page, repository).list()
        return [_status(each) for each in listed]

    def post_deployment(
        self,
        repository: RepositoryName,
        deployment: int,
        state: DeploymentState,
        *,
        log_url: str = "",
        environment_url: str = "",
        description: str = "",
    ) -> None:
        """POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses."""
        urls = {name: url for name, url in (("log_url", log_url), ("environment_url", environment_url)) if url}
        body = {"state": str(state), "description": as_taken(description), **urls}
        answer = self._wire.post(f"{_path(repository, deployment)}/statuses", body, also=_FORBIDDEN)
        if answer.status == 404:
            raise Rejected(f"deployment {deployment} of {repository.full_name} is gone")
        _permitted(answer, repository).json()

    def remove_environment(self, repository: RepositoryName, environment: str) -> bool:
        """DELETE /repos/{owner}/{repo}/environments/{environment_name}: 403 where the token may not administer."""
        answer = self._wire.delete(f"{self._wire.to(repository)}/environments/{_segment(environment)}")
        if answer.forbidden:
            return False
        if answer.status != 404:
            answer.content()
        return True


def _permitted(answer: Answer, repository: RepositoryName) -> Answer:
    """The answer, unless it says that the token may not do this: 404 where it may not even know."""
    if answer.forbidden or answer.status == 404:
        raise Rejected(f"deployments of {repository.full_name} are not ours: the token needs `deployments: write`")
    return answer


def _path(repository: RepositoryName, deployment: int) -> str:
    return f"{path_to(repository)}/deployments/{deployment}"


def _segment(name: str) -> str:
    """One segment, its slashes encoded. One of dots alone would be resolved away: no environment of ours has it."""
    if not name.strip("."):
        raise Rejected(f"{name!r} is no environment that GitHub can be asked about")
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


def _deployment(found: Mapping[str, Any]) -> Deployment:
    payload = found.get("payload")
    return Deployment(
        int(found["id"]),
        str(found["sha"]),
        str(found["environment"]),
        str(found.get("description") or ""),
        bool(found.get("production_environment")),
        bool(found.get("transient_environment")),
        payload if isinstance(payload, dict) else {},
    )


def _status(found: Mapping[str, Any]) -> DeploymentStatus:
    """A state that this version does not know is None: it is not one of ours."""
    return DeploymentStatus(
        _STATES.get(str(found["state"])),
        str(found.get("description") or ""),
        str(found.get("log_url") or ""),
        str(found.get("environment_url") or ""),
    )
