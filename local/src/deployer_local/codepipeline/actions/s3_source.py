"""The S3 source action: one object version, copied into the artifact store.

Taken up again after a kill it starts over: the copy goes to the same place. Never polls.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html
"""

from __future__ import annotations

from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from deployer_local.codepipeline.records import Revision

from .job import Failed, Job, Outcome, Succeeded

SUMMARY = "codepipeline-artifact-revision-summary"


def run(job: Job) -> Outcome:
    """Copy the object's current version, or the one that the run was started with."""
    bucket = job.configuration["S3Bucket"]
    key = job.overrides.get("S3_OBJECT_KEY", job.configuration["S3ObjectKey"])
    wanted = {"VersionId": version} if (version := job.overrides.get("S3_OBJECT_VERSION_ID")) else {}
    s3, output = job.around.client("s3"), job.outputs[0]
    try:
        head = s3.head_object(Bucket=bucket, Key=key, **wanted)
        version = head.get("VersionId", "null")
        if version == "null":
            return Failed("ConfigurationError", f"The Amazon S3 bucket {bucket} must have versioning enabled")
        s3.copy_object(
            Bucket=output.bucket,
            Key=output.key,
            CopySource={"Bucket": bucket, "Key": key, "VersionId": version},
            MetadataDirective="REPLACE",
            ContentType="application/zip",
        )
    except (ClientError, BotoCoreError) as error:
        named = f"s3://{bucket}/{key}" + (f" version {wanted['VersionId']}" if wanted else "")
        return Failed("ConfigurationError", f"The source object {named} cannot be read: {error}")
    summary = head.get("Metadata", {}).get(SUMMARY) or f"Amazon S3 version id: {version}"
    region = job.around.region
    url = f"https://{region}.console.aws.amazon.com/s3/object/{quote(bucket)}?region={region}&prefix={quote(key)}"
    return Succeeded(
        summary=summary,
        external_id=version,
        url=url,
        variables={"BucketName": bucket, "ETag": head["ETag"].strip('"'), "ObjectKey": key, "VersionId": version},
        revision=Revision(
            job.action["name"], output.name, version, summary[:2048], url, head["LastModified"].timestamp()
        ),
    )
