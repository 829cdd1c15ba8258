"""A site in memory, with the ETags that S3 would give and a record of what was asked of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from deployer.errors import Broken


class FakeSite:
    """Objects in the order in which they came. ``broken``: a key that is refused."""

    page = 1000

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, Mapping[str, str]] = {}
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
        with self._lock:
            self.calls.append(f"put {key}")
            if key == self.broken:
                raise Broken(f"writing {key}: S3 answered AccessDenied")
            self.objects.pop(key, None)
            self.objects[key] = body
            self.headers[key] = headers
            return etag(body)

    def upload(self, key: str, stream: IO[bytes], headers: Mapping[str, str]) -> str:
        self.calls.append(f"upload {key}")
        return self.put(key, stream.read(), headers)

    def read(self, key: str) -> bytes | None:
        self.calls.append(f"read {key}")
        return self.objects.get(key)

    def pages(self, prefix: str) -> Iterator[Mapping[str, str]]:
        found = sorted(key for key in self.objects if key.startswith(prefix))
        for start in range(0, max(1, len(found)), self.page):
            self.calls.append(f"list {prefix}")
            yield {key: etag(self.objects[key]) for key in found[start : start + self.page]}

    def delete(self, keys: Sequence[str]) -> None:
        self.calls.append(f"delete {len(keys)}")
        for key in keys:
            if key == self.broken:
                raise Broken(f"removing {key}: S3 answered AccessDenied")
            del self.objects[key]

    def asked(self, what: str) -> list[str]:
        """The keys of one kind of call, in their order."""
        return [call.partition(" ")[2] for call in self.calls if call.startswith(what + " ")]


def etag(body: bytes) -> str:
    """As S3 makes it for a whole, unencrypted object."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
