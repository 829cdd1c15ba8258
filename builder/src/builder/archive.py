"""Repack GitHub's tarball as the zip that CodePipeline reads, as a stream.

Pure: bytes in, bytes out, never whole in memory or on disk. Modes and symbolic links are kept; GitHub's top folder
is not. Hostile names are refused.
"""

from __future__ import annotations

import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO

from deployer.errors import Rejected, Transient

COMMIT_FILE = ".deployer/commit.json"
_CHUNK = 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)


def repack(tarball: IO[bytes], zipped: IO[bytes], commit: str) -> None:
    """Write the gzipped ``tarball`` to ``zipped`` (which needs only ``write``), with ``.deployer/commit.json`` added.

    Raises:
        Rejected: for a name that leads outside.
        Transient: for a tarball that breaks off.
    """
    try:
        with (
            tarfile.open(fileobj=tarball, mode="r|gz") as members,
            zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for member in members:
                _copy(members, member, archive)
            _write(archive, COMMIT_FILE, stat.S_IFREG | 0o644, json.dumps({"commit": commit}).encode())
    except (tarfile.ReadError, EOFError) as error:
        raise Transient(f"the archive of {commit[:7]} broke off: {error}") from error


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, archive: zipfile.ZipFile) -> None:
    name = _name(member.name)
    if name is None or name == COMMIT_FILE or member.isdir():
        return
    if member.issym():
        _write(archive, name, stat.S_IFLNK | 0o777, member.linkname.encode("utf-8", "surrogateescape"))
        return
    content = members.extractfile(member)
    if content is None:  # devices and the like; Git has none
        return
    info = _info(name, stat.S_IFREG | (0o755 if member.mode & 0o111 else 0o644), member.mtime)
    with archive.open(info, "w", force_zip64=member.size >= zipfile.ZIP64_LIMIT) as entry:
        for chunk in _chunks(content):
            entry.write(chunk)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _name(member: str) -> str | None:
    """The name below GitHub's top folder; None for that folder itself."""
    parts = PurePosixPath(member).parts
    if member.startswith("/") or ".." in parts:
        raise Rejected(f"the archive holds a name that leads outside: {member!r}")
    return "/".join(parts[1:]) or None


def _info(name: str, mode: int, mtime: float) -> zipfile.ZipInfo:
    moment = datetime.fromtimestamp(mtime, UTC).timetuple()[:6]
    info = zipfile.ZipInfo(name, max(moment, _EPOCH))
    info.external_attr = mode << 16
    info.create_system = 3  # Unix: modes are kept
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _write(archive: zipfile.ZipFile, name: str, mode: int, content: bytes) -> None:
    archive.writestr(_info(name, mode, 0), content)
