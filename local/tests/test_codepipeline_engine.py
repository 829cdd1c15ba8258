"""What reaches the engine late, twice, or not at all: answers, outcomes, events, pipelines deleted under an action."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from deployer_local.codepipeline.testing import World, action, approval, pipeline

INVOKE = action("Invoke", "Lambda", {"FunctionName": "release"}, name="Release")


class Works:
    """An executor that knows when everything it was given is over."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def over(self) -> None:
        while self._threads:
            self._threads.pop().join(20)


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: Works) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = World(tmp_path, executor=works)
        made.put_source({"a": "b"})
        yield made
        made.engine.close()
        works.over()


def create(world: World, *stages: Any, **more: Any) -> str:
    world.call("CreatePipeline", pipeline=pipeline(*stages, **more))
    return str(world.runs()[0]["pipelineExecutionId"])


def error_of(world: World, run: str, name: str) -> dict[str, str]:
    found: dict[str, str] = world.actions(run)[name]["output"]["executionResult"]["errorDetails"]
    return found


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({}, id="no-job"),
        pytest.param({"CodePipeline.job": "x"}, id="no-object"),
        pytest.param({"CodePipeline.job": {"id": 1}}, id="no-id"),
        pytest.param({"CodePipeline.job": {"id": "12345678-1234-1234-1234-123456789012"}}, id="a-job-of-nobody"),
    ],
)
def test_a_function_that_failed_at_something_else_changes_nothing(world: World, event: dict[str, Any]) -> None:
    run = create(world, [approval()])
    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    before = world.runs()
    world.engine.function_failed(event, "ZeroDivisionError")
    assert world.runs() == before


def test_a_function_that_fails_after_it_answered_has_answered(world: World) -> None:
    def release(event: dict[str, Any]) -> None:
        world.call("PutJobSuccessResult", jobId=event["CodePipeline.job"]["id"])
        world.engine.function_failed(event, "ZeroDivisionError")

    world.functions.known["release"] = release
    run = create(world, [INVOKE])
    world.until_run(run, "SUCCEEDED")


def test_a_function_that_fails_without_a_word_failed(world: World) -> None:
    world.functions.known["release"] = lambda event: world.engine.function_failed(event, "")
    run = create(world, [INVOKE])
    world.until_run(run, "FAILED")
    assert error_of(world, run, "Release") == {"code": "JobFailed", "message": "the function failed"}


def test_an_action_that_breaks_fails_its_run_and_says_who_is_at_fault(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: Any) -> None:
        raise KeyError("StackId")

    world.functions.invoke = broken  # type: ignore[method-assign]
    run = create(world, [INVOKE])
    world.until_run(run, "FAILED")
    assert error_of(world, run, "Release") == {
        "code": "SystemUnavailable",
        "message": "This engine failed: KeyError: 'StackId'",
    }
    assert "action Stage1/Release of app broke" in caplog.text


def test_an_event_that_is_not_taken_is_logged_and_the_next_ones_come(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    taken = world.emit

    def emit(kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        if detail["state"] == "STARTED" and detail.get("action") == "Fetch":
            raise ConnectionError("no bus")
        taken(kind, detail, resources)

    world.engine.close()
    world.emit = emit  # type: ignore[method-assign]
    world.open()
    run = create(world, [approval()])
    world.until(lambda: ("Action", run, "Source", "Fetch", "SUCCEEDED") in world.told())
    assert ("Action", run, "Source", "Fetch", "STARTED") not in world.told()
    assert "an event of pipeline app was not taken: CodePipeline Action Execution State Change" in caplog.text


@pytest.mark.parametrize(
    ("configuration", "reference"),
    [
        pytest.param({"CustomData": "#{SourceVariables.Colour}"}, "#{SourceVariables.Colour}", id="unknown-variable"),
        pytest.param({"CustomData": "at #{Nobody.Url}"}, "#{Nobody.Url}", id="unknown-namespace"),
    ],
)
def test_a_reference_to_what_nobody_produced_fails_the_action(
    world: World, configuration: dict[str, str], reference: str
) -> None:
    run = create(world, [action("Approval", "Manual", configuration, name="Approve")])
    world.until_run(run, "FAILED")
    assert error_of(world, run, "Approve") == {
        "code": "ConfigurationError",
        "message": f"An action configuration value references {reference}, which no earlier action has produced",
    }
    assert [told[4] for told in world.told() if told[3] == "Approve"] == ["STARTED", "FAILED"]


class Between:
    """The client ``real``, doing something before one of its calls."""

    def __init__(self, real: Any, name: str, before: Callable[[], object]) -> None:
        self._real, self._name, self._before = real, name, before

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            self._before()
        return getattr(self._real, name)


def delete(world: World) -> None:
    world.call("DeletePipeline", name="app")


def abandon(world: World) -> None:
    run = world.runs()[0]["pipelineExecutionId"]
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, abandon=True)


@pytest.mark.parametrize(
    ("meanwhile", "word", "ended"),
    [
        pytest.param(delete, "CANCELED", "CANCELED", id="deleted"),
        pytest.param(abandon, "ABANDONED", "STOPPED", id="abandoned"),
    ],
)
def test_what_an_action_brings_home_too_late_does_not_count(
    world: World, works: Works, meanwhile: Callable[[World], None], word: str, ended: str
) -> None:
    world.real["s3"] = Between(world.s3, "copy_object", lambda: meanwhile(world))
    run = create_only(world, [approval()])
    world.until_run(run, ended)
    works.over()
    assert [told[4] for told in world.told() if told[3]] == ["STARTED", word]
    assert world.told()[-1] == ("Pipeline", run, "", "", ended)


def create_only(world: World, *stages: Any) -> str:
    """The run of a new pipeline, whatever becomes of it meanwhile."""
    world.call("CreatePipeline", pipeline=pipeline(*stages))
    world.until(world.told)
    return world.told()[0][1]


@pytest.mark.parametrize("meanwhile", [delete, abandon])
def test_an_action_that_is_left_behind_stops_without_a_word(
    world: World, works: Works, meanwhile: Callable[[World], None]
) -> None:
    stacks = world.stacks
    create_stack, settled = stacks.create_stack, []

    def creating(**given: Any) -> dict[str, Any]:
        answer = create_stack(**given)
        meanwhile(world)
        settled.append(answer["StackId"])
        return answer

    stacks.create_stack = creating  # type: ignore[method-assign]
    world.put_source({"t": "{}"})
    deploy = {
        "ActionMode": "CREATE_UPDATE",
        "StackName": "s",
        "RoleArn": "arn:aws:iam::1:role/r",
        "TemplatePath": "SourceOutput::t",
    }
    inputs = [{"name": "SourceOutput"}]
    run = create_only(world, [action("Deploy", "CloudFormation", deploy, name="Deploy", inputArtifacts=inputs)])
    world.until(lambda: any(told[4] in {"CANCELED", "STOPPED"} and told[0] == "Pipeline" for told in world.told()))
    works.over()
    assert len(settled) == 1
    assert ("Action", run, "Stage1", "Deploy", "FAILED") not in world.told()


def test_variables_of_a_run_are_shown_and_resolved(world: World) -> None:
    variables = [{"name": "Colour", "defaultValue": "red"}]
    shown = action("Approval", "Manual", {"CustomData": "#{variables.Colour}"}, name="Approve")
    create(world, [shown], pipelineType="V2", executionMode="PARALLEL", variables=variables)
    run = world.call("StartPipelineExecution", name="app", variables=[{"name": "Colour", "value": "blue"}])[
        "pipelineExecutionId"
    ]
    found = world.call("GetPipelineExecution", pipelineName="app", pipelineExecutionId=run)["pipelineExecution"]
    assert found["variables"] == [{"name": "Colour", "resolvedValue": "blue"}]
    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    assert world.actions(run)["Approve"]["input"]["resolvedConfiguration"] == {"CustomData": "blue"}


def test_a_run_that_stops_can_be_told_not_to_wait(world: World) -> None:
    run = create(world, [approval()])
    world.until(lambda: ("Action", run, "Stage1", "Approve", "STARTED") in world.told())
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, reason="first")
    world.call("StopPipelineExecution", pipelineName="app", pipelineExecutionId=run, abandon=True, reason="second")
    world.until_run(run, "STOPPED")
    assert [told[4] for told in world.told()].count("STOPPING") == 2  # the run and its stage, once each
    assert world.runs()[0]["stopTrigger"] == {"reason": "first"}
