"""HTTP APIs as strictly as API Gateway serves them: at their stages alone, and a function only with its permission.

ministack invokes a function whether or not its policy lets API Gateway; AWS answers 500 then. It takes every API for
one that has the stage `$default`; AWS answers 404 where there is no such stage.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from . import emulator
from .host import Host
from .resource_policies import allows

log = logging.getLogger(__name__)

PRINCIPAL = "apigateway.amazonaws.com"
INTERNAL_ERROR = (500, {"Content-Type": "application/json"}, json.dumps({"message": "Internal Server Error"}).encode())


def install(_host: Host) -> None:
    """Extension for `Host`."""
    gateway = emulator.module("services.apigateway")
    emulator.wrap(gateway, "_invoke_lambda_proxy", _permitted_only)
    emulator.wrap(gateway, "_handle_execute_in_scope", _at_a_stage_only)


def _at_a_stage_only(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute(api_id: str, stage: str, *rest: Any, **options: Any) -> Any:
        gateway = emulator.module("services.apigateway")
        if stage not in gateway._stages.get(api_id, {}):
            return gateway._http_api_not_found()
        return await original(api_id, stage, *rest, **options)

    return execute


def _permitted_only(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def invoke(integration: dict[str, Any], api_id: str, stage: str, *rest: Any, **options: Any) -> Any:
        functions, gateway = emulator.module("services.lambda_svc"), emulator.module("services.apigateway")
        reference = gateway._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
        function, _, _ = functions._get_func_record_for_ref(reference)
        route = str(options.get("route_key") or (rest[5] if len(rest) > 5 else "$default"))
        if function is not None and not permits(function.get("policy"), api_id, stage, route):
            log.warning("no permission: the policy of %s does not let %s invoke it", reference, PRINCIPAL)
            return INTERNAL_ERROR
        return await original(integration, api_id, stage, *rest, **options)

    return invoke


def permits(policy: Any, api_id: str, stage: str, route: str) -> bool:
    """Whether the function's `policy` lets the route (`POST /webhook`) of the API invoke it."""
    method, _, path = route.partition(" ")
    source = f"arn:aws:execute-api:{emulator.REGION}:{emulator.ACCOUNT}:{api_id}/{stage}/{method}{path}"
    statements = [{**each, "Resource": "*"} for each in (policy or {}).get("Statement", [])]
    return allows({"Statement": statements}, PRINCIPAL, "lambda:InvokeFunction", "*", source)
