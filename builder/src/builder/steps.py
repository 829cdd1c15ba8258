"""What a plan consists of: one step each, carried out in order by ``apply``.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.notices import RunNotice
from deployer.ports import Environment, Operation, Outcome, Parked


@dataclass(frozen=True)
class Begin:
    """Remember a new generation, if nobody else wrote meanwhile."""

    environment: Environment


@dataclass(frozen=True)
class Park:
    """Remember that a ref wishes nothing where it is."""

    place: Parked


@dataclass(frozen=True)
class Wake:
    """Forget that the ref was parked."""

    ref: str


@dataclass(frozen=True)
class Supersede:
    """Say on a commit whose preparation goes on that it will not be gone on with; ``text`` says why."""

    commit: str
    ref: str
    text: str


@dataclass(frozen=True)
class Announce:
    """Say a day before that the environment is going to be removed."""

    text: str


@dataclass(frozen=True)
class Touch:
    """Remember when somebody last wanted something of the environment, in milliseconds."""

    at: int


@dataclass(frozen=True)
class Settle:
    """Nothing is left to do: make sure that everything was told, of these runs too, and remember that it was."""

    runs: tuple[RunNotice, ...]


@dataclass(frozen=True)
class Applied:
    """Remember that the stack is what this generation wants."""


@dataclass(frozen=True)
class Found:
    """Remember the pipelines that the stack has."""

    pipelines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Say how the generation's preparation stands. ``look_up``: ask the stack's events for the first failure."""

    outcome: Outcome
    text: str
    look_up: bool = False


@dataclass(frozen=True)
class Refuse:
    """A failure status on a commit that is not the environment's, which stays as it is."""

    commit: str
    ref: str
    text: str


@dataclass(frozen=True)
class Upload:
    """Put the generation's source object, with exactly the wanted commit."""


@dataclass(frozen=True)
class Operate:
    """Ask for one stack operation; its end arrives as an event."""

    operation: Operation


@dataclass(frozen=True)
class Clear:
    """Remove what the stack's pipelines and build projects leave beside it; only they know, so before they go."""

    pipelines: tuple[str, ...]
    projects: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """Start the generation's run."""

    pipeline: str


@dataclass(frozen=True)
class Stop:
    """Stop a run, letting the actions that run end."""

    pipeline: str
    run: str


@dataclass(frozen=True)
class Forget:
    """Nothing is left: remove what was made beside the stack, and the memory of it."""


@dataclass(frozen=True)
class Retry:
    """Look again a little later, after so many seconds."""

    reason: str
    seconds: float = 2.0


Step = (
    Park
    | Wake
    | Supersede
    | Begin
    | Announce
    | Touch
    | Applied
    | Found
    | Report
    | Refuse
    | Upload
    | Operate
    | Clear
    | Start
    | Stop
    | Settle
    | Forget
    | Retry
)
