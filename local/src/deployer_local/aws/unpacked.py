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
import zipfile
from pathlib import Path


class UnpackError(ValueError):
    """The zip cannot be unpacked: damaged, or an entry leaves its directory."""


def unpack(archive: bytes, root: Path) -> Path:
    """The directory below `root` that holds the contents of the zip `archive`. Raises `UnpackError`."""
    target = root / hashlib.sha256(archive).hexdigest()[:32]
    if target.is_dir():
        return target
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
    except OSError:
        # Another worker was faster.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _extract(contents: zipfile.ZipFile, entry: zipfile.ZipInfo, directory: Path) -> None:
    destination = Path(os.path.normpath(directory / entry.filename))
    if not destination.is_relative_to(directory):
        raise UnpackError(f"entry outside of the archive: {entry.filename}")
    contents.extract(entry, directory)
    mode = entry.external_attr >> 16
    if stat.S_ISREG(mode) or (mode and not stat.S_IFMT(mode)):
        destination.chmod(stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR)
