"""UserParameters: what a pipeline says of a publication, as typed values.

Pure. CodePipeline takes at most 1,000 characters of it.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployer.errors import Rejected

# What an object may carry beside Cache-Control, which has a parameter of its own.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
_HEADERS = ("Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language")
_METADATA = "x-amz-meta-"
# Names of metadata that the client would take for headers.
_TAKEN = {name.lower() for name in (*_HEADERS, "Cache-Control", "Storage-Class")}
_VALUE = re.compile(r"[ -~]*")
_METADATA_NAME = re.compile(r"[a-z0-9-]+")

Rules = tuple[tuple[str, str], ...]
HeaderRules = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Invalidation:
    """``distribution``: the id of a CloudFront distribution, or the name of the output that holds it.

    ``paths``: as CloudFront takes them, each with a leading slash; empty for all below the prefix.
    """

    distribution: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything may be missing.

    ``bucket``: where to publish, instead of what the outputs say. ``output``: the name of the output that says it.
    ``outputs``: the name of the file with the outputs of the CloudFormation action. ``prefix``: put in front of every
    key, with a slash between. ``strip``: how many folders are taken off the front of each path. ``delete``: remove
    what the archive no longer has. ``cache_control``: pattern -> value, the first that fits counts. ``headers``:
    pattern -> name -> value, all that fit, the later ones first. Metadata is named without its ``x-amz-meta-``.
    """

    bucket: str = ""
    output: str = ""
    outputs: str = "outputs.json"
    prefix: str = ""
    strip: int = 0
    delete: bool = False
    cache_control: Rules = ()
    headers: HeaderRules = ()
    invalidate: Invalidation | None = None


def parameters(text: str) -> Parameters:
    """Read UserParameters.

    Raises:
        Rejected: where it is no JSON object, or has a key or a value that this version does not know.
    """
    if not text.strip():
        return Parameters()
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Rejected(f"UserParameters is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Rejected('UserParameters must be a JSON object such as {"prefix": "docs"}')
    known = ("bucket", "output", "outputs", "prefix", "strip", "delete", "cacheControl", "headers", "invalidate")
    if unknown := sorted(set(given) - set(known)):
        raise Rejected(f"UserParameters: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    bucket, output = _text(given, "bucket"), _text(given, "output")
    if bucket and output:
        raise Rejected("UserParameters: bucket and output both say where to publish; keep one of them")
    return Parameters(
        bucket=bucket,
        output=output,
        outputs=_text(given, "outputs", "outputs.json"),
        prefix=_prefix(_text(given, "prefix")),
        strip=_strip(given),
        delete=_flag(given, "delete"),
        cache_control=tuple((pattern, _value(pattern, value)) for pattern, value in _object(given, "cacheControl")),
        headers=tuple((pattern, _headers(pattern, value)) for pattern, value in _object(given, "headers")),
        invalidate=_invalidation(given.get("invalidate", False)),
    )


def _text(given: Mapping[str, Any], name: str, default: str = "") -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise Rejected(f"UserParameters: {name} must be text")
    return value


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise Rejected(f"UserParameters: {name} must be true or false")
    return value


def _strip(given: Mapping[str, Any]) -> int:
    value = given.get("strip", 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Rejected("UserParameters: strip must be a number of folders")
    return value


def _prefix(given: str) -> str:
    prefix = given.rstrip("/")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise Rejected("UserParameters: prefix must be a plain relative path")
    return prefix


def _object(given: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = given.get(name, {})
    if not isinstance(value, dict) or "" in value:
        raise Rejected(f"UserParameters: {name} must be an object of pattern -> value")
    return list(value.items())


def _value(where: str, value: object) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise Rejected(f"UserParameters: the value for {where!r} must be text of printable ASCII")
    return value


def _headers(pattern: str, given: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, dict):
        raise Rejected(f"UserParameters: headers for {pattern!r} must be an object of name -> value")
    return tuple((_header(name), _value(name, value)) for name, value in given.items())


def _header(name: str) -> str:
    lower = name.lower()
    if lower == "cache-control":
        raise Rejected("UserParameters: Cache-Control has a parameter of its own, cacheControl")
    for known in _HEADERS:
        if lower == known.lower():
            return known
    meta = lower.removeprefix(_METADATA)
    if meta == lower or not _METADATA_NAME.fullmatch(meta) or meta in _TAKEN:
        raise Rejected(
            f"UserParameters: S3 keeps no header {name!r}; it keeps {', '.join(_HEADERS)} and {_METADATA}…. "
            "What else a response should carry, CloudFront adds (a response headers policy)"
        )
    return meta


def _invalidation(given: object) -> Invalidation | None:
    if given is False:
        return None
    if given is True:
        return Invalidation("DistributionId")
    if isinstance(given, str) and given:
        return Invalidation(given)
    if isinstance(given, dict) and set(given) <= {"distribution", "paths"}:
        distribution, paths = given.get("distribution", "DistributionId"), given.get("paths", [])
        if isinstance(distribution, str) and distribution and isinstance(paths, list):
            wrong = [path for path in paths if not isinstance(path, str) or not re.fullmatch(r"/[!-~]*", path)]
            if not wrong:
                return Invalidation(distribution, tuple(paths))
    raise Rejected(
        "UserParameters: invalidate must be true (the output DistributionId), the id of a distribution, the name of an "
        'output, or {"distribution": …, "paths": ["/docs/*"]}'
    )
