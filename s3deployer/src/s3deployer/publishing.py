"""Write what changed: wave by wave, many objects at the same time.

Files of up to ``IN_MEMORY`` bytes are on their way together, at most ``IN_FLIGHT`` bytes of them; larger ones are
streamed, one at a time. Never decides what is published or in which order.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Protocol, cast

from deployer.deadline import TimeLeft
from s3deployer.archive import CHUNK, Content, Entry, complete, readable
from s3deployer.planning import Put, Waves
from s3deployer.receipt import digest

IN_MEMORY = 4 << 20
IN_FLIGHT = 8 << 20
FEW = 256 << 10
AT_ONCE = 64


class Site(Protocol):
    """Where to publish; ``s3deployer.site.S3Site`` over S3. Writes answer with the object's ETag.

    ``pages``: key -> ETag of all whose key begins so, a page at a time.
    """

    def put(self, key: str, body: bytes | bytearray, headers: Mapping[str, str]) -> str: ...

    def upload(self, key: str, stream: IO[bytes], headers: Mapping[str, str]) -> str: ...

    def read(self, key: str) -> bytes | None: ...

    def pages(self, prefix: str) -> Iterator[Mapping[str, str]]: ...

    def delete(self, keys: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Archive:
    """The site's archive and what ``verify`` found in it."""

    zip: zipfile.ZipFile
    contents: Mapping[str, Content]

    def body(self, entry: Entry) -> bytes | bytearray:
        """A file, whole."""
        kept = self.contents[entry.name].body
        if kept is not None:
            return kept
        # In pieces: zipfile's own read has a large file in memory three times.
        body, read = bytearray(entry.size), 0
        with readable(f"{entry.name!r}"), self.zip.open(entry.info) as stream, memoryview(body) as view:
            while got := cast(io.BufferedIOBase, stream).readinto(view[read : read + CHUNK]):
                read += got
        complete(entry, read)
        return body

    def digest(self, put: Put, etag: str) -> bytes:
        """The receipt's digest of an object as planned, where S3 gave or gives it this ETag."""
        return digest(put.key, etag, put.headers, self.contents[put.entry.name].sha256)


def changed(
    archive: Archive, waves: Waves, known: Mapping[str, str], receipt: frozenset[bytes]
) -> tuple[Waves, frozenset[bytes]]:
    """What is to be written, and the digests of what is there as planned.

    ``known``: key -> ETag of what is there, as far as the receipt may speak of it.
    """
    kept: set[bytes] = set()

    def is_new(put: Put) -> bool:
        etag = known.get(put.key)
        seen = b"" if etag is None else archive.digest(put, etag)
        if seen in receipt:
            kept.add(seen)
            return False
        return True

    wanted = tuple(tuple(put for put in wave if is_new(put)) for wave in waves)
    return tuple(wave for wave in wanted if wave), frozenset(kept)


@dataclass(slots=True)
class Published:
    """What was done. ``size``: bytes unpacked. ``digests``: the receipt's, of every object that was written.

    ``complete``: false where time ran out first.
    """

    uploaded: int = 0
    size: int = 0
    digests: set[bytes] = field(default_factory=set)
    complete: bool = True


def clocks() -> tuple[float, float]:
    """Seconds on the wall, and of the processor's time."""
    return time.monotonic(), time.process_time()


@dataclass(slots=True)
class Width:
    """How many requests are made at the same time: as many as keep the processor busy, since each costs a connection.

    It begins with ``least``. Where the processor was idle for more than half of the time, it becomes as many times as
    wide as would have kept it busy, up to ``most``.
    """

    most: int = AT_ONCE
    least: int = 16
    clocks: Callable[[], tuple[float, float]] = clocks
    now: int = 0
    _landed: int = 0
    _seen: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self.now = min(self.least, self.most)
        self._seen = self.clocks()

    def landed(self) -> None:
        """Something has come to its end; a look at the clocks once for each that are under way."""
        self._landed += 1
        if self._landed < self.now or self.now == self.most:
            return
        seen = self.clocks()
        passed, used = seen[0] - self._seen[0], seen[1] - self._seen[1]
        if 2 * used < passed:
            self.now = self.most if self.now * passed >= self.most * used else round(self.now * passed / used)
        self._landed, self._seen = 0, seen


@dataclass(slots=True)
class Publisher:
    """Writes an archive's files to a site. ``width``: requests at the same time."""

    archive: Archive
    site: Site
    left: TimeLeft
    width: Width = field(default_factory=Width)
    _published: Published = field(default_factory=Published)
    _under_way: deque[tuple[Sequence[Put], Future[list[str]]]] = field(default_factory=deque)
    _flying: int = 0

    def publish(self, waves: Waves) -> Published:
        """Write every object.

        Raises:
            Transient, Broken: from the site, the first that occurred; what had begun is over by then.
            Rejected: where the archive cannot be read after all.
        """
        with ThreadPoolExecutor(self.width.most) as pool:
            for wave in waves:
                large = [put for put in wave if put.entry.size > IN_MEMORY]
                small = [put for put in wave if put.entry.size <= IN_MEMORY]
                if not (self._stream(large) and self._send(small, pool)):
                    self._published.complete = False
                    break
        return self._published

    def _stream(self, puts: Iterable[Put]) -> bool:
        """Large files of a wave; false where time ran out."""
        for put in puts:
            if self.left() <= 0:
                return False
            with readable(f"{put.entry.name!r}"), self.archive.zip.open(put.entry.info) as stream:
                etag = self.site.upload(put.key, stream, put.headers)
            self._written(put, etag)
        return True

    def _send(self, puts: Sequence[Put], pool: ThreadPoolExecutor) -> bool:
        """Small files of a wave; false where time ran out. What is on its way then still arrives."""
        in_time = True
        try:
            for few in self._fews(puts):
                if self.left() <= 0:
                    in_time = False
                    break
                size = sum(put.entry.size for put in few)
                self._make_room(size)
                bodies = [self.archive.body(put.entry) for put in few]
                self._under_way.append((few, pool.submit(self._put, few, bodies)))
                self._flying += size
            while self._under_way:
                self._land()
        finally:
            for _, future in self._under_way:
                future.cancel()
        return in_time

    def _fews(self, puts: Sequence[Put]) -> Iterator[Sequence[Put]]:
        """A few files at a time for each thread: handing over costs as much as a tenth of an upload.

        So few that every thread gets its share, and so small that they are no burden together.
        """
        most = max(1, min(8, len(puts) // (4 * self.width.most)))
        few: list[Put] = []
        size = 0
        for put in puts:
            if few and (len(few) == most or size + put.entry.size > FEW):
                yield few
                few, size = [], 0
            few.append(put)
            size += put.entry.size
        if few:
            yield few

    def _put(self, few: Sequence[Put], bodies: Sequence[bytes | bytearray]) -> list[str]:
        return [self.site.put(put.key, body, put.headers) for put, body in zip(few, bodies, strict=True)]

    def _make_room(self, size: int) -> None:
        while self._under_way and (len(self._under_way) >= self.width.now or self._flying + size > IN_FLIGHT):
            self._land()

    def _land(self) -> None:
        """Wait for those that have been on their way the longest."""
        few, future = self._under_way.popleft()
        for put, etag in zip(few, future.result(), strict=True):
            self._written(put, etag)
            self._flying -= put.entry.size
        self.width.landed()

    def _written(self, put: Put, etag: str) -> None:
        self._published.uploaded += 1
        self._published.size += put.entry.size
        self._published.digests.add(self.archive.digest(put, etag))
