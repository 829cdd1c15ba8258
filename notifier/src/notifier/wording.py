"""What is told of a stage, in words. Pure."""

from __future__ import annotations

from deployer.builds import Failure
from deployer.progress import StageProgress
from deployer.states import CommitState

# Of what was superseded, stopped or cancelled nobody asks how long it took.
_TIMED = frozenset({CommitState.SUCCESS, CommitState.FAILURE})


def sentence(stage: StageProgress, failure: Failure | None) -> str:
    """``Build failed in 42 s: npm test exited with 1``; with the action's name, where it is not the stage's."""
    reason = [action_of(stage), failure.reason] if failure else []
    return ": ".join(part for part in (f"{stage.stage} {how(stage)}", *reason) if part)


def how(stage: StageProgress) -> str:
    """How a stage stands: ``failed in 42 s``."""
    took = f" in {span(stage.seconds)}" if stage.state in _TIMED and stage.seconds else ""
    return f"{stage.text}{took}"


def action_of(stage: StageProgress) -> str:
    """The action that failed, where it is not called as its stage is; else empty."""
    return stage.failed.action if stage.failed and stage.failed.action != stage.stage else ""


def span(seconds: int) -> str:
    """``42 s``, ``12 min 5 s``, ``2 h 3 min``."""
    minutes, rest = divmod(seconds, 60)
    hours, left = divmod(minutes, 60)
    parts = ((hours, "h"), (left, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
