"""What is measured, in the process whose cost is measured: `python -m benchmarks.contestants NAME BUCKET [KEY]`.

Ours is the functions' real code; only what is a single call, the proof of ownership and the job's result, is feigned.
Beside it stands what one would write first with boto3. Prints one line of JSON: processor seconds and seconds of the
work, which begins when all is imported, and the most memory that the process ever had, in bytes.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.stand_in.store import ARTIFACTS

OWNER = "123456789012"
Work = Callable[[], object]


class Lasting:
    """Lambda's context with all the time there is."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def s3deployer(bucket: str, key: str) -> Work:
    """The pipeline action as it is put together, its clients made: a warm function."""
    from dataclasses import replace

    from s3deployer import handler

    class Proven:
        """Whose bucket it is, is asked of CloudFormation and CodePipeline: a few calls, whatever the archive."""

        def show(self, bucket: str, job: object) -> str:
            return "site-staging"

        def show_distribution(self, distribution: str, environment: str) -> None:
            raise AssertionError("no distribution is asked for")

    class Results:
        """CodePipeline's end of it: one call."""

        def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
            return

        def goes_on(self, job: str, summary: str, percent: int, token: str) -> None:
            raise AssertionError(summary)

        def failed(self, job: str, message: str) -> None:
            raise AssertionError(message)

    function = replace(handler._deployer(), ownership=Proven(), results=Results())
    return lambda: function(job(bucket, key), Lasting())


def s3deployer_idle(bucket: str, key: str) -> Work:
    """The same before its first job: all is imported, the clients are made."""
    from s3deployer import handler

    return handler._deployer


def s3cleaner(bucket: str, key: str) -> Work:
    """The custom resource's way to empty a bucket, over its real clients."""
    from deployer.custom_resource import Done
    from s3cleaner.emptying import empty
    from s3cleaner.handler import Buckets, session

    def clean() -> None:
        outcome = empty(Buckets(session()).open(bucket, OWNER), lambda: 600.0)
        if not isinstance(outcome, Done):
            raise AssertionError(outcome)

    return clean


def _warm(bucket: str) -> Any:
    """A client whose first call is behind it: who does only a part of the work has no first call that counts more."""
    import boto3

    s3 = boto3.client("s3")
    s3.head_bucket(Bucket=bucket)
    return s3


def boto3_put(bucket: str, key: str) -> Work:
    """Fetch the archive, then put one object after the other."""
    import mimetypes

    s3 = _warm(bucket)

    def publish() -> None:
        body = s3.get_object(Bucket=ARTIFACTS, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for info in archive.infolist():
                kind = mimetypes.guess_type(info.filename)[0] or "application/octet-stream"
                s3.put_object(Bucket=bucket, Key=info.filename, Body=archive.read(info), ContentType=kind)

    return publish


def boto3_delete(bucket: str, key: str) -> Work:
    """List, and delete one after the other."""
    s3 = _warm(bucket)

    def clean() -> None:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for found in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])

    return clean


def boto3_import(bucket: str, key: str) -> Work:
    """Nothing but the import."""
    import boto3

    return lambda: boto3


def boto3_clients(bucket: str, key: str) -> Work:
    """The import, and the clients that s3deployer needs."""
    import boto3

    return lambda: [boto3.client(name) for name in ("s3", "codepipeline", "dynamodb", "cloudformation")]


CONTESTANTS: dict[str, Callable[[str, str], Work]] = {
    "s3deployer": s3deployer,
    "s3cleaner": s3cleaner,
    "boto3-put": boto3_put,
    "boto3-delete": boto3_delete,
    "boto3-import": boto3_import,
    "s3deployer-idle": s3deployer_idle,
    "boto3-clients": boto3_clients,
}


def job(bucket: str, key: str) -> dict[str, Any]:
    """CodePipeline's event."""
    parameters = json.dumps({"bucket": bucket})
    place = {"type": "S3", "s3Location": {"bucketName": ARTIFACTS, "objectKey": key}}
    secrets = {"accessKeyId": "testing", "secretAccessKey": "testing", "sessionToken": "testing"}
    data = {
        "actionConfiguration": {"configuration": {"FunctionName": "s3deployer", "UserParameters": parameters}},
        "inputArtifacts": [{"name": "Site", "revision": None, "location": place}],
        "outputArtifacts": [],
        "artifactCredentials": secrets,
    }
    return {"CodePipeline.job": {"id": "11111111-abcd-1111-abcd-111111abcdef", "accountId": OWNER, "data": data}}


def peak() -> int:
    """The most memory that this process had, in bytes; Linux counts what started it into ``ru_maxrss``."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(name: str, bucket: str, key: str = "") -> None:
    """Do the work, and say what it cost."""
    work = CONTESTANTS[name](bucket, key)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {"cpu": cpu, "wall": time.perf_counter() - began, "peak": peak()}
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
