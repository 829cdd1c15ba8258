"""The job that CodePipeline hands to a Lambda action, as typed values.

Pure. The event carries credentials: it is parsed here and never logged, and no error quotes a value of it.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.errors import Rejected


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What the job may read its artifacts with. Its repr shows nothing."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """Where an artifact lies: a zip in the pipeline's artifact store."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """An input artifact by the name that the pipeline gives it."""

    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Parameters:
    """UserParameters, a JSON object; every key may be missing.

    ``bucket``: where to publish, instead of what the outputs file says. ``prefix``: put in front of every key, with a
    slash between. ``outputs``: the name of the file that holds the outputs of the CloudFormation action.
    """

    bucket: str = ""
    prefix: str = ""
    outputs: str = "outputs.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One job. ``account``: 12 digits."""

    id: str
    account: str
    artifacts: tuple[Artifact, ...]
    credentials: Credentials
    parameters: Parameters = field(default_factory=Parameters)


def job_id(event: object) -> str:
    """The job's id alone: enough to post a result.

    Raises:
        Rejected: where the event is no job.
    """
    job = event.get("CodePipeline.job") if isinstance(event, dict) else None
    identifier = job.get("id") if isinstance(job, dict) else None
    if not isinstance(identifier, str) or not identifier:
        raise Rejected("not a CodePipeline job; this function is a pipeline's Lambda action and nothing else")
    return identifier


def parse(event: Mapping[str, Any]) -> Job:
    """Read the whole job.

    Raises:
        Rejected: naming the field that is missing or wrong, never its value.
    """
    identifier = job_id(event)
    job = event["CodePipeline.job"]
    try:
        data = job["data"]
        artifacts = tuple(_artifact(given) for given in data["inputArtifacts"])
        secret = data["artifactCredentials"]
        credentials = Credentials(*(_text(secret, name) for name in ("accessKeyId", "secretAccessKey", "sessionToken")))
        user_parameters = data["actionConfiguration"]["configuration"].get("UserParameters") or ""
        account = _text(job, "accountId")
    except (KeyError, TypeError, AttributeError) as error:
        # Not chained: only a KeyError's name is known to be harmless.
        what = error.args[0] if isinstance(error, KeyError) else type(error).__name__
        raise Rejected(f"the job is not of the documented shape: {what}") from None
    return Job(identifier, account, artifacts, credentials, parameters(str(user_parameters)))


def _artifact(given: Mapping[str, Any]) -> Artifact:
    place = given["location"]["s3Location"]
    return Artifact(_text(given, "name"), Location(_text(place, "bucketName"), _text(place, "objectKey")))


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value:
        raise KeyError(name)
    return value


def parameters(text: str) -> Parameters:
    """Read UserParameters.

    Raises:
        Rejected: where it is no JSON object, or has a key that this version does not know.
    """
    if not text.strip():
        return Parameters()
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Rejected(f"UserParameters is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Rejected('UserParameters must be a JSON object such as {"prefix": "docs"}')
    known = set(Parameters.__dataclass_fields__)
    if unknown := sorted(set(given) - known):
        raise Rejected(f"UserParameters: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    if wrong := sorted(key for key, value in given.items() if not isinstance(value, str)):
        raise Rejected(f"UserParameters: {', '.join(wrong)} must be text")
    prefix = given.get("prefix", "").rstrip("/")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise Rejected("UserParameters: prefix must be a plain relative path")
    return Parameters(**{**given, "prefix": prefix})
