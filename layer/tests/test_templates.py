"""Templates and parameters: what is accepted, and what a refusal says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployer.errors import Rejected
from deployer.refs import Stage
from deployer.templates import Unreadable, digest, parse_parameters, parse_template

YAML = b"""
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  SourceKey: {Type: String}
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: !Sub "${AWS::StackName}-x"
      RoleArn: !GetAtt Role.Arn
      ArtifactStore: !If [Own, !Ref Store, !Join ["-", [a, b]]]
      Stages: !Transform {Name: AWS::Include, Parameters: {Location: !Sub "s3://x"}}
"""


def parsed(parameters: dict[str, Any]) -> Any:
    return parse_template("t.json", json.dumps({"Parameters": parameters, "Resources": {}}).encode())


@pytest.mark.parametrize(
    ("path", "content", "error"),
    [
        pytest.param("p.json", b'{\n "Resources": {\n,}}', "p.json:3: ", id="json-line"),
        pytest.param("p.yaml", b"Resources:\n  A: [1\n", "p.yaml:3: ", id="yaml-line"),
        pytest.param("p.json", b"\xff", "p.json: not UTF-8", id="no-utf-8"),
        pytest.param("p.json", b"[]", "expected a CloudFormation template with Resources", id="a-list"),
        pytest.param("p.json", b'{"Resources": {}, "Parameters": []}', "Parameters must map names", id="parameters"),
        pytest.param("p.json", b"[" * 100_000, "p.json: nested too deeply", id="deep"),
        pytest.param("p.json", b" " * (1024 * 1024 + 1), "CloudFormation takes at most 1 MB", id="F54-over-1-MB"),
    ],
)
def test_a_broken_template_says_file_line_and_what_was_expected(path: str, content: bytes, error: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_template(path, content)
    assert error in str(caught.value)


def test_yaml_with_short_forms_is_read() -> None:
    template = parse_template("p.yaml", YAML)
    assert template.parameters == {"SourceKey": {"Type": "String"}}
    properties = template.resources["Pipeline"]["Properties"]
    assert properties == {
        "Name": {"Fn::Sub": "${AWS::StackName}-x"},
        "RoleArn": {"Fn::GetAtt": "Role.Arn"},
        "ArtifactStore": {"Fn::If": ["Own", {"Ref": "Store"}, {"Fn::Join": ["-", ["a", "b"]]}]},
        "Stages": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": {"Fn::Sub": "s3://x"}}}},
    }


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"[]", "expected an object of development, staging and production", id="a-list"),
        pytest.param(b'{"staging": {}}', "staging must be a list", id="no-list"),
        pytest.param(b'{"staging": [{"ParameterKey": 1}]}', "staging must be a list of ParameterKey", id="no-key"),
        pytest.param(b'{"staging": [{"ParameterKey": "A"}]}', "A needs a ParameterValue", id="no-value"),
        pytest.param(
            b'{"staging": [{"ParameterKey": "A", "ParameterValue": 1}, {"ParameterKey": "A", "ParameterValue": 2}]}',
            "A is set twice",
            id="twice",
        ),
    ],
)
def test_broken_parameters_say_what_was_expected(content: bytes, error: str) -> None:
    with pytest.raises(Rejected, match=error):
        parse_parameters("deploy/pipeline.parameters.json", content, Stage.STAGING)


NUMBER = b"9" * 5000
BOMB = b"a: &a [x, x]\nb: &b [*a, *a]\nResources: {}\n"


@pytest.mark.parametrize(
    ("path", "content", "error"),
    [
        pytest.param(
            "p.yaml", b"Resources: {}\nParameters: {on: {Type: String}}", "Parameters", id="a-truth-as-a-name"
        ),
        pytest.param(
            "p.yaml", b"Resources: {}\nParameters: {1: {Type: String}}", "Parameters", id="a-number-as-a-name"
        ),
        pytest.param("p.yaml", b"Resources: {}\nX: !!int xx", "a value that is none", id="no-integer"),
        pytest.param("p.json", b'{"Resources": {}, "X": ' + NUMBER + b"}", "a value that is none", id="a-long-number"),
        pytest.param("p.yaml", BOMB, "p.yaml:2: CloudFormation takes no aliases", id="aliases"),
    ],
)
def test_what_no_parser_takes_is_said_on_the_commit(path: str, content: bytes, error: str) -> None:
    with pytest.raises(Rejected, match=error):
        parse_template(path, content)


def test_a_parameters_file_has_a_size_too() -> None:
    with pytest.raises(Rejected, match="1,048,577 bytes; CloudFormation takes at most 1 MB"):
        parse_parameters("p.json", b" " * (1024 * 1024 + 1), Stage.STAGING)


def test_parameters_are_those_of_the_stage() -> None:
    content = b'{"staging": [{"ParameterKey": "A", "ParameterValue": 5}], "production": []}'
    assert parse_parameters("p.json", content, Stage.STAGING) == {"A": "5"}
    assert parse_parameters("p.json", content, Stage.DEVELOPMENT) == {}


def test_the_digest_changes_with_text_and_parameters_and_nothing_else() -> None:
    template = parsed({"A": {}})
    one = digest(template, {"A": "1", "B": "2"})
    assert one == digest(template, {"B": "2", "A": "1"})
    assert one != digest(template, {"A": "1", "B": "3"})
    assert one != digest(parsed({"A": {"Type": "String"}}), {"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        pytest.param(
            "p.json", b'{\n"staging": [\n{"ParameterKey" "A"}]}', ("p.json:3: ", "Expecting ':' delimiter"), id="json"
        ),
        pytest.param("p.yaml", b"staging:\n- {ParameterKey: A\n", ("p.yaml:3: ", "expected ',' or '}'"), id="yaml"),
        pytest.param("p.yml", b"staging:\n\t- A\n", ("p.yml:2: ", "found character"), id="yaml-tab"),
    ],
)
def test_a_broken_parameters_file_says_file_line_and_what_was_expected(
    path: str, content: bytes, said: tuple[str, str]
) -> None:
    with pytest.raises(Rejected) as caught:
        parse_parameters(path, content, Stage.STAGING)
    assert str(caught.value).startswith(said[0])
    assert said[1] in str(caught.value)


@pytest.mark.parametrize(
    ("path", "content", "place"),
    [
        pytest.param("p.json", b'{\n  "A" 1}', (2, 7), id="json"),
        pytest.param("p.yaml", b"A:\n  - [1\nB: 2\n", (3, 2), id="yaml"),
        pytest.param("p.yaml", b"A: &a {}\nB: *a\n", (2, 4), id="alias"),
        pytest.param("p.json", b"\xff", (0, 0), id="nowhere"),
    ],
)
def test_what_can_not_be_read_says_where(path: str, content: bytes, place: tuple[int, int]) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_template(path, content)
    assert (caught.value.line, caught.value.column) == place
