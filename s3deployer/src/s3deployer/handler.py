"""Lambda's entry: a job of CodePipeline. The one place that builds the real clients."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer import settings
from deployer.buckets import Bucket
from deployer.deadline import Context
from deployer.memory import Table
from deployer.objects import Keys, Objects
from deployer.observability import logger, traced
from deployer.pipelines import CodePipeline
from deployer.stacks import CloudFormation, code_of, translated
from s3deployer.deploying import S3Deployer, Source
from s3deployer.job import Artifact, Credentials
from s3deployer.ownership import Ownership
from s3deployer.site import S3Site

log = logger(__name__)

_CONFIG = Config(
    connect_timeout=3, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=16
)


@dataclass(frozen=True)
class Settings:
    """The function's environment."""

    environments_table: str


class JobResults:
    """Post results through boto3. A job that has its result already, or is over, is left alone."""

    def __init__(self, codepipeline: Any) -> None:
        self._codepipeline = codepipeline

    def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
        """PutJobSuccessResult."""
        details = {"summary": summary, "percentComplete": 100}
        self._post(
            self._codepipeline.put_job_success_result,
            jobId=job,
            executionDetails=details,
            outputVariables=dict(variables),
        )

    def goes_on(self, job: str, summary: str, percent: int, token: str) -> None:
        """PutJobSuccessResult with a continuation token: CodePipeline invokes again with it."""
        details = {"summary": summary, "percentComplete": percent}
        self._post(
            self._codepipeline.put_job_success_result, jobId=job, executionDetails=details, continuationToken=token
        )

    def failed(self, job: str, message: str) -> None:
        """PutJobFailureResult."""
        details = {"type": "JobFailed", "message": message or "no reason known"}
        self._post(self._codepipeline.put_job_failure_result, jobId=job, failureDetails=details)

    @staticmethod
    def _post(call: Any, **arguments: Any) -> None:
        with translated("post the job's result"):
            try:
                call(**arguments)
            except ClientError as error:
                if code_of(error) not in ("InvalidJobStateException", "JobNotFoundException"):
                    raise
                log.warning("the job takes no result", job=arguments["jobId"], code=code_of(error))


class Distributions:
    """CloudFront, through boto3, which is made when it is first needed."""

    def __call__(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        """CreateInvalidation; asked for again with the same reference, it is the same one.

        https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html
        """
        batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}
        with translated(f"published, but {distribution} was not invalidated (retry the action)"):
            client = boto3.client("cloudfront", config=_CONFIG)
            client.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)


def open_artifact(artifact: Artifact, credentials: Credentials) -> Source:
    """An artifact, read with the job's own credentials."""
    keys = Keys(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    return Source(*Objects(artifact.location.bucket, keys=keys).open(artifact.location.key))


def open_site(name: str, owner: str) -> S3Site:
    """A bucket of the account ``owner``, written with the function's own role."""
    return S3Site(
        Objects(name, owner), functools.cache(lambda: Bucket(boto3.client("s3", config=_CONFIG), name, owner))
    )


@functools.cache
def _deployer() -> S3Deployer:
    given = settings.load(Settings, os.environ)
    codepipeline = boto3.client("codepipeline", config=_CONFIG)
    memory = Table(boto3.client("dynamodb", config=_CONFIG), given.environments_table)
    ownership = Ownership(
        CloudFormation(boto3.client("cloudformation", config=_CONFIG)),
        memory,
        CodePipeline(codepipeline),
        pauses=(1.0, 2.0, 4.0),
    )
    return S3Deployer(open_artifact, open_site, ownership, JobResults(codepipeline), Distributions())


@traced("s3deployer")
def handler(event: Mapping[str, Any], context: Context) -> None:
    """Publish, and post the result."""
    _deployer()(event, context)
