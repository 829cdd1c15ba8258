"""The examples' templates: least privileged, and nothing of them is left behind. Read, not run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.iam import Request, allowed, filled
from tests.test_bounds import ACCOUNT, KNOWN, PREFIX
from tests.test_templates import CORE, TREE, as_list, example_templates
from tests.test_templates import resources as resources_of

from deployer_deploy.manifest import read

EXAMPLES = TREE.root / "examples"


def resources(kind: str) -> list[Any]:
    return list(_resources(kind))


def _resources(kind: str) -> Iterator[Any]:
    for path in example_templates():
        for name, resource in read(path).document["Resources"].items():
            if resource["Type"] == kind:
                where = path.relative_to(EXAMPLES)
                yield pytest.param(resource, id=f"{where.parts[0]}-{where.stem}-{name}")


@pytest.mark.parametrize("resource", resources("AWS::IAM::Role"))
def test_roles_stay_within_the_stages_boundary_and_path(resource: Any) -> None:
    role = resource["Properties"]
    assert role["Path"] == {"Fn::Sub": "/${DeployerPrefix}/${Stage}/"}
    assert role["PermissionsBoundary"] == {"Ref": "PermissionsBoundary"}


@pytest.mark.parametrize("resource", resources("AWS::IAM::Role"))
def test_roles_may_do_nothing_in_general(resource: Any) -> None:
    for policy in resource["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert not [action for action in as_list(statement["Action"]) if "*" in action], "whole families of actions"
            assert "*" not in as_list(statement["Resource"])


@pytest.mark.parametrize("resource", resources("AWS::CodePipeline::Pipeline"))
def test_every_stack_that_a_pipeline_makes_is_removed_before_the_roles(resource: Any) -> None:
    text = json.dumps(resource["Properties"]["Stages"])
    made = set(re.findall(r'"StackName": (\{"Fn::Sub": "[^"]+"\})', text))
    assert made
    for path in example_templates():
        known = read(path).document["Resources"]
        if resource in known.values():
            cleaners = [known[name] for name in as_list(resource["DependsOn"])]
            assert {each["Type"] for each in cleaners} == {"Custom::StackCleaner"}
            assert {json.dumps(each["Properties"]["StackName"]) for each in cleaners} == made


@pytest.mark.parametrize("resource", resources("AWS::Logs::LogGroup"))
def test_no_log_is_kept_for_ever_nor_left_behind(resource: Any) -> None:
    assert resource["Properties"]["RetentionInDays"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Delete", "Delete")


@pytest.mark.parametrize("resource", resources("Custom::StackCleaner"))
@pytest.mark.parametrize("stage", ["staging", "production"])
def test_F57_no_other_stages_role_reaches_an_apps_stack(resource: Any, stage: str) -> None:
    """A stack keeps its service role for whoever updates it: production's is production's alone."""
    known = {**KNOWN, "AWS::StackName": f"site-{stage}", "Stage": stage}
    arn = f"arn:aws:cloudformation:eu-west-1:1:stack/{filled(resource['Properties']['StackName'], known)}/1"
    [boundary] = resources_of(CORE, "AWS::IAM::ManagedPolicy").values()
    anything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for owner in ("development", "staging", "production"):
        principal = f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}/{owner}/pipeline"
        request = Request("cloudformation:UpdateStack", arn, {"aws:PrincipalArn": principal})
        assert allowed(request, [anything], filled(boundary["PolicyDocument"], KNOWN)) is (owner == stage), owner
