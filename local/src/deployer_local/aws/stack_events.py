"""Tells the bus what CloudFormation tells EventBridge: each status change of a stack.

Only the stack itself is announced, never its resources. Shape:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from . import emulator
from .bus import Bus
from .host import Host

SOURCE = "aws.cloudformation"
DETAIL_TYPE = "CloudFormation Stack Status Change"
STACK = "AWS::CloudFormation::Stack"


def install(bus: Bus) -> Callable[[Host], None]:
    """Extension for `Host`: announce every stack status on `bus`, after the state it reports is visible."""

    def extend(host: Host) -> None:
        stacks = emulator.module("services.cloudformation.stacks")

        def announcing(original: Callable[..., None]) -> Callable[..., None]:
            signature = inspect.signature(original)

            def add_event(*arguments: Any, **named: Any) -> None:
                original(*arguments, **named)
                host.activity.touch()
                event = signature.bind(*arguments, **named).arguments
                if event["resource_type"] == STACK and event.get("physical_id") == event["stack_id"]:
                    token = stacks.CLIENT_REQUEST_TOKEN.get()
                    detail = _detail(event["stack_id"], event["status"], event.get("reason", ""), token)
                    # Some callers set the stack's status only after its event: the loop gets there first.
                    host.post(lambda: bus.emit(SOURCE, DETAIL_TYPE, detail, [event["stack_id"]]))

            return add_event

        emulator.wrap(stacks, "_add_event", announcing)

    return extend


def _detail(stack_id: str, status: str, reason: str, token: str) -> dict[str, Any]:
    return {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": token,
    }
