"""What would change: two templates and their parameters compared."""

from __future__ import annotations

from typing import Any

import pytest

from deployer_deploy import changes
from deployer_deploy.changes import LATER, Parameter, Resource
from deployer_deploy.manifest import Manifest, parse

TEMPLATE = """
Parameters:
  Name: {Type: String}
  Email: {Type: String, Default: ""}
  Days: {Type: Number, Default: 30}
Conditions:
  HasEmail: !Not [!Equals [!Ref Email, ""]]
  Both: !And [!Condition HasEmail, !Equals [!Ref Days, "3"]]
  Either: !Or [!Condition HasEmail, !Equals [!Ref Days, "3"]]
Resources:
  Queue: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Sub "${Name}-looks-${AWS::Region}"}}
  Policy: {Type: "AWS::SQS::QueuePolicy", Properties: {Queues: [!Ref Queue], Who: !GetAtt Queue.Arn}}
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties: {CompatibleRuntimes: [], CompatibleArchitectures: [], Description: !Ref Days}
  Subscription: {Type: "AWS::SNS::Subscription", Condition: HasEmail, Properties: {Endpoint: !Ref Email}}
  Two: {Type: "AWS::SNS::Topic", Condition: Both}
  One: {Type: "AWS::SNS::Topic", Condition: Either}
  Log: {Type: "AWS::Logs::LogGroup", Properties: {Kind: !If [HasEmail, !Ref Email, none]}}
Outputs:
  Url: {Value: !Ref Queue}
  LayerArn: {Value: !Sub "x/${Layer}"}
  Arn: {Value: !Join [":", [!GetAtt Queue.Arn, !Ref "AWS::Region"]]}
"""
BEFORE = {"Name": "d", "Email": "", "Days": "30"}


def other(*replacements: tuple[str, str]) -> Manifest:
    text = TEMPLATE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return parse(text)


def test_the_same_is_no_change() -> None:
    assert changes.resources(parse(TEMPLATE), BEFORE, parse(TEMPLATE + "# said otherwise\n"), BEFORE) == ()


@pytest.mark.parametrize(
    ("after", "values", "expected"),
    [
        pytest.param(other(), {"Name": "e"}, {"Queue": "change"}, id="a-parameter-in-a-text"),
        pytest.param(other(), {"Days": "31"}, {"Layer": "replace"}, id="a-layer-is-always-another"),
        pytest.param(
            other(), {"Email": "a@b"}, {"Log": "change", "One": "add", "Subscription": "add"}, id="a-condition"
        ),
        pytest.param(other(), {"Days": "3"}, {"Layer": "replace", "One": "add"}, id="one-of-two-conditions"),
        pytest.param(
            other(),
            {"Days": "3", "Email": "a@b"},
            {"Layer": "replace", "Log": "change", "One": "add", "Subscription": "add", "Two": "add"},
            id="both-conditions",
        ),
        pytest.param(other(("looks", "changes")), {}, {"Queue": "change"}, id="a-property"),
        pytest.param(
            other(("  Queue:", "  Looks:"), ("Ref Queue", "Ref Looks"), ("GetAtt Queue", "GetAtt Looks")),
            {},
            {"Looks": "add", "Policy": "change", "Queue": "remove"},
            id="another-name",
        ),
        pytest.param(other(('"AWS::Logs::LogGroup"', '"AWS::SNS::Topic"')), {}, {"Log": "replace"}, id="another-type"),
    ],
)
def test_a_resource_changes_where_what_it_comes_to_does(
    after: Manifest, values: dict[str, str], expected: dict[str, str]
) -> None:
    found = changes.resources(parse(TEMPLATE), BEFORE, after, BEFORE | values)
    assert {each.name: each.change for each in found} == expected


def test_a_new_stack_adds_what_there_is_under_its_conditions() -> None:
    found = changes.resources(None, {}, parse(TEMPLATE), BEFORE)
    assert {(each.name, each.change) for each in found} == {(n, "add") for n in ("Queue", "Policy", "Layer", "Log")}
    assert Resource("Queue", "AWS::SQS::Queue", "add") in found


def test_values_are_the_given_ones_then_the_stacks_then_the_defaults() -> None:
    found = changes.effective(parse(TEMPLATE), {"Name": "new", "Email": None}, {"Email": "a@b", "Days": "14"})
    assert found == {"Name": "new", "Email": "a@b", "Days": "30"}


def test_parameters_come_change_and_go() -> None:
    found = changes.parameters({"A": "1", "B": "1", "C": "1"}, {"A": "1", "B": "2", "D": "1"})
    assert found == (Parameter("B", "1", "2"), Parameter("C", "1", None), Parameter("D", None, "1"))


@pytest.mark.parametrize(
    ("has", "changed", "expected"),
    [
        pytest.param({}, [], {"Url": LATER, "LayerArn": LATER, "Arn": LATER}, id="of-a-new-stack"),
        pytest.param(
            {"Url": "u", "LayerArn": "l", "Arn": "a"}, [], {"Url": "u", "LayerArn": "l", "Arn": "a"}, id="as-it-was"
        ),
        pytest.param(
            {"Url": "u", "LayerArn": "l", "Arn": "a"},
            [Resource("Layer", "", "replace"), Resource("Queue", "", "change")],
            {"Url": "u", "LayerArn": LATER, "Arn": "a"},
            id="of-what-becomes-another",
        ),
        pytest.param(
            {"Url": "u", "LayerArn": "l", "Arn": "a"},
            [Resource("Queue", "", "replace")],
            {"Url": LATER, "LayerArn": "l", "Arn": LATER},
            id="in-whatever-form",
        ),
    ],
)
def test_outputs_that_are_not_known_before_the_change_are_not_guessed(
    has: dict[str, str], changed: list[Resource], expected: dict[str, Any]
) -> None:
    assert changes.outputs(parse(TEMPLATE), has, changed) == expected


def test_a_condition_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a condition: 'maybe'"):
        changes.resources(None, {}, other(('!Not [!Equals [!Ref Email, ""]]', "maybe")), BEFORE)
