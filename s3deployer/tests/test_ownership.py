"""Whose a bucket is, shown or refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from deployer.errors import Rejected, Transient
from deployer.pipelines import ActionRun
from deployer.ports import Run, StackResource
from deployer.states import RunState
from s3deployer.job import Job, parse
from s3deployer.ownership import BUCKET_TYPE, DISTRIBUTION_TYPE, PIPELINE_TYPE, Ownership

from .jobs import STORE, event

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack"
JOB = parse(event({"Site": "site-staging/Built/a1", "Outputs": "site-staging/Deployed/b2"}))
RUNNING = ActionRun(
    stage="Release",
    action="Publish",
    provider="Lambda",
    status="InProgress",
    started=1,
    updated=1,
    inputs=((STORE, "site-staging/Deployed/b2"), (STORE, "site-staging/Built/a1")),
)


@dataclass
class World:
    """One environment, ``site-staging``: its pipeline, its app's stack with the site's bucket, and a run."""

    stacks: dict[str, tuple[StackResource, ...]] = field(
        default_factory=lambda: {
            "site-staging": (StackResource(PIPELINE_TYPE, "Pipeline", "site-staging-pipeline"),),
            "site-staging-app": (StackResource(BUCKET_TYPE, "Site", "site-bucket"),),
        }
    )
    environments: set[str] = field(default_factory=lambda: {"site-staging"})
    state: RunState = RunState.IN_PROGRESS
    action: ActionRun = RUNNING
    throttled: bool = False

    def resources(self, stack_id: str) -> tuple[StackResource, ...]:
        return self.stacks.get(stack_id.split("/")[1] if "/" in stack_id else stack_id, ())

    def holder_of(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None:
        if self.throttled:
            raise Transient("owner: Rate exceeded")
        for name, resources in self.stacks.items():
            if any(resource.physical_id == physical_id for resource in resources):
                return f"{ARN}/{name}/01", resources[:100]
        return None

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        old = Run("old", RunState.SUCCEEDED, 0)
        return (Run("now", self.state, 1), old) if pipeline == "site-staging-pipeline" else ()

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]:
        assert (pipeline, run) == ("site-staging-pipeline", "now")
        return (replace(RUNNING, provider="CodeBuild"), self.action)

    def show(self, bucket: str = "site-bucket", job: Job = JOB) -> str:
        return Ownership(_Resources(self), _Memory(self), self).show(bucket, job)


class _Resources:
    def __init__(self, world: World) -> None:
        self.resources, self.holder = world.resources, world.holder_of


class _Memory:
    def __init__(self, world: World) -> None:
        self._world = world

    def holder(self, kind: str, name: str) -> object | None:
        assert kind == "stack"
        return name if name in self._world.environments else None


def test_the_bucket_of_a_stack_named_under_the_environments() -> None:
    assert World().show() == "site-staging"


def test_the_bucket_of_the_environments_own_stack() -> None:
    world = World()
    world.stacks["site-staging"] += (StackResource(BUCKET_TYPE, "Site", "own-bucket"),)
    assert world.show("own-bucket") == "site-staging"


def test_a_stack_of_its_own_with_bucket_and_pipeline_needs_no_environment() -> None:
    world = World(environments=set())
    world.stacks["site-staging"] += (StackResource(BUCKET_TYPE, "Site", "own-bucket"),)
    assert world.show("own-bucket") == "site-staging"


def test_a_bucket_beyond_the_first_hundred_resources() -> None:
    world = World()
    queues = tuple(StackResource("AWS::SQS::Queue", f"Q{n}", f"q{n}") for n in range(150))
    world.stacks["site-staging-app"] = queues + world.stacks["site-staging-app"]
    assert world.show() == "site-staging"


def changed(**changes: object) -> World:
    return replace(World(), **changes)  # type: ignore[arg-type]


REFUSED = {
    "F86-no-stacks-bucket": (World(), "somebody-elses", "no resource of a stack"),
    "F86-only-a-queue-of-that-name": (
        changed(stacks={"site-staging-app": (StackResource("AWS::SQS::Queue", "Q", "site-bucket"),)}),
        "site-bucket",
        "no resource of a stack",
    ),
    "F86-a-stack-that-is-no-environments": (
        changed(environments=set()),
        "site-bucket",
        "no pipeline of site-staging-app",
    ),
    "F86-no-pipeline": (
        changed(stacks={"site-staging": (), "site-staging-app": World().stacks["site-staging-app"]}),
        "site-bucket",
        "no pipeline of site-staging",
    ),
    "F86-a-nearer-environment-owns-it": (
        changed(environments={"site-staging", "site-staging-app"}),
        "site-bucket",
        "no pipeline of site-staging-app",
    ),
    "F86-no-run": (changed(state=RunState.SUCCEEDED), "site-bucket", "no pipeline of site-staging is"),
    "F86-action-over": (changed(action=replace(RUNNING, status="Succeeded")), "site-bucket", "is running this action"),
    "F86-no-lambda-action": (changed(action=replace(RUNNING, provider="S3")), "site-bucket", "running this action"),
    "F86-other-artifacts": (
        changed(action=replace(RUNNING, inputs=((STORE, "other/Built/x"),))),
        "site-bucket",
        "running this action",
    ),
    "F86-one-artifact-more": (
        changed(action=replace(RUNNING, inputs=(*RUNNING.inputs, (STORE, "other")))),
        "site-bucket",
        "running this action",
    ),
    "F86-same-key-elsewhere": (
        changed(action=replace(RUNNING, inputs=tuple(("other-store", key) for _, key in RUNNING.inputs))),
        "site-bucket",
        "running this action",
    ),
}


@pytest.mark.parametrize(("world", "bucket", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_shown_is_refused(world: World, bucket: str, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        world.show(bucket)


def test_throttling_is_no_proof_of_anything() -> None:
    with pytest.raises(Transient):
        changed(throttled=True).show()


@pytest.mark.parametrize("inputs", [(), ((STORE, "x"),)], ids=["F86-none", "F86-other"])
def test_a_job_without_artifacts_proves_nothing(inputs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Rejected):
        changed(action=replace(RUNNING, inputs=inputs)).show(job=parse(event({})))


def test_an_action_that_is_listed_a_little_late_is_waited_for() -> None:
    world, slept = World(action=replace(RUNNING, status="Succeeded")), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            world.action = RUNNING

    ownership = Ownership(_Resources(world), _Memory(world), world, pauses=(1.0, 2.0, 4.0), sleep=sleep)
    assert ownership.show("site-bucket", JOB) == "site-staging"
    assert slept == [1.0, 2.0]


def test_an_action_that_is_never_listed_is_refused_after_the_last_pause() -> None:
    world, slept = World(action=replace(RUNNING, status="Succeeded")), list[float]()
    ownership = Ownership(_Resources(world), _Memory(world), world, pauses=(1.0, 2.0), sleep=slept.append)
    with pytest.raises(Rejected, match="no pipeline of site-staging is running this action"):
        ownership.show("site-bucket", JOB)
    assert slept == [1.0, 2.0]


class TestADistribution:
    @staticmethod
    def world() -> World:
        world = World()
        world.stacks["site-staging-app"] += (StackResource(DISTRIBUTION_TYPE, "Cdn", "E2EXAMPLE12345"),)
        world.stacks["shop-staging-app"] = (StackResource(DISTRIBUTION_TYPE, "Cdn", "E2VICTIM12345"),)
        world.environments.add("shop-staging")
        world.stacks["nobodys"] = (StackResource(DISTRIBUTION_TYPE, "Cdn", "E2NOBODY12345"),)
        world.stacks["site-staging"] += (StackResource("AWS::S3::Bucket", "Odd", "E2BUCKET12345"),)
        return world

    def show(self, distribution: str) -> None:
        world = self.world()
        Ownership(_Resources(world), _Memory(world), world).show_distribution(distribution, "site-staging")

    def test_of_the_same_environment(self) -> None:
        self.show("E2EXAMPLE12345")

    @pytest.mark.parametrize(
        ("distribution", "why"),
        [
            pytest.param("E2VICTIM12345", "its stack shop-staging-app is not site-staging's", id="F86-anothers"),
            pytest.param("E2NOBODY12345", "its stack nobodys is not site-staging's", id="F86-nobodys"),
            pytest.param("E2ABSENT12345", "it is no resource of a stack", id="F86-no-stacks"),
            pytest.param("E2BUCKET12345", "it is no resource of a stack", id="F86-something-else-of-that-name"),
        ],
    )
    def test_of_anybody_else_is_refused(self, distribution: str, why: str) -> None:
        with pytest.raises(Rejected, match=why):
            self.show(distribution)
