"""Emptying a bucket, a few pages at a time, until nothing is listed any more or time is up.

A bucket that never had versioning is first gone through by its keys, which costs a tenth; what has no path there
(``a//b``, ``dir/``) is left to the way that always comes last, through every version. Nothing holds a whole listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Protocol, TypeVar

from deployer import tracing
from deployer.buckets import Upload, Version
from deployer.cleanups import Outcome, Unfinished
from deployer.custom_resource import Done
from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from deployer.objects import OddKey

# Pages of 1,000 that go at the same time. S3 takes 3,500 deletions a second of one prefix, and a page lasts about one:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
TOGETHER = 4
_ABORTS = 100  # uploads between two looks at the clock: each is a call

T = TypeVar("T")


class Uploads(Protocol):
    """Multipart uploads that were never completed."""

    def uploads(self) -> list[Upload]: ...

    def abort(self, upload: Upload) -> None: ...


class Bucket(Uploads, Protocol):
    """A bucket with everything that is in it; ``deployer.buckets.Bucket`` over S3. Used by several threads."""

    def exists(self) -> bool: ...

    def never_versioned(self) -> bool: ...

    def versions(self) -> Iterator[list[Version]]: ...

    def delete(self, versions: Sequence[Version]) -> None: ...


class Paths(Protocol):
    """The same bucket's keys, as far as they are paths; ``deployer.objects.Objects`` over S3."""

    def pages(self) -> Iterator[list[str]]: ...

    def delete(self, keys: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Contents:
    """One bucket by both ways in."""

    bucket: Bucket
    paths: Paths


def empty(contents: Contents, left: TimeLeft) -> Outcome:
    """Remove uploads, objects, versions and delete markers, until there are none or time is up.

    Uploads first: one that is completed meanwhile becomes an object, which is removed then. The count in the answer
    may be too high: a folder's marker is tried by its path, too.

    Raises:
        Rejected: where S3 keeps something, or still lists what it said it had deleted.
    """
    removed = 0
    with ThreadPoolExecutor(TOGETHER) as pool:
        removals = chain(_uploads(contents.bucket, pool), _keys(contents), _versions(contents.bucket, pool))
        while left() > 0:
            count = next(removals, None)
            if count is None:
                return Done(f"{removed} removed")
            removed += count
    return Unfinished(f"{removed} removed so far", after=0)


def _uploads(bucket: Uploads, pool: ThreadPoolExecutor) -> Iterator[int]:
    previous: list[Upload] = []
    while uploads := bucket.uploads():
        if uploads == previous:
            raise Rejected(f"S3 still lists the upload of {uploads[0].key!r} after it was aborted")
        for some in _batches(uploads, _ABORTS):
            _all(pool, bucket.abort, some)
            yield len(some)
        previous = uploads


def _keys(contents: Contents) -> Iterator[int]:
    if not contents.bucket.never_versioned():
        return
    try:
        for pages in _batches(contents.paths.pages(), TOGETHER):
            keys = [key for page in pages for key in page]
            contents.paths.delete(keys)  # 1,000 a call, several calls at the same time
            yield len(keys)
    except OddKey:
        return


def _versions(bucket: Bucket, pool: ThreadPoolExecutor) -> Iterator[int]:
    """From the beginning again until nothing is listed: what was deleted, and what came meanwhile."""
    first: list[Version] = []
    while True:
        previous, first = first, []
        for pages in _batches(bucket.versions(), TOGETHER):
            if not first:
                first = pages[0]
                if first == previous:
                    raise Rejected(f"S3 still lists {first[0].key!r} after deleting it; is something writing into it?")
            _all(pool, bucket.delete, pages)
            yield sum(len(page) for page in pages)
        if not first:
            return


def _all(pool: ThreadPoolExecutor, act: Callable[[T], None], things: Sequence[T]) -> None:
    """Act on all of them at the same time; then raise what the first that failed has raised."""
    for done in [pool.submit(tracing.carried(partial(act, thing))) for thing in things]:
        done.result()


def _batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
