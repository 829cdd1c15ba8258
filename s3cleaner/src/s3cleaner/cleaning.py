"""Whether a bucket may be emptied.

``gather`` asks whose the bucket is and what its stack is doing, ``decide`` is a pure function of that, ``emptying``
acts. Never deletes the bucket itself: CloudFormation does, once it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from deployer.buckets import Gone
from deployer.cleanups import Outcome
from deployer.custom_resource import Done, Failed, Request, RequestType
from deployer.deadline import TimeLeft
from deployer.errors import Rejected
from deployer.ports import Stack, StackResource
from deployer.states import GOING
from s3cleaner.emptying import Contents, empty

BUCKET_TYPE = "AWS::S3::Bucket"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Stacks(Protocol):
    """CloudFormation's word about the calling stack."""

    def describe(self, name: str) -> Stack | None: ...


class Resources(Protocol):
    """CloudFormation's word about what belongs to it."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...


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


def gather(request: Request, name: str, exists: Callable[[], bool], stacks: Stacks, resources: Resources) -> Sight:
    """Ask CloudFormation whose the bucket is."""
    stack = stacks.describe(request.stack_id)
    owned = stack is not None and any(
        resource.type == BUCKET_TYPE and resource.physical_id == name
        for resource in resources.resources(request.stack_id)
    )
    return Sight(name, request.stack_name, stack.status if stack else "", owned, owned or exists())


@dataclass(frozen=True, slots=True)
class S3Cleaner:
    """The custom resource's step. ``bucket``: opens a bucket by its name and the account that must own it."""

    stacks: Stacks
    resources: Resources
    bucket: Callable[[str, str], Contents]

    def __call__(self, request: Request, state: Mapping[str, str], left: TimeLeft) -> Outcome:
        """Create and Update only check the property; Delete empties what may be emptied."""
        name = request.text("Bucket", "BucketName")
        if not _NAME.fullmatch(name):
            raise Rejected(f"{request.logical_id}: {name!r} is no bucket's name; refer to the bucket with !Ref")
        if request.type is not RequestType.DELETE:
            return Done()
        contents = self.bucket(name, request.account)
        decision = decide(gather(request, name, contents.bucket.exists, self.stacks, self.resources))
        if not isinstance(decision, Empty):
            return decision
        try:
            return empty(contents, left)
        except Gone:
            return Done("the bucket is gone")
