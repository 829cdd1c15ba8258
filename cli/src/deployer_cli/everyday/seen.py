"""What was found of environments, before anybody judges it.

Pure: frozen values only. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.builds import Failure
from deployer.environments import EnvironmentId
from deployer.events import RepositoryName
from deployer.pipelines import ActionRun
from deployer.ports import Environment, Parked, Stack, Tip
from deployer.states import RunState


@dataclass(frozen=True)
class SeenRun:
    """The run that the wanted generation has in one of its pipelines.

    ``stages``: name -> how many actions it has, in order. ``failures``: why a stage failed, by its name.
    """

    pipeline: str
    id: str
    state: RunState
    started: int
    commit: str
    stages: Mapping[str, int] = field(default_factory=dict)
    actions: tuple[ActionRun, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One environment, now.

    ``item``: what is remembered of it, None where there is none. ``tip``: where its ref is on GitHub, None where it is
    gone, or could not be asked for (``unasked`` says why). ``runs``: pipeline -> its run, None where it has none yet.
    ``served``: where the environment can be opened, or empty. ``region``: of the console.
    """

    id: EnvironmentId
    repository: RepositoryName
    region: str
    now: int
    item: Environment | None = None
    place: Parked | None = None
    tip: Tip | None = None
    unasked: str = ""
    stack: Stack | None = None
    runs: Mapping[str, SeenRun | None] = field(default_factory=dict)
    served: str = ""
