"""Gather what a plan is made from: the wish from GitHub, the state from CloudFormation and CodePipeline.

Reads only, but for what must be known before anything is decided: a repository's baseline, and who holds a pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from builder.plan import belongs
from builder.situation import Nothing, Situation, owns
from builder.wishes import Question, Wishes
from deployer.environments import INSTALLATION_TAG, EnvironmentId, parse, source_key, stack_names
from deployer.errors import Broken
from deployer.events import Look, Malformed, RepositoryName
from deployer.observability import logger
from deployer.ports import Environment, Memory, Pipelines, Repositories, Resources, Run, Stack, Stacks
from deployer.states import StackPhase

log = logger("builder")
PIPELINE_TYPE = "AWS::CodePipeline::Pipeline"


@dataclass(frozen=True)
class Observer:
    """Makes a ``Situation`` for a look. ``clock``: milliseconds since the epoch."""

    repositories: Repositories
    wishes: Wishes
    stacks: Stacks
    resources: Resources
    pipelines: Pipelines
    memory: Memory
    prefix: str
    clock: Callable[[], int]

    def observe(self, look: Look, receives: int = 1) -> Situation:
        """Everything about one environment, now.

        Raises:
            Malformed: where the look names no environment.
        """
        try:
            environment = parse(look.environment)
        except ValueError as error:
            raise Malformed(str(error)) from error
        item = self.memory.environment(environment)
        known = item.repository if item else look.repository
        repository = self.repositories.repository(known.owner, known.name)
        if repository is None or repository.name.id != environment.repository:
            # Perhaps the token was revoked, perhaps the repository is gone: no proof of anything.
            wish = Nothing("the repository can't be read")
            return Situation(environment, known, self.prefix, wish, item, None, item.stack if item else "")
        name, stack = (
            (item.stack, self.stacks.describe(item.stack)) if item else self._stack(environment, repository.name)
        )
        situation = Situation(
            environment,
            repository.name,
            self.prefix,
            self.wishes.ask(Question(look, environment, item, stack, name), repository),
            item,
            stack,
            name,
            now=self.clock(),
            receives=receives,
        )
        if isinstance(situation.wish, Nothing) or stack is None or not situation.ours:
            return situation
        if stack.phase is StackPhase.BUSY:
            return situation
        runs = {pipeline: self.pipelines.runs(pipeline) for pipeline in self._pipelines(stack, environment)}
        return replace(situation, runs=runs, elsewhere=self._elsewhere(item, runs) if item else frozenset())

    def _elsewhere(self, item: Environment, runs: Mapping[str, tuple[Run, ...]]) -> frozenset[str]:
        """The pipelines that read no source object of ours; asked only where a run read something else."""
        return frozenset(
            pipeline
            for pipeline, found in runs.items()
            if any(run.started >= item.source_at and run.revisions and not belongs(item, run) for run in found)
            and self.pipelines.source(pipeline, source_key(item.stack)) is None
        )

    def _stack(self, environment: EnvironmentId, repository: RepositoryName) -> tuple[str, Stack | None]:
        """The name that is this environment's: the first that no other environment of ours holds."""
        for name in stack_names(environment, repository.name):
            if self.memory.holder("stack", name) not in (None, environment):
                continue
            stack = self.stacks.describe(name)
            # Another environment of this very installation may have made it, and its memory may be lost.
            theirs = stack is not None and stack.tags.get(INSTALLATION_TAG) == self.prefix
            if stack is None or owns(stack, environment, self.prefix) or not theirs:
                return name, stack
        raise Broken(f"every stack name that {environment} may have is held by another environment")

    def _pipelines(self, stack: Stack, environment: EnvironmentId) -> tuple[str, ...]:
        names = tuple(
            resource.physical_id
            for resource in self.resources.resources(stack.id)
            if resource.type == PIPELINE_TYPE and resource.physical_id
        )
        for name in names:
            holder = self.memory.claim("pipeline", name, environment)
            if holder != environment:
                log.error("a pipeline is held by another environment", pipeline=name, holder=str(holder))
        return names
