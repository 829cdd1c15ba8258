"""Tells the bus what CloudFormation tells EventBridge: each status change of a stack.

Only the stack itself is announced, never its resources. Shape:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from . import emulator
from .activity import EVERYTHING
from .bus import Bus
from .host import Host

SOURCE = "aws.cloudformation"
DETAIL_TYPE = "CloudFormation Stack Status Change"
STACK = "AWS::CloudFormation::Stack"


def install(bus: Bus, told: Callable[[str, str], None]) -> Callable[[Host], None]:
    """Extension for `Host`: announce every stack status on `bus`, after the state it reports is visible.

    `told` gets the stack's ARN and status too, on the serving loop, and whatever the bus loses: CodePipeline knows of
    its stacks without EventBridge.
    """

    def extend(host: Host) -> None:
        stacks = emulator.module("services.cloudformation.stacks")

        def announce(stack_id: str, status: str, reason: str, token: str) -> None:
            told(stack_id, status)
            bus.emit(SOURCE, DETAIL_TYPE, _detail(stack_id, status, reason, token), [stack_id])

        def announcing(original: Callable[..., None]) -> Callable[..., None]:
            signature = inspect.signature(original)

            def add_event(*arguments: Any, **named: Any) -> None:
                original(*arguments, **named)
                host.activity.touch(EVERYTHING)
                event = signature.bind(*arguments, **named).arguments
                if event["resource_type"] == STACK and event.get("physical_id") == event["stack_id"]:
                    token = stacks.CLIENT_REQUEST_TOKEN.get()
                    # Some callers set the stack's status only after its event: the loop gets there first.
                    host.post(partial(announce, event["stack_id"], event["status"], event.get("reason", ""), token))

            return add_event

        emulator.wrap(stacks, "_add_event", announcing)

    return extend


def _detail(stack_id: str, status: str, reason: str, token: str) -> dict[str, Any]:
    return {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": token,
    }
