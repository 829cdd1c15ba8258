"""Buckets in memory: objects, versions, delete markers, unfinished uploads. Knows nothing of HTTP.

Bodies of more than ``KEPT`` bytes are not kept, only their size and ETag: enough to tell whether the right bytes came.
An object may also lie in a file, to be read from there.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ARTIFACTS = "artifacts"  # the bucket that is always there
KEPT = 1 << 20


class Refused(Exception):  # noqa: N818 - as the errors of deployer.errors are called
    """What S3 answers instead: a status and a code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of an object, or a delete marker. ``parts``: sizes in bytes, of an object that came in parts."""

    key: str
    id: str
    size: int
    etag: str
    content_type: str = ""
    parts: tuple[int, ...] = ()
    body: bytes | None = field(default=None, repr=False)
    file: str = ""
    marker: bool = False
    modified: float = field(default_factory=time.time, compare=False)  # seconds since 1970

    def read(self, start: int, end: int) -> bytes:
        """Bytes from ``start`` up to, not with, ``end``."""
        if self.file:
            with open(self.file, "rb") as stream:
                stream.seek(start)
                return stream.read(end - start)
        if self.body is None:
            raise Refused(501, "NotImplemented")
        return self.body[start:end]


def md5(data: bytes) -> str:
    """As S3's ETags have it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def etag_of_parts(digests: Sequence[str]) -> str:
    """The ETag of an object that came in parts, from theirs."""
    return f"{md5(b''.join(bytes.fromhex(digest) for digest in digests))}-{len(digests)}"


@dataclass
class Upload:
    """Parts that came so far, by number: size and ETag."""

    key: str
    content_type: str
    parts: dict[int, tuple[int, str, bytes]] = field(default_factory=dict)


class Bucket:
    """One bucket; ``versioned`` keeps what is overwritten or deleted."""

    def __init__(self, versioned: bool = False) -> None:
        self.versioned = versioned
        self.uploads: dict[str, Upload] = {}
        self._objects: dict[str, list[Stored]] = {}  # of each key the newest last
        self._sorted: list[str] | None = None
        self._numbers = itertools.count(1)

    def keys(self) -> list[str]:
        """Every key with a version or a marker, sorted as S3 lists them: by UTF-8."""
        if self._sorted is None:
            self._sorted = sorted(self._objects, key=str.encode)
        return self._sorted

    def newest(self, key: str) -> Stored | None:
        """The object of that key, None where there is none or it is deleted."""
        found = self._objects.get(key)
        return found[-1] if found and not found[-1].marker else None

    def objects(self) -> Iterator[Stored]:
        """Every object that is not deleted, by key."""
        yield from (found for key in self.keys() if (found := self.newest(key)))

    def put(self, key: str, body: bytes, content_type: str = "") -> Stored:
        """Write one object."""
        kept = body if len(body) <= KEPT else None
        return self._add(Stored(key, self._id(), len(body), md5(body), content_type, body=kept))

    def put_file(self, key: str, file: str, size: int) -> Stored:
        """Let an object lie in a file."""
        return self._add(Stored(key, self._id(), size, md5(file.encode()), "application/zip", file=file))

    def delete(self, key: str, version: str = "") -> None:
        """Delete a version for good, or the object; deleting what is not there is no error."""
        if version:
            left = [found for found in self._objects.get(key, ()) if found.id != version]
            if left:
                self._objects[key] = left
            elif self._objects.pop(key, None):
                self._sorted = None
        elif self.versioned:
            self._add(Stored(key, self._id(), 0, "", marker=True))
        elif self._objects.pop(key, None):
            self._sorted = None

    def listed(self, prefix: str, after: str, most: int) -> tuple[list[Stored], bool]:
        """A page of objects whose keys come after ``after``; and whether there are more."""
        page: list[Stored] = []
        for key in self._from(prefix, after):
            if found := self.newest(key):
                if len(page) == most:
                    return page, True
                page.append(found)
        return page, False

    def versions(self, prefix: str, after: tuple[str, str], most: int) -> tuple[list[Stored], bool]:
        """A page of versions and markers, the newest of each key first, after that key and version."""
        key, version = after
        page: list[Stored] = []
        if version:
            rest = list(reversed(self._objects.get(key, ())))
            page += rest[next((at + 1 for at, found in enumerate(rest) if found.id == version), 0) :]
        for later in self._from(prefix, key):
            if len(page) > most:
                break
            page += reversed(self._objects[later])
        return page[:most], len(page) > most

    def begin(self, key: str, content_type: str) -> str:
        """Begin an upload; answers with its id."""
        name = f"upload-{next(self._numbers)}"
        self.uploads[name] = Upload(key, content_type)
        return name

    def part(self, upload: str, number: int, body: bytes) -> str:
        """Take a part; answers with its ETag."""
        digest = md5(body)
        self._upload(upload).parts[number] = len(body), digest, body if len(body) <= KEPT else b""
        return digest

    def complete(self, upload: str, numbers: Sequence[int]) -> Stored:
        """Make an object of the parts."""
        begun = self._upload(upload)
        if not numbers or any(number not in begun.parts for number in numbers):
            raise Refused(400, "InvalidPart")
        parts = [begun.parts[number] for number in numbers]
        sizes, digests = tuple(size for size, _, _ in parts), [digest for _, digest, _ in parts]
        del self.uploads[upload]
        kept = b"".join(body for _, _, body in parts) if sum(sizes) <= KEPT else None
        etag = etag_of_parts(digests)
        return self._add(Stored(begun.key, self._id(), sum(sizes), etag, begun.content_type, sizes, kept))

    def abort(self, upload: str) -> None:
        """Forget an upload."""
        self._upload(upload)
        del self.uploads[upload]

    def fill(self, keys: int, versions: int) -> None:
        """So many keys. In a bucket with versions each has ``versions`` of them, of which every second is a marker."""
        for number in range(keys):
            name = f"assets/{number % 100:02}/{number:06}.js"
            for turn in range(versions):
                if turn % 2:
                    self.delete(name)
                else:
                    self.put(name, b"x")

    def _upload(self, name: str) -> Upload:
        if name not in self.uploads:
            raise Refused(404, "NoSuchUpload")
        return self.uploads[name]

    def _id(self) -> str:
        return f"v{next(self._numbers):012}" if self.versioned else "null"

    def _add(self, stored: Stored) -> Stored:
        if stored.key not in self._objects:
            self._sorted = None
        if self.versioned:
            self._objects.setdefault(stored.key, []).append(stored)
        else:
            self._objects[stored.key] = [stored]
        return stored

    def _from(self, prefix: str, after: str) -> Iterator[str]:
        keys = self.keys()
        bound = max(prefix.encode(), after.encode())
        find = bisect_right if after else bisect_left
        for key in itertools.islice(keys, find(keys, bound, key=str.encode), None):
            if not key.startswith(prefix):
                return
            yield key
