"""Whether a bucket may be emptied, and emptying it.

``gather`` asks whose the bucket is and what its stack is doing, ``decide`` is a pure function of that, ``empty`` acts.
Never deletes the bucket itself: CloudFormation does, once it is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from deployer.buckets import Gone, Upload, Version
from deployer.cleanups import Outcome, Unfinished
from deployer.custom_resource import Done, Failed, Request, RequestType
from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from deployer.ports import Stack, StackResource
from deployer.states import GOING

BUCKET_TYPE = "AWS::S3::Bucket"


class Stacks(Protocol):
    """CloudFormation's word about the calling stack."""

    def describe(self, name: str) -> Stack | None: ...


class Resources(Protocol):
    """CloudFormation's word about what belongs to it."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...


class Bucket(Protocol):
    """What is done with a bucket; ``deployer.buckets.Bucket`` over S3."""

    def exists(self) -> bool: ...

    def versions(self) -> list[Version]: ...

    def delete(self, versions: list[Version]) -> None: ...

    def uploads(self) -> list[Upload]: ...

    def abort(self, upload: Upload) -> None: ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen. ``status``: the calling stack's, empty where there is no such stack. ``owned``: the bucket is one
    of its resources. ``exists``: there is a bucket of that name at all (asked only where it is not owned).
    """

    bucket: str
    stack: str
    status: str
    owned: bool
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty the bucket."""


def decide(sight: Sight) -> Empty | Done | Failed:
    """What to do about a Delete. Refuses what cannot be shown to be the calling stack's."""
    if not sight.owned:
        if not sight.exists:
            return Done("the bucket is gone")
        return Failed(f"bucket {sight.bucket} is not a resource of stack {sight.stack}; it is not emptied")
    if sight.status not in GOING:
        return Done(f"stack {sight.stack} lives on ({sight.status}): the bucket is left as it is")
    return Empty()


def gather(request: Request, name: str, bucket: Bucket, stacks: Stacks, resources: Resources) -> Sight:
    """Ask CloudFormation whose the bucket is."""
    stack = stacks.describe(request.stack_id)
    owned = stack is not None and any(
        resource.type == BUCKET_TYPE and resource.physical_id == name
        for resource in resources.resources(request.stack_id)
    )
    return Sight(name, request.stack_name, stack.status if stack else "", owned, owned or bucket.exists())


def empty(bucket: Bucket, left: TimeLeft) -> Outcome:
    """Remove uploads, objects, versions and delete markers, a page at a time, until there are none or time is up.

    Uploads first: one that is completed meanwhile becomes an object, which is removed then.

    Raises:
        Rejected: where S3 keeps something, or still lists what it said it had deleted.
    """
    removed = 0
    previous: object = None
    while uploads := bucket.uploads():
        if uploads == previous:
            raise Rejected(f"S3 still lists the upload of {uploads[0].key!r} after it was aborted")
        for upload in uploads:
            if left() <= 0:
                return Unfinished(f"{removed} removed so far", after=0)
            bucket.abort(upload)
            removed += 1
        previous = uploads
    while versions := bucket.versions():
        if versions == previous:
            raise Rejected(f"S3 still lists {versions[0].key!r} after deleting it; something may be writing into it")
        if left() <= 0:
            return Unfinished(f"{removed} removed so far", after=0)
        bucket.delete(versions)
        removed += len(versions)
        previous = versions
    return Done(f"{removed} removed")


@dataclass(frozen=True, slots=True)
class S3Cleaner:
    """The custom resource's step. ``bucket``: opens a bucket by its name and the account that must own it."""

    stacks: Stacks
    resources: Resources
    bucket: Callable[[str, str], Bucket]

    def __call__(self, request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        """Create and Update only check the property; Delete empties what may be emptied."""
        name = request.text("Bucket", "BucketName")
        if request.type is not RequestType.DELETE:
            return Done()
        bucket = self.bucket(name, request.account)
        decision = decide(gather(request, name, bucket, self.stacks, self.resources))
        if not isinstance(decision, Empty):
            return decision
        try:
            return empty(bucket, left)
        except Gone:
            return Done("the bucket is gone")
