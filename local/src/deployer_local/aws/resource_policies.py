"""Whether a resource's policy lets a service of AWS use it on behalf of another resource.

ministack evaluates policies; this asks it for what it checks only when it authenticates everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import emulator


def allows(policy: str | Mapping[str, Any] | None, principal: str, action: str, resource: str, source: str) -> bool:
    """Whether `policy` of `resource` lets the service `principal` do `action` for the ARN `source`."""
    if not policy:
        return False
    evaluator = emulator.module("core.iam_evaluator")
    context = evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=emulator.REGION,
        secure_transport=True,
        service_context={"aws:sourcearn": source, "aws:sourceaccount": emulator.ACCOUNT},
    )
    return bool(evaluator.evaluate_resource_policy(policy, context, service=principal).decision == "Allow")
