"""What GitHub is told of a stage, in words. Pure."""

from __future__ import annotations

from deployer.builds import Failure
from deployer.progress import StageProgress


def sentence(stage: StageProgress, failure: Failure | None) -> str:
    """``Build failed in 42 s: npm test exited with 1``; with the action's name, where it is not the stage's."""
    took = f" in {stage.seconds} s" if stage.ended and stage.seconds else ""
    action = stage.failed.action if stage.failed and stage.failed.action != stage.stage else ""
    reason = [action, failure.reason] if failure else []
    return ": ".join(part for part in (f"{stage.stage} {stage.text}{took}", *reason) if part)
