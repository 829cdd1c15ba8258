"""Which refs a repository had when it became known, and whether one of them has woken since.

Pure. A parked ref wishes nothing until it leaves the object it was seen at, or until a verified push names that
object and is not older than the parking, so that the very push which made the repository known is built.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from deployer.events import Look, RepositoryName
from deployer.ports import Baseline


def mark(ref: str, sha: str) -> bytes:
    """Eight bytes that stand for a ref at an object: 40,000 of them fit into one DynamoDB item."""
    return hashlib.sha256(f"{ref}\0{sha}".encode("utf-8", "surrogatepass")).digest()[:8]


def baseline_of(
    repository: RepositoryName, default_branch: str, tips: Iterable[tuple[str, str]], since: int
) -> Baseline:
    """The baseline of a repository seen for the first time, at ``since`` (seconds, GitHub's clock)."""
    return Baseline(repository, default_branch, since, frozenset(mark(ref, sha) for ref, sha in tips))


def parked(baseline: Baseline, ref: str, sha: str, look: Look) -> bool:
    """Whether ``ref``, now at object ``sha``, still wishes nothing."""
    if mark(ref, sha) not in baseline.parked:
        return False
    pushed = look.ref == ref and look.after == sha and look.pushed_at >= baseline.since
    return not pushed
