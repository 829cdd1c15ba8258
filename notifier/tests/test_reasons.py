"""Why an action failed, by what its provider knows of it: a table of actions, and of what can't be asked."""

from __future__ import annotations

import pytest

from deployer.builds import Failure
from deployer.errors import Broken, Rejected, Transient
from deployer.pipelines import ActionRun
from deployer.progress import StageProgress
from deployer.reasons import SKEW, Reasons
from deployer.states import CommitState, RunState

from .test_notify import NEW, PIPELINE, RUN, SOURCE, Builds, Events, Runs, World, did

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/site-x-app/1"
BUCKET = "Site (AWS::S3::Bucket): site-bucket already exists"
EVENTS = "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/events?stackId="


def failed(**changes: object) -> ActionRun:
    return did("Deploy", "Failed", 5, **{"provider": "CloudFormation", "action": "App", **changes})


def stage(action: ActionRun) -> StageProgress:
    return StageProgress("Deploy", CommitState.FAILURE, "failed", 5, 3, action)


@pytest.mark.parametrize(
    ("action", "asked", "reason", "url"),
    [
        pytest.param(failed(external_id=ARN), [ARN], BUCKET, EVENTS, id="the-stack-by-its-arn"),
        pytest.param(
            failed(stack="site-x-app", url="https://cfn"), ["site-x-app"], BUCKET, "https://cfn", id="by-name"
        ),
        pytest.param(
            failed(stack="site-x-app", external_id="a change set", url="https://cfn"),
            ["site-x-app"],
            BUCKET,
            "https://cfn",
            id="by-name-where-it-was-a-change-set",
        ),
        pytest.param(
            failed(stack="fine", error="Template error", url="https://cfn"),
            ["fine"],
            "Template error",
            "https://cfn",
            id="no-resource-failed",
        ),
        pytest.param(failed(error="no stack"), [], "no stack", "", id="nobody-says-which-stack"),
        pytest.param(
            failed(provider="S3", stack="site-x-app", error="denied"), [], "denied", "", id="another-provider"
        ),
    ],
)
def test_a_stack_says_which_resource_failed_first(action: ActionRun, asked: list[str], reason: str, url: str) -> None:
    events = Events({ARN: BUCKET, "site-x-app": BUCKET})
    found = Reasons(Builds(), events).of(stage(action))
    assert found
    assert (found.reason, found.late) == (reason, False)
    assert found.url.startswith(url)
    assert events.asked == [(each, action.started - SKEW) for each in asked], "what failed before is another run's"


def test_an_action_from_the_beginning_of_time_asks_for_no_time_before_it() -> None:
    events = Events()
    Reasons(Builds(), events).of(stage(failed(stack="site-x-app", started=1)))
    assert events.asked == [("site-x-app", 0)]


def test_a_reason_names_stacks_and_not_arns() -> None:
    events = Events({ARN: f"Nested (AWS::CloudFormation::Stack): Embedded stack {ARN.replace('/1', '/ab-1')} failed"})
    found = Reasons(Builds(), events).of(stage(failed(external_id=ARN)))
    assert found
    assert "arn:" not in found.reason


@pytest.mark.parametrize(
    ("error", "late"),
    [
        pytest.param(Transient("throttled"), True, id="F46-throttled"),
        pytest.param(Rejected("Stack does not exist"), False, id="the-stack-is-gone"),
        pytest.param(Broken("AccessDenied"), False, id="not-allowed"),
        pytest.param(KeyError("StackEvents"), False, id="F70-nonsense"),
    ],
)
def test_what_can_not_be_asked_holds_up_nothing(error: Exception, late: bool) -> None:
    reasons = Reasons(Builds(error), Events({"site-x-app": error}))
    found = reasons.of(stage(failed(stack="site-x-app", error="failed", url="https://cfn")))
    assert found == Failure("failed", url="https://cfn", late=late)
    found = reasons.of(stage(failed(provider="CodeBuild", external_id="site:1", error="failed")))
    assert found == Failure("failed", late=late)


@pytest.mark.parametrize("url", ["job/site/42", "javascript:alert(1)", "https://a b"], ids=repr)
@pytest.mark.parametrize("reason", ["", BUCKET], ids=["the-actions-own", "a-stacks"])
def test_F40_what_is_no_address_takes_no_failure_with_it(url: str, reason: str) -> None:
    """An action of anybody's says where it ran in any form; GitHub refuses the whole status for one that is no URL."""
    found = Reasons(Builds(), Events({"site-x-app": reason})).of(stage(failed(stack="site-x-app", url=url)))
    assert found
    assert found.url == ""


def test_what_did_not_fail_has_no_reason() -> None:
    assert Reasons(Builds(), Events()).of(StageProgress("Build", CommitState.SUCCESS, "succeeded", 5)) is None


def test_the_status_of_a_stack_that_failed() -> None:
    world = World(events=Events({ARN: BUCKET}))
    world.runs = Runs(RunState.FAILED, [SOURCE, did("Build", "Failed", 5, provider="CloudFormation", external_id=ARN)])
    world.notice()
    status = world.github.statuses[-1]
    assert status.description == f"feature/login: Build failed in 3 s: {BUCKET}"
    assert status.url.startswith(EVENTS)


def test_a_stage_that_waits_for_an_approval_links_to_where_it_is_given() -> None:
    world = World(runs=Runs(RunState.IN_PROGRESS, [SOURCE, did("Build", "InProgress", 5, provider="Manual")]))
    world.notice()
    status = world.github.statuses[-1]
    assert (status.state, status.description) == (CommitState.PENDING, "feature/login: Build waits for an approval")
    assert status.url.endswith(f"/codepipeline/pipelines/{PIPELINE}/view?region=eu-west-1")
    world.runs.done = [SOURCE, did("Build", "Succeeded", 5, provider="Manual")]
    world.notice()
    assert world.github.statuses[-1].state is CommitState.SUCCESS
    assert world.github.statuses[-1].url.endswith(f"/executions/{RUN}/timeline?region=eu-west-1")
    assert {each.sha for each in world.github.statuses} == {NEW}
