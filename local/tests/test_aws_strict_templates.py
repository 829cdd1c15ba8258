"""References and parameters AWS refuses before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from deployer_local.aws.strict_templates import GivenParameter, parameter_problem, template_problem


def template(properties: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {"R": {"Type": "T", "Properties": properties}},
        **more,
    }


UNRESOLVED = "Template format error: Unresolved resource dependencies [{}] in the {} block of the template"
UNDEFINED = "Template error: instance of Fn::GetAtt references undefined resource {}"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(template({"a": {"Ref": "P"}, "b": {"Ref": "R"}}), None, id="parameter-and-resource"),
        pytest.param(template({"a": {"Ref": "AWS::Region"}}), None, id="pseudo-parameter"),
        pytest.param(template({"a": {"Ref": "X"}}), UNRESOLVED.format("X", "Resources"), id="ref"),
        pytest.param(
            template([{"Ref": "Z"}, {"Fn::Join": ["", [{"Ref": "Y"}]]}]),
            UNRESOLVED.format("Y, Z", "Resources"),
            id="all",
        ),
        pytest.param(template({"Fn::Sub": "${P}-${AWS::StackName}-${!X}"}), None, id="sub-literal"),
        pytest.param(template({"Fn::Sub": "a-${X}"}), UNRESOLVED.format("X", "Resources"), id="sub"),
        pytest.param(template({"Fn::Sub": ["${X}", {"X": {"Ref": "P"}}]}), None, id="sub-own-variable"),
        pytest.param(
            template({"Fn::Sub": ["${X}", {"X": {"Ref": "Y"}}]}),
            UNRESOLVED.format("Y", "Resources"),
            id="sub-in-variable",
        ),
        pytest.param(template({"Fn::Sub": {"X": "no text"}}), None, id="sub-of-no-text-is-for-the-service-to-refuse"),
        pytest.param(template({"Fn::Sub": "${X.Arn}"}), UNDEFINED.format("X"), id="sub-attribute"),
        pytest.param(template({"Fn::GetAtt": ["X", "Arn"]}), UNDEFINED.format("X"), id="getatt"),
        pytest.param(template({"Fn::GetAtt": "X.Arn"}), UNDEFINED.format("X"), id="getatt-short"),
        pytest.param(
            template(Outputs={"O": {"Value": {"Ref": "X"}}}), UNRESOLVED.format("X", "Outputs"), id="in-outputs"
        ),
        pytest.param(
            {"Resources": {"R": {"Type": "T", "DependsOn": ["X"]}}},
            UNRESOLVED.format("X", "Resources"),
            id="depends-on",
        ),
    ],
)
def test_references(given: dict[str, Any], problem: str | None) -> None:
    assert template_problem(given) == problem


DECLARED = {"Parameters": {"Must": {"Type": "String"}, "May": {"Type": "String", "Default": ""}}}


@pytest.mark.parametrize(
    ("given", "previous", "problem"),
    [
        pytest.param([GivenParameter("Must")], [], None, id="all-given"),
        pytest.param([], [], "Parameters: [Must] must have values", id="missing"),
        pytest.param(
            [GivenParameter("Must"), GivenParameter("X"), GivenParameter("Y")],
            [],
            "Parameters: [X, Y] do not exist in the template",
            id="undeclared",
        ),
        pytest.param([GivenParameter("Must", previous=True)], ["Must"], None, id="previous"),
        pytest.param(
            [GivenParameter("Must", previous=True)],
            [],
            "Invalid input for parameter key Must. Cannot specify usePreviousValue as true for a parameter key not in "
            "the previous template",
            id="no-previous",
        ),
    ],
)
def test_parameters(given: list[GivenParameter], previous: list[str], problem: str | None) -> None:
    assert parameter_problem(DECLARED, given, previous) == problem
