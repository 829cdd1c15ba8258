"""Source objects in the artifact store: exactly one commit each, uploaded as a stream.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html (the revision summary)
"""

from __future__ import annotations

from typing import IO, Any, cast

from botocore.exceptions import ClientError

from builder.archive import repack
from deployer.ports import SourceObject
from deployer.stacks import code_of, translated

PART = 8 * 1024 * 1024


class _Parts:
    """A file to write to that becomes a multipart upload, or a plain one where everything fits into one part."""

    def __init__(self, s3: Any, bucket: str, key: str, metadata: dict[str, str]) -> None:
        self._s3, self._target, self._metadata = s3, {"Bucket": bucket, "Key": key}, metadata
        self._buffer = bytearray()
        self._upload = ""
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) > PART:  # something is kept: the last part is never empty
            self._send(PART)
        return len(data)

    def flush(self) -> None:
        """Nothing: parts are sent as they fill."""

    def _send(self, size: int) -> None:
        if not self._upload:
            started = self._s3.create_multipart_upload(**self._target, Metadata=self._metadata)
            self._upload = started["UploadId"]
        number = len(self._parts) + 1
        body = bytes(self._buffer[:size])
        sent = self._s3.upload_part(**self._target, UploadId=self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        del self._buffer[:size]

    def finish(self) -> str:
        """The version id of what was written."""
        if not self._upload:
            body = bytes(self._buffer)
            return str(self._s3.put_object(**self._target, Body=body, Metadata=self._metadata)["VersionId"])
        self._send(len(self._buffer))
        done = self._s3.complete_multipart_upload(
            **self._target, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
        )
        return str(done["VersionId"])

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._upload:
            self._s3.abort_multipart_upload(**self._target, UploadId=self._upload)


class Sources:
    """Implements ``SourceStore`` over a boto3 ``s3`` client and a versioned bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def put(self, key: str, archive: IO[bytes], commit: str, generation: int) -> str:
        """Repack ``archive`` as the zip at ``key``; answers with its version id."""
        metadata = {
            "codepipeline-artifact-revision-summary": commit,
            "commit": commit,
            "generation": str(generation),
        }
        with translated(f"upload the source of {commit[:7]}"):
            parts = _Parts(self._s3, self._bucket, key, metadata)
            try:
                repack(archive, cast(IO[bytes], parts), commit)
                return parts.finish()
            except BaseException:
                parts.abort()
                raise

    def newest(self, key: str) -> SourceObject | None:
        """What a run that is not pinned would read, by the metadata that ``put`` gave it."""
        with translated(f"look at {key}"):
            try:
                found = self._s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in ("404", "NoSuchKey"):
                    return None
                raise
        metadata = found["Metadata"]
        at = int(found["LastModified"].timestamp() * 1000)
        return SourceObject(found["VersionId"], metadata.get("commit", ""), int(metadata.get("generation", "0")), at)

    def put_text(self, key: str, text: str) -> str:
        """Store a template; answers with a URL that CloudFormation can read it from."""
        with translated("upload the template"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode("utf-8"))
        return f"{self._s3.meta.endpoint_url}/{self._bucket}/{key}"

    def delete(self, key: str) -> None:
        """Every version and marker of ``key``."""
        with translated(f"remove {key}"):
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
            for page in pages:
                for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    if entry["Key"] == key:
                        self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=entry["VersionId"])
