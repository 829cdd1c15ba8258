"""S3: empty a bucket, read an object by ranges, publish objects.

One page or one object a call; loops, order and deadlines belong to the functions. Never creates or deletes a bucket.
Where the owner's account is given, S3 itself refuses a bucket of that name in another account.
"""

from __future__ import annotations

import errno
import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

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

    def versions(self) -> list[Version]:
        """The first objects, versions and delete markers, at most ``PAGE``; empty once there are none."""
        with _translated(f"listing {self.name}"):
            page = self._s3.list_object_versions(**self._bucket, MaxKeys=PAGE)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        return [Version(entry["Key"], entry["VersionId"]) for entry in found]

    def delete(self, versions: Sequence[Version]) -> None:
        """Delete at most ``PAGE`` versions for good.

        Raises:
            Rejected: where S3 kept some of them; it answers 200 and says so in ``Errors``. The first is named.
        """
        objects = [{"Key": version.key, "VersionId": version.id} for version in versions]
        with _translated(f"emptying {self.name}"):
            answer = self._s3.delete_objects(**self._bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            first = errors[0]
            raise Rejected(
                f"{self.name}: S3 kept {len(errors)} of {len(versions)} objects; the first is {first.get('Key')!r}: "
                f"{first.get('Code')}: {first.get('Message', '')}"
            )

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

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write one object, whole."""
        with _translated(f"writing {self.name}/{key}"):
            self._s3.put_object(**self._bucket, Key=key, Body=body, ContentType=content_type)

    def upload(self, key: str, stream: IO[bytes], content_type: str) -> None:
        """Write one object of any size from a stream, in parts; it appears once it is complete."""
        extra = {name: value for name, value in self._bucket.items() if name != "Bucket"}
        with _translated(f"writing {self.name}/{key}"):
            self._s3.upload_fileobj(stream, self.name, key, ExtraArgs={**extra, "ContentType": content_type})


class ObjectReader:
    """An object as a seekable file to read, fetched by ranges: a few blocks are kept, never the whole.

    The first block also tells the length and the ETag, which every later range must match: a replaced object raises
    ``Changed`` instead of mixing two. Not for several threads.
    """

    def __init__(self, s3: Any, bucket: str, key: str, *, block: int = 4 << 20, keep: int = 4) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._block, self._keep = block, keep
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._etag = ""
        self._position = 0
        self.size = 0
        self._fetch(0)

    def _fetch(self, index: int) -> bytes:
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        start = index * self._block
        match = {"IfMatch": self._etag} if self._etag else {}
        with _translated(f"reading {self._bucket}/{self._key}"):
            try:
                answer = self._s3.get_object(
                    Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{start + self._block - 1}", **match
                )
                data = bytes(answer["Body"].read())
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidRange":
                    raise
                return b""  # an empty object has no first byte
        if not self._etag:
            self._etag = answer["ETag"]
            self.size = int(str(answer.get("ContentRange", f"/{len(data)}")).rpartition("/")[2])
        self._blocks[index] = data
        while len(self._blocks) > self._keep:
            self._blocks.popitem(last=False)
        return data

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "negative seek position")  # as files do; zipfile relies on it
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes, fewer only at the end; all that is left where it is negative or None."""
        end = self.size if size is None or size < 0 else min(self.size, self._position + size)
        parts = []
        while self._position < end:
            index, skip = divmod(self._position, self._block)
            part = self._fetch(index)[skip : skip + end - self._position]
            if not part:
                raise Transient(f"{self._bucket}/{self._key}: a range came short")
            parts.append(part)
            self._position += len(part)
        return b"".join(parts)
