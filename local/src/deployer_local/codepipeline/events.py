"""The details of the three state-change events, in AWS's shapes.

Pure: builds ``detail`` only; the envelope is the bus's. State words differ from the API's (CANCELED, not Cancelled).

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .records import Artifact, Attempt, Run

PIPELINE = "CodePipeline Pipeline Execution State Change"
STAGE = "CodePipeline Stage Execution State Change"
ACTION = "CodePipeline Action Execution State Change"


def moment(seconds: float) -> str:
    """``2026-11-23T09:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}Z"


def of_run(run: Run, state: str) -> dict[str, Any]:
    """A run changed; its trigger is told at the start, and why it is stopped when it begins to stop."""
    found = _base(run, run.started, run.attempt)
    if state == "STARTED":
        found["execution-trigger"] = {
            "trigger-type": run.trigger["triggerType"],
            "trigger-detail": run.trigger["triggerDetail"],
        }
    if state == "STOPPING" and run.stop_reason:
        found["stop-execution-comments"] = run.stop_reason
    return found | {"state": state}


def of_stage(run: Run, stage: str, state: str, now: float) -> dict[str, Any]:
    """A stage changed; its attempts are counted from 0, and every event after a retry says when that was."""
    record = run.stage(stage)
    found = _base(run, record.entered or now, record.retries)
    if record.retries:
        found["stage-last-retry-attempt-time"] = moment(record.entered or now)
    return found | {"stage": stage, "state": state}


def of_action(run: Run, attempt: Attempt, state: str, region: str) -> dict[str, Any]:
    """An action changed."""
    kind = run.declared(attempt.stage, attempt.action)["actionTypeId"]
    found = _base(run, attempt.started, run.attempt) | {
        "stage": attempt.stage,
        "action-execution-id": attempt.id,
        "action": attempt.action,
        "state": state,
        "region": region,
        "type": {name: kind[name] for name in ("owner", "provider", "category", "version")},
    }
    result = {
        "external-execution-url": attempt.result.url,
        "external-execution-summary": attempt.result.summary or attempt.result.message,
        "external-execution-id": attempt.result.external_id,
        "error-code": attempt.result.code,
    }
    if any(result.values()):
        found["execution-result"] = {name: value for name, value in result.items() if value}
    if attempt.inputs:
        found["input-artifacts"] = [_artifact(item) for item in attempt.inputs]
    if attempt.outputs and state == "SUCCEEDED":
        found["output-artifacts"] = [_artifact(item) for item in attempt.outputs]
    return found


def _base(run: Run, started: float, attempt: int) -> dict[str, Any]:
    return {
        "pipeline": run.pipeline,
        "execution-id": run.id,
        "start-time": moment(started),
        "version": float(run.declaration["version"]),
        "pipeline-execution-attempt": float(attempt),
    }


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {"name": artifact.name, "s3location": {"bucket": artifact.bucket, "key": artifact.key}}
