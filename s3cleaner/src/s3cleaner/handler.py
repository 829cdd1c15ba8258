"""Lambda's entry: CloudFormation's requests and the messages of the function's own cleanups queue.

The one place that builds the real clients.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from deployer import settings
from deployer.buckets import Bucket
from deployer.cleanups import Cleaner, SqsQueue
from deployer.deadline import Context
from deployer.objects import Objects
from deployer.observability import traced
from deployer.stacks import CloudFormation
from s3cleaner.cleaning import S3Cleaner
from s3cleaner.emptying import Contents

# A call that hangs must leave time to go on later.
_CONFIG = Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2})


@dataclass(frozen=True)
class Settings:
    """The function's environment."""

    cleanups_queue_url: str


def session() -> boto3.Session:
    """Dates in answers stay text: nobody here reads one, and they are half of what a listing of versions costs.

    The hook that the AWS CLI uses: https://github.com/boto/botocore/pull/386
    """
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return boto3.Session(botocore_session=core)


class Buckets:
    """Opens buckets by both ways in."""

    def __init__(self, aws: boto3.Session) -> None:
        self._s3 = aws.client("s3", config=_CONFIG)

    def open(self, name: str, owner: str) -> Contents:
        """A bucket. ``owner``: the account that must own it, 12 digits; S3 refuses another's."""
        return Contents(Bucket(self._s3, name, owner), Objects(name, owner))


@functools.cache
def _cleaner() -> Cleaner:
    given = settings.load(Settings, os.environ)
    aws = session()
    stacks = CloudFormation(aws.client("cloudformation", config=_CONFIG))
    queue = SqsQueue(aws.client("sqs", config=_CONFIG), given.cleanups_queue_url)
    return Cleaner(S3Cleaner(stacks, stacks, Buckets(aws).open), queue)


@traced("s3cleaner")
def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
    """Answer a request, or go on with a batch and name the messages that are not done."""
    return _cleaner()(event, context)
