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
from botocore.config import Config

from deployer import settings
from deployer.buckets import Bucket
from deployer.cleanups import Cleaner, SqsQueue
from deployer.deadline import Context
from deployer.observability import traced
from deployer.stacks import CloudFormation
from s3cleaner.cleaning import S3Cleaner

# A call that hangs must leave time to go on later.
_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})


@dataclass(frozen=True)
class Settings:
    """The function's environment."""

    cleanups_queue_url: str


@functools.cache
def _cleaner() -> Cleaner:
    given = settings.load(Settings, os.environ)
    s3 = boto3.client("s3", config=_CONFIG)
    stacks = CloudFormation(boto3.client("cloudformation", config=_CONFIG))
    step = S3Cleaner(stacks, stacks, lambda name, owner: Bucket(s3, name, owner))
    return Cleaner(step, SqsQueue(boto3.client("sqs", config=_CONFIG), given.cleanups_queue_url))


@traced("s3cleaner")
def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
    """Answer a request, or go on with a batch and name the messages that are not done."""
    return _cleaner()(event, context)
