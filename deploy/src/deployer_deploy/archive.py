"""Zips whose bytes depend on their content alone: sorted names, one date, one mode.

So a package is known by its hash, and what hasn't changed isn't uploaded. Nothing here knows what is packed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Broken

# The earliest date that a zip can tell. Python takes .pyc files of any date if they are unchecked-hash.
EPOCH = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644
# Caches, tests and the in-memory twins that tests use; and what editors and tools leave lying around.
_LEFT_OUT = {"__pycache__", "tests", "testing"}
_LEFT_BEHIND = (".pyc", ".pyo", ".orig", ".rej", ".bak", "~")


@dataclass(frozen=True, order=True)
class Entry:
    """One file of an archive: its name there (``/`` between folders) and where it is now."""

    name: str
    path: Path


def files(folder: Path, prefix: str = "") -> list[Entry]:
    """Every file below ``folder``, sorted by name. Raises ``Broken`` for a symlink: it could lead anywhere."""
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise Broken(f"{path} is a symlink; packages hold plain files")
        if path.is_file():
            found.append(Entry(prefix + path.relative_to(folder).as_posix(), path))
    return sorted(found)


def sources(folder: Path, package: str, prefix: str = "") -> list[Entry]:
    """The files of ``folder/package`` that belong into an archive: no caches, compiled or hidden files, no tests.

    Raises ``Broken`` where there is no such package.
    """
    if not (folder / package / "__init__.py").is_file():
        raise Broken(f"{folder} holds no package {package}")
    return [
        entry
        for entry in files(folder / package, f"{prefix}{package}/")
        if _belongs(entry.path.relative_to(folder).parts)
    ]


def _belongs(parts: tuple[str, ...]) -> bool:
    return not any(part in _LEFT_OUT or part.startswith(".") or part.endswith(_LEFT_BEHIND) for part in parts)


def digest(entries: Iterable[Entry]) -> str:
    """SHA-256 (hex) over names and contents: changes when an archive of these files would."""
    whole = hashlib.sha256()
    for entry in sorted(entries):
        content = hashlib.sha256(entry.path.read_bytes()).hexdigest()
        whole.update(f"{entry.name}\0{content}\n".encode())
    return whole.hexdigest()


def write(entries: Iterable[Entry], destination: Path) -> None:
    """Zip ``entries`` into ``destination``, which appears whole or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=destination.parent, suffix=".part")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as whole,
        ):
            for entry in sorted(entries):
                info = zipfile.ZipInfo(entry.name, EPOCH)
                info.external_attr = MODE << 16
                info.create_system = 3
                info.compress_type = zipfile.ZIP_DEFLATED
                whole.writestr(info, entry.path.read_bytes(), compresslevel=6)
        Path(name).replace(destination)
    finally:
        Path(name).unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
