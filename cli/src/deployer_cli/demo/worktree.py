"""A real Git repository to push from: the example, its commits and its tags.

Runs git as a person would; nothing here knows of the deployer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Whoever runs the demo: their own Git settings (signing, hooks, templates) have no part in it.
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_TERMINAL_PROMPT": "0",
}
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG")


class Worktree:
    """A clone-to-be of one example, with ``origin`` as its remote."""

    def __init__(self, path: Path, example: Path, remote: str) -> None:
        self.path = path
        shutil.copytree(example, path, ignore=shutil.ignore_patterns("public", "__pycache__"))
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", remote)

    def write(self, file: str, text: str) -> None:
        """Write a file of the work tree."""
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def commit(self, subject: str) -> str:
        """Commit everything; answers with the commit's SHA."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", subject)
        return self._git("rev-parse", "HEAD")

    def switch(self, branch: str, *, create: bool = False) -> None:
        """Switch to a branch."""
        self._git("switch", "--quiet", *(["--create"] if create else []), branch)

    def tag(self, name: str, commit: str) -> None:
        """Make an annotated tag."""
        self._git("tag", "--annotate", "--message", f"Release {name}", name, commit)

    def push(self, *refspecs: str) -> None:
        """Push to the remote.

        Raises:
            subprocess.CalledProcessError: where the remote refused.
        """
        self._git("push", "--quiet", "origin", *refspecs)

    def delete(self, branch: str) -> None:
        """Delete a branch on the remote."""
        self._git("push", "--quiet", "origin", "--delete", branch)

    def _git(self, *arguments: str) -> str:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**inherited, **_ENVIRONMENT},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip()
