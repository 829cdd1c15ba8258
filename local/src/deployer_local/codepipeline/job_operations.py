"""What functions and people answer: job results and approvals.

An answer is kept before the caller hears that it was taken; the waiting action reads it from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .errors import ServiceError
from .machine import Status
from .records import Attempt, Run
from .turn import Turn

_LARGEST_VARIABLES = 122_880


class JobOperations:
    """PutJobSuccessResult, PutJobFailureResult, PutApprovalResult."""

    def served(self) -> dict[str, Callable[[Turn, dict[str, Any]], dict[str, Any]]]:
        """The operations by name."""
        return {
            "PutJobSuccessResult": self._job_result,
            "PutJobFailureResult": self._job_result,
            "PutApprovalResult": self._approval,
        }

    def _job_result(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        identifier = body["jobId"]
        job = turn.store.job(identifier)
        run = turn.store.run(job[0]) if job else None
        if job is None or run is None or _provider(run, run.execution(job[1])) != "Lambda":
            raise ServiceError("JobNotFoundException", f"There is no job with the ID {identifier}")
        if job[2] is not None or run.execution(job[1]).status is not Status.IN_PROGRESS:
            raise ServiceError("InvalidJobStateException", f"The job {identifier} is not in progress")
        if len(json.dumps(body.get("outputVariables", {})).encode()) > _LARGEST_VARIABLES:
            raise ServiceError("OutputVariablesSizeExceededException", "The output variables exceed 122880 bytes")
        _answer(turn, identifier, job[1], body)
        return {}

    def _approval(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline = turn.store.pipeline(body["pipelineName"])
        if pipeline is None:
            raise ServiceError("PipelineNotFoundException", f"There is no pipeline '{body['pipelineName']}'")
        stages = {stage["name"]: stage for stage in pipeline.declaration["stages"]}
        if body["stageName"] not in stages:
            raise ServiceError("StageNotFoundException", f"There is no stage '{body['stageName']}'")
        if all(action["name"] != body["actionName"] for action in stages[body["stageName"]]["actions"]):
            raise ServiceError("ActionNotFoundException", f"There is no action '{body['actionName']}'")
        job = turn.store.job(body["token"])
        run = turn.store.run(job[0]) if job else None
        attempt = run.execution(job[1]) if job and run else None
        asked = (body["pipelineName"], body["stageName"], body["actionName"])
        if job is None or run is None or attempt is None or asked != (run.pipeline, attempt.stage, attempt.action):
            raise ServiceError("InvalidApprovalTokenException", "The approval request token is not valid")
        if job[2] is not None or attempt.status is not Status.IN_PROGRESS:
            raise ServiceError("ApprovalAlreadyCompletedException", "The approval action has already been answered")
        _answer(turn, body["token"], attempt.id, body)
        return {"approvedAt": turn.now}


def _answer(turn: Turn, job: str, attempt: str, body: dict[str, Any]) -> None:
    turn.store.answer_job(job, body)
    turn.answered.append(attempt)


def _provider(run: Run, attempt: Attempt) -> str:
    return str(run.declared(attempt.stage, attempt.action)["actionTypeId"]["provider"])
