"""A GitHub App instead of a token: each repository has a token of its own, for an hour, with no more than is needed.

The App signs a JSON Web Token with its private key, finds its installation at the repository, and asks for a token of
that installation which is good for this repository alone. PyJWT and cryptography are imported when it does so: without
an App nobody pays for them. Keys and tokens are never logged and never put into an error.
Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import urllib3

from deployer.errors import Broken, Rejected
from deployer.events import RepositoryName
from deployer.github_credentials import Credentials, OneToken, subject_of
from deployer.github_wire import Wire
from deployer.secrets import Secrets

# Seconds. A JWT is good for ten minutes at most and is dated back a little, as GitHub advises, since clocks differ.
BACK, LIFE = 60, 540
# A token is not begun with when it is about to end: a look may take five minutes.
MARGIN = 600.0
_LEVELS = ("read", "write", "admin")


@dataclass(frozen=True)
class Permissions:
    """What tokens are asked for: ``needed`` has to be granted to the App, ``wished`` is taken where it is.

    https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
    """

    needed: Mapping[str, str]
    wished: Mapping[str, str]

    def of(self, granted: Mapping[str, str]) -> dict[str, str]:
        """Those to ask for. Raises ``Broken`` naming what is needed and not granted."""
        missing = [f"{name}: {level}" for name, level in self.needed.items() if not _covers(granted, name, level)]
        if missing:
            raise Broken(f"the GitHub App lacks {', '.join(missing)}; give it, and have its installation accept it")
        return {**self.needed, **{name: level for name, level in self.wished.items() if _covers(granted, name, level)}}


@dataclass(frozen=True)
class _Token:
    """``ends``: seconds since the epoch."""

    value: str
    ends: float


class App(Credentials):
    """``identity``: the App's id and its private key (PEM), called when a token is needed."""

    def __init__(
        self,
        base_url: str,
        identity: Callable[[], tuple[str, str]],
        permissions: Permissions,
        http: urllib3.PoolManager | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._identity, self._permissions, self._now = identity, permissions, now
        self._wire = Wire(base_url, OneToken(self._jwt), http)
        self._tokens: dict[str, _Token] = {}
        self._ids: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, path: str) -> str:
        """The repository's token, a new one where the last is about to end.

        Raises:
            Rejected: where the path is about no repository, or the App is not installed there.
            Broken: where GitHub does not know the App, or it may not do what is needed.
            Transient: where GitHub did not answer.
        """
        name = self._name(path)
        with self._lock:
            kept = self._tokens.get(name)
            if kept is None or self._now() >= kept.ends - MARGIN:
                kept = self._tokens[name] = self._fetch(name)
        return kept.value

    def know(self, repository: RepositoryName) -> None:
        """Remember which number goes with which name."""
        if repository.id:
            self._ids[_key(repository.full_name)] = repository.id

    def refused(self, path: str) -> bool:
        """The token is thrown away; the next is a new one."""
        return self._tokens.pop(self._name(path), None) is not None

    def _name(self, path: str) -> str:
        name, number = subject_of(path)
        name = _key(name) or next((each for each, of in self._ids.items() if of == number), "")
        if not name:
            raise Rejected(f"a GitHub App has no token for {path}, which is about no repository that is known")
        return name

    def _fetch(self, name: str) -> _Token:
        try:
            found = self._wire.get(f"repos/{name}/installation")
            if found.status == 404:
                raise Rejected(f"{name} is not there, or the GitHub App is not installed on it")
            installation = found.object()
            if installation.get("suspended_at"):
                raise Broken(f"the GitHub App's installation on {name} is suspended")
            scope: dict[str, Any] = (
                {"repository_ids": [self._ids[name]]} if name in self._ids else {"repositories": [name.split("/")[1]]}
            )
            scope["permissions"] = self._permissions.of(installation["permissions"])
            made = self._wire.post(f"app/installations/{installation['id']}/access_tokens", scope).object()
        except Rejected:
            self._ids.pop(name, None)  # another repository may have the name by now
            raise
        except Broken as error:
            if "GitHub refused the token" not in str(error):
                raise
            why = str(error).partition("; set it")[0].replace("the token", "the App")
            raise Broken(f"{why}; set opolis.github.app.id and opolis.github.app.key") from error
        for each in made.get("repositories", ()):
            self._ids.setdefault(name, int(each["id"]))
        return _Token(str(made["token"]), datetime.fromisoformat(str(made["expires_at"])).timestamp())

    def _jwt(self) -> str:
        """https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app"""
        import jwt  # noqa: PLC0415 - with cryptography 50 ms, for those alone who have an App

        identity, key = self._identity()
        now = int(self._now())
        try:
            return str(jwt.encode({"iat": now - BACK, "exp": now + LIFE, "iss": identity}, key, algorithm="RS256"))
        except (ValueError, TypeError, jwt.PyJWTError):
            raise Broken("opolis.github.app.key is no private key; set it with `deployer config set app.key`") from None


class Chosen(Credentials):
    """The App, where there is one; else the token. Which of them it is, is asked as often as secrets are read."""

    def __init__(self, has_app: Callable[[], bool], app: Credentials, token: Credentials) -> None:
        self._has_app, self._app, self._token = has_app, app, token

    @property
    def by_app(self) -> bool:
        """Whether it is the App. Raises as reading a secret does."""
        return self._has_app()

    def of(self, path: str) -> str:
        """The token for this request."""
        return self._chosen().of(path)

    def know(self, repository: RepositoryName) -> None:
        """Passed on, whoever is chosen in the end."""
        self._app.know(repository)

    def refused(self, path: str) -> bool:
        """Whether there may be another one now."""
        return self._chosen().refused(path)

    def _chosen(self) -> Credentials:
        return self._app if self.by_app else self._token


@dataclass(frozen=True)
class Names:
    """What the parameters are called that have a token, or an App's id and key."""

    token: str
    app_id: str
    app_key: str


def chosen(
    secrets: Secrets, names: Names, base_url: str, permissions: Permissions, http: urllib3.PoolManager | None = None
) -> Chosen:
    """The App in SSM, else the token there."""
    return Chosen(
        # Half an App is none: the token, which may be there, is good as long as the App is being set up.
        lambda: secrets.has(names.app_id) and secrets.has(names.app_key, lines=True),
        App(base_url, lambda: (secrets.get(names.app_id), secrets.get(names.app_key, lines=True)), permissions, http),
        OneToken(lambda: secrets.get(names.token), lambda: secrets.forget(names.token)),
    )


def _covers(granted: Mapping[str, str], name: str, level: str) -> bool:
    return name in granted and _LEVELS.index(granted[name]) >= _LEVELS.index(level)


def _key(name: str) -> str:
    """Names know no case on GitHub."""
    return name.lower()
