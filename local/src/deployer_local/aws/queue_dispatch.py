"""SQS to Lambda as AWS dispatches it: FIFO groups in parallel, order within each, partial batch failures honoured.

ministack's poller finds the work; this decides which messages make a batch and what its answer means. A FIFO batch
holds messages of one group, and a group has one batch in flight, so groups overlap and a failing head blocks only its
own. (AWS may also mix groups in a batch; here it never does.)
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host
from .serving import ServingError

log = logging.getLogger(__name__)

FIFO_CONCURRENCY = 1000
"""Batches in flight for one FIFO mapping: AWS allows one for each active group, up to the account's concurrency."""

Message = dict[str, Any]


def install(host: Host) -> None:
    """Extension for `Host`: dispatch FIFO groups in parallel and read batch answers as AWS does."""
    functions, queues = emulator.module("services.lambda_svc"), emulator.module("services.sqs")
    # A wake-up that found nothing delays the next one; the loopback engine has no tenants to protect.
    functions._ESM_IDLE_WAKE_GAP_SECONDS = 0.002

    def concurrency(original: Callable[..., int]) -> Callable[..., int]:
        def allowed(mapping: Any, function: Any, config: Any, queue: Any = None) -> int:
            if not (queue or {}).get("is_fifo"):
                return original(mapping, function, config, queue)
            reserved = functions._reserved_concurrency(function, config)
            limit = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency") or FIFO_CONCURRENCY
            return int(limit if reserved is None else min(limit, reserved))

        return allowed

    def receiving(original: Callable[..., list[Message]]) -> Callable[..., list[Message]]:
        def receive(queue_url: str, most: int) -> list[Message]:
            queue = queues._get_q(queue_url)
            if queue["is_fifo"]:
                return _one_group(queues, queue, min(int(most or 1), 10))
            return original(queue_url, most)

        # On the serving loop, where senders append: ministack replaces the list of messages, and one that arrives
        # meanwhile would be lost.
        return lambda queue_url, most: _in_scope(host, lambda: receive(queue_url, most))

    def running(_original: Callable[..., None]) -> Callable[..., None]:
        def run(mapping: Any, function: Any, event: Any, batch: list[Message], *place: str) -> None:
            queue_url = place[0]
            result = functions._execute_function(function, event)
            failed = failures(result, mapping.get("FunctionResponseTypes") or [], [m["id"] for m in batch])
            if failed:
                log.info("%s: %d of %d messages failed", mapping["FunctionName"], len(failed), len(batch))
            queues._delete_messages_for_esm(
                queue_url, {m["receipt_handle"] for m in batch if m["id"] not in failed and m.get("receipt_handle")}
            )
            mapping["LastProcessingResult"] = "FAILED" if result.get("error") else "OK"

        return run

    emulator.wrap(functions, "_sqs_esm_concurrency", concurrency)
    emulator.wrap(queues, "_receive_messages_for_esm", receiving)
    emulator.wrap(queues, "_delete_messages_for_esm", deleting_on(host))
    emulator.wrap(functions, "_run_sqs_batch", running)


def deleting_on(host: Host) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Delete messages on the serving loop, if there still is one."""

    def deleting(original: Callable[..., None]) -> Callable[..., None]:
        def delete(queue_url: str, handles: Any) -> None:
            try:
                _in_scope(host, lambda: original(queue_url, handles))
            except ServingError:
                # The engine was stopped meanwhile: the next one shows the message again, as SQS may.
                log.info("a message was handled too late to be deleted")

        return delete

    return deleting


def failures(result: dict[str, Any], response_types: list[str], batch: list[str]) -> set[str]:
    """The ids of `batch` that stay in the queue after the function answered `result`.

    All of them when the function failed, or when the answer names no, an empty or a foreign id: AWS treats such an
    answer as a complete failure. None when the mapping does not ask for partial answers.
    """
    if result.get("error"):
        return set(batch)
    if "ReportBatchItemFailures" not in response_types:
        return set()
    body = result.get("body")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return set(batch)
    if body is None:
        return set()
    items = body.get("batchItemFailures") if isinstance(body, dict) else [None]
    if not items:
        return set()
    try:
        named = {item["itemIdentifier"] for item in items if item is not None} or {""}
    except (TypeError, KeyError):
        return set(batch)
    return named if named <= set(batch) else set(batch)


def _one_group(queues: Any, queue: dict[str, Any], most: int) -> list[Message]:
    """The next messages of the first group that has no message in flight."""
    queues._expire_retained(queue)
    queues._dlq_sweep(queue)
    now = time.time()
    messages: list[Message] = queue["messages"]
    for message in messages:
        queues._ensure_msg_fields(message)
    in_flight = {m["group_id"] for m in messages if m["visible_at"] > now and m["receive_count"] > 0}
    head = next((m for m in messages if m["visible_at"] <= now and m["group_id"] not in in_flight), None)
    if head is None:
        return []
    group = {"messages": [m for m in messages if m["group_id"] == head["group_id"]]}
    visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
    return list(queues._collect_fifo(group, most, visibility, now))


def _in_scope(host: Host, action: Callable[[], Any]) -> Any:
    """Run `action` on the serving loop under this thread's account and region."""
    responses = emulator.module("core.responses")
    account, region = responses.get_account_id(), responses.get_region()

    def scoped() -> Any:
        host.activity.touch("sqs")
        with responses.request_scope(account, region):
            return action()

    return host.run(scoped)
