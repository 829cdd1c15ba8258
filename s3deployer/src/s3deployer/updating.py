"""One site brought up to date: what changed is written, what is stale removed, the distribution told.

Every step can be done again, and the receipt says how far it came: it is written before anything is removed or
invalidated, with the invalidation still owed. A kill between any two calls costs work, never a stale page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from s3deployer.job import Progress
from s3deployer.parameters import Parameters
from s3deployer.planning import Waves
from s3deployer.publishing import AT_ONCE, Archive, Publisher, Site, Width
from s3deployer.receipt import Receipt, is_receipt, key_of

PAGE = 1000  # keys that one DeleteObjects takes
_RECEIPT_HEADERS = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}

Invalidate = Callable[[str, Sequence[str], str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: ``bucket`` and ``distribution`` are proven to be the environment's; the latter may be empty."""

    bucket: str
    site: Site
    distribution: str = ""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a job did, all its invocations together. ``bytes``: unpacked."""

    bucket: str
    prefix: str
    uploaded: int
    unchanged: int
    deleted: int
    bytes: int
    invalidated: str = ""

    @property
    def summary(self) -> str:
        """One line for people."""
        where = f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket
        sent = f"{self.uploaded:,} uploaded ({self.bytes:,} bytes)"
        told = f"; {self.invalidated} invalidated" if self.invalidated else ""
        return f"{sent}, {self.unchanged:,} unchanged, {self.deleted:,} deleted in {where}{told}"

    @property
    def variables(self) -> dict[str, str]:
        """The action's output variables."""
        return {
            "bucket": self.bucket,
            "uploaded": str(self.uploaded),
            "unchanged": str(self.unchanged),
            "deleted": str(self.deleted),
            "bytes": str(self.bytes),
        }


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Time ran out; another invocation goes on. ``total``: objects of the site."""

    progress: Progress
    total: int

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.progress.uploaded:,} of at most {self.total:,} objects uploaded so far"

    @property
    def percent(self) -> int:
        """0 to 99: of the objects, as if all had changed."""
        return min(99, 100 * self.progress.uploaded // max(1, self.total))


@dataclass(slots=True)
class Update:
    """A site, what it is to be, and how far earlier invocations came."""

    target: Target
    parameters: Parameters
    waves: Waves
    archive: Archive
    job: str
    progress: Progress
    invalidate: Invalidate
    left: TimeLeft
    at_once: int = AT_ONCE
    _receipt: Receipt = field(default_factory=Receipt)

    def __call__(self) -> Deployed | Unfinished:
        """Do it.

        Raises:
            Rejected: where an invocation is too short for anything.
            Transient, Broken: from S3 or CloudFront.
        """
        site, before = self.target.site, self.progress
        self._receipt = Receipt.decode(site.read(key_of(self.parameters.prefix)))
        listed = site.listing(self._folder) if self._receipt.digests or self.parameters.delete else {}
        keys = {put.key for wave in self.waves for put in wave}
        if not (self._publish(listed) and self._delete([key for key in listed if key not in keys])):
            if self.progress == before:
                raise Rejected("the time ran out before anything could be published; pages are written last")
            return Unfinished(self.progress, len(keys))
        told = self._tell()
        return Deployed(
            bucket=self.target.bucket,
            prefix=self.parameters.prefix,
            uploaded=self.progress.uploaded,
            unchanged=len(keys) - self.progress.uploaded,
            deleted=self.progress.deleted,
            bytes=self.progress.bytes,
            invalidated=told,
        )

    @property
    def _folder(self) -> str:
        return f"{self.parameters.prefix}/" if self.parameters.prefix else ""

    def _publish(self, listed: Mapping[str, str]) -> bool:
        """Write what changed; false where time ran out."""
        publisher = Publisher(self.archive, self.target.site, self.left, Width(self.at_once))
        published = publisher.publish(self.waves, listed, self._receipt.digests)
        self.progress = replace(
            self.progress,
            uploaded=self.progress.uploaded + published.uploaded,
            bytes=self.progress.bytes + published.size,
        )
        digests = frozenset(published.digests)
        self._keep(digests if published.complete else self._receipt.digests | digests, published.uploaded > 0)
        return published.complete

    def _delete(self, others: Sequence[str]) -> bool:
        """Remove what the archive does not have, if it is asked for; false where time ran out."""
        stale = [key for key in others if not is_receipt(key)] if self.parameters.delete else []
        self._keep(self._receipt.digests, bool(stale))
        for page in _pages(stale):
            if self.left() <= 0:
                return False
            self.target.site.delete(page)
            self.progress = replace(self.progress, deleted=self.progress.deleted + len(page))
        return True

    def _tell(self) -> str:
        """Invalidate what is owed to the distribution; answers with its id where it was told."""
        if not self._receipt.owed:
            return ""
        given = self.parameters.invalidate.paths if self.parameters.invalidate else ()
        self.invalidate(self.target.distribution, given or (f"/{quote(self._folder)}*",), self.job)
        self._keep(self._receipt.digests, changed=False, told=True)
        return self.target.distribution

    def _keep(self, digests: frozenset[bytes], changed: bool, told: bool = False) -> None:
        """Write the receipt if it says something new: ``changed`` owes an invalidation, where there is a distribution,
        until it is ``told``.
        """
        receipt = Receipt(digests, bool(self.target.distribution) and not told and (changed or self._receipt.owed))
        if receipt != self._receipt:
            self.target.site.put(key_of(self.parameters.prefix), receipt.encode(), _RECEIPT_HEADERS)
            self._receipt = receipt


def _pages(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]
