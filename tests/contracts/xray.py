"""An X-Ray daemon for tests: a socket on loopback that keeps what it is sent, checked against the documented form."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import jsonschema

SECONDS = 60
Document = dict[str, Any]
Found = TypeVar("Found")
_SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "data" / "xray-segment.schema.json").read_text())
)


class Daemon:
    """Listens while it is entered. ``address``: as AWS_XRAY_DAEMON_ADDRESS wants it."""

    def __init__(self) -> None:
        self._documents: list[Document] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = "{}:{}".format(*self._socket.getsockname())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def received(self) -> list[Document]:
        """Every document so far. What a process sent is there once that has ended: loopback loses no time."""
        while True:
            try:
                datagram = self._socket.recv(65535)
            except BlockingIOError:
                return list(self._documents)
            # https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
            head, _, body = datagram.partition(b"\n")
            assert json.loads(head) == {"format": "json", "version": 1}
            document = json.loads(body)
            _SCHEMA.validate(document)
            self._documents.append(document)

    def until(self, found: Callable[[list[Document]], Found | None]) -> Found:
        """What ``found`` makes of all documents, once it is not None."""
        deadline = time.monotonic() + SECONDS
        while (result := found(self.received())) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"it did not arrive; what did: {[each['name'] for each in self._documents]}"
            select.select([self._socket], [], [], left)
        return result


def below(documents: list[Document], parent: str) -> list[Document]:
    """The documents right below the one of the id ``parent``, in the order in which they began."""
    return sorted(
        (each for each in documents if each.get("parent_id") == parent), key=lambda each: float(each["start_time"])
    )
