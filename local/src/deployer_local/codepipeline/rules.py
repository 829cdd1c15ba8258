"""What a pipeline's declaration must satisfy beyond its shape.

Pure. First AWS's own rules, then this engine's limits: what it would not honour and what changes a result is refused
here, when the pipeline is created; what changes nothing is listed by ``remarks``.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ServiceError


@dataclass(frozen=True)
class ActionType:
    """What an action type takes: configuration keys, and (fewest, most) artifacts."""

    required: frozenset[str]
    optional: frozenset[str]
    inputs: tuple[int, int]
    outputs: tuple[int, int]


def _type(required: str, optional: str, inputs: tuple[int, int], outputs: tuple[int, int]) -> ActionType:
    return ActionType(frozenset(required.split()), frozenset(optional.split()), inputs, outputs)


ACTION_TYPES: Mapping[tuple[str, str], ActionType] = {
    ("Source", "S3"): _type("S3Bucket S3ObjectKey", "PollForSourceChanges AllowOverrideForS3ObjectKey", (0, 0), (1, 1)),
    ("Build", "CodeBuild"): _type("ProjectName", "PrimarySource EnvironmentVariables", (1, 5), (0, 1)),
    ("Test", "CodeBuild"): _type("ProjectName", "PrimarySource EnvironmentVariables", (1, 5), (0, 1)),
    ("Deploy", "CloudFormation"): _type(
        "ActionMode StackName",
        "Capabilities OutputFileName ParameterOverrides RoleArn TemplateConfiguration TemplatePath",
        (0, 10),
        (0, 1),
    ),
    ("Invoke", "Lambda"): _type("FunctionName", "UserParameters", (0, 5), (0, 5)),
    ("Approval", "Manual"): _type("", "CustomData ExternalEntityLink NotificationArn", (0, 0), (0, 0)),
}
ACTION_MODES = ("CREATE_UPDATE", "REPLACE_ON_FAILURE", "DELETE_ONLY")


def check(declaration: Mapping[str, Any], region: str) -> None:
    """Raise ServiceError for the first rule that ``declaration`` (of valid shape) breaks."""
    _pipeline(declaration, region)
    stages = declaration["stages"]
    if not 2 <= len(stages) <= 50:
        raise _structure(f"Pipeline must have between 2 and 50 stages, found {len(stages)}")
    _unique("stage", (stage["name"] for stage in stages))
    for number, stage in enumerate(stages):
        _stage(stage, first=number == 0)
        for action in stage["actions"]:
            _action(action, region)
    _artifacts(stages)
    _namespaces(stages)


def remarks(declaration: Mapping[str, Any]) -> list[str]:
    """What is accepted and not honoured, one sentence each."""
    found = []
    if declaration.get("artifactStore", {}).get("encryptionKey"):
        found.append("artifactStore.encryptionKey is not honoured: artifacts are not encrypted")
    if declaration.get("triggers"):
        found.append("triggers are not honoured: runs start by StartPipelineExecution")
    for stage in declaration["stages"]:
        for action in stage["actions"]:
            name, configuration = f"{stage['name']}/{action['name']}", action.get("configuration", {})
            if action["actionTypeId"]["provider"] == "S3" and configuration.get("PollForSourceChanges") != "false":
                found.append(f"{name}: PollForSourceChanges is not honoured: the source is not polled")
            if configuration.get("NotificationArn"):
                found.append(f"{name}: NotificationArn is not honoured")
            if "timeoutInMinutes" in action and action["actionTypeId"]["provider"] != "Manual":
                found.append(f"{name}: timeoutInMinutes is honoured for approvals only")
    return found


def _pipeline(declaration: Mapping[str, Any], region: str) -> None:
    mode, kind = declaration.get("executionMode", "SUPERSEDED"), declaration.get("pipelineType", "V1")
    if kind == "V1":
        if mode != "SUPERSEDED":
            raise _structure(f"Execution mode {mode} is only supported for pipelines of type V2")
        for name in ("variables", "triggers"):
            if declaration.get(name):
                raise _structure(f"Pipeline {name} are only supported for pipelines of type V2")
    if ("artifactStore" in declaration) == ("artifactStores" in declaration):
        raise _structure("Pipeline must have either artifactStore or artifactStores, and not both")
    if set(declaration.get("artifactStores", {region: None})) != {region}:
        raise _structure(f"This engine has one region, {region}: artifactStores cannot name another")


def _stage(stage: Mapping[str, Any], *, first: bool) -> None:
    for name in ("onFailure", "onSuccess", "beforeEntry"):
        if name in stage:
            raise ServiceError(
                "InvalidStageDeclarationException",
                f"Stage {stage['name']}: {name} is not served by this engine, and leaving it out would change results",
            )
    if stage.get("blockers"):
        raise ServiceError("InvalidBlockerDeclarationException", f"Stage {stage['name']}: blockers are not served")
    if not 1 <= len(stage["actions"]) <= 50:
        raise ServiceError(
            "InvalidStageDeclarationException", f"Stage {stage['name']} must have between 1 and 50 actions"
        )
    _unique(f"action in stage {stage['name']}", (action["name"] for action in stage["actions"]))
    sources = [action["actionTypeId"]["category"] == "Source" for action in stage["actions"]]
    if first and not all(sources):
        raise _structure("Pipeline should start with a stage that only contains source actions")
    if not first and any(sources):
        raise _structure(f"Stage {stage['name']}: source actions are only allowed in the first stage")


def _action(action: Mapping[str, Any], region: str) -> None:
    kind, configuration = action["actionTypeId"], action.get("configuration", {})
    found = ACTION_TYPES.get((kind["category"], kind["provider"]))
    if found is None or kind["owner"] != "AWS" or kind["version"] != "1":
        named = f"{kind['category']}/{kind['owner']}/{kind['provider']} version {kind['version']}"
        served = ", ".join(f"{category}/AWS/{provider}" for category, provider in ACTION_TYPES)
        raise _wrong(action, f"action type {named} is not served by this engine, which serves {served}")
    if action.get("region", region) != region:
        raise _wrong(action, f"region {action['region']}: this engine has one region, {region}")
    for name in ("commands", "environmentVariables", "outputVariables"):
        if name in action:
            raise _wrong(action, f"{name} belongs to Commands actions, which this engine does not serve")
    if missing := sorted(found.required - set(configuration)):
        raise _wrong(action, f"configuration lacks {', '.join(missing)}")
    if unknown := sorted(set(configuration) - found.required - found.optional):
        raise _wrong(action, f"configuration has keys that are unknown or not served: {', '.join(unknown)}")
    for what, (fewest, most) in (("inputArtifacts", found.inputs), ("outputArtifacts", found.outputs)):
        if not fewest <= len(action.get(what, ())) <= most:
            raise _wrong(action, f"{what} must number {fewest} to {most}, found {len(action.get(what, ()))}")
    if kind["provider"] == "CloudFormation":
        _cloudformation(action, configuration)
    if kind["provider"] == "CodeBuild":
        inputs = [artifact["name"] for artifact in action["inputArtifacts"]]
        if len(inputs) > 1 and "PrimarySource" not in configuration:
            raise _wrong(action, "PrimarySource is needed with more than one input artifact")
        if configuration.get("PrimarySource", inputs[0]) not in inputs:
            raise _wrong(action, f"PrimarySource {configuration['PrimarySource']} is not an input artifact")


def _cloudformation(action: Mapping[str, Any], configuration: Mapping[str, str]) -> None:
    mode = configuration["ActionMode"]
    if mode not in ACTION_MODES:
        raise _wrong(action, f"ActionMode {mode} is not served by this engine, which serves {', '.join(ACTION_MODES)}")
    if mode != "DELETE_ONLY" and not {"TemplatePath", "RoleArn"} <= set(configuration):
        raise _wrong(action, f"ActionMode {mode} needs TemplatePath and RoleArn")
    if ("OutputFileName" in configuration) != bool(action.get("outputArtifacts")):
        raise _wrong(action, "OutputFileName and an output artifact come together")
    inputs = {artifact["name"] for artifact in action.get("inputArtifacts", ())}
    for name in ("TemplatePath", "TemplateConfiguration"):
        artifact, colons, path = configuration.get(name, "::").partition("::")
        if name in configuration and (not colons or not path or artifact not in inputs):
            raise _wrong(action, f"{name} must be InputArtifact::path, found {configuration[name]}")


def _artifacts(stages: Iterable[Mapping[str, Any]]) -> None:
    """Every input was an output of an action that surely ended before; every output has a name of its own."""
    known: set[str] = set()
    for stage in stages:
        orders = sorted({action.get("runOrder", 1) for action in stage["actions"]})
        for order in orders:
            together = [action for action in stage["actions"] if action.get("runOrder", 1) == order]
            for action in together:
                for artifact in action.get("inputArtifacts", ()):
                    if artifact["name"] not in known:
                        raise _structure(
                            f"Stage {stage['name']} action {action['name']}: input artifact {artifact['name']} "
                            "is not the output of an earlier action"
                        )
            for action in together:
                for artifact in action.get("outputArtifacts", ()):
                    if artifact["name"] in known:
                        raise _structure(f"Output artifact name must be unique within the pipeline: {artifact['name']}")
                    known.add(artifact["name"])


def _namespaces(stages: Iterable[Mapping[str, Any]]) -> None:
    names = [action["namespace"] for stage in stages for action in stage["actions"] if "namespace" in action]
    _unique("namespace", names)
    for name in names:
        if name in {"codepipeline", "variables"}:
            raise _structure(f"The namespace {name} is reserved")


def _unique(what: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise _structure(f"Each {what} must have a name of its own, found {name} {times} times")


def _structure(message: str) -> ServiceError:
    return ServiceError("InvalidStructureException", message)


def _wrong(action: Mapping[str, Any], message: str) -> ServiceError:
    return ServiceError("InvalidActionDeclarationException", f"Action {action['name']}: {message}")
