"""What was published before, so that it need not be published again.

One small object beside the site, ``.deployer/published``: for each object that was written, a digest over its key, the
ETag that S3 gave it, its headers and its content. An object is unchanged if S3 lists its key with that ETag; written
over, removed or to be served with other headers, it is not. No name can be read from it. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NAME = ".deployer/published"
_MAGIC = b"deployer-published 1\n"
_SIZE = 16  # bytes of a digest: that two objects of a site share one is as likely as not after 2^64 of them


@dataclass(frozen=True, slots=True)
class Receipt:
    """``digests``: of what was written. ``owed``: it was, and the distribution's invalidation was not asked for yet."""

    digests: frozenset[bytes] = frozenset()
    owed: bool = False

    def encode(self) -> bytes:
        """As an object's content; the same for the same receipt."""
        return _MAGIC + (b"1" if self.owed else b"0") + b"".join(sorted(self.digests))

    @classmethod
    def decode(cls, content: bytes | None) -> Receipt:
        """Read it back; one that is missing or not ours is empty: all is written again."""
        if content is None or not content.startswith(_MAGIC):
            return cls()
        owed, packed = content[len(_MAGIC) : len(_MAGIC) + 1], content[len(_MAGIC) + 1 :]
        if len(packed) % _SIZE:
            return cls()
        digests = frozenset(packed[at : at + _SIZE] for at in range(0, len(packed), _SIZE))
        return cls(digests, owed == b"1")


def key_of(prefix: str) -> str:
    """The key of the receipt for what is published below a prefix."""
    return f"{prefix}/{NAME}" if prefix else NAME


def is_receipt(key: str) -> bool:
    """Whether a key is a receipt's, this prefix's or another's."""
    return key == NAME or key.endswith(f"/{NAME}")


def digest(key: str, etag: str, headers: Mapping[str, str], content: bytes) -> bytes:
    """The digest of one object; ``content`` is its content's SHA-256."""
    parts: Iterable[str] = (key, etag, *(part for header in sorted(headers.items()) for part in header))
    hashed = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass"))
    hashed.update(content)
    return hashed.digest()[:_SIZE]
