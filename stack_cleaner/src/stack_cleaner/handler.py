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
from deployer.cleanups import Cleaner, SqsQueue
from deployer.deadline import Context
from deployer.memory import Table
from deployer.observability import traced
from deployer.stacks import CloudFormation
from stack_cleaner.cleaning import StackCleaner

# A call that hangs must leave time to go on later.
_CONFIG = Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2})


@dataclass(frozen=True)
class Settings:
    """The function's environment."""

    cleanups_queue_url: str
    environments_table: str


@functools.cache
def _cleaner() -> Cleaner:
    given = settings.load(Settings, os.environ)
    stacks = CloudFormation(boto3.client("cloudformation", config=_CONFIG))
    memory = Table(boto3.client("dynamodb", config=_CONFIG), given.environments_table)
    step = StackCleaner(stacks, stacks, memory)
    return Cleaner(step, SqsQueue(boto3.client("sqs", config=_CONFIG), given.cleanups_queue_url))


@traced("stack_cleaner")
def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
    """Answer a request, or go on with a batch and name the messages that are not done."""
    return _cleaner()(event, context)
