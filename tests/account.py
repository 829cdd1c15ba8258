"""Everything in an AWS account, as its APIs list it: what is there before and after can be compared.

An item of a table that carries an expiry is left out: it goes by itself. So are lines of logs; who logs is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

Clients = Callable[[str], Any]
WAITING = "messages"


def contents(client: Clients) -> set[str]:
    """One line for each thing: the service, its kind, what it is called."""
    return {f"{service}: {line}" for service, listing in LISTINGS.items() for line in listing(client(service))}


def mentions(folder: Path, text: str) -> dict[str, int]:
    """The files below ``folder`` that hold ``text``, in their name or their content, and how often."""
    found: dict[str, int] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            times = path.read_bytes().count(text.encode()) + path.name.count(text)
        except FileNotFoundError:  # written anew meanwhile
            continue
        if times:
            found[str(path.relative_to(folder))] = times
    return found


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    """All that a paginated operation lists."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, ())


def stacks(client: Any) -> Iterator[str]:
    yield from (f"stack {each['StackName']}" for each in pages(client, "describe_stacks", "Stacks"))
    yield from (f"export {each['Name']}" for each in pages(client, "list_exports", "Exports"))


def buckets(client: Any) -> Iterator[str]:
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        yield f"bucket {name}"
        for kind in ("Versions", "DeleteMarkers"):
            for each in pages(client, "list_object_versions", kind, Bucket=name):
                yield f"{kind} {name}/{each['Key']} {each['VersionId']}"
        for each in pages(client, "list_multipart_uploads", "Uploads", Bucket=name):
            yield f"upload {name}/{each['Key']}"


def identities(client: Any) -> Iterator[str]:
    for role in pages(client, "list_roles", "Roles"):
        yield f"role {role['Path']}{role['RoleName']}"
        for policy in pages(client, "list_role_policies", "PolicyNames", RoleName=role["RoleName"]):
            yield f"policy of role {role['RoleName']} {policy}"
    yield from (f"policy {each['Arn']}" for each in pages(client, "list_policies", "Policies", Scope="Local"))
    yield from (f"user {each['UserName']}" for each in pages(client, "list_users", "Users"))
    yield from (f"profile {each['Arn']}" for each in pages(client, "list_instance_profiles", "InstanceProfiles"))


def logs(client: Any) -> Iterator[str]:
    yield from (f"group {each['logGroupName']}" for each in pages(client, "describe_log_groups", "logGroups"))
    yield from (f"filter {each['filterName']}" for each in pages(client, "describe_metric_filters", "metricFilters"))


def functions(client: Any) -> Iterator[str]:
    for function in pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        yield f"function {name}"
        try:
            yield f"policy of {name}: {client.get_policy(FunctionName=name)['Policy']}"
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
    yield from (f"layer {each['LayerName']}" for each in pages(client, "list_layers", "Layers"))
    yield from (
        f"mapping {each['UUID']}" for each in pages(client, "list_event_source_mappings", "EventSourceMappings")
    )


def queues(client: Any) -> Iterator[str]:
    kinds = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    for url in pages(client, "list_queues", "QueueUrls"):
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield f"queue {url}"
        if any(int(found[kind]) for kind in kinds):
            yield f"{WAITING} in {url}"


def tables(client: Any) -> Iterator[str]:
    for name in pages(client, "list_tables", "TableNames"):
        yield f"table {name}"
        for item in pages(client, "scan", "Items", TableName=name, ConsistentRead=True):
            if "expires" not in item:
                yield f"item {name}/{item['id']['S']}"


def builds(client: Any) -> Iterator[str]:
    yield from (f"project {each}" for each in pages(client, "list_projects", "projects"))
    yield from (f"build {each}" for each in pages(client, "list_builds", "ids"))


def events(client: Any) -> Iterator[str]:
    for bus in client.list_event_buses()["EventBuses"]:
        yield f"bus {bus['Name']}"
        for rule in pages(client, "list_rules", "Rules", EventBusName=bus["Name"]):
            yield f"rule {rule['Name']}"
            for each in pages(client, "list_targets_by_rule", "Targets", Rule=rule["Name"], EventBusName=bus["Name"]):
                yield f"target of {rule['Name']} {each['Arn']}"


def apis(client: Any) -> Iterator[str]:
    for api in client.get_apis()["Items"]:
        yield f"api {api['ApiId']}"
        for operation in ("get_routes", "get_integrations"):
            for each in getattr(client, operation)(ApiId=api["ApiId"])["Items"]:
                yield f"{operation} {each.get('RouteId') or each.get('IntegrationId')}"


def named(operation: str, key: str, name: str = "") -> Callable[[Any], Iterator[str]]:
    """A listing of one kind."""

    def listing(client: Any) -> Iterator[str]:
        for each in pages(client, operation, key):
            yield f"{key} {each[name] if name else each}"

    return listing


LISTINGS: dict[str, Callable[[Any], Iterator[str]]] = {
    "cloudformation": stacks,
    "s3": buckets,
    "iam": identities,
    "logs": logs,
    "lambda": functions,
    "sqs": queues,
    "dynamodb": tables,
    "codepipeline": named("list_pipelines", "pipelines", "name"),
    "codebuild": builds,
    "events": events,
    "apigatewayv2": apis,
    "cloudwatch": named("describe_alarms", "MetricAlarms", "AlarmName"),
    "sns": named("list_topics", "Topics", "TopicArn"),
    "ssm": named("describe_parameters", "Parameters", "Name"),
    "secretsmanager": named("list_secrets", "SecretList", "Name"),
    "kms": named("list_keys", "Keys", "KeyId"),
    "cloudfront": lambda client: (
        f"distribution {each['Id']}" for each in client.list_distributions()["DistributionList"].get("Items", ())
    ),
    "ecr": named("describe_repositories", "repositories", "repositoryName"),
    "scheduler": named("list_schedules", "Schedules", "Name"),
    "stepfunctions": named("list_state_machines", "stateMachines", "name"),
}
