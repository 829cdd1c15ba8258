"""Event source mappings as strictly as Lambda takes them.

Lambda refuses to poll a queue that the function's role may not read, and one whose visibility timeout is shorter than
the function's timeout: a message would come back while it is still worked on. Streams are refused by name: ministack
would poll them, without Lambda's retries and partial failures.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host
from .permission_checks import POLLING, Check
from .role_policies import held

TYPE = "AWS::Lambda::EventSourceMapping"


class MappingRefusedError(ValueError):
    """The reason CloudFormation shows for the resource."""


def install(_host: Host) -> None:
    """Extension for `Host`: the rule for the API and for stacks."""
    functions = emulator.module("services.lambda_svc")
    reason = emulator.module("services.cloudformation.helpers")._sdk_error
    resource = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[TYPE]
    create_resource = resource["create"]

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def create(data: dict[str, Any]) -> Any:
            problem = mapping_problem(data)
            return functions._invalid_parameter_value(problem) if problem else original(data)

        return create

    def create_strictly(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        if problem := mapping_problem(properties):
            raise MappingRefusedError(reason(problem, "Lambda", 400))
        return create_resource(logical_id, properties, stack_name)

    emulator.wrap(functions, "_create_esm", wrapper)
    resource["create"] = create_strictly


def mapping_problem(mapping: dict[str, Any]) -> str | None:
    """Why `mapping` is refused, or None: no queue, or, in AWS's words, one shown too early again, or not to be read."""
    source = str(mapping.get("EventSourceArn", ""))
    if source and ":sqs:" not in source:
        return f"Only queues are served as event sources by this engine, not {source}"
    queue = emulator.module("services.sqs")._queue_by_arn(source)
    found = emulator.module("services.lambda_svc")._get_func_record_for_ref(str(mapping.get("FunctionName", "")))
    config: dict[str, Any] | None = found[1]
    if queue is None or config is None:
        return None
    visible, timeout = int(queue["attributes"].get("VisibilityTimeout", "30")), int(config.get("Timeout", 3))
    if visible < timeout:
        return f"Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds"
    for action in POLLING:
        answer = held(str(config.get("Role", "")), Check(action, (source,)))
        if answer is not None and not answer[0].allowed:
            said = action.partition(":")[2]
            return f"The provided execution role does not have permissions to call {said} on SQS"
    return None
