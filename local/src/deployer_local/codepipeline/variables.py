"""``#{namespace.name}`` in action configurations.

Pure. Namespaces: ``codepipeline`` (PipelineExecutionId), ``variables`` (the pipeline's own), and each action's
``namespace`` once the action has succeeded.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .machine import Status
from .records import Run

_REFERENCE = re.compile(r"#\{([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_-]+)\}")


class UnresolvedVariableError(Exception):
    """A reference names something that no action produced."""


def namespaces(run: Run) -> dict[str, dict[str, str]]:
    """Every variable that the run knows now."""
    found: dict[str, dict[str, str]] = {
        "codepipeline": {"PipelineExecutionId": run.id},
        "variables": dict(run.variables),
    }
    for attempt in run.executions:
        namespace = run.declared(attempt.stage, attempt.action).get("namespace")
        if namespace and attempt.status is Status.SUCCEEDED:
            found[namespace] = dict(attempt.variables)
    return found


def resolve(configuration: Mapping[str, str], known: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The configuration with every reference replaced; raises UnresolvedVariableError."""

    def value(match: re.Match[str]) -> str:
        namespace, name = match.groups()
        try:
            return known[namespace][name]
        except KeyError as error:
            raise UnresolvedVariableError(
                f"An action configuration value references {match.group(0)}, which no earlier action has produced"
            ) from error

    return {key: _REFERENCE.sub(value, text) for key, text in configuration.items()}
