"""EventBridge's deliveries as strictly as SQS takes them.

An event reaches a queue only when the queue's policy lets events.amazonaws.com send to it; otherwise it is lost for
that target, silently but for the log, as on AWS for a target without a dead-letter queue.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host
from .resource_policies import allows

log = logging.getLogger(__name__)

PRINCIPAL = "events.amazonaws.com"


def install(_host: Host) -> None:
    """Extension for `Host`."""
    emulator.wrap(emulator.module("services.eventbridge"), "_invoke_target", _allowed_only)


def _allowed_only(original: Callable[..., None]) -> Callable[..., None]:
    def invoke(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:
        arn = str(target.get("Arn", ""))
        if ":sqs:" in arn and not queue_allows(arn, str(rule.get("Arn", ""))):
            log.warning("event lost: the policy of %s does not let %s send to it", arn, PRINCIPAL)
            return
        original(target, event, rule, view)

    return invoke


def queue_allows(queue_arn: str, rule_arn: str) -> bool:
    """Whether the policy of the queue lets the rule send to it."""
    queue = emulator.module("services.sqs")._queue_by_arn(queue_arn)
    policy = (queue or {}).get("attributes", {}).get("Policy")
    return allows(policy, PRINCIPAL, "sqs:SendMessage", queue_arn, rule_arn)
