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
from s3deployer.parameters import Parameters, parameters


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
class Progress:
    """What earlier invocations of the same job did, carried by CodePipeline's continuation token."""

    uploaded: int = 0
    bytes: int = 0
    deleted: int = 0

    def token(self) -> str:
        return json.dumps({"uploaded": self.uploaded, "bytes": self.bytes, "deleted": self.deleted})

    @classmethod
    def of(cls, token: object) -> Progress:
        """Read a token back.

        Raises:
            Rejected: where it is none of ours.
        """
        if not token:
            return cls()
        try:
            given = json.loads(str(token))
            return cls(int(given["uploaded"]), int(given["bytes"]), int(given["deleted"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected(f"the continuation token is none of this function's: {type(error).__name__}") from None


@dataclass(frozen=True, slots=True)
class Job:
    """One job. ``account``: 12 digits."""

    id: str
    account: str
    artifacts: tuple[Artifact, ...]
    credentials: Credentials
    parameters: Parameters = field(default_factory=Parameters)
    progress: Progress = field(default_factory=Progress)


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
    progress = Progress.of(data.get("continuationToken"))
    return Job(identifier, account, artifacts, credentials, parameters(str(user_parameters)), progress)


def _artifact(given: Mapping[str, Any]) -> Artifact:
    place = given["location"]["s3Location"]
    return Artifact(_text(given, "name"), Location(_text(place, "bucketName"), _text(place, "objectKey")))


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value:
        raise KeyError(name)
    return value
