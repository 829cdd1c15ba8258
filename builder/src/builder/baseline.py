"""Which refs a repository had when it became known.

Pure. A ref that was there wishes nothing until it leaves the object it was seen at, or until a verified push names
that object and is not older than the baseline, so that the very push which made the repository known is built.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from deployer.events import Look, RepositoryName
from deployer.ports import Baseline


def mark(ref: str, sha: str) -> bytes:
    """Twelve bytes that stand for a ref at an object: 30,000 of them fit into one DynamoDB item."""
    return sleeper(ref) + _hash(f"{ref}\0{sha}")[:4]


def sleeper(ref: str) -> bytes:
    """The beginning of a ref's mark, whatever object it is at."""
    return _hash(ref)[:8]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def baseline_of(
    repository: RepositoryName, default_branch: str, tips: Iterable[tuple[str, str]], since: int
) -> Baseline:
    """The baseline of a repository seen for the first time, at ``since`` (seconds, GitHub's clock)."""
    return Baseline(repository, default_branch, since, frozenset(mark(ref, sha) for ref, sha in tips))


def pushed(look: Look, ref: str, sha: str, since: int) -> bool:
    """Whether a look comes from a verified push of just this, not older than ``since`` (seconds, GitHub's clock)."""
    return look.ref == ref and look.after == sha and look.pushed_at >= since


def asleep(baseline: Baseline, ref: str, sha: str, look: Look) -> bool:
    """Whether ``ref``, now at object ``sha``, still wishes nothing."""
    return mark(ref, sha) in baseline.parked and not pushed(look, ref, sha, baseline.since)
