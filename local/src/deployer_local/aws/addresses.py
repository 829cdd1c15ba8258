"""Addresses that stacks tell lead to this machine: the endpoint of an HTTP API, the website of a bucket.

ministack names both by host names that no resolver on a laptop knows, or that belong to the real AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host

API = "AWS::ApiGatewayV2::Api"
APIS = "/_aws/execute-api/"

Made = tuple[str, dict[str, str]]


def install(website: Callable[[str], str]) -> Callable[[Host], None]:
    """Extension for `Host`. `website`: where the site of a bucket is served."""

    def extend(host: Host) -> None:
        gateway = emulator.module("services.apigateway")
        provisioners = emulator.module("services.cloudformation.provisioners")
        resource = provisioners._RESOURCE_HANDLERS[API]

        def endpoint(api_id: str) -> str:
            record = gateway._apis[api_id]
            if record.get("protocolType") == "HTTP":
                record["apiEndpoint"] = f"{host.server.url}{APIS}{api_id}"
            return str(record["apiEndpoint"])

        def in_stack(original: Callable[..., Made]) -> Callable[..., Made]:
            def make(*arguments: Any) -> Made:
                api_id, attributes = original(*arguments)
                return api_id, {**attributes, "ApiEndpoint": endpoint(api_id)}

            return make

        def over_api(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
            def create(data: dict[str, Any]) -> Any:
                status, headers, body = original(data)
                if status < 300:
                    answer = json.loads(body)
                    body = json.dumps({**answer, "apiEndpoint": endpoint(answer["apiId"])}).encode()
                return status, headers, body

            return create

        def of_bucket(original: Callable[[str], dict[str, str]]) -> Callable[[str], dict[str, str]]:
            return lambda bucket: {**original(bucket), "WebsiteURL": website(bucket)}

        resource["create"] = in_stack(resource["create"])
        resource["update"] = in_stack(resource["update"])
        emulator.wrap(gateway, "_create_api", over_api)
        emulator.wrap(provisioners, "_s3_attrs", of_bucket)
        emulator.wrap(emulator.module("app"), "_parse_execute_api_url", _at_the_root)

    return extend


Place = tuple[str, str, str]


def _at_the_root(original: Callable[[str, str], Place | None]) -> Callable[[str, str], Place | None]:
    """An API's endpoint is an address without a slash behind it, too: what is asked for is `/`."""

    def parse(host: str, path: str) -> Place | None:
        bare = path.startswith(APIS) and "/" not in path.removeprefix(APIS)
        return original(host, f"{path}/" if bare else path)

    return parse
