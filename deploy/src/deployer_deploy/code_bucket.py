"""The bucket that Lambda takes code from: what is in it under a content-addressed key is never sent again."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken
from deployer_deploy.packaging import Package


def holds(s3: Any, bucket: str, package: Package) -> bool:
    """Whether ``package`` is there under its key. Raises ``Broken`` where S3 refuses."""
    try:
        s3.head_object(Bucket=bucket, Key=package.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise Broken(f"{package.part} can't be looked up in {bucket}: {error}") from error
    except BotoCoreError as error:
        raise Broken(f"{package.part} can't be looked up in {bucket}: {error}") from error
    return True


def upload(s3: Any, bucket: str, package: Package) -> bool:
    """Put ``package`` under its key; False if it is there already. Raises ``Broken`` where S3 refuses."""
    if holds(s3, bucket, package):
        return False
    try:
        with package.path.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=package.key, Body=body)
    except (ClientError, BotoCoreError) as error:
        raise Broken(f"{package.part} can't be uploaded to {bucket}: {error}") from error
    return True


def empty(s3: Any, bucket: str) -> None:
    """Delete every version of every object; CloudFormation deletes only empty buckets. No bucket: nothing to do.

    Raises ``Broken`` with the first object that can't be deleted.
    """
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]
            if keys:
                done = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
                for error in done.get("Errors", []):
                    raise Broken(f"{bucket}/{error['Key']} can't be deleted: {error.get('Message')}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise Broken(f"{bucket} can't be emptied: {error}") from error
    except BotoCoreError as error:
        raise Broken(f"{bucket} can't be emptied: {error}") from error
