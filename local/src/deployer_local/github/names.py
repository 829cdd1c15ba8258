"""Names that reach us from outside: repositories, refs, object ids.

Pure. Everything that a URL or a caller names passes through here before anything is looked up.
Never touches the file system: no path is ever built from a name (repositories live under their number).
"""

import base64
import re
from dataclasses import dataclass

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}", re.ASCII)

RESERVED_OWNERS = frozenset(
    ["api", "assets", "builds", "codeload", "github", "repositories", "runs", "sites", "slack", "stacks", "_aws"]
)
"""First path segments that the engine serves itself."""

ZERO = "0" * 40
"""What GitHub and git write for "no object"."""


@dataclass(frozen=True)
class FullName:
    """`owner/name`, both in the characters that GitHub allows."""

    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def parse_full_name(text: str) -> FullName:
    """Reads `owner/name`; ValueError for anything that GitHub would not take as a repository's name."""
    owner, slash, name = text.partition("/")
    if not slash or not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        msg = f"not a repository name: {text!r}"
        raise ValueError(msg)
    if name in {".", ".."} or name.lower().endswith((".git", ".wiki")) or owner.lower() in RESERVED_OWNERS:
        msg = f"a reserved repository name: {text!r}"
        raise ValueError(msg)
    return FullName(owner, name)


def is_sha(text: str) -> bool:
    """Whether this is a full object id: 40 lower-case hexadecimal digits."""
    return _SHA.fullmatch(text) is not None


def node_id(kind: str, identity: int | str) -> str:
    """GitHub's global id in its classic form, such as `MDEwOlJlcG9zaXRvcnkx` for `Repository`, 1."""
    return base64.b64encode(f"{len(kind):02d}:{kind}{identity}".encode()).decode("ascii")
