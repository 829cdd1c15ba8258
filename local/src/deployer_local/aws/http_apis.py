"""HTTP APIs as API Gateway serves them: at an address that resolves here, and only with permission to invoke.

ministack names an API by a host name that no resolver on a laptop knows; here its endpoint is a path of the engine's
own address. And it invokes a function whether or not its policy lets API Gateway; AWS answers 500 then.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
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

TYPE = "AWS::ApiGatewayV2::Api"
PRINCIPAL = "apigateway.amazonaws.com"
INTERNAL_ERROR = (500, {"Content-Type": "application/json"}, json.dumps({"message": "Internal Server Error"}).encode())


def install(host: Host) -> None:
    """Extension for `Host`."""
    gateway = emulator.module("services.apigateway")
    resource = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[TYPE]

    def at_home(api_id: str) -> str:
        record = gateway._apis[api_id]
        if record.get("protocolType") == "HTTP":
            record["apiEndpoint"] = f"{host.server.url}/_aws/execute-api/{api_id}"
        return str(record["apiEndpoint"])

    def addressed(original: Callable[..., tuple[str, dict[str, str]]]) -> Callable[..., tuple[str, dict[str, str]]]:
        def make(*arguments: Any) -> tuple[str, dict[str, str]]:
            api_id, attributes = original(*arguments)
            return api_id, {**attributes, "ApiEndpoint": at_home(api_id)}

        return make

    def creating(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def create(data: dict[str, Any]) -> Any:
            status, headers, body = original(data)
            if status < 300:
                answer = json.loads(body)
                body = json.dumps({**answer, "apiEndpoint": at_home(answer["apiId"])}).encode()
            return status, headers, body

        return create

    resource["create"] = addressed(resource["create"])
    resource["update"] = addressed(resource["update"])
    emulator.wrap(gateway, "_create_api", creating)
    emulator.wrap(gateway, "_invoke_lambda_proxy", _permitted_only)


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
