"""Which events come to the builder: by the patterns of the core stack's own rules.

Knows the operators that those use, and refuses any other. That EventBridge means the same by them is held to the laptop
engine's by tests/test_rules.py.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from deployer.events import RunChange, StackChange
from deployer_deploy.manifest import read
from deployer_deploy.tree import CORE, Tree

Event = Mapping[str, Any]


@functools.cache
def patterns_to(queue: str) -> tuple[Event, ...]:
    """The event patterns of the rules that have a queue of the core stack's for a target."""
    resources = read(Tree.here().manifest(CORE)).document["Resources"].values()
    rules = [each["Properties"] for each in resources if each["Type"] == "AWS::Events::Rule"]
    arn = {"Fn::GetAtt": f"{queue}.Arn"}
    return tuple(
        rule["EventPattern"]
        for rule in rules
        if "EventPattern" in rule and any(target["Arn"] == arn for target in rule["Targets"])
    )


def passes(queue: str, event: Event) -> bool:
    """Whether an event comes to a queue."""
    return any(matches(pattern, event) for pattern in patterns_to(queue))


def matches(pattern: Event, event: Event) -> bool:
    """Whether an event matches a pattern.

    Raises:
        NotImplementedError: where the pattern uses an operator that is not known here.
    """
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(each, event) for each in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, event.get(name, {})):
                return False
        elif name not in event or not any(_matches(event[name], each) for each in wanted):
            return False
    return True


def _matches(value: Any, wanted: Any) -> bool:
    match wanted:
        case str():
            return bool(value == wanted)
        case {"anything-but": {"suffix": str(suffix), **others}} if not others:
            return not str(value).endswith(suffix)
        case {"anything-but": list(values)}:
            return value not in values
    raise NotImplementedError(f"an operator of event patterns: {wanted!r}")


def event_of(change: StackChange | RunChange) -> Event:
    """The event that says so, as far as rules look at it."""
    if isinstance(change, StackChange):
        detail: Event = {"stack-id": change.stack_id, "status-details": {"status": change.status}}
        return {
            "source": "aws.cloudformation",
            "detail-type": "CloudFormation Stack Status Change",
            "detail": detail,
        }
    detail = {"pipeline": change.pipeline, "execution-id": change.execution, "state": change.state}
    kind = "Action" if change.action else "Stage" if change.stage else "Pipeline"
    names = {name: value for name, value in (("stage", change.stage), ("action", change.action)) if value}
    return {
        "source": "aws.codepipeline",
        "detail-type": f"CodePipeline {kind} Execution State Change",
        "detail": {**detail, **names},
    }
