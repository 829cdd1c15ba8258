"""The manifests as a whole: valid, least privileged with reasons, and in step with each other and with the code."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.permissions import grants
from tests.permissions.grants import as_list

from builder.wishes import STOPPED
from deployer.cleanups import MOST_RECEIVES
from deployer.items import KINDS
from deployer.observability import JsonFormatter
from deployer.queues import FAILED, UNEXPECTED
from deployer_deploy.manifest import read
from deployer_deploy.tree import CORE, FUNCTIONS, LAYER, PARTS, Tree

TREE = Tree.here()
MANIFESTS = {part: read(TREE.manifest(part)) for part in PARTS}
# Actions that know no resource, or are asked before there is one, or of all there are.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
WITHOUT_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudformation:GetTemplateSummary",
    "cloudformation:DescribeStackResources",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStacks",
    "codepipeline:PutJobSuccessResult",
    "codepipeline:PutJobFailureResult",
}


def templates() -> list[Path]:
    """Every CloudFormation template of the tree, ours and the examples'."""
    return [TREE.manifest(part) for part in PARTS] + example_templates()


def example_templates() -> list[Path]:
    """Those of the examples: each is called ``pipeline`` or ``deploy``."""
    return sorted(
        path
        for path in TREE.root.glob("examples/**/*")
        if path.stem in {"pipeline", "deploy"} and path.suffix in {".json", ".yaml", ".yml"}
    )


def resources(part: str, kind: str) -> dict[str, dict[str, Any]]:
    found = MANIFESTS[part].document["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}


def statements(part: str) -> Iterator[dict[str, Any]]:
    """The statements of a function's role."""
    return grants.statements(MANIFESTS[part].document)


def test_cfn_lint() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from cfnlint.runner import main; raise SystemExit(main())",
            "--",
            *map(str, templates()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_every_permission_has_its_reason(part: str) -> None:
    text = MANIFESTS[part].text
    lines = text.splitlines()
    bare = [
        f"line {statement.start_mark.line + 1}"
        for key, statement in _statement_nodes(yaml.compose(text))
        if not lines[statement.start_mark.line - 1].strip().startswith("#")
        and not lines[statement.start_mark.line - 2].strip().startswith("#")
    ]
    assert bare == []


def _statement_nodes(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "Statement":
                yield from ((key.value, statement) for statement in value.value)
            else:
                yield from _statement_nodes(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _statement_nodes(value)


@pytest.mark.parametrize("part", FUNCTIONS)
def test_every_permission_of_a_function_has_a_name_of_its_own(part: str) -> None:
    names = [statement["Sid"] for statement in statements(part)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("part", FUNCTIONS)
def test_functions_may_do_nothing_in_general(part: str) -> None:
    for statement in statements(part):
        if statement["Effect"] == "Deny":
            continue
        actions = as_list(statement["Action"])
        assert not [action for action in actions if "*" in action], "whole families of actions"
        if "*" in as_list(statement["Resource"]):
            assert set(actions) <= WITHOUT_RESOURCE


def test_the_builder_creates_nothing_itself() -> None:
    allowed = [statement for statement in statements("builder") if statement["Effect"] == "Allow"]
    services = {action.split(":")[0] for statement in allowed for action in as_list(statement["Action"])}
    assert services <= {
        *("logs", "xray", "sqs", "dynamodb", "ssm", "kms", "cloudformation", "codepipeline", "codebuild"),
        *("s3", "iam"),
    }
    passing = [statement for statement in allowed if "iam" in str(statement["Action"])]
    assert [statement["Action"] for statement in passing] == ["iam:PassRole"]
    assert passing[0]["Resource"] == [{"Ref": f"{stage}RoleArn"} for stage in ("Development", "Staging", "Production")]
    assert passing[0]["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


@pytest.mark.parametrize("part", PARTS)
def test_installations_with_other_names_stand_beside_each_other(part: str) -> None:
    """As the migration's page has it: what a template names by itself begins with the installation's name."""
    own = MANIFESTS[part].document["Resources"]
    wrong = [
        f"{name}: {value}"
        for name, resource in own.items()
        for key, value in resource["Properties"].items()
        if key.endswith("Name")
        and key not in {"MetricName", "StageName"}  # of something that has a name
        and "DeployerPrefix" not in json.dumps(value)
        and not any(json.dumps(value).startswith((f'{{"Ref": "{each}"', f'{{"Fn::Sub": "${{{each}.')) for each in own)
    ]
    assert wrong == []


@pytest.mark.parametrize("part", [LAYER, *FUNCTIONS])
def test_the_installer_has_a_value_for_every_required_parameter(part: str) -> None:
    given = {*MANIFESTS[CORE].document["Outputs"], *MANIFESTS[LAYER].document["Outputs"], "CodeKey"}
    assert MANIFESTS[part].required <= given


@pytest.mark.parametrize("part", FUNCTIONS)
def test_the_environment_is_what_the_function_reads(part: str) -> None:
    given = set(resources(part, "AWS::Lambda::Function")["Function"]["Environment"]["Variables"])
    package = TREE.source(part) / TREE.package(part)
    required, optional = _settings(package / "handler.py")
    assert required <= given
    assert given - required - optional <= {"DEPLOYER_PREFIX", "DEPLOYER_STAGE"}


def _settings(handler: Path) -> tuple[set[str], set[str]]:
    """The variables that a handler's ``Settings`` needs, and those it can do without."""
    for node in ast.walk(ast.parse(handler.read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "Settings":
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
            names = {
                kind: {ast.unparse(field.target).upper() for field in fields if (field.value is None) is kind}
                for kind in (True, False)
            }
            return names[True], names[False]
    raise AssertionError(f"{handler} has no Settings")


@pytest.mark.parametrize("part", FUNCTIONS)
def test_function(part: str) -> None:
    function = resources(part, "AWS::Lambda::Function")["Function"]
    assert function["FunctionName"] == {"Fn::Sub": f"${{DeployerPrefix}}-{part}"}
    assert function["Handler"] == f"{TREE.package(part)}.handler.handler"
    assert function["Layers"] == [{"Ref": "LayerArn"}]
    [log] = resources(part, "AWS::Logs::LogGroup").values()
    assert log["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{DeployerPrefix}}-{part}"}
    assert "RetentionInDays" in log
    metrics = {alarm["MetricName"] for alarm in resources(part, "AWS::CloudWatch::Alarm").values()}
    own = {
        made["MetricName"]
        for each in resources(part, "AWS::Logs::MetricFilter").values()
        for made in each["MetricTransformations"]
    }
    assert metrics == {"Errors", "Throttles", *own}


def _written(text: str) -> str:
    """The message of a line as it is logged."""
    record = logging.makeLogRecord({"name": "builder", "levelname": "ERROR", "msg": text})
    return str(json.loads(JsonFormatter().format(record))["message"])


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        pytest.param("SweepsStopped", f'{{ $.message = "{_written(STOPPED)}" }}', id="F43-a-sweep-stopped"),
        pytest.param(
            "Failures",
            f'{{ ($.message = "{_written(FAILED)}") || ($.message = "{_written(UNEXPECTED)}") }}',
            id="F21-a-look-failed",
        ),
    ],
)
def test_what_needs_a_person_raises_an_alarm(name: str, pattern: str) -> None:
    line = resources("builder", "AWS::Logs::MetricFilter")[name]
    assert line["LogGroupName"] == {"Ref": "LogGroup"}
    assert line["FilterPattern"] == pattern
    [made] = line["MetricTransformations"]
    alarm = resources("builder", "AWS::CloudWatch::Alarm")[f"{name}Alarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (made["MetricNamespace"], made["MetricName"])
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopicArn"}]


def test_the_sweeps_tick_comes_every_five_minutes() -> None:
    rule = resources(CORE, "AWS::Events::Rule")["Sweep"]
    assert (rule["Name"], rule["ScheduleExpression"]) == ({"Fn::Sub": "${DeployerPrefix}-sweep"}, "rate(5 minutes)")
    assert rule["Targets"] == [
        {
            "Id": "changes",
            "Arn": {"Fn::GetAtt": "ChangesQueue.Arn"},
            "DeadLetterConfig": {"Arn": {"Fn::GetAtt": "ChangesDeadQueue.Arn"}},
        }
    ]


def test_the_table_has_the_index_that_the_sweep_asks() -> None:
    table = resources(CORE, "AWS::DynamoDB::Table")["Environments"]
    [index] = table["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": KINDS,
        "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    [query] = [each for each in statements("builder") if each["Action"] == "dynamodb:Query"]
    assert query["Resource"] == {"Fn::Sub": f"${{EnvironmentsTableArn}}/index/{KINDS}"}


@pytest.mark.parametrize("part", FUNCTIONS)
def test_queues_hide_messages_for_six_timeouts(part: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    timeout = resources(part, "AWS::Lambda::Function")["Function"]["Timeout"]
    for mapping in resources(part, "AWS::Lambda::EventSourceMapping").values():
        queue = mapping["EventSourceArn"]["Ref"].removesuffix("Arn")
        assert resources(CORE, "AWS::SQS::Queue")[queue]["VisibilityTimeout"] >= 6 * timeout
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_queues() -> None:
    queues = resources(CORE, "AWS::SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())
    alarmed = {
        dimension["Value"]["Fn::GetAtt"].removesuffix(".QueueName")
        for alarm in resources(CORE, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for dimension in alarm["Dimensions"]
    }
    dead = {
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"].removesuffix(".Arn")
        for queue in queues.values()
        if "RedrivePolicy" in queue
    }
    assert alarmed == dead == {name for name in queues if "RedrivePolicy" not in queues[name]}
    for name in ("BucketCleanupsQueue", "StackCleanupsQueue"):
        assert queues[name]["RedrivePolicy"]["maxReceiveCount"] == 250
    # Some receives come to nothing, and one that failed to deliver FAILED is to have more.
    assert MOST_RECEIVES < 250
    secured = {
        reference["Ref"]
        for policy in resources(CORE, "AWS::SQS::QueuePolicy").values()
        if any("aws:SecureTransport" in str(statement) for statement in policy["PolicyDocument"]["Statement"])
        for reference in policy["Queues"]
    }
    assert secured == set(queues)


def test_rules_have_dead_letter_queues_and_may_send_there() -> None:
    for name, rule in resources(CORE, "AWS::Events::Rule").items():
        for target in rule["Targets"]:
            to = {
                target[key]["Fn::GetAtt"] if key == "Arn" else target[key]["Arn"]["Fn::GetAtt"]
                for key in ("Arn", "DeadLetterConfig")
            }
            policies = [
                policy
                for policy in resources(CORE, "AWS::SQS::QueuePolicy").values()
                if {f"{queue['Ref']}.Arn" for queue in policy["Queues"]} >= to
            ]
            assert f"{name}.Arn" in json.dumps(policies)


@pytest.mark.parametrize("prefix", ["opolis-deployer-prod", "x" * 40], ids=len)
def test_policies_are_within_iams_limits(prefix: str) -> None:
    """6,144 characters for a managed policy, 10,240 for a role's own; white space doesn't count.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    [boundary] = resources(CORE, "AWS::IAM::ManagedPolicy").values()
    assert _length(boundary["PolicyDocument"], prefix) <= 6144
    for part in PARTS:
        for role in resources(part, "AWS::IAM::Role").values():
            assert sum(_length(policy["PolicyDocument"], prefix) for policy in role["Policies"]) <= 10_240


def _length(policy: Any, prefix: str) -> int:
    return len(json.dumps(_resolved(policy, prefix), separators=(",", ":")))


def _resolved(value: Any, prefix: str) -> Any:
    """The value with functions replaced by something as long as on AWS."""
    if isinstance(value, list):
        return [_resolved(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Sub" in value:
        known = {
            "AWS::Partition": "aws",
            "AWS::AccountId": "123456789012",
            "AWS::Region": "ap-southeast-2",
            "AWS::URLSuffix": "amazonaws.com",
            "DeployerPrefix": prefix,
            "Api": "a1b2c3d4e5",
        }
        text = value["Fn::Sub"]
        for name, long in known.items():
            text = text.replace(f"${{{name}}}", long)
        return text.replace("${", "").replace("}", "").replace(".Arn", "x" * 60)
    if "Ref" in value or "Fn::GetAtt" in value:
        return "x" * 90
    return {key: _resolved(item, prefix) for key, item in value.items()}


@pytest.mark.parametrize("stage", ["Development", "Staging", "Production"])
def test_service_roles_stay_in_their_stage(stage: str) -> None:
    role = resources(CORE, "AWS::IAM::Role")[f"{stage}Role"]
    assert role["PermissionsBoundary"] == {"Ref": "Boundary"}
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    granted = {statement["Sid"]: statement for statement in role["Policies"][0]["PolicyDocument"]["Statement"]}
    assert {"iam:*", "sts:*"} <= set(granted["Resources"]["NotAction"])
    assert all(f"${{DeployerPrefix}}/{stage.lower()}/*" in arn["Fn::Sub"] for arn in granted["Roles"]["Resource"])


def test_the_boundary() -> None:
    [boundary] = resources(CORE, "AWS::IAM::ManagedPolicy").values()
    by_id = {statement["Sid"]: statement for statement in boundary["PolicyDocument"]["Statement"]}
    assert [sid for sid, statement in by_id.items() if statement["Effect"] == "Allow"] == ["Ceiling"]
    assert {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"} <= set(by_id["OnlyBounded"]["Action"])
    assert by_id["KeepsBoundary"]["Action"] == "iam:DeleteRolePermissionsBoundary"
    denied = json.dumps(by_id["DeployerItself"]["Resource"])
    for service in ("lambda", "dynamodb", "sqs", "events", "logs", "cloudformation", "apigateway"):
        assert f":{service}:" in denied
    assert "parameter/opolis.*" in denied
    # Templates and pipelines need these three, and CloudFormation calls them with a bounded role.
    callable_ = {"s3cleaner", "s3deployer", "stack-cleaner"}
    uncallable = json.dumps(by_id["OwnFunctions"]["Resource"])
    assert {part for part in FUNCTIONS if f"-{part}*" not in uncallable} == callable_


def test_old_layer_versions_are_retained() -> None:
    layer = MANIFESTS[LAYER].document["Resources"]["Layer"]
    assert (layer["DeletionPolicy"], layer["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("part", [LAYER, *FUNCTIONS])
def test_deploy_script(part: str) -> None:
    script = TREE.manifest(part).with_name("deploy.sh")
    assert script.stat().st_mode & 0o111
    assert f"-m deployer_deploy {part} " in script.read_text()
