"""Whether an artifact's zip may be published, looked at whole before the first object is written.

``entries`` judges the directory without reading any content; ``verify`` reads everything against its CRC. Nothing is
unpacked to disk.
"""

from __future__ import annotations

import hashlib
import lzma
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from deployer.deadline import TimeLeft
from deployer.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ENTRIES = 50_000
MAX_DIRECTORY = 32 << 20  # bytes: 600 for each entry
MAX_TOTAL = 5 << 30  # bytes unpacked
MAX_RATIO = 200  # unpacked to packed: text rarely passes 30
SMALL = 1 << 20  # bytes unpacked up to which no ratio is judged: they harm nobody
MAX_KEY = 1024  # bytes, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
CHUNK = 256 << 10
KEEP = 64 << 20  # bytes unpacked; the function has 1 GiB

# What zipfile and the compressions that it knows raise over hostile bytes; UnicodeError is a ValueError,
# NotImplementedError a RuntimeError.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to publish. ``size``: bytes unpacked."""

    name: str
    size: int
    info: zipfile.ZipInfo = field(compare=False, repr=False)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what the zip and its compressions complain of into ``Rejected``."""
    try:
        yield
    except _UNREADABLE as error:
        raise Rejected(f"{what}: {error}") from error


def announced(file: IO[bytes]) -> None:
    """Look at what the archive's end says of its directory, before zipfile reads all of that into memory.

    Raises:
        Rejected: where it is too much.
    """
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # private: reading it ourselves would be worse
    if end and (end[zipfile._ECD_ENTRIES_TOTAL] > MAX_ENTRIES or end[zipfile._ECD_SIZE] > MAX_DIRECTORY):  # type: ignore[attr-defined]
        raise Rejected(f"the archive has more than {MAX_ENTRIES} entries, or more than {MAX_DIRECTORY} bytes of them")
    file.seek(0)


def entries(infos: Sequence[zipfile.ZipInfo], archive_size: int) -> tuple[Entry, ...]:
    """The files of an archive of ``archive_size`` bytes; directories make no objects.

    Raises:
        Rejected: for bombs, links, encrypted entries, paths that are no plain relative ones, and names given twice.
    """
    if len(infos) > MAX_ENTRIES:
        raise Rejected(f"the archive has {len(infos)} entries, more than {MAX_ENTRIES}")
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        raise Rejected(f"the archive unpacks to {total} bytes, more than {MAX_TOTAL}")
    if sum(info.compress_size for info in infos) > archive_size:
        raise Rejected("the archive's entries overlap")
    if total > SMALL and total > MAX_RATIO * archive_size:
        raise Rejected(f"the archive unpacks to {total // max(1, archive_size)} times its size")
    for info in infos:
        if problem := _problem(info):
            raise Rejected(f"{info.filename!r}: {problem}")
    repeated = [name for name, count in Counter(info.filename for info in infos).items() if count > 1]
    if repeated:
        raise Rejected(f"{sorted(repeated)[0]!r}: in the archive more than once")
    return tuple(Entry(info.filename, info.file_size, info) for info in infos if not info.is_dir())


def _problem(info: zipfile.ZipInfo) -> str:
    for name in (info.filename, info.orig_filename):
        if problem := _path_problem(name):
            return problem
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "neither a file nor a directory"
    if info.flag_bits & 0x1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed with something else than deflate"
    if info.file_size > SMALL and info.file_size > MAX_RATIO * info.compress_size:
        return f"unpacks to {info.file_size // max(1, info.compress_size)} times its size"
    return ""


def _path_problem(name: str) -> str:
    if name.startswith("/") or name[1:3] in (":/", ":\\"):
        return "an absolute path"
    if "\\" in name:
        return "a backslash in its path"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "a control character in its path"
    parts = name.removesuffix("/").split("/")
    if ".." in parts:
        return "its path leaves the archive"
    if "" in parts or "." in parts:
        return "not a plain relative path"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_KEY:
        return f"its path is longer than {MAX_KEY} bytes"
    return ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: its SHA-256, and its bytes where they were kept."""

    sha256: bytes
    body: bytes | None = field(default=None, repr=False)


def verify(archive: zipfile.ZipFile, files: Sequence[Entry], left: TimeLeft, most: int = KEEP) -> dict[str, Content]:
    """Read every file to its end, where zipfile compares the CRC; answers by the files' names in the archive.

    Bodies are kept where all of them together are at most ``most`` bytes, so that most archives are read once.

    Raises:
        Rejected: naming the first file that is damaged, or that the time ran out on.
    """
    keep = sum(entry.size for entry in files) <= most
    found: dict[str, Content] = {}
    for entry in files:
        if left() <= 0:
            raise Rejected(f"time ran out while the archive was being checked, at {entry.name!r}; nothing was written")
        with readable(f"{entry.name!r} is damaged"):
            found[entry.name] = _whole(archive, entry) if keep else _hashed(archive, entry)
    return found


def _whole(archive: zipfile.ZipFile, entry: Entry) -> Content:
    body = archive.read(entry.info)
    complete(entry, len(body))
    return Content(hashlib.sha256(body).digest(), body)


def _hashed(archive: zipfile.ZipFile, entry: Entry) -> Content:
    digest, read = hashlib.sha256(), 0
    with archive.open(entry.info) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            read += len(chunk)
    complete(entry, read)
    return Content(digest.digest())


def complete(entry: Entry, read: int) -> None:
    """Raise ``Rejected`` where a file is not as long as its archive says."""
    if read != entry.size:
        raise Rejected(f"{entry.name!r} is damaged: {read} bytes instead of {entry.size}")
