"""What expressions come to before there is an environment, and where values stand in their files."""

from __future__ import annotations

from typing import Any

import pytest

from deployer_cli.validate.document import Document
from deployer_cli.validate.evaluation import Scope, depends, references
from deployer_cli.validate.findings import Place

TEMPLATE: dict[str, Any] = {
    "Mappings": {"Sizes": {"staging": {"Memory": 512}}},
    "Conditions": {
        "Staging": {"Fn::Equals": [{"Ref": "Stage"}, "staging"]},
        "Other": {"Fn::Not": [{"Condition": "Staging"}]},
        "Both": {"Fn::And": [{"Condition": "Staging"}, {"Fn::Equals": ["a", "a"]}]},
        "Either": {"Fn::Or": [{"Condition": "Other"}, {"Condition": "Staging"}]},
        "Later": {"Fn::Equals": [{"Ref": "Made"}, "x"]},
        "Odd": {"Fn::Equals": ["x"]},
    },
    "Resources": {"Bucket": {}},
}
SCOPE = Scope("app-staging", TEMPLATE, {"Stage": "staging", "Made": None})
ARN = "arn:aws:cloudformation:eu-central-1:123456789012:stack/app-staging/1"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        pytest.param("as it is", "as it is", id="text"),
        pytest.param(True, "true", id="truth"),
        pytest.param(5, "5", id="number"),
        pytest.param({"Ref": "Stage"}, "staging", id="parameter"),
        pytest.param({"Ref": "Made"}, None, id="made-by-a-run"),
        pytest.param({"Ref": "Nowhere"}, None, id="nowhere"),
        pytest.param({"Ref": "Bucket"}, "app-staging-Bucket", id="resource"),
        pytest.param({"Ref": "AWS::StackName"}, "app-staging", id="stack"),
        pytest.param({"Ref": "AWS::StackId"}, ARN, id="stack-id"),
        pytest.param({"Ref": "AWS::Region"}, "eu-central-1", id="region"),
        pytest.param({"Fn::GetAtt": ["Bucket", "Arn"]}, "app-staging-Bucket.Arn", id="attribute"),
        pytest.param({"Fn::GetAtt": "Bucket.Arn"}, "app-staging-Bucket.Arn", id="attribute-in-short"),
        pytest.param(
            {"Fn::Sub": "${ Stage }-${!Not}-${Bucket.Arn}"}, "staging-${Not}-app-staging-Bucket.Arn", id="sub"
        ),
        pytest.param({"Fn::Sub": ["${A}/${Stage}", {"A": {"Ref": "Stage"}}]}, "staging/staging", id="sub-with-own"),
        pytest.param({"Fn::Sub": "${Made}"}, None, id="sub-of-what-a-run-makes"),
        pytest.param({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-staging", id="join"),
        pytest.param({"Fn::Join": ["-", {"Ref": "Stage"}]}, None, id="join-of-no-list"),
        pytest.param({"Fn::Select": ["1", {"Fn::Split": ["-", "a-b"]}]}, "b", id="select-split"),
        pytest.param({"Fn::Select": [7, ["a"]]}, None, id="select-nothing"),
        pytest.param({"Fn::If": ["Staging", "yes", "no"]}, "yes", id="if"),
        pytest.param({"Fn::If": ["Other", "yes", "no"]}, "no", id="not"),
        pytest.param({"Fn::If": ["Both", "yes", "no"]}, "yes", id="and"),
        pytest.param({"Fn::If": ["Either", "yes", "no"]}, "yes", id="or"),
        pytest.param({"Fn::If": ["Later", "yes", "no"]}, None, id="if-of-what-a-run-makes"),
        pytest.param({"Fn::If": ["Odd", "yes", "no"]}, None, id="odd-condition"),
        pytest.param({"Fn::If": ["Nowhere", "yes", "no"]}, None, id="no-condition"),
        pytest.param({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Memory"]}, "512", id="map"),
        pytest.param({"Fn::FindInMap": ["Sizes", "production", "Memory"]}, None, id="not-in-the-map"),
        pytest.param({"Fn::ToJsonString": {"A": {"Ref": "Stage"}, "B": [1]}}, '{"A": "staging", "B": [1]}', id="json"),
        pytest.param({"Fn::ImportValue": "x"}, None, id="import"),
        pytest.param({"a": "b"}, None, id="an-object"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_expressions_are_worked_out_as_far_as_anybody_can(expression: Any, text: str | None) -> None:
    assert SCOPE.text(expression) == text


@pytest.mark.parametrize(
    ("condition", "made"), [("Staging", True), ("Other", False), ("Later", True), ("Nowhere", True)]
)
def test_what_a_condition_leaves_out_is_not_made(condition: str, made: bool) -> None:
    assert SCOPE.exists({"Condition": condition}) is made
    assert SCOPE.exists({})


def test_a_template_without_sections_is_one_too() -> None:
    assert Scope("s", {"Mappings": []}, {}).text({"Fn::FindInMap": ["A", "B", "C"]}) is None


def test_references_are_found_wherever_they_are() -> None:
    expression = {
        "a": [{"Ref": "A"}, {"Fn::GetAtt": ["B", "Arn"]}],
        "b": {"Fn::Sub": ["${C.Arn} ${!D} ${E}", {"E": {"Ref": "F"}}]},
        "c": {"Fn::GetAtt": "G.Arn"},
    }
    assert set(references(expression)) == {"A", "B", "C", "E", "F", "G"}


def test_what_depends_on_what_is_followed_through() -> None:
    resources = {
        "A": {"DependsOn": "B"},
        "B": {"Properties": {"X": {"Ref": "C"}}, "DependsOn": ["D", 5]},
        "C": {"Properties": {"Y": {"Ref": "Parameter"}}},
        "D": {"DependsOn": ["A"]},
        "E": 5,
    }
    assert depends(resources) == {
        "A": {"A", "B", "C", "D"},
        "B": {"A", "B", "C", "D"},
        "C": frozenset(),
        "D": {"A", "B", "C", "D"},
    }


JSON = b'{\n\t"A": {\n\t\t"B": [1,\n\t\t\t{"C":2}]\n\t}\n}'
YAML = b"A:\n  B:\n  - 1\n  - C: !Sub x\n"


@pytest.mark.parametrize(
    ("path", "content", "place"),
    [
        pytest.param(("A", "B", 1, "C"), JSON, (4, 5), id="json-with-tabs"),
        pytest.param(("A", "B", 1), JSON, (4, 4), id="an-item"),
        pytest.param(("A", "B", 1, "C"), YAML, (4, 5), id="yaml"),
        pytest.param(("A", "B", 9), YAML, (2, 3), id="as-near-as-there-is"),
        pytest.param(("A", "Z"), YAML, (1, 1), id="no-such-key"),
        pytest.param(("A", "B", 1, "C", "Fn::Sub", "x"), YAML, (4, 5), id="within-a-short-form"),
        pytest.param((), YAML, (1, 1), id="the-whole"),
        pytest.param(("A",), b"A: 1\nA: 2\n", (2, 1), id="the-last-of-two"),
    ],
)
def test_values_know_where_they_stand(path: tuple[str | int, ...], content: bytes, place: tuple[int, int]) -> None:
    document = Document.parse("f.json" if content is JSON else "f.yaml", content)
    assert document.at(path) == Place(document.path, *place)


def test_json_that_is_no_yaml_has_no_places() -> None:
    long = "k" * 2000
    document = Document.parse("f.json", b'{"%s": {"a": 1}}' % long.encode())
    assert document.value == {long: {"a": 1}}
    assert document.at((long, "a")) == Place("f.json", 1, 1)
