"""The Git hook that validates what is about to be pushed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from deployer.errors import Rejected

NAME = "pre-push"


def script(command: str) -> str:
    """The hook: it validates only where the repository has a pipeline."""
    return (
        "#!/bin/sh\n"
        "# Made by `deployer validate --hook install`; `git push --no-verify` goes past it.\n"
        'cd "$(git rev-parse --show-toplevel)" || exit 1\n'
        "git cat-file -e HEAD:deploy 2>/dev/null || exit 0\n"
        f"exec {command} validate --committed\n"
    )


def install(root: Path) -> Path:
    """Write the hook into a checkout, where Git looks for it; answers with its file.

    Raises:
        Rejected: where it is no checkout, or has a hook of its own.
    """
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--git-path", f"hooks/{NAME}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Rejected(f"{root} is no git checkout: `git init` first")
    file = root / done.stdout.strip()
    text = script(f"{shlex.quote(sys.executable)} -m deployer_cli.main")
    if file.exists() and file.read_text() != text:
        raise Rejected(f"{file} is there already; add `deployer validate` to it by hand")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file
