"""What is asked for by hand, as the message that asks for it. Pure.

A look is only a hint, and what it asks for is granted by the builder: see docs/operations.md, "Asking by hand".
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import Look, RepositoryName
from deployer.ports import Environment
from deployer.refs import TAGS, Stage, release_of


@dataclass(frozen=True)
class Asked:
    """A message, and what it asks for, in words."""

    look: Look
    words: str


def again(
    name: RepositoryName, environment: EnvironmentId, item: Environment | None, tag: str | None, by: str
) -> Asked:
    """Build what is wanted once more, or a release that production is to have. ``by``: identifies this asking.

    Raises:
        Rejected: where the environment takes no tag, or none is known that production had.
    """
    if environment.stage is not Stage.PRODUCTION:
        if tag:
            raise Rejected(f"{tag} is a release, and {environment.label} takes none: say --env production")
        return Asked(_look(name, environment, "redeploy", request=by), f"build {environment.label} again")
    ref = f"{TAGS}{tag}" if tag else item.ref if item else ""
    if not ref:
        raise Rejected("production has nothing that could be deployed again; say which release, with --tag vX.Y.Z")
    if not release_of(ref):
        raise Rejected(f"{tag!r} is no release; releases are tags such as v1.2.3")
    release = ref.removeprefix(TAGS)
    return Asked(
        _look(name, environment, f"redeploy {release}", ref=ref, request=by), f"deploy {release} to production"
    )


def removal(item: Environment) -> Asked:
    """Remove an environment whose ref stays; nothing comes of it where something else is wanted of it meanwhile."""
    look = _look(item.repository, item.id, "remove", ref=item.ref, retire=item.generation)
    return Asked(look, f"remove {item.id.label}")


def look_at(name: RepositoryName, environment: EnvironmentId, why: str, stack: str = "") -> Look:
    """Have an environment looked at, which brings it where its ref is, or removes it where that is gone."""
    return _look(name, environment, why, stack=stack)


def _look(
    name: RepositoryName,
    environment: EnvironmentId,
    why: str,
    *,
    ref: str = "",
    request: str = "",
    retire: int = 0,
    stack: str = "",
) -> Look:
    return Look(str(environment), name, f"by hand: {why}", ref, request=request, retire=retire, stack=stack)
