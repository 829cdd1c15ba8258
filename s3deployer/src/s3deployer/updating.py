"""One site brought up to date: what changed is written, the distribution told, what is stale removed.

Every step can be done again, and the receipt never says more than is so: what is about to be written over leaves it
first, and whatever changes leaves the distribution untold. A kill between any two calls costs work, never an object
with other headers than planned, and never one that CloudFront was not told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from deployer.buckets import PAGE
from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from s3deployer.job import Progress
from s3deployer.parameters import Parameters
from s3deployer.planning import Waves
from s3deployer.publishing import AT_ONCE, Archive, Publisher, Site, Width, changed
from s3deployer.receipt import Receipt, folder_of, is_receipt, key_of, mark

MOST_OTHERS = 500_000  # keys that are kept in mind as stale: some 100 MB
# How far a bucket is listed to see what is unchanged: beyond, it takes less to write the site again.
LISTED, OTHERS = 20_000, 20
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
    _told: str = ""

    def __call__(self) -> Deployed | Unfinished:
        """Do it.

        Raises:
            Rejected: where an invocation is too short for anything, or the bucket holds too much else.
            Transient, Broken: from S3 or CloudFront.
        """
        before = self.progress
        self._receipt = Receipt.decode(self.target.site.read(key_of(self.parameters.prefix)))
        keys = {put.key for wave in self.waves for put in wave}
        known, others = self._listed(keys)
        done = self._publish(known)
        if done:
            self._tell()
            done = self._delete(others)
        if not done:
            if self.progress == before:
                raise Rejected("the time ran out before anything could be published; pages are written last")
            return Unfinished(self.progress, len(keys))
        self._tell("-deleted")
        return Deployed(
            bucket=self.target.bucket,
            prefix=self.parameters.prefix,
            uploaded=self.progress.uploaded,
            unchanged=len(keys) - self.progress.uploaded,
            deleted=self.progress.deleted,
            bytes=self.progress.bytes,
            invalidated=self._told,
        )

    def _listed(self, keys: Set[str]) -> tuple[Mapping[str, str], Sequence[str]]:
        """The ETags of what is there of the planned objects, and what else is there, where that is to be deleted."""
        known: dict[str, str] = {}
        others: list[str] = []
        delete, seen = self.parameters.delete, 0
        if not (self._receipt.digests or delete):
            return known, others  # nothing could be said of it
        for page in self.target.site.pages(f"{self.parameters.prefix}/" if self.parameters.prefix else ""):
            if self.left() <= 0:
                raise Rejected(f"the time ran out while {self.target.bucket} was listed; it holds too much else")
            known.update((key, etag) for key, etag in page.items() if key in keys)
            seen += len(page)
            if delete:
                others += [key for key in page if key not in keys]
                if len(others) > MOST_OTHERS:
                    raise Rejected(
                        f"delete: more than {MOST_OTHERS:,} objects are not of this site; nothing is removed"
                    )
            elif seen > LISTED + OTHERS * len(keys):
                return {}, others  # it takes less to write the site again
        return known, others

    def _publish(self, known: Mapping[str, str]) -> bool:
        """Write what changed; false where time ran out."""
        wanted, kept = changed(self.archive, self.waves, known, self._receipt.digests)
        if not wanted:
            self._keep(kept, self._receipt.told)
            return True
        # Before the first is written over: what is killed in between has no receipt.
        self._keep(kept, b"")
        published = Publisher(self.archive, self.target.site, self.left, Width(self.at_once)).publish(wanted)
        self.progress = replace(
            self.progress,
            uploaded=self.progress.uploaded + published.uploaded,
            bytes=self.progress.bytes + published.size,
        )
        self._keep(kept | published.digests, b"")
        return published.complete

    def _delete(self, others: Sequence[str]) -> bool:
        """Remove what the archive does not have, but for other publications; false where time ran out."""
        own = key_of(self.parameters.prefix)
        elsewhere = tuple(folder_of(key) for key in others if is_receipt(key) and key != own)
        stale = [key for key in others if key != own and not key.startswith(elsewhere)]
        if stale:
            self._keep(self._receipt.digests, b"")
        for page in _pages(stale):
            if self.left() <= 0:
                return False
            self.target.site.delete(page)
            self.progress = replace(self.progress, deleted=self.progress.deleted + len(page))
        return True

    def _tell(self, again: str = "") -> None:
        """Tell the distribution, if it has not been told since the last change."""
        distribution = self.target.distribution
        if distribution and self._receipt.told != mark(distribution):
            given = self.parameters.invalidate.paths if self.parameters.invalidate else ()
            # All of it, unless the pipeline says more: the distribution's origin path is not known here.
            self.invalidate(distribution, given or ("/*",), f"{self.job}{again}")
            self._keep(self._receipt.digests, mark(distribution))
            self._told = distribution

    def _keep(self, digests: frozenset[bytes], told: bytes) -> None:
        """Write the receipt, if it says something new."""
        receipt = Receipt(digests, told)
        if receipt != self._receipt:
            self.target.site.put(key_of(self.parameters.prefix), receipt.encode(), _RECEIPT_HEADERS)
            self._receipt = receipt


def _pages(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]
