"""Who makes a call, and whether they may: the owner of the one token, an App, or an installation of an App.

https://docs.github.com/rest/authentication/permissions-required-for-github-apps
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer_local.github.apps import App, Apps, Grant, JwtError
from deployer_local.github.repositories import Repository

from .exchange import RefusalError, Route, not_found

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_NEEDED = (
    (re.compile(r"(?:/contents|/tarball|/git/|/branches|/commits/\{\+ref\}$).*"), "contents"),
    (re.compile(r"/(?:statuses/.*|commits/.*/status(?:es)?)"), "statuses"),
    (re.compile(r"/deployments.*"), "deployments"),
    (re.compile(r"/environments.*"), "administration"),
    (re.compile(r"/hooks.*"), "repository_hooks"),
    (re.compile(r"/pulls.*|/commits/.*/pulls"), "pull_requests"),
)
_OF_APPS = frozenset({"/installation", "/app/installations/{installation_id}/access_tokens"})
"""What an App does as itself, and nobody else."""
_LEVELS = ("read", "write", "admin")


@dataclass(frozen=True)
class Identity:
    """`app`: it signed the call itself; `grant`: the token is one of its installation. Neither: a person's."""

    app: App | None = None
    grant: Grant | None = None

    def admit(self, route: Route) -> None:
        """Refuses what this caller may not do."""
        if (route.template in _OF_APPS) != (self.app is not None):
            raise RefusalError(401, "A JSON web token could not be decoded" if self.app is None else "Bad credentials")
        if self.grant is not None and not _may(self.grant.permissions, route):
            raise RefusalError(403, "Resource not accessible by integration")


def identify(apps: Apps, token: str, right: str) -> Identity:
    """Who has this token; `right` is that of the person. Refuses what is none."""
    if right and hmac.compare_digest(token.encode("utf-8", "replace"), right.encode()):
        return Identity()
    if grant := apps.granted(token):
        return Identity(grant=grant)
    if _JWT.fullmatch(token):
        try:
            return Identity(app=apps.signed_by(token))
        except JwtError as error:
            raise RefusalError(401, str(error)) from error
    raise RefusalError(401, "Bad credentials")


def covers(granted: Mapping[str, str], name: str, level: str) -> bool:
    """Whether permissions hold one at a level, or above it."""
    return name in granted and _LEVELS.index(granted[name]) >= _LEVELS.index(level)


def seen(identity: Identity, repository: Repository) -> bool:
    """Whether the repository is there for this caller."""
    return not repository.hidden and (identity.grant is None or identity.grant.reaches(repository))


def visible(identity: Identity, repository: Repository | None) -> Repository:
    """The repository; refuses with 404 where it is not there for this caller."""
    if repository is None or not seen(identity, repository):
        not_found()
    return repository


def _may(permissions: Mapping[str, str], route: Route) -> bool:
    """Who and where a repository is may be read whatever is granted; what is in no list, by nobody."""
    name = next((name for pattern, name in _NEEDED if pattern.fullmatch(route.template)), "")
    return route.template == "" or covers(permissions, name, "read" if route.method == "GET" else "write")
