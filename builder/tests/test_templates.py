"""Templates and parameters: what is accepted, and what a refusal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from builder.templates import (
    RESERVED,
    digest,
    parse_parameters,
    parse_template,
    resolve,
    self_starting_sources,
)
from deployer.errors import Rejected
from deployer.refs import Stage

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


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_F53_reserved_parameters_are_refused_by_name(name: str) -> None:
    with pytest.raises(Rejected, match=f"set by the deployer, not by the repository: {name}"):
        resolve(parsed({name: {"Type": "String", "NoEcho": True}}), {name: "x"}, {})


def test_everything_wrong_is_named_together() -> None:
    with pytest.raises(Rejected) as caught:
        resolve(parsed({"Mine": {}, "Other": {"Default": ""}}), {"Stage": "x", "Unknown": "y"}, {})
    text = str(caught.value)
    assert "not by the repository: Stage" in text
    assert "not declared in the template: Unknown" in text
    assert "without a value: Mine" in text


def read(calls: list[str]) -> Callable[[], str]:
    def token() -> str:
        calls.append("read")
        return "canary"

    return token


@pytest.mark.parametrize("echo", ["true", True], ids=["F92-text", "F92-boolean"])
def test_F92_the_token_goes_to_a_template_that_declares_it_with_noecho(echo: object) -> None:
    values = resolve(parsed({"RepoToken": {"Type": "String", "NoEcho": echo}}), {}, {"RepoToken": lambda: "canary"})
    assert values == {"RepoToken": "canary"}


@pytest.mark.parametrize(
    "declared", [pytest.param({}, id="F92-undeclared"), pytest.param({"Stage": {}}, id="F92-others-declared")]
)
def test_F92_no_token_is_read_where_none_is_declared(declared: dict[str, Any]) -> None:
    calls: list[str] = []
    resolve(parsed(declared), {}, {"RepoToken": read(calls), "Stage": lambda: "staging"})
    assert calls == []


@pytest.mark.parametrize("declaration", [{}, {"NoEcho": False}, {"NoEcho": "no"}], ids=["F92-none", "F92-no", "F92-n"])
def test_F92_a_token_declared_for_all_to_see_is_refused_and_not_read(declaration: dict[str, Any]) -> None:
    calls: list[str] = []
    with pytest.raises(Rejected, match="RepoToken must be declared with NoEcho: true"):
        resolve(parsed({"RepoToken": {"Type": "String", **declaration}}), {}, {"RepoToken": read(calls)})
    assert calls == []


def test_only_what_is_declared_is_sent() -> None:
    provided = {"Stage": lambda: "staging", "SourceKey": lambda: "key"}
    assert resolve(parsed({"Stage": {}}), {}, provided) == {"Stage": "staging"}


def test_the_digest_changes_with_text_and_parameters_and_nothing_else() -> None:
    template = parsed({"A": {}})
    one = digest(template, {"A": "1", "B": "2"})
    assert one == digest(template, {"B": "2", "A": "1"})
    assert one != digest(template, {"A": "1", "B": "3"})
    assert one != digest(parsed({"A": {"Type": "String"}}), {"A": "1", "B": "2"})


def source(provider: str, **configuration: object) -> dict[str, Any]:
    kind = {"Category": "Source", "Owner": "AWS", "Provider": provider, "Version": "1"}
    return {"Name": "Commit", "ActionTypeId": kind, "Configuration": configuration}


@pytest.mark.parametrize(
    ("action", "found"),
    [
        pytest.param(source("S3"), ("P/Commit: set PollForSourceChanges to false",), id="F59-s3-default"),
        pytest.param(source("S3", PollForSourceChanges=False), (), id="F59-s3-false"),
        pytest.param(source("S3", PollForSourceChanges="false"), (), id="F59-s3-text"),
        pytest.param(
            source("GitHub", PollForSourceChanges="true"),
            ("P/Commit: set PollForSourceChanges to false",),
            id="F59-github",
        ),
        pytest.param(
            source("CodeStarSourceConnection"), ("P/Commit: set DetectChanges to false",), id="F59-connection"
        ),
        pytest.param(source("CodeStarSourceConnection", DetectChanges=False), (), id="F59-connection-false"),
        pytest.param(source("ECR"), (), id="F59-ecr-has-no-switch"),
        pytest.param({"Name": "x", "ActionTypeId": {"Category": "Build", "Provider": "S3"}}, (), id="F59-no-source"),
        pytest.param({**source("S3"), "Configuration": ["odd"]}, (), id="F59-left-to-cloudformation"),
    ],
)
def test_F59_sources_that_start_runs_by_themselves_are_found(action: dict[str, Any], found: tuple[str, ...]) -> None:
    properties = {"Stages": [{"Name": "Source", "Actions": [action]}]}
    resources = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": properties}}
    template = parse_template("p.json", json.dumps({"Resources": resources}).encode())
    assert self_starting_sources(template) == found


def test_F59_they_are_found_in_conditions_too() -> None:
    """A stage, or an action, that only some environments have."""
    stages = [
        {"Fn::If": ["A", {"Name": "One", "Actions": [source("S3")]}, {"Ref": "AWS::NoValue"}]},
        {
            "Name": "Two",
            "Actions": [
                {"Fn::If": ["B", source("GitHub"), {"Fn::If": ["C", source("CodeStarSourceConnection"), "odd"]}]},
                {"Fn::If": "odd"},
                "odd",
            ],
        },
    ]
    resources = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Stages": stages}}}
    template = parse_template("p.json", json.dumps({"Resources": resources}).encode())
    switches = ["PollForSourceChanges", "PollForSourceChanges", "DetectChanges"]
    assert self_starting_sources(template) == tuple(f"P/Commit: set {switch} to false" for switch in switches)


def test_F59_triggers_are_found() -> None:
    resources = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Triggers": [{}], "Stages": "odd"}}}
    template = parse_template("p.json", json.dumps({"Resources": resources}).encode())
    assert self_starting_sources(template) == ("P: remove Triggers",)


PARAMETERS_FILE = "deploy/pipeline.parameters.json"


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
    ("parameters", "said"),
    [
        pytest.param(
            {"Mine": "x", "Stage": "y"}, "set by the deployer, not by the repository: Stage", id="F53-reserved"
        ),
        pytest.param({"Mine": "x", "Other": "y"}, "not declared in the template: Other", id="undeclared"),
        pytest.param({}, "without a value: Mine", id="missing"),
    ],
)
def test_parameters_are_named_before_cloudformation_is_asked(world: Any, parameters: dict[str, str], said: str) -> None:
    given = {"staging": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]}
    template = world.template(parameters={"Mine": {"Type": "String"}})
    sha = world.commit({"deploy/pipeline.json": template, PARAMETERS_FILE: json.dumps(given).encode()})
    world.look(world.push("refs/heads/main", sha))
    assert world.prep(sha) == f"failure: staging: parameters {said}"
    assert world.cloud.operations == []
    assert "s3.put" not in world.tape.calls
