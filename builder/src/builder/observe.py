"""Gather what a plan is made from: the wish from GitHub, the state from CloudFormation and CodePipeline.

Reads only, but for what must be known before anything is decided: a repository's baseline, who holds a pipeline, and
whether there is room for one more environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from builder.situation import Asked, Invalid, Nothing, Present, Refused, Situation, owns
from builder.slots import Slots
from builder.together import Side
from builder.wishes import Question, Wishes
from deployer.environments import INSTALLATION_TAG, EnvironmentId, parse, source_key, stack_names
from deployer.errors import Broken
from deployer.events import Look, Malformed, RepositoryName
from deployer.logs import build_log
from deployer.observability import logger
from deployer.ports import (
    Environment,
    Memory,
    Pipelines,
    Repositories,
    Repository,
    Resources,
    Run,
    SourceStore,
    Stack,
    StackResource,
    Stacks,
)
from deployer.refs import Stage
from deployer.runs import belongs
from deployer.states import StackPhase

log = logger("builder")
PIPELINE_TYPE = "AWS::CodePipeline::Pipeline"
PROJECT_TYPE = "AWS::CodeBuild::Project"
LOG_TYPE = "AWS::Logs::LogGroup"


@dataclass(frozen=True)
class _Sight:
    """What AWS says of an environment. ``resources`` and ``runs`` are empty where nobody looked into its stack."""

    stack: Stack | None
    resources: tuple[StackResource, ...] = ()
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Observer:
    """Makes a ``Situation`` for a look. ``side``: where AWS is asked. ``clock``: milliseconds since the epoch."""

    repositories: Repositories
    wishes: Wishes
    stacks: Stacks
    resources: Resources
    pipelines: Pipelines
    memory: Memory
    sources: SourceStore
    slots: Slots
    side: Side
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
        if item is None:
            return self._unremembered(look, environment, receives)
        # The name of its stack is known: AWS is asked while GitHub is.
        with self.side.beside(lambda: self._see(environment, self.stacks.describe(item.stack))) as sight:
            repository = self._repository(environment, look, item)
            if repository is None or not self._admits(repository):
                return self._left_alone(environment, repository, item.repository, item)
            question = Question(look, environment, item, lambda: sight().stack, item.stack)
            return self._situation(question, repository, receives, sight)

    def _unremembered(self, look: Look, environment: EnvironmentId, receives: int) -> Situation:
        repository = self._repository(environment, look, None)
        if repository is None or not self._admits(repository):
            return self._left_alone(environment, repository, look.repository, None)
        name, stack = self._stack(environment, repository.name, look.stack)
        ours = stack is not None and owns(stack, environment, self.prefix)
        source = self.sources.newest(source_key(name)) if ours else None
        question = Question(look, environment, None, lambda: stack, name, ours, source)
        return self._situation(question, repository, receives, lambda: self._see(environment, stack))

    def _admits(self, repository: Repository) -> bool:
        return self.wishes.installation.admission.takes(repository.name.full_name)

    def _left_alone(
        self, environment: EnvironmentId, found: Repository | None, known: RepositoryName, item: Environment | None
    ) -> Situation:
        # Perhaps the token was revoked, perhaps the repository is gone: no proof of anything.
        reason = f"{found.name.full_name} is not on the allow-list" if found else ""
        wish = Nothing(reason or "the repository can't be read")
        return Situation(environment, known, self.prefix, wish, item, None, item.stack if item else "")

    def _situation(
        self, question: Question, repository: Repository, receives: int, sight: Callable[[], _Sight]
    ) -> Situation:
        look, environment, item = question.look, question.environment, question.item
        asked, slot = self._admitted(question, self.wishes.ask(question, repository))
        seen = _Sight(question.stack()) if isinstance(asked.wish, Nothing) else sight()
        for name in seen.runs:
            self._claim(name, environment)
        return Situation(
            environment,
            repository.name,
            self.prefix,
            asked.wish,
            item,
            seen.stack,
            question.stack_name,
            runs=seen.runs,
            elsewhere=self._elsewhere(item, seen.runs) if item else frozenset(),
            projects=_unlogged(seen.resources),
            now=self.clock(),
            receives=receives,
            park=asked.park,
            wakes=asked.wakes,
            sweeping=look.sweeping,
            pushed=bool(look.after),
            pushed_at=look.pushed_at,
            request=question.request,
            retire=look.retire,
            source=question.source,
            slot=slot,
            idle_days=self.wishes.installation.idle_days,
        )

    def _repository(self, environment: EnvironmentId, look: Look, item: Environment | None) -> Repository | None:
        """The environment's, by whatever name: one that was given up may be another repository's by now."""
        asked: set[str] = set()
        for name in self._names(environment, look, item):
            if name.full_name not in asked:
                asked.add(name.full_name)
                found = self.repositories.repository(name.owner, name.name)
                if found and found.name.id == environment.repository:
                    return found
        return None

    def _names(self, environment: EnvironmentId, look: Look, item: Environment | None) -> Iterator[RepositoryName]:
        yield look.repository
        if item:
            yield item.repository
        if baseline := self.wishes.baselines.baseline(environment.repository):
            yield baseline.repository

    def _admitted(self, question: Question, asked: Asked) -> tuple[Asked, str]:
        """A new development environment needs a slot; where there is none, its ref is parked and told so."""
        environment, wish = question.environment, asked.wish
        if question.item or question.ours or environment.reserved or not isinstance(wish, Present | Invalid):
            return asked, ""
        slot = self.slots.take(environment)
        if slot is not None:
            return asked, slot
        text = (
            f"the repository has {self.slots.limit} environments, as many as it may; delete a branch, then push again"
        )
        # A branch's tip is its commit.
        place = self.wishes.place(question, wish.ref, wish.commit, text)
        return Asked(Refused(wish.ref, wish.commit, text), place), ""

    def _elsewhere(self, item: Environment, runs: Mapping[str, tuple[Run, ...]]) -> frozenset[str]:
        """The pipelines that read no source object of ours; asked only where a run read something else."""
        return frozenset(
            pipeline
            for pipeline, found in runs.items()
            if any(run.started >= item.source_at and run.revisions and not belongs(item, run) for run in found)
            and self._reads_elsewhere(item, pipeline)
        )

    def _reads_elsewhere(self, item: Environment, pipeline: str) -> bool:
        source = self.pipelines.source(pipeline, source_key(item.stack), item.repository.full_name)
        # A run that can't be told which commit to read has read its branch's head: started again, it reads no other.
        loose = source is not None and source.connected and not source.pinnable
        return source is None or (loose and item.id.stage is not Stage.PRODUCTION)

    def _stack(self, environment: EnvironmentId, repository: RepositoryName, seen: str) -> tuple[str, Stack | None]:
        """The name that is this environment's: the first that no other environment of ours holds.

        ``seen``: where the sweep saw a stack that says so itself; the repository may have been called otherwise then.
        """
        stack = self.stacks.describe(seen) if seen else None
        if stack and owns(stack, environment, self.prefix):
            return seen, stack
        for name in stack_names(environment, repository.name):
            if self.memory.holder("stack", name) not in (None, environment):
                continue
            stack = self.stacks.describe(name)
            # Another environment of this very installation may have made it, and its memory may be lost.
            theirs = stack is not None and stack.tags.get(INSTALLATION_TAG) == self.prefix
            if stack is None or owns(stack, environment, self.prefix) or not theirs:
                return name, stack
        raise Broken(f"every stack name that {environment} may have is held by another environment")

    def _see(self, environment: EnvironmentId, stack: Stack | None) -> _Sight:
        """Look into a stack, where it is the environment's own and stands still. Asks AWS alone."""
        if stack is None or not owns(stack, environment, self.prefix) or stack.phase is StackPhase.BUSY:
            return _Sight(stack)
        resources = self.resources.resources(stack.id)
        return _Sight(stack, resources, {name: self.pipelines.runs(name) for name in _named(resources, PIPELINE_TYPE)})

    def _claim(self, pipeline: str, environment: EnvironmentId) -> None:
        holder = self.memory.claim("pipeline", pipeline, environment)
        if holder != environment:
            log.error("a pipeline is held by another environment", pipeline=pipeline, holder=str(holder))


def _named(resources: tuple[StackResource, ...], kind: str) -> tuple[str, ...]:
    return tuple(resource.physical_id for resource in resources if resource.type == kind and resource.physical_id)


def _unlogged(resources: tuple[StackResource, ...]) -> tuple[str, ...]:
    """The build projects whose log is no resource of the stack: one that is goes with the stack, and not before."""
    logs = _named(resources, LOG_TYPE)
    return tuple(project for project in _named(resources, PROJECT_TYPE) if build_log(project) not in logs)
