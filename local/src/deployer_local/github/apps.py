"""The GitHub Apps of the local GitHub: who they are, where they are installed, and the tokens that they were given.

An App's private key is given away once and not kept; of a token a digest is kept. What signs and verifies is imported
when it is needed.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .repositories import Clock, Repository
from .store import Store

HOUR = 3600
LONGEST_JWT = 600
"""Seconds from now until a JSON Web Token ends, at most."""


@dataclass(frozen=True)
class App:
    """An App. `public_key` is PEM."""

    id: int
    slug: str
    public_key: str


@dataclass(frozen=True)
class Installation:
    """An App at one owner's repositories; `repositories` None for all of them. Times: seconds since the epoch."""

    id: int
    app: App
    owner: str
    permissions: Mapping[str, str]
    repositories: tuple[int, ...] | None
    created_at: int
    suspended_at: int | None


@dataclass(frozen=True)
class Grant:
    """What a token is good for: these repositories of its installation, with these permissions."""

    installation: Installation
    permissions: Mapping[str, str]
    repositories: tuple[int, ...] | None

    def reaches(self, repository: Repository) -> bool:
        """Whether the repository is among them."""
        return reaches(self.installation, repository) and (
            self.repositories is None or repository.id in self.repositories
        )


class JwtError(ValueError):
    """What is wrong with a JSON Web Token, in GitHub's words."""


class Apps:
    """All of them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """`clock`: seconds since the epoch."""
        self._store, self._clock = store, clock

    def register(self, slug: str) -> tuple[App, str]:
        """A new App, and its private key in PEM (PKCS#1, as GitHub gives it)."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for those alone who have an App
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

        key = rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        with self._store.change() as rows:
            added = rows.execute("insert into apps (slug, public_key) values (?, ?)", (slug, public.decode()))
        return App(int(added.lastrowid or 0), slug, public.decode()), private.decode()

    def install(
        self, app: int, owner: str, permissions: Mapping[str, str], repositories: Sequence[int] | None
    ) -> Installation:
        """Install an App at an owner's repositories, all of them for None; over the installation that is there."""
        chosen = None if repositories is None else json.dumps(list(repositories))
        with self._store.change() as rows:
            rows.execute("delete from installations where app_id = ? and owner = ?", (app, owner))
            added = rows.execute(
                "insert into installations (app_id, owner, permissions, repositories, created_at)"
                " values (?, ?, ?, ?, ?)",
                (app, owner, json.dumps(dict(permissions)), chosen, int(self._clock())),
            )
        return self._installations("i.id = ?", int(added.lastrowid or 0))[0]

    def suspend(self, installation: int) -> None:
        """The App may do nothing there any more; its tokens end."""
        with self._store.change() as rows:
            rows.execute("update installations set suspended_at = ? where id = ?", (int(self._clock()), installation))

    def revoke(self) -> None:
        """Every token ends."""
        with self._store.change() as rows:
            rows.execute("delete from app_tokens")

    def signed_by(self, token: str) -> App:
        """The App that signed a JSON Web Token. Raises JwtError for what GitHub refuses.

        https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
        """
        import jwt  # noqa: PLC0415

        unread = "A JSON web token could not be decoded"
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            row = self._store.first("select * from apps where id = ?", int(claims.get("iss", 0)))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise JwtError(unread) from error
        if row is None:
            raise JwtError("Integration not found")
        app = App(row["id"], row["slug"], row["public_key"])
        try:
            claims = jwt.decode(
                token,
                app.public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise JwtError(unread) from error
        now = self._clock()
        if claims["exp"] <= now:
            raise JwtError(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
                "assertion expires"
            )
        if claims["exp"] > now + LONGEST_JWT:
            raise JwtError("'Expiration time' claim ('exp') is too far in the future")
        if claims["iat"] > now:
            raise JwtError(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
            )
        return app

    def installed_at(self, app: App, repository: Repository) -> Installation | None:
        """The App's installation that reaches a repository."""
        found = self._installations("i.app_id = ?", app.id)
        return next((each for each in found if reaches(each, repository)), None)

    def installation(self, app: App, identity: int) -> Installation | None:
        """The App's installation with this number."""
        return next(iter(self._installations("i.app_id = ? and i.id = ?", app.id, identity)), None)

    def issue(
        self, installation: Installation, permissions: Mapping[str, str], repositories: Sequence[int] | None
    ) -> tuple[str, float]:
        """A token for an hour, and when it ends."""
        token, ends = f"ghs_{secrets.token_hex(18)}", self._clock() + HOUR
        chosen = None if repositories is None else json.dumps(list(repositories))
        with self._store.change() as rows:
            rows.execute(
                "insert into app_tokens (digest, installation_id, permissions, repositories, ends_at)"
                " values (?, ?, ?, ?, ?)",
                (_digest(token), installation.id, json.dumps(dict(permissions)), chosen, ends),
            )
        return token, ends

    def granted(self, token: str) -> Grant | None:
        """What a token is good for; None where it is none, or has ended."""
        row = self._store.first("select * from app_tokens where digest = ?", _digest(token))
        if row is None or row["ends_at"] <= self._clock():
            return None
        found = self._installations("i.id = ?", row["installation_id"])
        if not found or found[0].suspended_at is not None:
            return None
        return Grant(found[0], json.loads(row["permissions"]), _numbers(row["repositories"]))

    def _installations(self, condition: str, *values: object) -> list[Installation]:
        columns = "i.*, a.slug, a.public_key"
        sql = f"select {columns} from installations i join apps a on a.id = i.app_id where {condition} order by i.id"  # noqa: S608 - constants
        return [_installation(row) for row in self._store.read(sql, *values)]


def reaches(installation: Installation, repository: Repository) -> bool:
    """Whether an installation is at this repository."""
    mine = installation.owner.lower() == repository.owner.lower()
    return mine and (installation.repositories is None or repository.id in installation.repositories)


def _installation(row: sqlite3.Row) -> Installation:
    return Installation(
        id=row["id"],
        app=App(row["app_id"], row["slug"], row["public_key"]),
        owner=row["owner"],
        permissions=json.loads(row["permissions"]),
        repositories=_numbers(row["repositories"]),
        created_at=row["created_at"],
        suspended_at=row["suspended_at"],
    )


def _numbers(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
