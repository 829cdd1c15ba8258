"""The Lambda invoke action: an asynchronous invocation, then the wait for the function's word.

The function answers with PutJobSuccessResult or PutJobFailureResult; with a continuation token it is invoked again
under a new job. Taken up again after a kill: a job that was given out is waited for, never invoked twice; one that was
not surely given out is invoked (again).

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer_local.codepipeline.records import Artifact
from deployer_local.codepipeline.shapes import CONTRACT
from deployer_local.contract import faults_of

from .job import Failed, Job, Outcome, Succeeded

REPLY_WITHIN = 20 * 60.0
PAUSE = 1.0


def run(job: Job, reply_within: float = REPLY_WITHIN, pause: float = PAUSE) -> Outcome:
    """Invoke until an answer without a continuation token; both times are in seconds."""
    token: str | None = job.memory.get("continuation")
    while True:
        if job.memory.get("job") is None:
            try:
                _invoke(job, token)
            except (ClientError, BotoCoreError) as error:
                return _not_invoked(job, error)
        answer = _answer(job, job.memory["job"], reply_within)
        if answer is None:
            return Failed(
                "JobFailed",
                f"The AWS Lambda function {job.configuration['FunctionName']} failed to return a result. Check the "
                "function to verify that it has permission to call the PutJobSuccessResult action and that it made a "
                "call to PutJobSuccessResult.",
            )
        if details := answer.get("failureDetails"):
            return Failed(details["type"], details["message"], external_id=details.get("externalExecutionId", ""))
        token = answer.get("continuationToken")
        shown = answer.get("executionDetails", {})
        if token is None:
            return Succeeded(
                summary=shown.get("summary", ""),
                external_id=shown.get("externalExecutionId", ""),
                variables=answer.get("outputVariables", {}),
            )
        job.remember(continuation=token, job=None, percent=shown.get("percentComplete"))
        job.desk.show(job.id, shown.get("externalExecutionId", ""), "", shown.get("summary", ""))
        job.receive(pause)


def event(job: Job, identifier: str, token: str | None, credentials: dict[str, Any]) -> dict[str, Any]:
    """What the function gets, in AWS's shape."""
    configuration = {
        name: job.configuration[name] for name in ("FunctionName", "UserParameters") if name in job.configuration
    }
    data: dict[str, Any] = {
        "actionConfiguration": {"configuration": configuration},
        "inputArtifacts": [_artifact(item) for item in job.inputs],
        "outputArtifacts": [_artifact(item) for item in job.outputs],
        "artifactCredentials": credentials,
    }
    if token is not None:
        data["continuationToken"] = token
    described = {"id": identifier, "accountId": job.around.account, "data": data}
    check_job(described)
    return {"CodePipeline.job": described}


def check_job(described: dict[str, Any]) -> None:
    """Hold what a function gets to the API's shape of a job, which it has but for two members.

    The credentials carry their end (``expirationTime``), and an artifact that no source made has a null revision.

    Raises:
        ValueError: for a job that AWS would not describe so.
    """
    data = described["data"]
    credentials = {name: value for name, value in data["artifactCredentials"].items() if name != "expirationTime"}
    artifacts = {
        kind: [{name: value for name, value in item.items() if value is not None} for item in data[kind]]
        for kind in ("inputArtifacts", "outputArtifacts")
    }
    job = {**described, "data": {**data, **artifacts, "artifactCredentials": credentials}}
    if faults := list(faults_of(job, CONTRACT.model.shape_for("Job"))):
        raise ValueError(f"the event of the job is none of AWS's: {'; '.join(faults)}")


def _invoke(job: Job, token: str | None) -> None:
    session = job.around.client("sts").assume_role(RoleArn=job.role, RoleSessionName=job.run)["Credentials"]
    credentials = {
        "accessKeyId": session["AccessKeyId"],
        "secretAccessKey": session["SecretAccessKey"],
        "sessionToken": session["SessionToken"],
        "expirationTime": int(session["Expiration"].timestamp() * 1000),
    }
    identifier = job.desk.open_job(job.id)
    job.around.client("lambda").invoke(
        FunctionName=job.configuration["FunctionName"],
        InvocationType="Event",
        Payload=json.dumps(event(job, identifier, token, credentials)).encode(),
    )
    job.remember(job=identifier)


def _answer(job: Job, identifier: str, within: float) -> dict[str, Any] | None:
    deadline = job.around.clock() + within
    while (kept := job.desk.job_answer(identifier)) is None:
        left = deadline - job.around.clock()
        if left <= 0:
            return None
        job.receive(left)
    return dict(kept)


def _not_invoked(job: Job, error: ClientError | BotoCoreError) -> Failed:
    name = job.configuration["FunctionName"]
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code == "ResourceNotFoundException":
        return Failed("ConfigurationError", f"The AWS Lambda function {name} does not exist or is not accessible")
    if code in {"AccessDenied", "AccessDeniedException"}:
        return Failed("PermissionError", f"The role {job.role} may not invoke the AWS Lambda function {name}: {error}")
    return Failed("JobFailed", f"The AWS Lambda function {name} was not invoked: {error}")


def _artifact(artifact: Artifact) -> dict[str, Any]:
    location = {"bucketName": artifact.bucket, "objectKey": artifact.key}
    return {
        "location": {"s3Location": location, "type": "S3"},
        "revision": artifact.revision,
        "name": artifact.name,
    }
