"""What a push of this folder would bring: its files as Git has them, or would have.

Runs git, reads files. Where the folder is no checkout, everything in it counts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deployer.errors import Rejected


class Brought(Protocol):
    """The files of a push. Paths are below the repository's root, with slashes."""

    def has(self, path: str) -> bool: ...

    def read(self, path: str) -> bytes: ...

    def why_not(self, path: str) -> str:
        """Why a file that does lie there would not come along, or empty."""


@dataclass(frozen=True)
class Folder:
    """A folder on this machine. ``files``: what would be pushed. ``unexported``: what GitHub's archives leave out."""

    root: Path
    files: frozenset[str]
    unexported: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def at(cls, root: Path) -> Folder:
        """Look into a folder. Raises ``Rejected`` where there is none."""
        if not root.is_dir():
            raise Rejected(f"{root} is no folder")
        listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if listed is None:
            return cls(root, frozenset(_walk(root)))
        files = frozenset(name for name in listed.split("\0") if name and os.path.lexists(root / name))
        return cls(root, files, _unexported(root, files))

    def has(self, path: str) -> bool:
        """Whether a push would bring it as a plain file, and GitHub's archive hold it."""
        return path in self.files and path not in self.unexported and self._plain(path)

    def read(self, path: str) -> bytes:
        """Its content."""
        return (self.root / path).read_bytes()

    def why_not(self, path: str) -> str:
        """Why a file that does lie there would not come along, or empty."""
        if path in self.unexported:
            return "its attribute export-ignore keeps it out of GitHub's archive"
        if not os.path.lexists(self.root / path):
            return ""
        if not self._plain(path):
            return "it is no plain file"
        return "Git ignores it" if path not in self.files else ""

    def _plain(self, path: str) -> bool:
        found = self.root / path
        return found.is_file() and not found.is_symlink()


@dataclass(frozen=True)
class Committed:
    """The files of the commit that is checked out."""

    root: Path
    files: frozenset[str]

    @classmethod
    def at(cls, root: Path) -> Committed:
        """Look into HEAD. Raises ``Rejected`` where there is no commit."""
        # Mode, kind and object before the name: links (120000) and submodules are no plain files.
        listed = _git(root, "ls-tree", "-r", "-z", "HEAD")
        if listed is None:
            raise Rejected(f"{root} has no commit")
        entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
        return cls(root, frozenset(name for about, name in entries if about.startswith("100")))

    def has(self, path: str) -> bool:
        """Whether it is in the commit, as a plain file."""
        return path in self.files

    def read(self, path: str) -> bytes:
        """Its content there."""
        shown = subprocess.run(["git", "-C", str(self.root), "show", f"HEAD:./{path}"], capture_output=True, check=True)
        return shown.stdout

    def why_not(self, path: str) -> str:
        """Why a file that does lie there is not in it, or empty."""
        return "it is not committed" if os.path.lexists(self.root / path) and path not in self.files else ""


def top_of(folder: Path) -> Path:
    """The root of the checkout that a folder lies in, else the folder itself."""
    found = _git(folder, "rev-parse", "--show-toplevel")
    return Path(found.rstrip("\n")) if found else folder


def _walk(root: Path) -> Iterator[str]:
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if name != ".git"]
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)


def _unexported(root: Path, files: frozenset[str]) -> frozenset[str]:
    """The files with the attribute export-ignore, or in a folder that has it."""
    if not any(b"export-ignore" in (root / name).read_bytes() for name in files if name.endswith(".gitattributes")):
        return frozenset()
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    asked = "\0".join([*sorted(files), *sorted(folders), *sorted(f"{folder}/" for folder in folders)])
    answer = (_git(root, "check-attr", "-z", "--stdin", "export-ignore", stdin=asked) or "").split("\0")
    marked = {name.rstrip("/") for name, value in zip(answer[::3], answer[2::3], strict=False) if value == "set"}
    return frozenset(
        name for name in files if name in marked or any(str(parent) in marked for parent in Path(name).parents)
    )


def _git(folder: Path, *arguments: str, stdin: str = "") -> str | None:
    """What git says, or None where it is no checkout or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], input=stdin, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
