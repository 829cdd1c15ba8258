"""Names that two environments, or two installations, would both want."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from deployer.actions import Action
from deployer_cli.validate.checks.stacks import scopes
from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import Scope
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import ELSEWHERE, ENVIRONMENTS, Project, resources_of
from deployer_cli.validate.rules import found

# The property that names a resource, where the name has to be the only one in its account and region.
NAMES = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "PolicyName",
    "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::CodePipeline::Pipeline": "Name",
    "AWS::Cognito::UserPoolDomain": "Domain",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::ElastiCache::ReplicationGroup": "ReplicationGroupId",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "Name",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "Name",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::OpenSearchService::Domain": "DomainName",
    "AWS::RDS::DBCluster": "DBClusterIdentifier",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::Serverless::Function": "FunctionName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
FUNCTIONS = ("-s3cleaner", "-s3deployer", "-stack-cleaner")


def names(project: Project) -> Iterator[Finding]:
    """Resources, exports, and the deployer's functions."""
    for document in project.templates:
        everywhere = scopes(project, document)
        for name, body in resources_of(document.value).items():
            properties = body.get("Properties")
            key = NAMES.get(str(body.get("Type")), "")
            if isinstance(properties, dict) and key in properties:
                taken = _taken([scope for scope in everywhere if scope.exists(body)], properties[key])
                if taken is not None:
                    place = document.at(("Resources", name, "Properties", key))
                    yield found("D406", place, f"two environments would both call {name} {taken}")
        yield from _exports(document, everywhere)
        yield from _tokens(project, document)
    for action in project.actions:
        yield from _invoked(project, action)


def _taken(everywhere: list[Scope], expression: Any) -> str | None:
    """The name that two environments would give it, None where each has its own."""
    for one, other in combinations(everywhere, 2):
        name = one.text(expression)
        if name is not None and one.stack != other.stack and other.text(expression) == name:
            return name
    return None


def _exports(document: Document, everywhere: list[Scope]) -> Iterator[Finding]:
    outputs = document.value.get("Outputs")
    for name, body in (outputs if isinstance(outputs, dict) else {}).items():
        export = body.get("Export") if isinstance(body, dict) else None
        if isinstance(export, dict):
            there = [scope for scope in everywhere if scope.exists(body)]
            if (taken := _taken(there, export.get("Name"))) is not None:
                place = document.at(("Outputs", name, "Export", "Name"))
                yield found("D406", place, f"two environments would both export {taken}")


# --- the deployer's functions


def _tokens(project: Project, document: Document) -> Iterator[Finding]:
    here, there = _installations(project, document)
    for name, body in resources_of(document.value).items():
        properties = body.get("Properties")
        token = properties.get("ServiceToken") if isinstance(properties, dict) else None
        if there and (fixed := _fixed(here, there, token)):
            place = document.at(("Resources", name, "Properties", "ServiceToken"))
            yield found("D407", place, f"{name} always calls {fixed}")


def _invoked(project: Project, action: Action) -> Iterator[Finding]:
    function = action.configuration.get("FunctionName")
    fixed = _fixed(project.scope(ENVIRONMENTS[0]), project.scope(ELSEWHERE), function)
    if fixed:
        place = project.pipeline.at((*action.path, "Configuration", "FunctionName"))
        yield found("D407", place, f"{action.name} always calls {fixed}")


def _installations(project: Project, document: Document) -> tuple[Scope, Scope | None]:
    """A template as two installations would deploy it."""
    if document is project.pipeline:
        return project.scope(ENVIRONMENTS[0]), project.scope(ELSEWHERE)
    each = next(it for it in project.deployments if it.template is document)
    other = project.deployment(each.action, ELSEWHERE)
    return each.scope, other.scope if other else None


def _fixed(here: Scope, there: Scope, expression: Any) -> str:
    """The name of one of the deployer's functions, where it is the same in every installation; else empty."""
    text = here.text(expression)
    if text is None or not text.endswith(FUNCTIONS) or there.text(expression) != text:
        return ""
    return text.rpartition(":")[2]
