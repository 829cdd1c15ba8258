"""The CodeBuild action: a build by this engine's CodeBuild.

Taken up again after a kill it starts a new build; the one that was cut off is a FAULT in the list of builds.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer_local.codebuild import answers
from deployer_local.codebuild.records import ArtifactPlace, BuildOrder
from deployer_local.codebuild.service import CodeBuild, ProjectNotFoundError
from deployer_local.codepipeline.records import Artifact

from .job import Failed, Interrupted, Job, Outcome, Succeeded


def run(job: Job, service: CodeBuild) -> Outcome:
    """Order a build and wait for its end."""
    configuration = job.configuration
    try:
        variables = _variables(configuration.get("EnvironmentVariables", "[]"))
    except (ValueError, KeyError, TypeError) as error:
        return Failed("ConfigurationError", f"EnvironmentVariables must be a JSON list of name, value, type: {error}")
    order = BuildOrder(
        project=configuration["ProjectName"],
        inputs=tuple(_place(artifact) for artifact in job.inputs),
        output=_place(job.outputs[0]) if job.outputs else None,
        initiator=f"codepipeline/{job.pipeline}",
        variables=variables,
        primary=configuration.get("PrimarySource"),
    )
    try:
        build = service.begin(order)
    except ProjectNotFoundError as error:
        return Failed("ConfigurationError", f"Error calling startBuild: {error}")
    except (ClientError, BotoCoreError) as error:
        return Failed("JobFailed", f"Error calling startBuild: {error}")
    url = answers.url(build, job.around.region)
    job.desk.show(job.id, build.id, url, "")
    job.on_leave = lambda: service.stop(build.id)
    if job.left:
        service.stop(build.id)
    ended = service.run(build, order)
    if job.left:
        raise Interrupted
    stream = answers.log_stream_arn(build, job.around.account, job.around.region)
    if ended.status == "SUCCEEDED":
        return Succeeded(external_id=ended.id, url=url, log_stream=stream, variables=ended.exported)
    return Failed("JobFailed", ended.why, summary=ended.why, external_id=ended.id, url=url, log_stream=stream)


def _place(artifact: Artifact) -> ArtifactPlace:
    return ArtifactPlace(artifact.name, artifact.bucket, artifact.key, artifact.revision)


def _variables(text: str) -> tuple[dict[str, str], ...]:
    found: list[dict[str, Any]] = json.loads(text)
    return tuple(
        {"name": str(v["name"]), "value": str(v["value"]), "type": str(v.get("type", "PLAINTEXT"))} for v in found
    )
