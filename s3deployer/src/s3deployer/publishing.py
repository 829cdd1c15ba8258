"""Publish an archive's files: in which order, and doing it.

``plan`` is pure. What pages refer to comes first, pages after it, ``index.html`` last, so that a failure midway leaves
the old site working. Files of up to ``IN_MEMORY`` bytes are written several at a time; larger ones are streamed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import IO, Protocol

from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from s3deployer.archive import MAX_KEY, Entry, readable
from s3deployer.content_types import content_type

IN_MEMORY = 4 << 20
AT_ONCE = 8


class Bucket(Protocol):
    """Where to publish; ``deployer.buckets.Bucket`` over S3."""

    def put(self, key: str, body: bytes, content_type: str) -> None: ...

    def upload(self, key: str, stream: IO[bytes], content_type: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Put:
    """One object to write."""

    entry: Entry
    key: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Published:
    """What was written: objects, and bytes unpacked."""

    objects: int
    bytes: int


def plan(files: Sequence[Entry], prefix: str) -> tuple[tuple[Put, ...], ...]:
    """The objects in waves; a wave starts once the one before it is complete.

    Raises:
        Rejected: where there is nothing to publish, or a key becomes too long.
    """
    if not files:
        raise Rejected("the site's archive holds no files")
    waves: dict[int, list[Put]] = {}
    for entry in files:
        key = f"{prefix}/{entry.name}" if prefix else entry.name
        if len(key.encode()) > MAX_KEY:
            raise Rejected(f"{key!r} is longer than {MAX_KEY} bytes")
        waves.setdefault(_wave(entry.name), []).append(Put(entry, key, content_type(entry.name)))
    return tuple(tuple(sorted(waves[wave], key=lambda put: put.key)) for wave in sorted(waves))


def _wave(name: str) -> int:
    if name == "index.html":
        return 3
    if name.endswith("/index.html"):
        return 2
    return 1 if name.lower().endswith((".html", ".htm", ".xhtml")) else 0


def publish(
    archive: zipfile.ZipFile, waves: Sequence[Sequence[Put]], bucket: Bucket, left: TimeLeft, at_once: int = AT_ONCE
) -> Published:
    """Write every object, wave by wave.

    Raises:
        Rejected: where time runs out; it says how far it came.
        Transient, Broken: from the bucket.
    """
    done = written = 0
    total = sum(len(wave) for wave in waves)
    with ThreadPoolExecutor(at_once) as pool:
        for wave in waves:
            for group in _groups(wave, at_once):
                if left() <= 0:
                    raise Rejected(f"time ran out after {done} of {total} objects; pages are written last")
                if group[0].entry.size > IN_MEMORY:
                    with readable(f"{group[0].entry.name!r}"), archive.open(group[0].entry.info) as stream:
                        bucket.upload(group[0].key, stream, group[0].content_type)
                else:
                    bodies = [_read(archive, put.entry) for put in group]
                    # list(): waits for all of them and raises the first error.
                    list(pool.map(bucket.put, [p.key for p in group], bodies, [p.content_type for p in group]))
                done += len(group)
                written += sum(put.entry.size for put in group)
    return Published(done, written)


def _read(archive: zipfile.ZipFile, entry: Entry) -> bytes:
    with readable(f"{entry.name!r}"):
        return archive.read(entry.info)


def _groups(wave: Sequence[Put], size: int) -> Iterator[list[Put]]:
    for put in wave:
        if put.entry.size > IN_MEMORY:
            yield [put]
    small = iter([put for put in wave if put.entry.size <= IN_MEMORY])
    while group := list(islice(small, size)):
        yield group
