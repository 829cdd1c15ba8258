"""Why an action failed: its build's last words, its stack's first failed resource, or what CodePipeline says of it.

Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ActionExecutionResult.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deployer.addresses import address
from deployer.builds import Failure
from deployer.consoles import events_url
from deployer.contexts import readable
from deployer.errors import DeployerError, Transient
from deployer.observability import logger
from deployer.pipelines import CLOUDFORMATION, ActionRun
from deployer.progress import StageProgress

log = logger("reasons")
# Milliseconds by which CodePipeline's clock may be ahead of CloudFormation's.
SKEW = 2_000


class Builds(Protocol):
    """Why a build failed; ``deployer.builds.Builds`` is one."""

    def failure(self, build_id: str) -> Failure | None: ...


class Events(Protocol):
    """What happened to a stack; ``deployer.stacks.CloudFormation`` is one."""

    def failure(self, stack_id: str, token: str = "", since: int = 0) -> str: ...


@dataclass(frozen=True)
class Reasons:
    """Knows why."""

    builds: Builds
    stacks: Events

    def of(self, stage: StageProgress) -> Failure | None:
        """Why a stage failed; None where it did not. That it failed is told even where the reason can't be read."""
        action = stage.failed
        if action is None:
            return None
        late = False
        try:
            if found := self._known(action):
                return found
        except Exception as error:  # noqa: BLE001 - whatever is answered there, the failure is told
            late = isinstance(error, Transient)
            reason = str(error) if isinstance(error, DeployerError) else type(error).__name__
            log.warning("why the action failed can't be read", reason=reason, action=action.action, late=late)
        return Failure(_said(action), url=address(action.url), late=late)

    def _known(self, action: ActionRun) -> Failure | None:
        """What its provider knows."""
        if action.provider == "CodeBuild" and action.external_id:
            return self.builds.failure(action.external_id)
        events = events_url(action.external_id)
        stack = action.external_id if events else action.stack
        if action.provider == CLOUDFORMATION and stack:
            # What failed there before is no reason for this action: it may not have come to operate the stack.
            reason = self.stacks.failure(stack, since=max(0, action.started - SKEW))
            return Failure(readable(reason), url=events or address(action.url)) if reason else None
        return None


def _said(action: ActionRun) -> str:
    """What CodePipeline says: the error, and what the action itself has to say where that is something else."""
    error, summary = action.error, action.summary
    if error and summary and summary not in error:
        return f"{error} ({summary})"
    return error or summary or f"{action.action} failed"
