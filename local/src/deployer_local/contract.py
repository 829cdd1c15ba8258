"""Holds a service that this engine answers for to botocore's model of it: requests, answers, errors.

Always on. An answer that AWS could not have given is a defect of this engine, so it is logged and leaves as
InternalFailure instead of misleading whoever asked. Never fills in or changes a value.

A member that the model does not know is refused in requests too. AWS ignores it, but no client made from the model can
send one: here it is a misspelling, or a feature that this engine lacks, and both are better named.

Source: botocore's service models. What any operation may answer besides its own errors:
https://docs.aws.amazon.com/codepipeline/latest/APIReference/CommonErrors.html, and SerializationException
(https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from .codebuild.errors import ServiceError

log = logging.getLogger(__name__)

BAD_REQUEST = 400
"""The status of every error that an operation declares: the AWS JSON protocol has no other."""
COMMON = {
    "InternalFailure": 500,
    "SerializationException": BAD_REQUEST,
    "ServiceUnavailable": 503,
    "UnknownOperationException": 404,
}
"""The errors that no operation declares, and their HTTP status."""
_COUNTED = {"string", "list", "map", "blob"}


class Contract:
    """The contract of one service; ``invalid`` is the code with which it refuses a request's shape."""

    def __init__(self, service: str, invalid: str = "ValidationException") -> None:
        self._service, self._invalid = service, invalid

    @property
    def model(self) -> Any:
        """The service's model."""
        return _model(self._service)

    def check_request(self, action: str, body: Any) -> None:
        """Raise ServiceError: an unknown action, or one that names every fault."""
        if action not in self.model.operation_names:
            raise ServiceError("UnknownOperationException", f"{self._service} has no operation {action}", 404)
        if not isinstance(body, dict):
            raise ServiceError("SerializationException", "expected a JSON object")
        shape = self.model.operation_model(action).input_shape
        faults = list(faults_of(body, shape)) if shape is not None else []
        if faults:
            count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
            raise ServiceError(self._invalid, f"{count}: {'; '.join(faults)}")

    def check_answer(self, action: str, answer: Any) -> None:
        """Raise ServiceError (InternalFailure) for an answer that the operation can't have."""
        shape = self.model.operation_model(action).output_shape
        faults = list(faults_of(answer, shape)) if shape is not None else [f"{answer} where none is"] * bool(answer)
        if faults:
            raise self._broken(f"the answer of {action} is none of AWS's: {'; '.join(faults)}")

    @contextmanager
    def errors(self, action: str) -> Iterator[None]:
        """Let only those ServiceErrors out that the operation may answer, with the status that they have."""
        try:
            yield
        except ServiceError as error:
            if self.status(action, error.code) != error.status:
                told = f"{action} answers no {error.code} with status {error.status} on AWS: {error.message}"
                raise self._broken(told) from error
            raise

    def status(self, action: str, code: str) -> int | None:
        """The HTTP status of an error of an operation, None where it has no such error."""
        if code in COMMON:
            return COMMON[code]
        known = action in self.model.operation_names
        declared = {shape.name for shape in self.model.operation_model(action).error_shapes} if known else set()
        return BAD_REQUEST if code in declared else None

    def _broken(self, told: str) -> ServiceError:
        log.error("%s: %s", self._service, told)
        return ServiceError("InternalFailure", f"this engine is at fault: {told}", COMMON["InternalFailure"])


@functools.cache
def _model(service: str) -> Any:
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


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
    if shape.type_name == "timestamp" and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield _fault(value, where, "Member must be seconds since the epoch")
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
