"""What a look finds: the wish that GitHub states, and what the stack and its pipelines are doing.

Pure: frozen values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.environments import EnvironmentId, carries
from deployer.events import RepositoryName
from deployer.ports import Environment, Parked, Run, SourceObject, Stack


@dataclass(frozen=True)
class Present:
    """The ref is at ``commit`` and brings this template. ``digest`` is empty where the files were not needed."""

    ref: str
    commit: str
    branch: str
    digest: str = ""
    template: str = field(default="", repr=False)
    # May hold a token: never shown.
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invalid:
    """The ref is at ``commit``, and what it brings can't be deployed."""

    ref: str
    commit: str
    reason: str


@dataclass(frozen=True)
class Refused:
    """What was asked for is not to be done, whatever the environment is doing; ``commit`` is told."""

    ref: str
    commit: str
    reason: str


@dataclass(frozen=True)
class Gone:
    """Proven: the repository is readable, and the ref is not there (or has become the default branch)."""

    reason: str


@dataclass(frozen=True)
class Nothing:
    """Nothing is wished: unreadable, parked, or a ref that brings no template and has no environment."""

    reason: str


Wish = Present | Invalid | Refused | Gone | Nothing


@dataclass(frozen=True)
class Asked:
    """A wish, and what becomes of the ref's sleep: ``park``: where it is to be parked, ``wakes``: it sleeps no more."""

    wish: Wish
    park: Parked | None = None
    wakes: bool = False


@dataclass(frozen=True)
class Situation:
    """Everything a plan is made from.

    ``stack_name``: the name that the environment's stack has or will have. ``runs``: of each pipeline in the stack,
    newest first. ``elsewhere``: the pipelines that read no source object of ours. ``projects``: the build projects
    in the stack. ``now``: milliseconds since the epoch. ``receives``: how often this look was received.
    ``sweeping``: whether the sweep asks; ``pushed``: whether a push does, at ``pushed_at`` (seconds, by GitHub's
    clock). ``request``: the id of somebody's asking by hand that is to be granted, or empty. ``retire``: the generation
    whose environment somebody wants removed, or 0. ``source``: the source object, where the environment was forgotten
    and its stack is there. ``slot``: the place it takes among its repository's environments. ``idle_days``: after how
    many days without activity a development environment is removed; 0: never.
    """

    id: EnvironmentId
    repository: RepositoryName
    installation: str
    wish: Wish
    item: Environment | None
    stack: Stack | None
    stack_name: str
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    projects: tuple[str, ...] = ()
    now: int = 0
    receives: int = 1
    park: Parked | None = None
    wakes: bool = False
    sweeping: bool = False
    pushed: bool = False
    pushed_at: int = 0
    request: str = ""
    retire: int = 0
    source: SourceObject | None = None
    slot: str = ""
    idle_days: int = 0

    @property
    def every_run(self) -> tuple[tuple[str, Run], ...]:
        """(pipeline, run) of all pipelines in the stack, newest first of each."""
        return tuple((name, run) for name, found in self.runs.items() for run in found)

    @property
    def ours(self) -> bool:
        """Whether the stack carries our tag, and this installation's."""
        return self.stack is not None and owns(self.stack, self.id, self.installation)


def owns(stack: Stack, environment: EnvironmentId, installation: str) -> bool:
    """Whether a stack says that it is this environment's, made by this installation."""
    return carries(stack.tags, environment, installation)
