"""Why an action failed: its build's last words, or what CodePipeline says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deployer.errors import Broken, Rejected
from deployer.observability import logger
from notifier.builds import Failure
from notifier.progress import StageProgress

log = logger("notifier")


class Builds(Protocol):
    """Why a build failed; ``notifier.builds.Builds`` is one."""

    def failure(self, build_id: str) -> Failure | None: ...


@dataclass(frozen=True)
class Reasons:
    """Knows why."""

    builds: Builds

    def of(self, stage: StageProgress) -> Failure | None:
        """Why a stage failed; None where it did not."""
        action = stage.failed
        if action is None:
            return None
        if action.provider == "CodeBuild" and action.external_id:
            try:
                found = self.builds.failure(action.external_id)
            except (Rejected, Broken) as error:  # that it failed is said even where the reason can't be read
                log.error("why the build failed can't be read", reason=str(error), build=action.external_id)
                found = None
            if found:
                return found
        return Failure(action.error or action.summary or f"{action.action} failed", url=action.url)
