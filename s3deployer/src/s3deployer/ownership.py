"""Whether a bucket belongs to the environment whose pipeline runs this job.

A job's event names no pipeline, and GetJobDetails is for custom actions only. So the way leads from the bucket back:
CloudFormation says which stack owns it, the deployer's memory says whose environment that stack is (itself or the
stack it is named under), and one of that environment's pipelines must be running a Lambda action right now that reads
exactly this job's artifacts: their keys are CodePipeline's own and known to no other pipeline. A stack of no
environment vouches for itself alone: the pipeline must be in the very stack that owns the bucket. Anything that cannot
be shown is refused. Never writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from deployer.environments import ancestors
from deployer.errors import Rejected
from deployer.pipelines import ActionRun
from deployer.ports import Run, StackResource
from s3deployer.job import Job

BUCKET_TYPE = "AWS::S3::Bucket"
PIPELINE_TYPE = "AWS::CodePipeline::Pipeline"
DISTRIBUTION_TYPE = "AWS::CloudFront::Distribution"


class Resources(Protocol):
    """CloudFormation's word about what belongs to which stack."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...

    def holder(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None: ...


class Environments(Protocol):
    """Which stacks are environments': the deployer's memory, which only the builder writes."""

    def holder(self, kind: str, name: str) -> object | None: ...


class Pipelines(Protocol):
    """What pipelines are running."""

    def runs(self, pipeline: str) -> tuple[Run, ...]: ...

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]: ...


def reads(action: ActionRun, job: Job) -> bool:
    """Whether this is a running Lambda action over exactly the job's artifacts."""
    locations = {(artifact.location.bucket, artifact.location.key) for artifact in job.artifacts}
    running = action.status == "InProgress" and action.provider == "Lambda"
    return running and bool(locations) and set(action.inputs) == locations


@dataclass(frozen=True, slots=True)
class Ownership:
    """Shows that a bucket is the caller's environment's."""

    resources: Resources
    environments: Environments
    pipelines: Pipelines
    # Seconds after which to look again: CodePipeline may list an action a little after it has started it.
    pauses: tuple[float, ...] = ()
    sleep: Callable[[float], None] = time.sleep

    def show(self, bucket: str, job: Job) -> str:
        """The name of the environment's stack, or of the stack that has both bucket and pipeline.

        Raises:
            Rejected: where it cannot be shown.
        """
        environment = self._environment(self._owner("bucket", BUCKET_TYPE, bucket))
        pipelines = [
            resource.physical_id
            for resource in self.resources.resources(environment)
            if resource.type == PIPELINE_TYPE and resource.physical_id
        ]
        if not self._runs(pipelines, job):
            raise Rejected(
                f"bucket {bucket} is refused: it belongs to {environment}, and no pipeline of {environment} is "
                "running this action"
            )
        return environment

    def show_distribution(self, distribution: str, environment: str) -> None:
        """Show that a distribution belongs to the environment whose pipeline ``show`` has seen to run the job.

        Raises:
            Rejected: where it cannot be shown.
        """
        owner = self._owner("distribution", DISTRIBUTION_TYPE, distribution)
        if self._environment(owner) != environment:
            raise Rejected(f"distribution {distribution} is refused: its stack {owner} is not {environment}'s")

    def _runs(self, pipelines: Iterable[str], job: Job) -> bool:
        for pause in (0.0, *self.pauses):
            if pause:
                self.sleep(pause)
            if any(reads(action, job) for action in self._running(pipelines)):
                return True
        return False

    def _owner(self, what: str, kind: str, name: str) -> str:
        found = self.resources.holder(name)
        if found is not None:
            stack_id = found[0]
            # The answer is cut at 100 resources, and another type of resource may share the physical id.
            for resource in self.resources.resources(stack_id):
                if resource.type == kind and resource.physical_id == name:
                    return stack_id.split("/")[1]
        raise Rejected(f"{what} {name} is refused: it is no resource of a stack, so nobody can tell whose it is")

    def _environment(self, stack: str) -> str:
        return next((name for name in ancestors(stack) if self.environments.holder("stack", name) is not None), stack)

    def _running(self, pipelines: Iterable[str]) -> Iterable[ActionRun]:
        for pipeline in pipelines:
            for run in self.pipelines.runs(pipeline):
                if run.state.active:
                    yield from self.pipelines.actions(pipeline, run.id)
