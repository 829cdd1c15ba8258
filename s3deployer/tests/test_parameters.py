"""UserParameters: what is taken, and what is refused with a word on how to say it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployer.errors import Rejected
from s3deployer.parameters import Invalidation, Parameters, parameters

TAKEN: list[tuple[str, Any, Parameters]] = [
    ("nothing", {}, Parameters()),
    ("bucket", {"bucket": "b"}, Parameters(bucket="b")),
    ("output", {"output": "SiteBucket"}, Parameters(output="SiteBucket")),
    ("outputs", {"outputs": "stack.json"}, Parameters(outputs="stack.json")),
    ("prefix", {"prefix": "a/b/"}, Parameters(prefix="a/b")),
    ("strip", {"strip": 2}, Parameters(strip=2)),
    ("delete", {"delete": True}, Parameters(delete=True)),
    (
        "cacheControl keeps its order",
        {"cacheControl": {"*.png": "max-age=60", "*": ""}},
        Parameters(cache_control=(("*.png", "max-age=60"), ("*", ""))),
    ),
    (
        "headers in any case",
        {"headers": {"*.gz.js": {"content-encoding": "gzip"}, "*": {"X-Amz-Meta-Team": "web"}}},
        Parameters(headers=(("*.gz.js", (("Content-Encoding", "gzip"),)), ("*", (("team", "web"),)))),
    ),
    ("invalidate", {"invalidate": True}, Parameters(invalidate=Invalidation("DistributionId"))),
    ("invalidate not", {"invalidate": False}, Parameters()),
    ("invalidate by id", {"invalidate": "E2EXAMPLE"}, Parameters(invalidate=Invalidation("E2EXAMPLE"))),
    (
        "invalidate some",
        {"invalidate": {"paths": ["/docs/*"]}},
        Parameters(invalidate=Invalidation("DistributionId", ("/docs/*",))),
    ),
    (
        "invalidate some of one",
        {"invalidate": {"distribution": "Cdn", "paths": []}},
        Parameters(invalidate=Invalidation("Cdn")),
    ),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_user_parameters(given: Any, expected: Parameters) -> None:
    assert parameters(json.dumps(given)) == expected


@pytest.mark.parametrize("text", ["", "  "], ids=["none", "blank"])
def test_no_user_parameters(text: str) -> None:
    assert parameters(text) == Parameters()


def header(name: str) -> dict[str, Any]:
    return {"headers": {"*": {name: "x"}}}


REFUSED: list[tuple[Any, str]] = [
    (["b"], "JSON object"),
    ({"buckit": "b", "purge": True}, "unknown buckit, purge; known are bucket, cacheControl, delete"),
    ({"bucket": 7}, "bucket must be text"),
    ({"prefix": None}, "prefix must be text"),
    ({"bucket": "b", "output": "o"}, "keep one"),
    ({"prefix": "/abs"}, "plain relative path"),
    ({"prefix": "a/../b"}, "plain relative path"),
    ({"prefix": "a//b"}, "plain relative path"),
    ({"strip": "1"}, "number of folders"),
    ({"strip": -1}, "number of folders"),
    ({"strip": True}, "number of folders"),
    ({"delete": "yes"}, "true or false"),
    ({"cacheControl": "no-cache"}, "pattern -> value"),
    ({"cacheControl": {"": "no-cache"}}, "pattern -> value"),
    ({"cacheControl": {"*": 60}}, "printable ASCII"),
    ({"cacheControl": {"*": "no-cache\r\nX: y"}}, "printable ASCII"),
    ({"headers": {"*": "x"}}, "name -> value"),
    ({"headers": {"*": {"Content-Language": "dé"}}}, "printable ASCII"),
    (header("Cache-Control"), "cacheControl"),
    (header("Strict-Transport-Security"), "CloudFront adds"),
    (header("x-amz-meta-"), "S3 keeps no header"),
    (header("x-amz-meta-a b"), "S3 keeps no header"),
    (header("x-amz-meta-content-type"), "S3 keeps no header"),
    (header("x-amz-acl"), "S3 keeps no header"),
    ({"invalidate": ""}, "invalidate must be"),
    ({"invalidate": 1}, "invalidate must be"),
    ({"invalidate": {"distribution": ""}}, "invalidate must be"),
    ({"invalidate": {"paths": ["docs/*"]}}, "invalidate must be"),
    ({"invalidate": {"paths": "/*"}}, "invalidate must be"),
    ({"invalidate": {"id": "E2EXAMPLE"}}, "invalidate must be"),
]


@pytest.mark.parametrize(("given", "why"), REFUSED, ids=[json.dumps(given)[:50] for given, _ in REFUSED])
def test_user_parameters_that_are_refused(given: Any, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        parameters(json.dumps(given))


def test_user_parameters_that_are_no_json() -> None:
    with pytest.raises(Rejected, match="not JSON"):
        parameters("site-bucket")
