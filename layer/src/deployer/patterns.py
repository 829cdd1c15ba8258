"""Comma lists of patterns, as an operator writes them: ``acme/*, other/site``; ``*`` stands for slashes too.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def patterns_of(text: str) -> tuple[str, ...]:
    """The patterns in a comma list; none where it is empty."""
    return tuple(pattern.strip() for pattern in text.split(",") if pattern.strip())


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of them takes the name, as it is written."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def allowed(full_name: str, patterns: Iterable[str]) -> bool:
    """Whether a repository (``owner/name``) is on an allow-list; GitHub's names know no case."""
    return matches(full_name.lower(), (pattern.lower() for pattern in patterns))
