"""The function's entry point: a route's handler for each route of `deploy/deploy.yaml`, JSON in every answer.

The event is API Gateway's payload 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from api.greetings import LANGUAGES, greet

Event = Mapping[str, Any]
Answer = tuple[int, Mapping[str, Any]]
# What `stamp.py` wrote during the build.
BUILD = Path(__file__).with_name("build.json")


def about(_event: Event) -> Answer:
    """Which commit of which branch answers here, and as what."""
    build = json.loads(BUILD.read_text()) if BUILD.exists() else {"branch": "local", "commit": "a working copy"}
    return 200, {"service": "http-api", "stage": os.environ.get("STAGE", "local"), **build}


def greeting(event: Event) -> Answer:
    """A greeting, in the language of the query."""
    language = event.get("queryStringParameters", {}).get("language", "en")
    if language not in LANGUAGES:
        return 400, {"error": f"language must be one of {', '.join(LANGUAGES)}"}
    return 200, {"greeting": greet(event["pathParameters"]["name"], language)}


ROUTES: Mapping[str, Callable[[Event], Answer]] = {"GET /": about, "GET /greetings/{name}": greeting}


def handler(event: Event, _context: object) -> dict[str, Any]:
    """Lambda's entry point."""
    status, body = ROUTES[event["routeKey"]](event)
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body, ensure_ascii=False),
    }
