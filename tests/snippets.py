"""What the pages show of templates, made whole: resources, stages and actions by themselves become a template.

What a fragment only refers to is declared around it, so that CloudFormation's rules apply to what it says itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployer.templates import load
from deployer_local.codepipeline.rules import check
from deployer_local.codepipeline.template import declaration

TYPE = "AWS::CodePipeline::Pipeline"


def template(text: str) -> dict[str, Any] | None:
    """The template that a YAML or JSON snippet is, or is a part of; None where it is of another kind."""
    match load("snippet.yaml", text.encode()):
        case {"Resources": dict()} as whole:
            return dict(whole)
        case dict() as one if "ActionTypeId" in one:
            return _closed({"Pipeline": _pipeline([{"Name": "Shown", "Actions": [one]}])})
        case dict() as found if found and all(_is_resource(each) for each in found.values()):
            return _closed(dict(found))
        case list() as found if found and all(_is(each, "ActionTypeId") for each in found):
            return _closed({"Pipeline": _pipeline([{"Name": "Shown", "Actions": found}])})
        case list() as found if found and all(_is(each, "Actions") for each in found):
            return _closed({"Pipeline": _pipeline(found)})
    return None


def check_pipelines(whole: Mapping[str, Any]) -> None:
    """Hold its pipelines to CodePipeline's own rules, with every condition true. Raises ServiceError."""
    for name, resource in whole["Resources"].items():
        if resource["Type"] == TYPE:
            properties = _plain(resource["Properties"])
            check(declaration(properties, name)["pipeline"], "us-east-1")


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("Type", "")).startswith(("AWS::", "Custom::"))


def _is(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value.get("Fn::If", [None, value])[1]


def _pipeline(stages: list[Any]) -> dict[str, Any]:
    """A pipeline of these stages, whose source has every artifact that they take from elsewhere."""
    actions = [action for stage in stages for action in stage.get("Fn::If", [None, stage])[1]["Actions"]]
    own = [action for action in actions if action["ActionTypeId"]["Category"] == "Source"]
    made = {each["Name"] for action in actions for each in action.get("OutputArtifacts", ())}
    taken = [each["Name"] for action in actions for each in action.get("InputArtifacts", ())]
    sources = [_source(name) for name in dict.fromkeys((*taken, "Source")) if name not in made]
    before = [] if own else [{"Name": "Before", "Actions": sources}]
    after = {"Name": "After", "Actions": [_removal()]}
    return {
        "Type": TYPE,
        "Properties": {
            "RoleArn": "arn:aws:iam::123456789012:role/pipeline",
            "ArtifactStore": {"Type": "S3", "Location": "artifacts"},
            "Stages": [*before, *stages, after],
        },
    }


def _source(name: str) -> dict[str, Any]:
    return {
        "Name": f"Get{name}",
        "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "S3", "Version": "1"},
        "Configuration": {"S3Bucket": "b", "S3ObjectKey": "k", "PollForSourceChanges": False},
        "OutputArtifacts": [{"Name": name}],
    }


def _removal() -> dict[str, Any]:
    return {
        "Name": "Remove",
        "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CloudFormation", "Version": "1"},
        "Configuration": {"ActionMode": "DELETE_ONLY", "StackName": "old"},
    }


def _closed(resources: dict[str, Any]) -> dict[str, Any]:
    """A template in which all that the resources refer to is there; one of which nothing is shown is left out."""
    resources = {name: resource for name, resource in resources.items() if "Properties" in resource}
    for resource in resources.values():
        resource.pop("DependsOn", None)
    names = {name for name in _names(resources) if not name.startswith("AWS::")} - set(resources)
    conditions = set(re.findall(r'"Fn::If": \["(\w+)"', json.dumps(resources)))
    whole: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    if names:
        whole["Parameters"] = {name: {"Type": "String"} for name in sorted(names)}
    if conditions:
        whole["Conditions"] = {name: {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]} for name in sorted(conditions)}
    return whole


def _names(value: Any) -> Iterator[str]:
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(?!!)([\w:]+)\}", text)
        case dict():
            for each in value.values():
                yield from _names(each)
        case list():
            for each in value:
                yield from _names(each)


def _plain(value: Any) -> Any:
    """Without functions: a text for what is looked up."""
    match value:
        case {"Fn::If": [_, found, _]}:
            return _plain(found)
        case {"Fn::Sub": str(text)}:
            return text
        case {"Ref": _} | {"Fn::GetAtt": _}:
            return "x"
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value
