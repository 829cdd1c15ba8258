"""How AWS hands a webhook to a function: events of API Gateway and of function URLs, every documented field in them.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html (REST API),
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html (HTTP API,
payloads 1.0 and 2.0), https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (function URL)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Event = dict[str, Any]

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
ACCOUNT, API, AGENT, SOURCE = "123456789012", "a1b2c3d4e5", "GitHub-Hookshot/044aadd", "192.0.2.1"
DOMAIN = f"{API}.execute-api.eu-central-1.amazonaws.com"
URL = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws"
TIME, EPOCH = "12/Mar/2020:19:03:58 +0000", 1583348638390


@dataclass(frozen=True)
class Post:
    """A request as it travels: headers in order, repeated ones too, and the bytes of the body.

    ``binary``: whether the endpoint takes this content type for binary, and hands the body over in base64.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes
    binary: bool = False
    method: str = "POST"

    def having(self, name: str, *values: str) -> Post:
        """The same with these values of a header and no others; none: without it."""
        kept = tuple((each, value) for each, value in self.headers if each.lower() != name.lower())
        return replace(self, headers=(*kept, *((name, value) for value in values)))


def sign(body: bytes, secret: str) -> str:
    """``X-Hub-Signature-256``.

    Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(payload: Any, secret: str, event: str = "push", binary: bool = False) -> Post:
    """A webhook as GitHub delivers it; ``payload``: JSON, or bytes as they are.

    Source: https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers
    """
    if isinstance(payload, bytes):
        body = payload
    else:
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    sha1 = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return Post(
        (
            ("Accept", "*/*"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/json"),
            ("Host", DOMAIN),
            ("User-Agent", AGENT),
            ("X-Amzn-Trace-Id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
            ("X-Forwarded-For", SOURCE),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Proto", "https"),
            ("X-GitHub-Delivery", DELIVERY),
            ("X-GitHub-Event", event),
            ("X-GitHub-Hook-ID", "292430182"),
            ("X-GitHub-Hook-Installation-Target-ID", "79929171"),
            ("X-GitHub-Hook-Installation-Target-Type", "repository"),
            ("X-Hub-Signature", f"sha1={sha1}"),
            ("X-Hub-Signature-256", sign(body, secret)),
        ),
        body,
        binary,
    )


def rest_api(post: Post) -> Event:
    """A REST API's: headers as they were sent; of a repeated one ``headers`` has the last, the lists have all."""
    lists: dict[str, list[str]] = {}
    for name, value in post.headers:
        lists.setdefault(name, []).append(value)
    return {
        "resource": "/webhook",
        "path": "/webhook",
        "httpMethod": post.method,
        "headers": dict(post.headers),
        "multiValueHeaders": lists,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": DOMAIN,
            "domainPrefix": API,
            "extendedRequestId": "request-id",
            "httpMethod": post.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": SOURCE,
                "user": None,
                "userAgent": AGENT,
                "userArn": None,
                "clientCert": None,
            },
            "path": "/prod/webhook",
            "protocol": "HTTP/1.1",
            "requestId": "id=",
            "requestTime": TIME,
            "requestTimeEpoch": EPOCH,
            "resourceId": None,
            "resourcePath": "/webhook",
            "stage": "prod",
        },
        "pathParameters": None,
        "stageVariables": None,
        **_body(post),
    }


def http_api_1(post: Post) -> Event:
    """An HTTP API's payload 1.0: as a REST API's, with the names of headers in lower case."""
    lowered = replace(post, headers=tuple((name.lower(), value) for name, value in post.headers))
    return {"version": "1.0", **rest_api(lowered)}


def http_api(post: Post) -> Event:
    """An HTTP API's payload 2.0: names in lower case, repeated headers combined with commas."""
    return _second(post, DOMAIN, account=ACCOUNT, route="POST /webhook", stage="prod", path="/prod/webhook")


def function_url(post: Post) -> Event:
    """A function URL's: payload 2.0 with what a URL that anybody may call has in place of account, route and stage."""
    return _second(post, URL, account="anonymous", route="$default", stage="$default", path="/")


def _second(post: Post, domain: str, *, account: str, route: str, stage: str, path: str) -> Event:
    prefix = domain.partition(".")[0]
    headers: dict[str, str] = {}
    for name, value in post.headers:
        combined = headers.get(name.lower())
        headers[name.lower()] = value if combined is None else f"{combined},{value}"
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "cookies": ["cookie1", "cookie2"],
        "headers": headers,
        "queryStringParameters": {"parameter1": "value1,value2"},
        "requestContext": {
            "accountId": account,
            "apiId": prefix,
            "authentication": None,
            "authorizer": {},
            "domainName": domain,
            "domainPrefix": prefix,
            "http": {
                "method": post.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE,
                "userAgent": AGENT,
            },
            "requestId": "id",
            "routeKey": route,
            "stage": stage,
            "time": TIME,
            "timeEpoch": EPOCH,
        },
        "pathParameters": None,
        "stageVariables": None,
        **_body(post),
    }


def _body(post: Post) -> Event:
    if post.binary:
        return {"body": base64.b64encode(post.body).decode("ascii"), "isBase64Encoded": True}
    return {"body": post.body.decode("utf-8"), "isBase64Encoded": False}


def lists_alone(post: Post) -> Event:
    """A REST API's, were the lists all there is."""
    return {**rest_api(post), "headers": None}


def singles_alone(post: Post) -> Event:
    """A REST API's, were there no lists."""
    return {**rest_api(post), "multiValueHeaders": None}


SHAPES: tuple[Callable[[Post], Event], ...] = (
    http_api,
    rest_api,
    http_api_1,
    function_url,
    lists_alone,
    singles_alone,
)


def as_sent(name: str) -> str:
    """GitHub's own spelling."""
    return name


def mixed(name: str) -> str:
    """``xAmZn``: any other letter."""
    return "".join(each.upper() if place % 2 else each.lower() for place, each in enumerate(name))


CASES: tuple[Callable[[str], str], ...] = (as_sent, str.lower, str.title, str.upper, mixed)


def recased(event: Event, case: Callable[[str], str]) -> Event:
    """The event with every header's name spelt so."""
    changed = {
        part: {case(name): value for name, value in event[part].items()}
        for part in ("headers", "multiValueHeaders")
        if event.get(part)
    }
    return {**event, **changed}
