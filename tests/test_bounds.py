"""What bounds the builder and what it deploys: receives, time, roles. Read off the manifests and the code."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from tests.iam import Request, allowed, filled
from tests.test_architecture import FUNCTIONS, files
from tests.test_templates import CORE, MANIFESTS, example_templates, resources

from deployer_deploy.manifest import read

PREFIX = "opolis-deployer-prod"
ACCOUNT = "123456789012"
KNOWN = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": "eu-west-1",
    "DeployerPrefix": PREFIX,
    "Api": "a1b2c3",
    "CodeBucket.Arn": "arn:aws:s3:::code",
    "ArtifactStore.Arn": "arn:aws:s3:::artifacts",
}


# --- F21


def mapped() -> set[str]:
    """The queues of the core from which functions are called."""
    return {
        mapping["EventSourceArn"]["Ref"].removesuffix("Arn")
        for part in MANIFESTS
        for mapping in resources(part, "AWS::Lambda::EventSourceMapping").values()
    }


@pytest.mark.parametrize("name", sorted(mapped()))
def test_F21_what_fails_for_ever_is_received_so_often_then_put_aside_and_somebody_is_called(name: str) -> None:
    queues, alarms = resources(CORE, "AWS::SQS::Queue"), resources(CORE, "AWS::CloudWatch::Alarm")
    policy = queues[name]["RedrivePolicy"]
    dead = policy["deadLetterTargetArn"]["Fn::GetAtt"].removesuffix(".Arn")
    assert 3 <= policy["maxReceiveCount"] <= 250
    assert queues[dead]["MessageRetentionPeriod"] == 14 * 86_400, "SQS keeps nothing longer"
    assert queues[dead].get("FifoQueue") == queues[name].get("FifoQueue"), "SQS refuses a pair of two kinds"
    [alarm] = [each for each in alarms.values() if f"{dead}.QueueName" in json.dumps(each.get("Dimensions"))]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("ApproximateNumberOfMessagesVisible", "Maximum")
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]


# --- F47


def calls(tree: ast.Module) -> set[str]:
    """The names of all that a module calls: ``time.sleep`` -> ``sleep``, ``time.sleep``."""
    named = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return named | {name.rpartition(".")[2] for name in named}


@pytest.mark.parametrize("folder", ["listener", "builder", "notifier"])
def test_F47_nothing_waits_inside_a_function_and_none_calls_a_function(folder: str) -> None:
    """No sleeping, no waiter, no polling of its own; no invocation, of itself or of another."""
    waiting = {"sleep", "get_waiter", "wait", "wait_for", "join", "invoke", "invoke_async", "start_execution"}
    for file in files(folder):
        found = calls(ast.parse(file.read_text(encoding="utf-8"))) & waiting
        text_joins = {"join"}  # of strings and paths
        assert found <= text_joins, f"{file.name} calls {sorted(found - text_joins)}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_F47_no_function_may_call_a_function(function: str) -> None:
    """Lambda would stop a chain of them after 16; a queue has no such end."""
    part = function.replace("_", "-")
    policies = [policy for role in resources(part, "AWS::IAM::Role").values() for policy in role["Policies"]]
    assert "lambda:Invoke" not in json.dumps(policies)


# --- F56


@pytest.mark.parametrize("path", example_templates(), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_F56_the_role_that_deletes_a_branch_is_none_of_the_branchs_own(path: Any) -> None:
    """With the stack's own role a deletion would saw off its branch: CloudFormation would be left without a role."""
    for name, resource in read(path).document["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            trusted = json.dumps(resource["Properties"]["AssumeRolePolicyDocument"])
            assert "cloudformation.amazonaws.com" not in trusted, name
        if resource["Type"] == "AWS::CodePipeline::Pipeline":
            stages = [stage.get("Fn::If", [None, stage])[1] for stage in resource["Properties"]["Stages"]]
            actions = [action for stage in stages for action in stage["Actions"]]
            roles = [
                action["Configuration"]["RoleArn"]
                for action in actions
                if action["ActionTypeId"]["Provider"] == "CloudFormation"
            ]
            assert roles == [{"Ref": "DeployRole"}] * len(roles)


def test_F56_the_service_roles_are_the_cores_and_stay_when_a_branch_goes() -> None:
    passed = {"DevelopmentRole", "StagingRole", "ProductionRole"}
    assert passed <= set(resources(CORE, "AWS::IAM::Role"))
    assert not [part for part in MANIFESTS if part != CORE and passed & set(MANIFESTS[part].document["Resources"])]


# --- F57


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


OWN = role(f"{PREFIX}-development")
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{PREFIX}-boundary"
HERE = role(f"{PREFIX}/development/build")


def asks(action: str, resource: str, **context: str) -> Request:
    return Request(action, resource, {"aws:PrincipalArn": OWN, **{k.replace("__", ":"): v for k, v in context.items()}})


CREATE, ATTACH = "iam:CreateRole", "iam:AttachRolePolicy"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(asks("s3:CreateBucket", "arn:aws:s3:::site"), True, id="a-bucket"),
        pytest.param(asks("ec2:RunInstances", "arn:aws:ec2:eu-west-1:1:instance/*"), True, id="any-service"),
        pytest.param(asks(CREATE, HERE, iam__PermissionsBoundary=BOUNDARY), True, id="a-bounded-role-of-its-own"),
        pytest.param(asks(CREATE, HERE), False, id="F57-a-role-without-a-boundary"),
        pytest.param(
            asks(CREATE, HERE, iam__PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"),
            False,
            id="F57-a-role-with-another-boundary",
        ),
        pytest.param(asks(CREATE, role("admin"), iam__PermissionsBoundary=BOUNDARY), False, id="F57-a-role-elsewhere"),
        pytest.param(
            asks(CREATE, role(f"{PREFIX}/production/x"), iam__PermissionsBoundary=BOUNDARY),
            False,
            id="F57-a-role-of-another-stage",
        ),
        pytest.param(asks(ATTACH, HERE), False, id="F57-admin-rights-on-an-unbounded-role"),
        pytest.param(asks("iam:DeleteRolePermissionsBoundary", HERE), False, id="F57-the-boundary-taken-off"),
        pytest.param(asks(ATTACH, OWN, iam__PermissionsBoundary=BOUNDARY), False, id="F57-admin-rights-on-itself"),
        pytest.param(asks("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/eve"), False, id="F57-a-user"),
        pytest.param(asks("iam:CreatePolicyVersion", BOUNDARY), False, id="F57-the-boundary-rewritten"),
        pytest.param(asks("sts:AssumeRole", role("admin")), False, id="F57-another-role-assumed"),
        pytest.param(asks("organizations:LeaveOrganization", "*"), False, id="F57-the-organization"),
        pytest.param(
            asks("lambda:UpdateFunctionCode", f"arn:aws:lambda:eu-west-1:1:function:{PREFIX}-builder"),
            False,
            id="F57-the-deployers-own-code",
        ),
        pytest.param(
            asks("ssm:GetParameter", "arn:aws:ssm:eu-west-1:1:parameter/opolis.github.token"),
            False,
            id="F57-the-deployers-token",
        ),
        pytest.param(
            asks("s3:PutObject", "arn:aws:s3:::artifacts/sources/site-production.zip"), False, id="F57-anothers-source"
        ),
        pytest.param(
            asks("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:1:stack/site-production/1"),
            False,
            id="F57-production",
        ),
    ],
)
def test_a_branchs_template_is_bounded_by_its_stages_role(request_: Request, *, expected: bool) -> None:
    policies = [policy["PolicyDocument"] for policy in resources(CORE, "AWS::IAM::Role")["DevelopmentRole"]["Policies"]]
    [boundary] = resources(CORE, "AWS::IAM::ManagedPolicy").values()
    assert allowed(request_, filled(policies, KNOWN), filled(boundary["PolicyDocument"], KNOWN)) is expected


@pytest.mark.parametrize(
    ("stage", "path", "expected"),
    [
        pytest.param("production", f"{PREFIX}/production/deploy", True, id="productions-from-production"),
        pytest.param("production", "deploy", False, id="F57-any-from-production"),
        pytest.param("production", f"{PREFIX}/staging/deploy", False, id="F57-stagings-from-production"),
        pytest.param("staging", f"{PREFIX}/production/deploy", False, id="F57-productions-from-staging"),
        pytest.param("development", f"{PREFIX}/production/deploy", False, id="F57-productions-from-development"),
    ],
)
def test_which_role_of_another_account_a_templates_role_may_assume(stage: str, path: str, *, expected: bool) -> None:
    """However much its own policy allows."""
    [boundary] = resources(CORE, "AWS::IAM::ManagedPolicy").values()
    anything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    own = {"aws:PrincipalArn": role(f"{PREFIX}/{stage}/pipeline")}
    request = Request("sts:AssumeRole", f"arn:aws:iam::999999999999:role/{path}", own)
    assert allowed(request, [anything], filled(boundary["PolicyDocument"], KNOWN)) is expected
