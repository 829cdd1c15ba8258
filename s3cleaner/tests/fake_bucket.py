"""A bucket in memory that pages like S3."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.buckets import Gone, Upload, Version
from deployer.errors import Rejected, Transient
from deployer.objects import OddKey


class Page(list[Any]):
    """A list that can be counted for as long as somebody holds it."""

    __hash__ = object.__hash__


@dataclass
class FakeBucket:
    """``kept``: keys that S3 refuses to delete. ``stubborn``: keys that it says it deleted, and did not."""

    contents: list[Version] = field(default_factory=list)
    unfinished: list[Upload] = field(default_factory=list)
    kept: frozenset[str] = frozenset()
    stubborn: frozenset[str] = frozenset()
    there: bool = True
    versioned: bool = False
    busy: int = 0  # deletions that are throttled
    calls: list[str] = field(default_factory=list)
    held: weakref.WeakSet[Page] = field(default_factory=weakref.WeakSet)
    most: int = 0  # pages held at the same time
    lock: Any = field(default_factory=threading.Lock)

    @property
    def paths(self) -> FakePaths:
        return FakePaths(self)

    def exists(self) -> bool:
        return self.there

    def never_versioned(self) -> bool:
        self._asked("versioning")
        return not self.versioned

    def versions(self) -> Iterator[list[Version]]:
        after = 0
        while True:
            self._asked("versions")
            # The listing goes on behind what it has listed, whatever was deleted of that.
            listed = self.contents[after : after + 1000] if after < len(self.contents) else []
            if not listed:
                return
            before = len(self.contents)
            yield self._page(listed)
            after = max(0, after + 1000 - (before - len(self.contents)))

    def delete(self, versions: Sequence[Version]) -> None:
        assert 0 < len(versions) <= 1000
        self._asked("delete")
        self._refuse([version.key for version in versions])
        self._remove({version for version in versions if version.key not in self.kept | self.stubborn})

    def uploads(self) -> list[Upload]:
        self._asked("uploads")
        return self.unfinished[:1000]

    def abort(self, upload: Upload) -> None:
        self._asked("abort")
        if upload.key not in self.stubborn:
            self.unfinished.remove(upload)

    def _asked(self, what: str) -> None:
        self.calls.append(what)
        if not self.there:
            raise Gone(f"{what}: no such bucket")

    def _page(self, listed: list[Any]) -> Page:
        page = Page(listed)
        self.held.add(page)
        self.most = max(self.most, len(self.held))
        return page

    def _refuse(self, keys: Sequence[str]) -> None:
        if self.busy:
            self.busy -= 1
            raise Transient("emptying site-bucket: S3 answered SlowDown")
        refused = [key for key in keys if key in self.kept]
        if refused:
            raise Rejected(f"site-bucket: S3 kept {len(refused)}; the first is {refused[0]!r}: AccessDenied")

    def _remove(self, going: set[Version]) -> None:
        with self.lock:
            self.contents = [version for version in self.contents if version not in going]


def no_path(key: str) -> bool:
    """As object_store has it."""
    return "//" in key or key.startswith(("/", "./"))


@dataclass
class FakePaths:
    """The same bucket by paths: a folder's marker loses its slash, and a key that is no path ends the listing."""

    bucket: FakeBucket

    def pages(self) -> Iterator[list[str]]:
        keys = sorted(version.key for version in self.bucket.contents)
        for start in range(0, len(keys), 1000):
            self.bucket._asked("paths")
            some = keys[start : start + 1000]
            if any(no_path(key) for key in some):
                raise OddKey("listing site-bucket: a key that is no path")
            yield self.bucket._page([key.removesuffix("/") for key in some])

    def delete(self, keys: Sequence[str]) -> None:
        assert keys
        self.bucket._asked("delete paths")
        self.bucket._refuse(keys)
        going = set(keys) - self.bucket.stubborn
        self.bucket._remove({version for version in self.bucket.contents if version.key in going})
