"""Goes on with what a killed engine left half done, as AWS would never leave it.

A deletion and an update of a stack are run again: what is done already is skipped. A creation is rolled back, with the
reason said, because its resources cannot be told from somebody else's. Messages that were being worked on are shown
again at once: whoever had received them ended with the engine. It acts once, when the host starts.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import emulator
from .host import Host
from .stack_events import STACK

log = logging.getLogger(__name__)

REASON = "The engine was stopped during this operation."
SUFFIX = "_IN_PROGRESS"


def install(host: Host) -> None:
    """Extension for `Host`: resume what the last one left."""
    emulator.wrap(emulator.module("services.sqs"), "load_persisted_state", _showing_messages)
    host.after_start(lambda: host.run(_resume_all))


def _showing_messages(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def load(data: Any) -> None:
        original(data)
        now = time.time()
        for queue in emulator.module("services.sqs")._queues._data.values():
            for message in queue.get("messages", ()):
                if message.get("receive_count"):
                    message["visible_at"] = min(message["visible_at"], now)

    return load


def _resume_all() -> None:
    scope = emulator.module("core.responses").request_scope
    records = emulator.module("services.cloudformation")._stacks
    stacks = emulator.module("services.cloudformation.stacks")
    for (account, region, _name), stack in list(records._data.items()):
        if str(stack.get("StackStatus", "")).endswith(SUFFIX):
            log.warning("resuming %s, found in %s", stack["StackName"], stack["StackStatus"])
            with scope(account, region):
                # A task keeps the context it is created in; the list keeps the task alive.
                task = asyncio.get_running_loop().create_task(go_on(stacks, stack))
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()


async def go_on(stacks: Any, stack: dict[str, Any]) -> None:
    """Go on with what `stack` is in the middle of; `stacks` is ministack's module."""
    name, stack_id, status = stack["StackName"], stack["StackId"], stack["StackStatus"]
    if status == "DELETE_IN_PROGRESS":
        await stacks._delete_stack_async(name, stack_id)
    elif status in ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
        await _roll_back_creation(stacks, stack)
    elif status != "REVIEW_IN_PROGRESS":  # which waits for a change set
        await _update_again(stacks, stack)


async def _roll_back_creation(stacks: Any, stack: dict[str, Any]) -> None:
    name, stack_id = stack["StackName"], stack["StackId"]
    _announce(stacks, stack, "ROLLBACK_IN_PROGRESS", REASON)
    failed = []
    for logical_id, resource in reversed(list((stack.get("_resources") or {}).items())):
        arguments = (resource["ResourceType"], resource["PhysicalResourceId"], resource.get("Properties") or {})
        try:
            await asyncio.to_thread(partial(stacks._delete_resource, *arguments, name, logical_id))
            stack["_resources"].pop(logical_id)
        except (ValueError, RuntimeError, TimeoutError) as error:
            log.warning("could not delete %s of %s: %s", logical_id, name, error)
            stacks._add_event(stack_id, name, logical_id, arguments[0], "DELETE_FAILED", str(error), arguments[1])
            failed.append(logical_id)
    if failed:
        reason = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]."
        _announce(stacks, stack, "ROLLBACK_FAILED", reason)
    else:
        _announce(stacks, stack, "ROLLBACK_COMPLETE", "")


async def _update_again(stacks: Any, stack: dict[str, Any]) -> None:
    engine = emulator.module("services.cloudformation.engine")
    given = [{"Key": each["ParameterKey"], "Value": each["ParameterValue"]} for each in stack.get("Parameters") or []]
    template = engine._apply_transforms(engine._parse_template(stack["_template_body"]), given)
    previous = {key: copy.deepcopy(stack[key]) for key in _KEPT if key in stack}
    await stacks._deploy_stack_async(
        stack["StackName"],
        stack["StackId"],
        template,
        engine._resolve_parameters(template, given, stack.get("_resolved_params")),
        False,
        stack.get("Tags") or [],
        is_update=True,
        previous_stack=previous,
    )


_KEPT = (
    "_resources", "_template", "_template_body", "_resolved_params", "_conditions", "Parameters", "Tags", "Outputs",
)  # fmt: skip


def _announce(stacks: Any, stack: dict[str, Any], status: str, reason: str) -> None:
    stack["StackStatus"] = status
    stack["StackStatusReason"] = reason
    stacks._add_event(stack["StackId"], stack["StackName"], stack["StackName"], STACK, status, reason, stack["StackId"])
