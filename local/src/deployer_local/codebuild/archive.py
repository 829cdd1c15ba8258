"""Zip archives with modes and symlinks, in both directions, confined to one directory.

Used for CodeBuild's input and output artifacts. Never writes outside the directory it was given: absolute names,
``..``, duplicates, and anything reached through a symlink are refused before the first byte is written.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

EPOCH = (1980, 1, 1, 0, 0, 0)


class UnsafeArchiveError(Exception):
    """The archive would write outside its directory, or says the same path twice."""


def extract(archive: Path, target: Path) -> None:
    """Unpack ``archive`` into the existing directory ``target``; raises UnsafeArchiveError, zipfile.BadZipFile."""
    with zipfile.ZipFile(archive) as source:
        entries = source.infolist()
        links = _check(source, entries)
        for entry in entries:
            path = target / entry.filename
            mode = entry.external_attr >> 16
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
            elif entry.filename not in links:
                path.parent.mkdir(parents=True, exist_ok=True)
                with source.open(entry) as reader, path.open("wb") as writer:
                    shutil.copyfileobj(reader, writer)
                path.chmod(mode & 0o777 or 0o644)
        for name, destination in links.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(destination)


def _check(source: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, str]:
    """Return the symlinks, name to target, after proving every entry harmless."""
    seen: set[PurePosixPath] = set()
    links: dict[str, str] = {}
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or not name.parts:
            raise UnsafeArchiveError(f"refused: the archive names a path outside itself: {entry.filename}")
        if name in seen and not entry.is_dir():
            raise UnsafeArchiveError(f"refused: the archive names a path twice: {entry.filename}")
        seen.add(name)
        if stat.S_ISLNK(entry.external_attr >> 16):
            links[entry.filename] = source.read(entry).decode()
    for link, destination in links.items():
        resolved = os.path.normpath(PurePosixPath(link).parent / destination)
        if PurePosixPath(destination).is_absolute() or resolved.startswith(".."):
            raise UnsafeArchiveError(f"refused: a symlink leaves the archive: {link} -> {destination}")
    linked = {PurePosixPath(link) for link in links}
    for name in seen:
        if any(parent in linked for parent in name.parents):
            raise UnsafeArchiveError(f"refused: a path goes through a symlink: {name}")
    return links


def pack(archive: Path, members: Iterable[tuple[Path, str]]) -> None:
    """Write ``members`` (path on disk, name inside) to ``archive``; symlinks stay symlinks, modes are kept."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path, name in members:
            mode = path.lstat().st_mode
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3
            info.external_attr = mode << 16
            if stat.S_ISLNK(mode):
                target.writestr(info, os.readlink(path))
            else:
                info.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as reader, target.open(info, "w") as writer:
                    shutil.copyfileobj(reader, writer)
