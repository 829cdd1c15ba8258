"""Which repository and which environment a command is about.

Its arguments name them; else the git checkout that it is run in does. `select` is pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.ports import Repository
from deployer.refs import HEADS, TAGS, Stage, is_legal
from deployer_cli.checkout import Checkout, FullName, repository
from deployer_cli.place import Place

Branch = Annotated[
    str | None, typer.Argument(metavar="BRANCH", help="The branch; by default the one that is checked out here.")
]
Repo = Annotated[
    str | None, typer.Option("--repo", metavar="OWNER/NAME", help="The repository; by default that of this checkout.")
]
Env = Annotated[Stage | None, typer.Option("--env", help="Staging or production, by their name.")]


@dataclass(frozen=True)
class Choice:
    """The environment that a command is about."""

    repository: Repository
    id: EnvironmentId

    @property
    def name(self) -> RepositoryName:
        """The repository, as it is called."""
        return self.repository.name

    @property
    def ref(self) -> str:
        """The ref that it follows; empty for production, which has whatever was released."""
        if self.id.stage is Stage.PRODUCTION:
            return ""
        return HEADS + (self.id.branch or self.repository.default_branch)

    @property
    def label(self) -> str:
        """What people call it, with its repository: ``acme/site feature/login``."""
        return f"{self.name.full_name} {self.id.label}"


def select(found: Repository, branch: str | None, stage: Stage | None, current: Callable[[], str]) -> EnvironmentId:
    """The environment that was named, else that of the branch which is checked out (``current`` tells).

    A branch called ``staging`` is a branch like any other: the stages go by ``--env`` alone.

    Raises:
        Rejected: where both were named, or what was named is no branch.
    """
    if stage is Stage.DEVELOPMENT:
        raise Rejected("--env is staging or production; for an environment of development, name its branch")
    if stage:
        if branch:
            raise Rejected(f"{branch!r} and --env {stage} are two environments: name one")
        return EnvironmentId(found.name.id, stage)
    chosen = current() if branch is None else branch.removeprefix(HEADS)
    if not chosen or not is_legal(HEADS + chosen) or chosen.startswith(TAGS):
        raise Rejected(f"{chosen!r} is no branch; name one, or say --env staging or --env production")
    if chosen == found.default_branch:
        return EnvironmentId(found.name.id, Stage.STAGING)
    return EnvironmentId(found.name.id, Stage.DEVELOPMENT, chosen)


def choose(place: Place, branch: str | None, repo: str | None, stage: Stage | None, folder: Path) -> Choice:
    """The environment that a command's arguments name.

    Raises:
        Rejected: where they name none that can be; the message says what to name instead.
    """
    named = repository(repo, folder)

    def current() -> str:
        if repo:
            raise Rejected(f"which branch of {named}? name it, or say --env staging or --env production")
        return Checkout(folder).branch()

    found = known(place, named)
    return Choice(found, select(found, branch, stage, current))


def known(place: Place, named: FullName) -> Repository:
    """A repository as this installation, or else GitHub, knows it.

    Raises:
        Rejected: where neither does.
    """
    for each in place.memory.repositories():
        if each.repository.full_name.lower() == str(named).lower():
            return Repository(each.repository, each.default_branch)
    found = place.github.repository(named.owner, named.name)
    if found is None:
        raise Rejected(
            f"{named} is not there, or not for this token; say --repo OWNER/NAME, or give a token in GH_TOKEN that "
            "may read it"
        )
    return found
