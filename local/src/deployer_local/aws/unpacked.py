"""Unpacked zips, each once, in a directory named by its content.

A function's workers share what they unpack, as they share a read-only /var/task and /opt on Lambda; compiled modules
stay beside their sources, so only the first cold start pays for compiling. It never changes a directory that is
complete.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import threading
import zipfile
from pathlib import Path

_one_at_a_time = threading.Lock()
"""Workers that start together share the work: whoever comes second finds it done."""


class UnpackError(ValueError):
    """The zip cannot be unpacked: damaged, or an entry leaves its directory."""


def unpack(archive: bytes, root: Path) -> Path:
    """The directory below `root` that holds the contents of the zip `archive`. Raises `UnpackError`."""
    target = root / hashlib.sha256(archive).hexdigest()[:32]
    with _one_at_a_time:
        if not target.is_dir():
            _unpack(archive, root, target)
    return target


def _unpack(archive: bytes, root: Path, target: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=root))
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as contents:
            for entry in contents.infolist():
                _extract(contents, entry, partial)
        partial.chmod(0o755)
        partial.rename(target)
    except zipfile.BadZipFile as error:
        raise UnpackError(f"not a zip: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(contents: zipfile.ZipFile, entry: zipfile.ZipInfo, directory: Path) -> None:
    destination = Path(os.path.normpath(directory / entry.filename))
    if not destination.is_relative_to(directory):
        raise UnpackError(f"entry outside of the archive: {entry.filename}")
    contents.extract(entry, directory)
    mode = entry.external_attr >> 16
    if stat.S_ISREG(mode) or (mode and not stat.S_IFMT(mode)):
        destination.chmod(stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR)
