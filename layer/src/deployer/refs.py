"""What a Git ref means to the deployer.

Pure. A ref is always the full name GitHub sends (``refs/heads/feature/login``); nothing here looks anything up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

HEADS = "refs/heads/"
TAGS = "refs/tags/"

# Anchored, plain ASCII digits, no leading zeros: `v1.2.3-rc.1`, `hack-v9.9.9` and `v01.2.3` are not releases.
_RELEASE = re.compile(r"v(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})", re.ASCII)
# What `git check-ref-format` refuses, and what is no Unicode text. GitHub refuses it too; a URL or a name is never
# built from it.
_ILLEGAL = re.compile(r"[\ud800-\udfff]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[/.]$")
_SHA = re.compile(r"[0-9a-f]{40}", re.ASCII)


class Stage(StrEnum):
    """The three kinds of environment; also the value of the template parameter ``Stage``."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, order=True)
class Version:
    """A release version, ordered as numbers: ``v1.10.0`` is newer than ``v1.9.0``."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"


def is_legal(ref: str) -> bool:
    """Whether Git takes ``ref`` as a full ref name.

    Source: https://git-scm.com/docs/git-check-ref-format
    """
    return ref.startswith((HEADS, TAGS)) and not _ILLEGAL.search(ref) and not ref.endswith((HEADS, TAGS))


def branch_of(ref: str) -> str | None:
    """The branch's whole name (``feature/login``), or None for anything but ``refs/heads/…``."""
    return (ref.removeprefix(HEADS) or None) if ref.startswith(HEADS) else None


def release_of(ref: str) -> Version | None:
    """The version of a release tag ``refs/tags/vX.Y.Z``, or None for every other ref."""
    match = _RELEASE.fullmatch(ref.removeprefix(TAGS)) if ref.startswith(TAGS) else None
    return Version(*(int(part) for part in match.groups())) if match else None


def stage_of(ref: str, default_branch: str) -> Stage | None:
    """The stage that a ref belongs to, or None where it is to be ignored (no release tag, no legal name)."""
    if not is_legal(ref):
        return None
    branch = branch_of(ref)
    if branch is not None:
        return Stage.STAGING if branch == default_branch else Stage.DEVELOPMENT
    return Stage.PRODUCTION if release_of(ref) else None


def is_commit(value: object) -> bool:
    """Whether ``value`` is a full SHA-1 that names an object; the all-zero one of a deletion does not."""
    return isinstance(value, str) and bool(_SHA.fullmatch(value)) and value.strip("0") != ""
