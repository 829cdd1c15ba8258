"""Pipelines in templates: their actions, and the sources that start runs by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.actions import actions, self_starting


def source(provider: str, **configuration: object) -> dict[str, Any]:
    kind = {"Category": "Source", "Owner": "AWS", "Provider": provider, "Version": "1"}
    return {"Name": "Commit", "ActionTypeId": kind, "Configuration": configuration}


def test_F59_they_are_found_in_conditions_too_where_they_stand() -> None:
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
    found = self_starting({"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Stages": stages}}})
    assert [(str(each), each.path[4:]) for each in found] == [
        ("P/Commit: set PollForSourceChanges to false", (0, "Fn::If", 1, "Actions", 0)),
        ("P/Commit: set PollForSourceChanges to false", (1, "Actions", 0, "Fn::If", 1)),
        ("P/Commit: set DetectChanges to false", (1, "Actions", 0, "Fn::If", 2, "Fn::If", 1)),
    ]


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
    assert tuple(map(str, self_starting(resources))) == found


def test_F59_triggers_are_found() -> None:
    resources = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Triggers": [{}], "Stages": "odd"}}}
    assert tuple(map(str, self_starting(resources))) == ("P: remove Triggers",)


def test_where_an_action_stands_and_when_it_runs_is_known() -> None:
    stages = [
        {"Actions": [source("S3")]},
        {"Actions": [{"Name": "B", "RunOrder": "2"}, {"Name": "C", "RunOrder": "x"}]},
    ]
    resources = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Stages": stages}}}
    found = list(actions(resources))
    assert [(action.name, action.order) for action in found] == [("Commit", (0, 1)), ("B", (1, 2)), ("C", (1, 1))]
    assert found[1].path == ("Resources", "P", "Properties", "Stages", 1, "Actions", 0)
    assert [action.kind for action in found] == [("Source", "S3"), ("", ""), ("", "")]
