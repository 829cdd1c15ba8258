"""Environments as they may be found, for the tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.environments import EnvironmentId, owner_tags
from deployer.events import RepositoryName
from deployer.pipelines import ActionRun
from deployer.ports import Environment, Outcome, Parked, Stack, Tip
from deployer.refs import Stage
from deployer.states import RunState
from deployer_cli.everyday.seen import Seen, SeenRun

NAME = RepositoryName(42, "acme", "site")
NOW = 1_800_000_000_000
OLD, NEW = "a" * 40, "b" * 40
LOGIN = EnvironmentId(42, Stage.DEVELOPMENT, "feature/login")
STAGING, PRODUCTION = EnvironmentId(42, Stage.STAGING), EnvironmentId(42, Stage.PRODUCTION)
REF = "refs/heads/feature/login"
STACK = "site-feature-login-abcdefghij"
ARN = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{STACK}/1"
PREFIX = "opolis-deployer-prod"
STAGES = {"Source": 1, "Build": 1, "Deploy": 1}


def item(environment: EnvironmentId = LOGIN, **changes: Any) -> Environment:
    """A good one."""
    made = Environment(
        environment,
        NAME,
        REF,
        STACK,
        generation=7,
        commit=OLD,
        source="v1",
        source_at=NOW - 120_000,
        outcome=Outcome.SUCCESS,
        pipelines=(STACK,),
        said="prepared",
        touched=NOW - 130_000,
    )
    return replace(made, **changes)


def did(stage: str, status: str = "Succeeded", at: int = -100, **changes: Any) -> ActionRun:
    """An action of 20 seconds, that began so many seconds from now."""
    began = NOW + at * 1000
    provider = {"Source": "S3", "Build": "CodeBuild", "Deploy": "CloudFormation"}.get(stage, "Manual")
    made = ActionRun(stage, f"{stage}It", provider, status, began, began + 20_000)
    return replace(made, **changes)


def run(state: RunState, *actions: ActionRun, **changes: Any) -> SeenRun:
    """A run of the commit that is wanted."""
    return replace(SeenRun(STACK, "run-1", state, NOW - 110_000, OLD, STAGES, actions), **changes)


DONE = run(RunState.SUCCEEDED, did("Source"), did("Build", at=-80), did("Deploy", at=-60))


def stack(**changes: Any) -> Stack:
    """The environment's stack."""
    return replace(Stack(ARN, STACK, "CREATE_COMPLETE", owner_tags(LOGIN, PREFIX, "acme/site")), **changes)


def seen(found: Environment | None = None, **changes: Any) -> Seen:
    """An environment at the tip of its branch, all of it good."""
    made = Seen(
        LOGIN,
        NAME,
        "eu-central-1",
        NOW,
        found or item(),
        None,
        Tip(OLD, OLD),
        stack=stack(),
        runs={STACK: DONE},
        served="https://login.example",
    )
    return replace(made, **changes)


def parked(environment: EnvironmentId = LOGIN, sha: str = OLD, *, retired: bool = False, ref: str = REF) -> Parked:
    """A ref that sleeps."""
    return Parked(environment, ref, sha, NOW // 1000, "removed by hand; a push brings it back", retired)
