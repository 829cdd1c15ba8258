"""The API: a function behind one route that takes everything.

The event is API Gateway's payload 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from shared.catalogue import PRODUCTS
from shared.stamp import commit


def answer(path: str) -> tuple[int, Any]:
    """What is at a path."""
    match path:
        case "/":
            return 200, {"service": "api", "stage": os.environ.get("STAGE", "local"), "commit": commit()}
        case "/products":
            return 200, [{"name": product.name, "price": product.price} for product in PRODUCTS]
    return 404, {"error": f"nothing is at {path}"}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Lambda's entry point."""
    status, body = answer(event["rawPath"])
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
