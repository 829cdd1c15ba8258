"""Commits that say by their own message that they are not to be built.

Pure. The marks are those that GitHub Actions honours.
Source: https://docs.github.com/actions/how-tos/manage-workflow-runs/skip-workflow-runs
"""

from __future__ import annotations

import re

_SKIP = re.compile(
    r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|^skip-checks: *true$", re.IGNORECASE | re.MULTILINE
)


def skips_ci(message: str) -> str:
    """Why a commit is not to be built, by its message, or empty."""
    found = _SKIP.search(message)
    return f"the commit says {' '.join(found.group().split())}" if found else ""
