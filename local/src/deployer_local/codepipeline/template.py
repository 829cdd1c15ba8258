"""AWS::CodePipeline::Pipeline properties as the API's declaration.

Pure. The API's shapes lead: a property is the API's member with a capital first letter; the two exceptions
(``ArtifactStores``, ``DisableInboundStageTransitions``) are named here. A property that neither knows is an error.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codepipeline-pipeline.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ServiceError
from .shapes import model

_BESIDE = {"Tags", "RestartExecutionOnUpdate", "DisableInboundStageTransitions"}


def declaration(properties: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return CreatePipeline's input ``{"pipeline": …, "tags": […]}``; UpdatePipeline takes its ``pipeline``.

    ``name`` is used where the template gives none. Raises ServiceError for a property that cannot be mapped.
    """
    inside = {key: value for key, value in properties.items() if key not in _BESIDE}
    inside.setdefault("Name", name)
    if stores := inside.pop("ArtifactStores", None):
        inside["ArtifactStores"] = {store["Region"]: store["ArtifactStore"] for store in stores}
    found: dict[str, Any] = {"pipeline": _structure(inside, model().shape_for("PipelineDeclaration"), "")}
    tags = [{"key": str(tag["Key"]), "value": str(tag["Value"])} for tag in properties.get("Tags", ())]
    if tags:
        found["tags"] = tags
    return found


def _value(value: Any, shape: Any, where: str) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(value, shape, where)
        case "list":
            if not isinstance(value, list):
                raise _wrong(where, "a list")
            return [_value(item, shape.member, where) for item in value]
        case "map":
            if not isinstance(value, Mapping):
                raise _wrong(where, "a map")
            return {str(key): _value(item, shape.value, f"{where}.{key}") for key, item in value.items()}
        case "integer":
            try:
                return int(value)
            except (TypeError, ValueError) as error:
                raise _wrong(where, "a number") from error
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise _wrong(where, "a string")
    return str(value)


def _structure(value: Any, shape: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where or "the pipeline", "an object")
    members = {name[0].upper() + name[1:]: name for name in shape.members}
    found = {}
    for key, item in value.items():
        if key not in members:
            raise ServiceError("ValidationException", f"Encountered unsupported property {where}{key}")
        found[members[key]] = _value(item, shape.members[members[key]], f"{where}{key}.")
    return found


def _wrong(where: str, expected: str) -> ServiceError:
    return ServiceError("ValidationException", f"Value of property {where.rstrip('.')} must be {expected}")
