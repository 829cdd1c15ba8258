"""What a sweep finds out of place: a pure comparison of refs, environments, parked refs and stacks.

A ref is in place where its environment is at its commit, or where it is parked there. Nothing here says what to do
about the rest: a look at each will see for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from builder.baseline import mark
from builder.idle import DAY, Idle, idle
from builder.releases import highest_of, is_retired, newest_of, retired_release
from deployer.environments import EnvironmentId, environment_of, owner_of, tag_value
from deployer.events import StackSeen
from deployer.ports import Baseline, Environment, Outcome, Parked
from deployer.refs import TAGS, Stage, release_of
from deployer.states import StackPhase, stack_phase


@dataclass(frozen=True)
class Scene:
    """Everything of one repository. ``tips``: full ref -> object, None where they are as when all was in place.

    ``stacks``: None where they could not be listed. ``now``: milliseconds since the epoch.
    """

    repository: int
    default_branch: str
    tips: Mapping[str, str] | None
    baseline: Baseline
    items: Mapping[EnvironmentId, Environment]
    places: Mapping[EnvironmentId, Parked]
    stacks: tuple[StackSeen, ...] | None
    now: int
    idle_days: int = 0


@dataclass(frozen=True)
class Finding:
    """An environment that is to be looked at, and why.

    ``ref`` is set where the environment alone does not tell it, ``stack`` where its stack was forgotten.
    """

    environment: EnvironmentId
    reason: str
    ref: str = ""
    stack: str = ""


@dataclass(frozen=True)
class Findings:
    """``creations`` and ``deletions`` are what a sweep may want too many of.

    ``behind``: environments that are not where their ref is. ``drifted``: those whose stack or idleness wants a look.
    ``unsettled``: those of which nobody has seen that nothing is left to do. ``stale``: parked refs that are gone.
    ``unnamed``: stacks of ours whose environment can't be told.
    """

    creations: tuple[Finding, ...] = ()
    deletions: tuple[Finding, ...] = ()
    behind: tuple[Finding, ...] = ()
    drifted: tuple[Finding, ...] = ()
    unsettled: tuple[Environment, ...] = ()
    stale: tuple[EnvironmentId, ...] = ()
    unnamed: tuple[str, ...] = ()

    @property
    def in_place(self) -> bool:
        """Whether every ref is accounted for."""
        return not (self.creations or self.deletions or self.behind or self.stale)


def state_of(items: Iterable[Environment], places: Iterable[Parked]) -> str:
    """Stands for which refs are accounted for, and where: the same text says that nothing was forgotten meanwhile."""
    lines = [f"{item.id} {item.ref} {item.commit} {item.present}" for item in items]
    lines += [f"{place.environment} {place.ref} {place.object} parked" for place in places]
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


def compare(scene: Scene) -> Findings:
    """What is not as it should be."""
    wanted = None if scene.tips is None else dict(_wanted(scene, scene.tips))
    creations: list[Finding] = []
    behind: list[Finding] = []
    for environment, (ref, sha) in (wanted or {}).items():
        if reason := _reason(scene, environment, ref, sha):
            (behind if environment in scene.items else creations).append(Finding(environment, reason, ref))
    deletions = () if wanted is None else tuple(_gone(scene, wanted))
    named, unnamed = _stacks(scene, wanted or {})
    drifted = {finding.environment: finding for finding in (*_idle(scene), *_fallen(scene), *named)}
    told = {finding.environment for finding in (*creations, *deletions, *behind)}
    unsettled = (item for item in scene.items.values() if not item.settled and not _busy(scene, item))
    return Findings(
        tuple(creations),
        deletions,
        tuple(behind),
        tuple(finding for environment, finding in drifted.items() if environment not in told),
        tuple(item for item in unsettled if item.id not in told and item.id not in drifted),
        () if scene.tips is None else tuple(_stale(scene, scene.tips)),
        unnamed,
    )


def _wanted(scene: Scene, tips: Mapping[str, str]) -> Iterator[tuple[EnvironmentId, tuple[str, str]]]:
    """The ref that each environment is to follow. Of the releases, the newest alone that is not asleep."""
    newest = newest_of(ref for ref, sha in tips.items() if release_of(ref) and not _asleep(scene, ref, sha))
    for ref, sha in tips.items():
        environment = environment_of(scene.repository, ref, scene.default_branch)
        if environment and (environment.stage is not Stage.PRODUCTION or release_of(ref) == newest):
            yield environment, (ref, sha)


def _asleep(scene: Scene, ref: str, sha: str) -> bool:
    """Whether a release was there before its repository became known, is parked, or is no newer than one taken away."""
    place = scene.places.get(EnvironmentId(scene.repository, Stage.PRODUCTION))
    parked = place is not None and (is_retired(place, ref) or place.holds(ref, sha))
    return parked or mark(ref, sha) in scene.baseline.parked


def _reason(scene: Scene, environment: EnvironmentId, ref: str, sha: str) -> str:
    """Why an environment is to be looked at, or empty where it is where its ref is."""
    item, place = scene.items.get(environment), scene.places.get(environment)
    if place and place.holds(ref, sha):
        return ""
    if item is None:
        return "" if mark(ref, sha) in scene.baseline.parked else f"{ref} has no environment"
    if environment.stage is not Stage.PRODUCTION:
        return "" if item.present and (item.ref, item.commit) == (ref, sha) else f"{ref} has moved"
    wanted, highest = release_of(ref), highest_of(item)
    newer = wanted and (highest is None or wanted > highest)
    return f"{ref.removeprefix(TAGS)} is newer" if newer else ""


def _gone(scene: Scene, wanted: Container[EnvironmentId]) -> Iterator[Finding]:
    for item in scene.items.values():
        if item.present and item.id not in wanted and not item.id.reserved:
            yield Finding(item.id, f"{item.ref} is gone")


def _stale(scene: Scene, tips: Container[str]) -> Iterator[EnvironmentId]:
    """Parked refs that are gone. One whose environment is still being removed is left until it has been.

    That production was removed by hand stays known, whatever becomes of the tag that it had.
    """
    for environment, place in scene.places.items():
        if place.ref not in tips and environment not in scene.items and not retired_release(place):
            yield environment


def _idle(scene: Scene) -> Iterator[Finding]:
    for item in scene.items.values():
        if idle(item, scene.now, scene.idle_days) is not Idle.NO:
            yield Finding(item.id, "it is idle")


def _fallen(scene: Scene) -> Iterator[Finding]:
    """Environments at rest whose stack is not as it was left, and removals that failed and are tried again."""
    seen = None if scene.stacks is None else {stack.name: stack_phase(stack.status) for stack in scene.stacks}
    for item in scene.items.values():
        if not item.settled:
            continue
        if not item.present:
            if scene.now > item.touched + DAY:
                yield Finding(item.id, "its removal failed")
        elif seen is not None and item.outcome is Outcome.SUCCESS:
            phase = seen.get(item.stack, StackPhase.ABSENT)
            if phase in (StackPhase.ABSENT, StackPhase.DEAD, StackPhase.STUCK):
                yield Finding(item.id, f"its stack is {phase.value}")


def _stacks(scene: Scene, wanted: Iterable[EnvironmentId]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Stacks of ours whose environment was forgotten; a tag that holds a hash is looked up among the refs."""
    known = {tag_value(environment): environment for environment in (*wanted, *scene.items)}
    found: dict[EnvironmentId, Finding] = {}
    unnamed: list[str] = []
    for stack in scene.stacks or ():
        environment = known.get(stack.owner) or owner_of(stack.owner)
        if environment is None:
            unnamed.append(stack.name)
        elif environment not in scene.items and stack_phase(stack.status) is not StackPhase.BUSY:
            found[environment] = Finding(environment, f"{stack.name} was forgotten", stack=stack.name)
    return tuple(found.values()), tuple(unnamed)


def _busy(scene: Scene, item: Environment) -> bool:
    """Whether the stack's operation goes on: its end will be told, or seen by the next sweep."""
    seen = (stack_phase(stack.status) for stack in scene.stacks or () if stack.name == item.stack)
    return StackPhase.BUSY in seen
