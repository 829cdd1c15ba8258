"""What becomes of a stack's parameters and resources.

Pure. A change set knows better than two templates side by side; where there is none, they are what can be compared.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatereplacepolicy.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deployer_cli.validate.checks.names import NAMES
from deployer_cli.validate.evaluation import references

HIDDEN = "****"
LATER = "(made by the run)"
# What holds something that nobody can make anew.
STATEFUL = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::Cognito::UserPool",
        "AWS::DocDB::DBCluster",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EC2::Volume",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::Logs::LogGroup",
        "AWS::Neptune::DBCluster",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)


class Action(StrEnum):
    """What becomes of a resource. ``MAYBE``: it is changed, and perhaps replaced."""

    ADD = "add"
    CHANGE = "change"
    MAYBE = "change or replace"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True)
class ResourceChange:
    """One resource. ``warning``: what is lost with it, or empty."""

    action: Action
    name: str
    type: str
    warning: str = ""


@dataclass(frozen=True)
class ParameterChange:
    """One parameter; None where there is none."""

    name: str
    old: str | None
    new: str | None


def parameters(
    old: Mapping[str, str], new: Mapping[str, str | None], hidden: Collection[str]
) -> tuple[ParameterChange, ...]:
    """The parameters that differ. What is ``hidden`` (NoEcho) is never shown, so that it differs nobody can tell.

    ``new``: None where a run makes the value.
    """
    found = []
    for name in sorted({*old, *new}):
        before = old.get(name)
        after = None if name not in new else LATER if new[name] is None else new[name]
        if name in hidden or before == HIDDEN:
            before, after = before and HIDDEN, after and HIDDEN
        if before != after and not (after == LATER and before is not None):
            found.append(ParameterChange(name, before, after))
    return tuple(found)


def of_change_set(changes: Iterable[Mapping[str, Any]], old: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    """What CloudFormation says of a change set. ``old``: the template that the stack has."""
    found = []
    for entry in changes:
        change = entry.get("ResourceChange", {})
        action = {
            "Add": Action.ADD,
            "Import": Action.ADD,
            "Remove": Action.REMOVE,
            "Modify": {"True": Action.REPLACE, "Conditional": Action.MAYBE}.get(
                change.get("Replacement", ""), Action.CHANGE
            ),
            "Dynamic": Action.MAYBE,
        }.get(change.get("Action", ""), Action.CHANGE)
        name, kind = change.get("LogicalResourceId", ""), change.get("ResourceType", "")
        found.append(ResourceChange(action, name, kind, _loss(action, kind, _resources(old).get(name, {}))))
    return _sorted(found)


def of_templates(
    old: Mapping[str, Any], new: Mapping[str, Any], changed: Collection[str] = ()
) -> tuple[ResourceChange, ...]:
    """What two templates say, side by side. ``changed``: the parameters whose values differ."""
    before, after = _resources(old), _resources(new)
    found = []
    for name in {**before, **after}:
        was, becomes = before.get(name), after.get(name)
        body = becomes or was or {}
        action = _action(was, becomes, changed)
        if action:
            kind = str(body.get("Type"))
            found.append(ResourceChange(action, name, kind, _loss(action, str((was or {}).get("Type")), was or {})))
    return _sorted(found)


def _action(
    was: Mapping[str, Any] | None, becomes: Mapping[str, Any] | None, changed: Collection[str]
) -> Action | None:
    if was is None:
        return Action.ADD
    if becomes is None:
        return Action.REMOVE
    if was.get("Type") != becomes.get("Type"):
        return Action.REPLACE
    before, after = _properties(was), _properties(becomes)
    named = NAMES.get(str(becomes.get("Type")), "")
    affected = set(changed)
    if before.get(named) != after.get(named) or affected & set(references(after.get(named))):
        return Action.REPLACE
    if before != after or affected & set(references(after)):
        return Action.MAYBE
    return Action.CHANGE if was != becomes else None


def _loss(action: Action, kind: str, was: Mapping[str, Any]) -> str:
    """What is lost with a resource that holds something, by its policy."""
    if kind not in STATEFUL or action not in (Action.REMOVE, Action.REPLACE, Action.MAYBE):
        return ""
    policy = str(was.get("DeletionPolicy" if action is Action.REMOVE else "UpdateReplacePolicy", "Delete"))
    if policy.startswith("Retain"):
        return "what it holds is left behind, in no stack"
    if policy == "Snapshot":
        return "what it holds is left in a snapshot"
    return "what it holds may be lost" if action is Action.MAYBE else "what it holds is lost"


def _resources(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = template.get("Resources")
    return (
        {str(name): body for name, body in found.items() if isinstance(body, dict)} if isinstance(found, dict) else {}
    )


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("Properties")
    return found if isinstance(found, dict) else {}


def _sorted(changes: Iterable[ResourceChange]) -> tuple[ResourceChange, ...]:
    order = list(Action)
    return tuple(sorted(changes, key=lambda it: (order.index(it.action), it.name)))
