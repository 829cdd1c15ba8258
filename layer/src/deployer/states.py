"""The states that CloudFormation, CodePipeline and GitHub know, grouped by what they mean here.

Pure. Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html,
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineExecutionSummary.html,
https://docs.github.com/rest/commits/statuses, https://docs.github.com/rest/deployments
"""

from __future__ import annotations

from enum import Enum, StrEnum


class CommitState(StrEnum):
    """A commit status' state."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class DeploymentState(StrEnum):
    """The state of a GitHub deployment; ``inactive`` of a transient one is shown as destroyed.

    Source: https://docs.github.com/rest/deployments/statuses#create-a-deployment-status
    """

    QUEUED = "queued"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    INACTIVE = "inactive"


class StackPhase(Enum):
    """What can be done with a stack now."""

    ABSENT = "absent"  # create
    BUSY = "busy"  # wait for its event
    STABLE = "stable"  # update
    REVERTED = "reverted"  # its last update was rolled back; update again
    DEAD = "dead"  # its creation failed: delete, then create
    STUCK = "stuck"  # a failed rollback or deletion: recover


_PHASES: dict[str, StackPhase] = {
    "CREATE_IN_PROGRESS": StackPhase.BUSY,
    "CREATE_FAILED": StackPhase.DEAD,
    "CREATE_COMPLETE": StackPhase.STABLE,
    "ROLLBACK_IN_PROGRESS": StackPhase.BUSY,
    "ROLLBACK_FAILED": StackPhase.DEAD,
    "ROLLBACK_COMPLETE": StackPhase.DEAD,
    "DELETE_IN_PROGRESS": StackPhase.BUSY,
    "DELETE_FAILED": StackPhase.STUCK,
    "DELETE_COMPLETE": StackPhase.ABSENT,
    "UPDATE_IN_PROGRESS": StackPhase.BUSY,
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": StackPhase.BUSY,
    "UPDATE_COMPLETE": StackPhase.STABLE,
    "UPDATE_FAILED": StackPhase.STUCK,
    "UPDATE_ROLLBACK_IN_PROGRESS": StackPhase.BUSY,
    "UPDATE_ROLLBACK_FAILED": StackPhase.STUCK,
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": StackPhase.BUSY,
    "UPDATE_ROLLBACK_COMPLETE": StackPhase.REVERTED,
    "REVIEW_IN_PROGRESS": StackPhase.DEAD,
    "IMPORT_IN_PROGRESS": StackPhase.BUSY,
    "IMPORT_COMPLETE": StackPhase.STABLE,
    "IMPORT_ROLLBACK_IN_PROGRESS": StackPhase.BUSY,
    "IMPORT_ROLLBACK_FAILED": StackPhase.STUCK,
    "IMPORT_ROLLBACK_COMPLETE": StackPhase.STABLE,
}


def stack_phase(status: str) -> StackPhase:
    """The phase of a StackStatus.

    Raises:
        ValueError: for a status that this version does not know; it is never guessed.
    """
    try:
        return _PHASES[status]
    except KeyError as error:
        raise ValueError(f"unknown stack status {status!r}") from error


# A stack that goes for good: being deleted, or its creation being rolled back. An update's rollback is another status
# and leaves a living stack.
GOING = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


# What events of runs, stages and actions say; the API spells a run's states differently (`RunState`). As with a stack's
# status, one that this version does not know is never guessed.
# https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
STAGE_EVENTS = frozenset({"CANCELED", "FAILED", "RESUMED", "STARTED", "STOPPED", "STOPPING", "SUCCEEDED"})
RUN_EVENTS = STAGE_EVENTS | {"SUPERSEDED"}
ACTION_EVENTS = frozenset({"ABANDONED", "CANCELED", "FAILED", "STARTED", "SUCCEEDED"})


class RunState(StrEnum):
    """PipelineExecutionStatus, as ListPipelineExecutions spells it."""

    CANCELLED = "Cancelled"
    IN_PROGRESS = "InProgress"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    SUCCEEDED = "Succeeded"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"

    @property
    def active(self) -> bool:
        """Whether it may still act."""
        return self in (RunState.IN_PROGRESS, RunState.STOPPING)
