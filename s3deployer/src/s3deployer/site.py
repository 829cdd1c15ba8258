"""The site in S3: objects through the fast client, listings and deletions through boto3, which knows every key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from deployer.buckets import Bucket
from deployer.objects import Objects


class S3Site:
    """``publishing.Site`` over S3. ``bucket`` is opened when it is first needed: boto3's S3 takes 13 MB and 150 ms."""

    def __init__(self, objects: Objects, bucket: Callable[[], Bucket]) -> None:
        self._objects, self._bucket = objects, bucket

    def put(self, key: str, body: bytes | bytearray, headers: Mapping[str, str]) -> str:
        """Write one object, whole."""
        return self._objects.put(key, body, headers)

    def upload(self, key: str, stream: IO[bytes], headers: Mapping[str, str]) -> str:
        """Write one object of any size from a stream."""
        return self._objects.upload(key, stream, headers)

    def read(self, key: str) -> bytes | None:
        """An object, whole; None where there is none."""
        return self._objects.read(key)

    def pages(self, prefix: str) -> Iterator[Mapping[str, str]]:
        """Key -> ETag of all whose key begins so, a page at a time."""
        return self._bucket().pages(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, at most a page of them."""
        self._bucket().remove(keys)
