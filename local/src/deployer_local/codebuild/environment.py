"""The environment of a build: CodeBuild's variables, the project's, the action's, the buildspec's, and nothing else.

Precedence as documented: the action over the project over the buildspec; CodeBuild's own last. The host contributes
PATH, so that its tools are found, and what the engine's owner passes in; never the host's other variables.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .buildspec import Buildspec
from .records import Build


class VariableError(Exception):
    """A variable cannot be given its value."""


def values(spec: Buildspec, declared: Iterable[Mapping[str, str]], ssm: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the user's variables and, of those, the secret values; raises VariableError.

    ``declared`` holds CodeBuild's ``{name, value, type}``, the weakest first.
    """
    found = dict(spec.variables)
    parameters = dict(spec.parameter_store)
    for variable in declared:
        name, value, kind = variable["name"], str(variable["value"]), variable.get("type", "PLAINTEXT")
        found.pop(name, None)
        parameters.pop(name, None)
        if kind == "PLAINTEXT":
            found[name] = value
        elif kind == "PARAMETER_STORE":
            parameters[name] = value
        else:
            raise VariableError(f"{name}: variables of type {kind} are not served by this engine")
    hidden = {}
    for name, parameter in parameters.items():
        try:
            answer = ssm.get_parameter(Name=parameter, WithDecryption=True)
        except (ClientError, BotoCoreError) as error:
            raise VariableError(f"{name}: parameter {parameter}: {error}") from error
        hidden[name] = answer["Parameter"]["Value"]
    return found | hidden, tuple(hidden.values())


def builtin(build: Build, arns: Mapping[str, str], image: str, region: str, root: Path) -> dict[str, str]:
    """CodeBuild's own variables; ``arns`` has ``project``, ``build`` and ``key``, ``root`` is the build's directory."""
    stream = build.uuid
    found = {
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "CI": "true",
        "CODEBUILD_BUILD_ARN": arns["build"],
        "CODEBUILD_BUILD_ID": build.id,
        "CODEBUILD_BUILD_IMAGE": image,
        "CODEBUILD_BUILD_NUMBER": str(build.number),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_INITIATOR": build.initiator,
        "CODEBUILD_KMS_KEY_ID": arns["key"],
        "CODEBUILD_LOG_PATH": stream,
        "CODEBUILD_PROJECT_ARN": arns["project"],
        "CODEBUILD_SRC_DIR": str(root / "src"),
        "CODEBUILD_SOURCE_VERSION": build.source_version,
        "CODEBUILD_START_TIME": str(int(build.started * 1000)),
    }
    if build.resolved_version:
        found["CODEBUILD_RESOLVED_SOURCE_VERSION"] = build.resolved_version
    return found


def clean(root: Path) -> dict[str, str]:
    """The few variables that any program needs."""
    return {
        "HOME": str(root / "home"),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TMPDIR": str(root / "tmp"),
    }
