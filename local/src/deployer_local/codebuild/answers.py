"""Builds in the API's own shape (BatchGetBuilds).

Pure. Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
"""

from __future__ import annotations

from typing import Any

from .records import Build, PhaseRecord


def arns(build: Build, account: str, region: str) -> dict[str, str]:
    """The ARNs of a build, its project and the default key."""
    start = f"arn:aws:codebuild:{region}:{account}"
    return {
        "build": f"{start}:build/{build.id}",
        "project": f"{start}:project/{build.project}",
        "key": f"arn:aws:kms:{region}:{account}:alias/aws/s3",
    }


def log_stream_arn(build: Build, account: str, region: str) -> str:
    """The ARN of the build's log stream."""
    return f"arn:aws:logs:{region}:{account}:log-group:/aws/codebuild/{build.project}:log-stream:{build.uuid}"


def url(build: Build, region: str) -> str:
    """The console's page of a build, as CodePipeline gives it."""
    return f"https://console.aws.amazon.com/codebuild/home?region={region}#/builds/{build.id}/view/new"


def answer(build: Build, account: str, region: str) -> dict[str, Any]:
    """One element of ``builds``."""
    group = f"/aws/codebuild/{build.project}"
    found: dict[str, Any] = {
        "id": build.id,
        "arn": arns(build, account, region)["build"],
        "buildNumber": build.number,
        "startTime": build.started,
        "currentPhase": build.phases[-1].type if build.phases else "SUBMITTED",
        "buildStatus": build.status,
        "projectName": build.project,
        "phases": [_phase(phase) for phase in build.phases],
        "logs": {
            "groupName": group,
            "streamName": build.uuid,
            "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEvent:group={group};stream={build.uuid}",
            "cloudWatchLogsArn": log_stream_arn(build, account, region),
        },
        "buildComplete": build.status != "IN_PROGRESS",
        "initiator": build.initiator,
        "sourceVersion": build.source_version,
        "encryptionKey": arns(build, account, region)["key"],
        "exportedEnvironmentVariables": [
            {"name": name, "value": value} for name, value in sorted(build.exported.items())
        ],
        **build.described,
    }
    optional = {
        "endTime": build.ended,
        "resolvedSourceVersion": build.resolved_version,
        "artifacts": {"location": build.artifact} if build.artifact else None,
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _phase(phase: PhaseRecord) -> dict[str, Any]:
    found: dict[str, Any] = {"phaseType": phase.type, "startTime": phase.started}
    if phase.status is not None:
        found["phaseStatus"] = phase.status
        found["contexts"] = [{"statusCode": phase.code, "message": phase.message}]
    if phase.ended is not None:
        found |= {"endTime": phase.ended, "durationInSeconds": int(phase.ended - phase.started)}
    return found
