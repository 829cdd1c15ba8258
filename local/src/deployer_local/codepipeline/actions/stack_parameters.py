"""ParameterOverrides of a CloudFormation action: literal values, Fn::GetArtifactAtt, Fn::GetParam.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-parameter-override-functions.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from deployer_local.codepipeline.records import Artifact

from .artifacts import read_file


class ParameterError(Exception):
    """An override cannot be understood or found."""


def override(s3: Any, text: str, inputs: Iterable[Artifact]) -> dict[str, str]:
    """The overrides as CloudFormation parameters; raises ParameterError, ArtifactError."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParameterError(f"ParameterOverrides is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ParameterError("ParameterOverrides must be a JSON object")
    artifacts = {artifact.name: artifact for artifact in inputs}
    return {name: _value(s3, name, value, artifacts) for name, value in found.items()}


def _value(s3: Any, name: str, value: Any, artifacts: dict[str, Artifact]) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            return ",".join(str(item) for item in value)
        case {"Fn::GetArtifactAtt": [str(artifact), str(attribute)]} if artifact in artifacts:
            place = artifacts[artifact]
            known = {
                "BucketName": place.bucket,
                "ObjectKey": place.key,
                "URL": f"https://{place.bucket}.s3.amazonaws.com/{place.key}",
            }
            if attribute in known:
                return known[attribute]
        case {"Fn::GetParam": [str(artifact), str(path), str(key)]} if artifact in artifacts:
            try:
                document = json.loads(read_file(s3, artifacts[artifact], path))
            except json.JSONDecodeError as error:
                raise ParameterError(f"ParameterOverrides: {name}: {artifact}::{path} is not JSON: {error}") from error
            if isinstance(document, dict) and key in document:
                return str(document[key])
    raise ParameterError(f"ParameterOverrides: {name}: cannot resolve {json.dumps(value)}")
