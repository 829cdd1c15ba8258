"""The repository that a command is about: the one whose checkout it is run in, unless another is named."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deployer.errors import Rejected

# https://git-scm.com/docs/git-clone#_git_urls: URLs, and scp's short form.
_REMOTE = re.compile(r"(?:[a-z+]+://[^/]+/|[^/:@]+@[^/:]+:)(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/?")
# Underscores are in the names of an enterprise's managed users.
_FULL_NAME = re.compile(r"(?P<owner>[A-Za-z0-9_-]+)/(?P<name>[A-Za-z0-9._-]+)")


@dataclass(frozen=True)
class FullName:
    """A repository as GitHub names it."""

    owner: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Rejected`` where it is no ``OWNER/NAME``."""
        found = _FULL_NAME.fullmatch(text)
        if not found or found["name"] in (".", ".."):
            raise Rejected(f"{text!r} is no repository; it is OWNER/NAME")
        return cls(found["owner"], found["name"])

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Checkout:
    """A Git checkout at ``folder``, asked through git itself."""

    folder: Path

    def full_name(self) -> FullName:
        """The repository that its remote ``origin`` (else its only one) leads to.

        Raises:
            Rejected: where there is no such remote; the message says to name the repository.
        """
        remotes = self._git("remote").split()
        chosen = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else ""
        url = self._git("remote", "get-url", chosen) if chosen else ""
        found = _REMOTE.fullmatch(url)
        try:
            return FullName.parse(f"{found['owner']}/{found['name']}" if found else "")
        except Rejected as error:
            text = "this folder's git remote names no repository on GitHub; say --repo OWNER/NAME"
            raise Rejected(text) from error

    def branch(self) -> str:
        """The branch that is checked out. Raises ``Rejected`` where none is."""
        branch = self._git("branch", "--show-current")
        if not branch:
            raise Rejected("no branch is checked out here; name one")
        return branch

    def head(self) -> str:
        """The commit that is checked out. Raises ``Rejected`` where there is none."""
        return self._git("rev-parse", "HEAD")

    def message(self) -> str:
        """What that commit says."""
        return self._git("log", "-1", "--format=%B")

    def dirty(self, path: str) -> bool:
        """Whether anything below ``path`` is not as it was committed."""
        return bool(self._git("status", "--porcelain", "--", path))

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise Rejected("git is not installed; say --repo OWNER/NAME and name the branch") from error
        if done.returncode:
            raise Rejected(
                f"{self.folder} is no git checkout; go into one, or say --repo OWNER/NAME and name the branch"
            )
        return done.stdout.strip()


def repository(named: str | None, folder: Path) -> FullName:
    """The repository that was named, else the one of the checkout at ``folder``."""
    return FullName.parse(named) if named else Checkout(folder).full_name()
