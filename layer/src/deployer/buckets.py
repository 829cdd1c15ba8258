"""S3 over boto3, which knows every key and version: empty a bucket, list and remove objects.

``deployer.objects`` is for writing, reading and deleting many. One page or one object a call; loops, order and
deadlines belong to the functions. Never creates or deletes a bucket.
Where the owner's account is given, S3 itself refuses a bucket of that name in another account.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from deployer.errors import Broken, Rejected, Transient

PAGE = 1000  # what one listing and one DeleteObjects take

_GONE = {"NoSuchBucket", "404"}
_AGAIN = {
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}


class Gone(Rejected):
    """There is no such bucket."""


class Changed(Rejected):
    """The object was replaced while it was read."""


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _GONE:
            raise Gone(f"{doing}: no such bucket") from error
        if code in _AGAIN or status >= 500 or status == 429:
            raise Transient(f"{doing}: S3 answered {code}") from error
        if code in ("PreconditionFailed", "412"):
            raise Changed(f"{doing}: replaced while it was read") from error
        raise Broken(f"{doing}: S3 answered {code or status}") from error
    except ParamValidationError as error:  # asked nobody: it is no bucket's name
        raise Rejected(f"{doing}: {error}") from error
    except BotoCoreError as error:
        raise Transient(f"{doing}: S3 did not answer ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class Version:
    """An object's version or a delete marker; ``id`` is ``null`` in a bucket that never had versioning."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was never completed."""

    key: str
    id: str


class Bucket:
    """One bucket, through a boto3 S3 client. ``owner``: the account that must own it, 12 digits.

    Every call raises ``Gone`` where there is no such bucket, ``Transient`` where it may be repeated, ``Broken``
    where it was refused.
    """

    def __init__(self, s3: Any, name: str, owner: str = "") -> None:
        self._s3, self.name = s3, name
        self._bucket = {"Bucket": name, **({"ExpectedBucketOwner": owner} if owner else {})}

    def exists(self) -> bool:
        """Whether there is a bucket of that name, in whatever account: a refusal proves that there is one."""
        try:
            with _translated(f"looking for bucket {self.name}"):
                self._s3.head_bucket(Bucket=self.name)
        except Gone:
            return False
        except Broken:
            return True
        return True

    def never_versioned(self) -> bool:
        """Whether versioning was never turned on: every object then is all that there is of its key.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
        """
        with _translated(f"asking for the versioning of {self.name}"):
            return "Status" not in self._s3.get_bucket_versioning(**self._bucket)

    def versions(self) -> Iterator[list[Version]]:
        """The objects, versions and delete markers, at most ``PAGE`` at a time; no page is empty."""
        after: dict[str, str] = {}
        while True:
            with _translated(f"listing {self.name}"):
                page = self._s3.list_object_versions(**self._bucket, MaxKeys=PAGE, **after)
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if found:
                yield [Version(entry["Key"], entry["VersionId"]) for entry in found]
            if not page.get("IsTruncated"):
                return
            after = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def delete(self, versions: Sequence[Version]) -> None:
        """Delete at most ``PAGE`` versions for good.

        Raises:
            Rejected: where S3 kept some of them; it answers 200 and says so in ``Errors``. The first is named.
            Transient: where it kept them only because it was busy.
        """
        self._delete([{"Key": version.key, "VersionId": version.id} for version in versions])

    def _delete(self, objects: Sequence[dict[str, str]]) -> None:
        with _translated(f"emptying {self.name}"):
            answer = self._s3.delete_objects(**self._bucket, Delete={"Objects": objects, "Quiet": True})
        errors = answer.get("Errors", ())
        refused = [error for error in errors if error.get("Code") not in _AGAIN]
        if refused:
            first = refused[0]
            raise Rejected(
                f"{self.name}: S3 kept {len(refused)} of {len(objects)} objects; the first is {first.get('Key')!r}: "
                f"{first.get('Code')}: {first.get('Message', '')}"
            )
        if errors:
            raise Transient(f"emptying {self.name}: S3 answered {errors[0].get('Code')}")

    def uploads(self) -> list[Upload]:
        """The first unfinished multipart uploads, at most ``PAGE``."""
        with _translated(f"listing the uploads of {self.name}"):
            page = self._s3.list_multipart_uploads(**self._bucket, MaxUploads=PAGE)
        return [Upload(entry["Key"], entry["UploadId"]) for entry in page.get("Uploads", ())]

    def abort(self, upload: Upload) -> None:
        """Abort an upload; one that is gone already is no error."""
        with _translated(f"aborting an upload in {self.name}"):
            try:
                self._s3.abort_multipart_upload(**self._bucket, Key=upload.key, UploadId=upload.id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise

    def pages(self, prefix: str = "") -> Iterator[dict[str, str]]:
        """Key -> ETag, in its quotes, of every object whose key begins so; ``PAGE`` of them a call."""
        with _translated(f"listing {self.name}"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(**self._bucket, Prefix=prefix):
                yield {entry["Key"]: entry["ETag"] for entry in page.get("Contents", ())}

    def remove(self, keys: Sequence[str]) -> None:
        """Delete at most ``PAGE`` objects; in a bucket with versions they get delete markers. Raises as ``delete``."""
        self._delete([{"Key": key} for key in keys])
