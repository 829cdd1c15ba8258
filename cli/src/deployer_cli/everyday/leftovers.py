"""What of a repository is left over: a pure comparison of what is remembered, what stands, and GitHub's refs.

Nothing here is removed: a look at each lets the builder prove for itself what is to become of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployer.environments import OWNER_TAG, EnvironmentId, environment_of, owner_of, tag_value
from deployer.events import Look
from deployer.ports import Environment, Parked, Repository, Stack
from deployer.refs import Stage
from deployer_cli.everyday.wanted import look_at, removal

DAY = 24 * 3600 * 1000


class Kind(StrEnum):
    """Why something is left over."""

    GONE = "gone"  # its branch is not on GitHub any more
    FORGOTTEN = "forgotten"  # a stack of ours that nobody remembers
    STANDING = "standing"  # it was removed, and is still there
    IDLE = "idle"  # nobody wanted anything of it for long


@dataclass(frozen=True)
class Leftover:
    """One thing that is left over; ``look`` has it seen to."""

    kind: Kind
    environment: EnvironmentId
    repository: str
    stack: str
    why: str
    look: Look


@dataclass(frozen=True)
class Scene:
    """Everything of one repository. ``tips``: full ref -> object. ``stacks``: those that carry this installation's tag.

    ``now``: milliseconds since the epoch. ``idle_days``: after how many days without activity something is idle; 0:
    nothing ever is.
    """

    repository: Repository
    tips: Mapping[str, str]
    items: tuple[Environment, ...]
    places: tuple[Parked, ...]
    stacks: tuple[Stack, ...]
    now: int
    idle_days: int


def leftovers(scene: Scene) -> tuple[Leftover, ...]:
    """What is left over, in the order of the environments' names; of each the first reason."""
    found: dict[tuple[EnvironmentId, str], Leftover] = {}
    for each in (*_standing(scene), *_gone(scene), *_forgotten(scene), *_idle(scene)):
        found.setdefault((each.environment, each.stack), each)
    return tuple(sorted(found.values(), key=lambda each: (each.environment, each.stack)))


def _wanted(scene: Scene) -> set[EnvironmentId]:
    name = scene.repository.name
    made = (environment_of(name.id, ref, scene.repository.default_branch) for ref in scene.tips)
    return {each for each in made if each}


def _gone(scene: Scene) -> Iterator[Leftover]:
    wanted = _wanted(scene)
    for item in scene.items:
        if item.id not in wanted and not item.id.reserved:
            yield _of(scene, Kind.GONE, item, f"{item.ref} is gone")


def _standing(scene: Scene) -> Iterator[Leftover]:
    """What was to be removed. One whose removal goes on is looked at, too: it does no harm."""
    retired = {place.environment for place in scene.places if place.retired}
    for item in scene.items:
        if not item.present or item.id in retired:
            why = item.said or "its removal has not come to its end"
            look = removal(item).look
            yield Leftover(Kind.STANDING, item.id, scene.repository.name.full_name, item.stack, why, look)


def _forgotten(scene: Scene) -> Iterator[Leftover]:
    remembered = {item.stack for item in scene.items}
    wanted = _wanted(scene)
    named = {tag_value(environment): environment for environment in wanted}
    for stack in scene.stacks:
        tag = stack.tags.get(OWNER_TAG, "")
        environment = named.get(tag) or owner_of(tag)
        if environment is None or stack.name in remembered or stack.parent:
            continue
        end = "it is remembered again" if environment in wanted or environment.reserved else "its branch is gone"
        name = scene.repository.name
        look = look_at(name, environment, "prune", stack.name)
        why = f"nobody remembers this stack ({stack.status}); {end}"
        yield Leftover(Kind.FORGOTTEN, environment, name.full_name, stack.name, why, look)


def _idle(scene: Scene) -> Iterator[Leftover]:
    for item in scene.items:
        since = max(item.touched, item.source_at)
        days = (scene.now - since) // DAY
        if scene.idle_days and days >= scene.idle_days and item.present and item.id.stage is Stage.DEVELOPMENT:
            name = scene.repository.name.full_name
            yield Leftover(Kind.IDLE, item.id, name, item.stack, f"nothing for {days} days", removal(item).look)


def _of(scene: Scene, kind: Kind, item: Environment, why: str) -> Leftover:
    name = scene.repository.name
    return Leftover(kind, item.id, name.full_name, item.stack, why, look_at(name, item.id, "prune"))


def of_repository(number: int, stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    """Those of the stacks whose owner's tag names the repository."""
    return tuple(stack for stack in stacks if stack.tags.get(OWNER_TAG, "").startswith(f"{number}/"))
