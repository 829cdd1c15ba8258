"""Which files of a finished build its ``artifacts`` section names.

Reads the file system below the source directory only and writes nothing.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.artifacts
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .buildspec import Artifacts


class NoArtifactsError(Exception):
    """Nothing matched, or a match leaves the source directory; the message is CodeBuild's or says which."""


def select(artifacts: Artifacts, source: Path) -> list[tuple[Path, str]]:
    """Return (path on disk, name in the zip), sorted by name; raises NoArtifactsError."""
    found: dict[str, Path] = {}
    for base in _bases(artifacts.base_directory, source):
        for path in _files(base):
            relative = path.relative_to(base).as_posix()
            if not any(_matches(pattern, relative) for pattern in artifacts.files):
                continue
            if any(_matches(pattern, relative) for pattern in artifacts.exclude_paths):
                continue
            found[path.name if artifacts.discard_paths else relative] = _confined(path, source, artifacts)
    if not found:
        raise NoArtifactsError("no matching artifact paths found")
    return [(found[name], name) for name in sorted(found)]


def _bases(pattern: str, source: Path) -> list[Path]:
    root = source.resolve()
    literal = (source / pattern).resolve()
    if literal.is_dir():
        candidates = [literal]
    else:
        folders = (path for path in sorted(source.rglob("*")) if path.is_dir())
        candidates = [path for path in folders if _matches(pattern, path.relative_to(source).as_posix())]
    for base in candidates:
        if not base.resolve().is_relative_to(root):
            raise NoArtifactsError(f"the base directory {pattern} is outside the source")
    if not candidates:
        raise NoArtifactsError(f"no matching base directory path found for {pattern}")
    return candidates


def _files(base: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(base):
        names.sort()
        for name in sorted(files) + [name for name in names if (Path(directory) / name).is_symlink()]:
            yield Path(directory) / name


def _confined(path: Path, source: Path, artifacts: Artifacts) -> Path:
    """The path itself, or what a symlink points at when links are not to be kept."""
    if not path.is_symlink() or artifacts.enable_symlinks:
        return path
    real = path.resolve()
    if not real.is_relative_to(source.resolve()):
        raise NoArtifactsError(f"the artifact {path.name} is a link out of the source")
    if not real.is_file():
        raise NoArtifactsError(f"the artifact {path.name} is a link to no file; set enable-symlinks to keep links")
    return real


def _matches(pattern: str, name: str) -> bool:
    """CodeBuild's patterns: ``*`` within one folder, ``**`` across folders; a folder alone names nothing."""
    pattern = re.sub(r"^(\./)+", "", pattern)
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            pieces.append("(?:.*/)?")
            position += 3
        elif pattern.startswith("**", position):
            pieces.append(".*")
            position += 2
        elif pattern[position] == "*":
            pieces.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            pieces.append("[^/]")
            position += 1
        else:
            pieces.append(re.escape(pattern[position]))
            position += 1
    return re.fullmatch("".join(pieces), name) is not None
