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
_MAGIC = b"deployer-published 2\n"
_SIZE = 16  # bytes of a digest: that two objects of a site share one is as likely as not after 2^64 of them
_NOBODY = bytes(_SIZE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """``digests``: of what was written. ``told``: the mark of the distribution that was told since; empty for none."""

    digests: frozenset[bytes] = frozenset()
    told: bytes = b""

    def encode(self) -> bytes:
        """As an object's content; the same for the same receipt."""
        return _MAGIC + (self.told or _NOBODY) + b"".join(sorted(self.digests))

    @classmethod
    def decode(cls, content: bytes | None) -> Receipt:
        """Read it back; one that is missing or not ours is empty: all is written again."""
        if content is None or not content.startswith(_MAGIC):
            return cls()
        packed = content[len(_MAGIC) :]
        if not packed or len(packed) % _SIZE:
            return cls()
        told, *digests = (packed[at : at + _SIZE] for at in range(0, len(packed), _SIZE))
        return cls(frozenset(digests), b"" if told == _NOBODY else told)


def mark(distribution: str) -> bytes:
    """How a receipt names a distribution; empty for none."""
    return hashlib.sha256(distribution.encode()).digest()[:_SIZE] if distribution else b""


def key_of(prefix: str) -> str:
    """The key of the receipt for what is published below a prefix."""
    return f"{prefix}/{NAME}" if prefix else NAME


def folder_of(receipt: str) -> str:
    """What the receipt of that key speaks for, as a prefix of keys: ``docs/``, or empty for all."""
    return receipt.removesuffix(NAME)


def is_receipt(key: str) -> bool:
    """Whether a key is a receipt's, this prefix's or another's."""
    return key == NAME or key.endswith(f"/{NAME}")


def digest(key: str, etag: str, headers: Mapping[str, str], content: bytes) -> bytes:
    """The digest of one object; ``content`` is its content's SHA-256."""
    parts: Iterable[str] = (key, etag, *(part for header in sorted(headers.items()) for part in header))
    hashed = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass"))
    hashed.update(content)
    return hashed.digest()[:_SIZE]
