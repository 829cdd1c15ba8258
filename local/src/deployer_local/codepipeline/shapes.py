"""Checks values against botocore's model of the API: types, required members, lengths, enums, patterns.

Pure after the model was read once. Never fills in or changes a value.

Source: botocore's ``codepipeline`` 2015-07-09 service model.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from .errors import ServiceError

_COUNTED = {"string", "list", "map", "blob"}


@functools.cache
def model(service: str = "codepipeline") -> Any:
    """The service model, read once."""
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def check_request(action: str, body: Any) -> None:
    """Raise ServiceError: an unknown action, or a ValidationException that names every fault."""
    if action not in model().operation_names:
        raise ServiceError("UnknownOperationException", f"CodePipeline has no operation {action}")
    if not isinstance(body, dict):
        raise ServiceError("SerializationException", "expected a JSON object")
    faults = list(faults_of(body, model().operation_model(action).input_shape))
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
        raise ServiceError("ValidationException", f"{count}: {'; '.join(faults)}")


def faults_of(value: Any, shape: Any) -> Iterator[str]:
    """Everything in ``value`` that ``shape`` does not allow, each in one sentence."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        yield report.generate_report().replace("\n", ", ")
        return
    yield from _constraints(value, shape, "")


def _constraints(value: Any, shape: Any, where: str) -> Iterator[str]:
    limits = shape.metadata
    size = len(value) if shape.type_name in _COUNTED else value
    if "max" in limits and size > limits["max"]:
        yield _fault(value, where, f"Member must have length or value less than or equal to {limits['max']}")
    if "enum" in limits and value not in limits["enum"]:
        yield _fault(value, where, f"Member must satisfy enum value set: {limits['enum']}")
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield _fault(value, where, f"Member must satisfy regular expression pattern: {limits['pattern']}")
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _constraints(member, shape.members[name], f"{where}.{name}".lstrip("."))
    elif shape.type_name == "list":
        for number, member in enumerate(value, 1):
            yield from _constraints(member, shape.member, f"{where}.{number}.member")
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _constraints(key, shape.key, f"{where}.key")
            yield from _constraints(member, shape.value, f"{where}.{key}")


def _fault(value: Any, where: str, constraint: str) -> str:
    shown = "" if isinstance(value, dict | list) else f"'{value}' "
    return f"Value {shown}at '{where}' failed to satisfy constraint: {constraint}"
