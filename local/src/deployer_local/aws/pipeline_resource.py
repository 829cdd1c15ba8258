"""The CloudFormation resource type AWS::CodePipeline::Pipeline, on top of a CodePipeline service.

Ref is the pipeline's name and GetAtt Version its version; a changed Name replaces the pipeline, everything else
updates it in place. This module only calls the service's API, as CloudFormation does.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codepipeline-pipeline.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import emulator
from .host import Host
from .json_services import Body, JsonService

TYPE = "AWS::CodePipeline::Pipeline"

Declaration = Callable[[Body, str], Body]
Physical = tuple[str, dict[str, str]]


class ResourceError(ValueError):
    """What CloudFormation shows as the reason of a failed resource."""


def install(service: JsonService, declaration: Declaration) -> Callable[[Host], None]:
    """Extension for `Host`: register the type.

    `declaration`: template properties and name to CreatePipeline's input.
    """

    def extend(_host: Host) -> None:
        provisioners = emulator.module("services.cloudformation.provisioners")
        stacks = emulator.module("services.cloudformation.stacks")
        provisioners._REPLACING_PROPERTIES[TYPE] = ("Name",)
        provisioners._STACK_TAG_PROPERTY[TYPE] = ("Tags", "list")
        provisioners._RESOURCE_HANDLERS[TYPE] = PipelineResource(service, declaration, provisioners).handlers()
        # The service may call AWS while it answers, which the serving loop must be free for.
        emulator.wrap(
            stacks,
            "_runs_on_worker_thread",
            lambda original: lambda resource_type: resource_type == TYPE or original(resource_type),
        )

    return extend


class PipelineResource:
    """Create, update and delete as ministack's provisioners call them."""

    def __init__(self, service: JsonService, declaration: Declaration, provisioners: Any) -> None:
        self._service = service
        self._declaration = declaration
        self._provisioners = provisioners

    def handlers(self) -> dict[str, Any]:
        """The entry for ministack's table of resource types."""
        return {"create": self.create, "update": self.update, "delete": self.delete}

    def create(self, logical_id: str, properties: Body, stack_name: str) -> Physical:
        """Create the pipeline, which starts its first run, as on AWS."""
        name = properties.get("Name") or self._provisioners._physical_name(stack_name, logical_id, max_len=100)
        answer = self._call("CreatePipeline", self._declared(properties, name))
        self._disable_transitions(name, {}, properties)
        return name, _attributes(answer)

    def update(self, physical_id: str, old: Body, new: Body, _stack_name: str) -> Physical:
        """Update in place; `RestartExecutionOnUpdate` starts a run of the new version."""
        before = self._declared(old, physical_id)["pipeline"]
        after = self._declared(new, physical_id)["pipeline"]
        # An update stops the running execution, so one that changes nothing is not sent.
        if before == after:
            answer = self._call("GetPipeline", {"name": physical_id})
        else:
            answer = self._call("UpdatePipeline", {"pipeline": after})
        self._tag(physical_id, _tags(old), _tags(new))
        self._disable_transitions(physical_id, old, new)
        if before != after and str(new.get("RestartExecutionOnUpdate", "false")).lower() == "true":
            self._call("StartPipelineExecution", {"name": physical_id})
        return physical_id, _attributes(answer)

    def delete(self, physical_id: str, _properties: Body) -> None:
        """Delete the pipeline; one that is gone already is no error."""
        self._call("DeletePipeline", {"name": physical_id})

    def _declared(self, properties: Body, name: str) -> Body:
        try:
            return self._declaration(properties, name)
        except self._service.error as raised:
            raise _refused(raised) from raised

    def _tag(self, name: str, before: list[Body], after: list[Body]) -> None:
        arn = f"arn:aws:codepipeline:{emulator.REGION}:{emulator.ACCOUNT}:{name}"
        gone = [tag["key"] for tag in before if tag["key"] not in {each["key"] for each in after}]
        if gone:
            self._call("UntagResource", {"resourceArn": arn, "tagKeys": gone})
        if after != before and after:
            self._call("TagResource", {"resourceArn": arn, "tags": after})

    def _disable_transitions(self, name: str, old: Body, new: Body) -> None:
        before = {each["StageName"]: each for each in old.get("DisableInboundStageTransitions") or []}
        after = {each["StageName"]: each for each in new.get("DisableInboundStageTransitions") or []}
        common = {"pipelineName": name, "transitionType": "Inbound"}
        for stage in before.keys() - after.keys():
            self._call("EnableStageTransition", {**common, "stageName": stage})
        for stage, each in after.items():
            if before.get(stage) != each:
                self._call("DisableStageTransition", {**common, "stageName": stage, "reason": each["Reason"]})

    def _call(self, action: str, body: Body) -> Body:
        try:
            return self._service.handle(action, body) or {}
        except self._service.error as raised:
            raise _refused(raised) from raised


def _refused(raised: Exception) -> ResourceError:
    failure: Any = raised
    said = f"Service: CodePipeline, Status Code: {failure.status}, Error Code: {failure.code}"
    return ResourceError(f"{failure.message} ({said})")


def _tags(properties: Body) -> list[Body]:
    """Without CloudFormation's own, which only a creation can set."""
    tags = properties.get("Tags") or []
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in tags if not tag["Key"].startswith("aws:")]


def _attributes(answer: Body) -> dict[str, str]:
    return {"Version": str(answer["pipeline"]["version"])}
