"""One engine at a time on a data directory.

The lock goes with the process, however that ends. Source: https://man7.org/linux/man-pages/man2/flock.2.html
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(Exception):  # noqa: N818 - says how it is
    """Another engine runs on this data directory."""


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data directory for this process.

    Raises:
        Busy: where another process holds it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another engine runs on {data}; stop it first, or choose another --data") from error
        yield
