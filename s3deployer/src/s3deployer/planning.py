"""Which object each file becomes, and in which order they are written.

Pure. What pages refer to comes first, pages after it, ``index.html`` last, so that a failure midway leaves the old
site working.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import Rejected
from s3deployer.archive import MAX_KEY, Entry
from s3deployer.headers import headers_of
from s3deployer.parameters import Parameters
from s3deployer.receipt import is_receipt


@dataclass(frozen=True, slots=True)
class Put:
    """One object to write; ``headers`` as ``Site.put`` takes them."""

    entry: Entry
    key: str
    headers: Mapping[str, str]


Waves = tuple[tuple[Put, ...], ...]


def plan(files: Sequence[Entry], parameters: Parameters) -> Waves:
    """The objects in waves; a wave starts once the one before it is complete. Within it, as the archive has them, so
    that it is read from front to back.

    Raises:
        Rejected: where there is nothing to publish, two files become one object, or a key is too long or reserved.
    """
    waves: dict[int, list[Put]] = {}
    for entry in files:
        name = stripped(entry.name, parameters.strip)
        if not name:
            continue
        key = f"{parameters.prefix}/{name}" if parameters.prefix else name
        if len(key.encode()) > MAX_KEY:
            raise Rejected(f"{key!r} is longer than {MAX_KEY} bytes")
        if is_receipt(key):
            raise Rejected(f"{key!r} is a name that s3deployer keeps for itself")
        waves.setdefault(_wave(name), []).append(Put(entry, key, headers_of(name, parameters)))
    if not waves:
        raise Rejected("the site's archive holds no files" + (" below so many folders (strip)" if files else ""))
    planned = tuple(tuple(waves[wave]) for wave in sorted(waves))
    repeated = [key for key, count in Counter(put.key for wave in planned for put in wave).items() if count > 1]
    if repeated:
        raise Rejected(f"{repeated[0]!r} would be written more than once (strip)")
    return planned


def stripped(name: str, folders: int) -> str:
    """A path without its first folders; empty where it has no more than those, as tar's ``--strip-components``."""
    return "/".join(name.split("/")[folders:])


def _wave(name: str) -> int:
    if name == "index.html":
        return 3
    if name.endswith("/index.html"):
        return 2
    return 1 if name.lower().endswith((".html", ".htm", ".xhtml")) else 0
