"""Look at environments: the table, CloudFormation, CodePipeline, CodeBuild and GitHub. Reads only, decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deployer.addresses import Addresses
from deployer.builds import Builds
from deployer.environments import EnvironmentId, source_key
from deployer.errors import DeployerError
from deployer.pipelines import CodePipeline, deployed
from deployer.ports import Environment, Run
from deployer.progress import commit_of, progress
from deployer.reasons import Reasons
from deployer.runs import belongs
from deployer.stacks import CloudFormation
from deployer_cli.everyday.choosing import Choice
from deployer_cli.everyday.seen import Seen, SeenRun
from deployer_cli.place import Place

# How many environments are looked at at once: AWS's limits of calls a second are shared by the whole account.
_AT_ONCE = 8


def milliseconds() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Gatherer:
    """Looks at environments of one installation. ``clock``: milliseconds since the epoch."""

    place: Place
    stacks: CloudFormation
    pipelines: CodePipeline
    reasons: Reasons
    addresses: Addresses
    clock: Callable[[], int] = milliseconds

    @classmethod
    def of(cls, place: Place, clock: Callable[[], int] = milliseconds) -> Gatherer:
        """For an installation."""
        stacks = CloudFormation(place.client("cloudformation"))
        return cls(
            place,
            stacks,
            CodePipeline(place.client("codepipeline")),
            Reasons(Builds(place.client("codebuild"), place.client("logs")), stacks),
            Addresses(stacks, place.parameter("notifier", "EnvironmentUrl")),
            clock,
        )

    def one(self, choice: Choice) -> Seen:
        """The environment that was chosen, with where its ref is."""
        memory = self.place.memory
        seen = Seen(
            choice.id,
            choice.name,
            self.place.region,
            self.clock(),
            memory.environment(choice.id),
            memory.parked(choice.id),
        )
        if choice.ref:
            try:
                seen = replace(seen, tip=self.place.github.tip(choice.name, choice.ref))
            except DeployerError as error:
                seen = replace(seen, unasked=f"where {choice.ref} is on GitHub can't be told: {error}")
        return self._with_aws(seen)

    def many(self, items: Iterable[Environment]) -> tuple[Seen, ...]:
        """Environments that are remembered; GitHub is not asked."""
        place = self.place
        unasked = "not asked"
        found = [Seen(item.id, item.repository, place.region, self.clock(), item, unasked=unasked) for item in items]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(self._with_aws, found))

    def _with_aws(self, seen: Seen) -> Seen:
        item = seen.item
        if item is None:
            return seen
        runs = {name: self._run(item, name) for name in item.pipelines}
        stacks = [name for run in runs.values() if run for name in deployed(run.actions)]
        return replace(
            seen,
            stack=self.stacks.describe(item.stack),
            runs=runs,
            served=self.addresses.of(item, list(dict.fromkeys(stacks))),
        )

    def _run(self, item: Environment, pipeline: str) -> SeenRun | None:
        found = self._of_generation(item, pipeline, self.pipelines.runs(pipeline))
        details = self.pipelines.run(pipeline, found.id) if found else None
        if found is None or details is None:
            return None
        stages = self.pipelines.stages(pipeline, details.version)
        actions = self.pipelines.actions(pipeline, found.id)
        failures = {
            stage.stage: failure
            for stage in progress(stages, actions, details.state)
            if (failure := self.reasons.of(stage))
        }
        commit = commit_of(details, item)
        return SeenRun(pipeline, found.id, details.state, found.started, commit, stages, actions, failures)

    def _of_generation(self, item: Environment, pipeline: str, runs: tuple[Run, ...]) -> Run | None:
        """The newest run of the generation that is wanted."""
        if own := next((run for run in runs if belongs(item, run)), None):
            return own
        since = next((run for run in runs if belongs(item, run, elsewhere=True)), None)
        reads = source_key(item.stack), item.repository.full_name
        # Whether the pipeline reads no source of ours is asked only where a run has read something else.
        return since if since and self.pipelines.source(pipeline, *reads) is None else None

    def everything(self, repositories: Iterable[int]) -> tuple[Environment, ...]:
        """All that is remembered of these repositories, in the order of their names."""
        found = [item for number in repositories for item in self.place.memory.environments(number)]
        return tuple(sorted(found, key=_order))


def _order(item: Environment) -> tuple[str, bool, EnvironmentId]:
    return item.repository.full_name, not item.id.reserved, item.id
