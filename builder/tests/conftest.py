"""A world in memory around the real builder: push, look, let CloudFormation and CodePipeline come to their ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from builder.apply import Applier
from builder.handler import Builder
from builder.installation import Installation
from builder.observe import Observer
from builder.slots import Slots
from builder.sweep import Sweeper
from builder.wishes import Wishes
from deployer.environments import EnvironmentId, source_key
from deployer.events import Look, RepositoryName, RunChange, StackChange, Tick
from deployer.ports import Environment, Stack
from deployer.refs import Stage
from deployer.states import RunState
from deployer.testing import Cloud, Forge, InTurn, Shelf, Tape

PREFIX = "opolis-deployer-prod"
REPOSITORY = RepositoryName(42, "acme", "site")


def template(title: str = "one", parameters: Mapping[str, object] | None = None) -> bytes:
    declared = {"SourceKey": {"Type": "String"}, **(parameters or {})}
    return json.dumps(
        {
            "Description": title,
            "Parameters": declared,
            "Resources": {"Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {}}},
        }
    ).encode()


class World:
    """One repository, one account, one builder."""

    sweep_limit = 5

    def __init__(self, *, configured: tuple[str, ...] = (), limit: int = 0, idle_days: int = 0) -> None:
        self.now = 1_700_000_000_000
        self.tape = Tape()
        self.forge = Forge(self.tape)
        self.repo = self.forge.add(REPOSITORY)
        self.shelf = Shelf(self.tape, clock=lambda: self.now)
        self.cloud = Cloud(self.tape, clock=lambda: self.now, version=self.newest)
        self.tokens_read = 0
        self._commits = 0
        self.installation = Installation(
            PREFIX,
            "artifacts",
            {stage: f"arn:role/{stage}" for stage in Stage},
            "arn:boundary",
            self._token,
            limit=limit,
            idle_days=idle_days,
        )
        self.side = InTurn()
        self.builder = Builder(
            Observer(
                self.forge,
                Wishes(self.forge, self.forge, self.shelf, self.shelf, self.installation, lambda: self.now),
                self.cloud,
                self.cloud,
                self.cloud,
                self.shelf,
                self.shelf,
                Slots(self.shelf, self.installation.limit),
                self.side,
                PREFIX,
                lambda: self.now,
            ),
            Applier(
                self.cloud,
                self.cloud,
                self.shelf,
                self.shelf,
                self.shelf,
                self.forge,
                self.forge,
                self.shelf,
                self.shelf,
                self.installation,
                lambda: self.now,
                self.cloud,
            ),
            self.shelf,
            self.shelf,
            Sweeper(
                self.forge,
                self.shelf,
                self.shelf,
                self.shelf,
                self.cloud,
                self.cloud,
                self.shelf,
                self.shelf,
                self.installation,
                configured,
                self.sweep_limit,
                lambda: self.now,
            ),
        )

    def _token(self) -> str:
        self.tokens_read += 1
        return "ghs_canary"

    def newest(self, stack: str) -> str:
        versions = self.shelf.objects.get(source_key(stack), [])
        return versions[-1].version if versions else ""

    # --- GitHub

    template = staticmethod(template)

    def commit(self, files: Mapping[str, bytes] | None = None) -> str:
        self._commits += 1
        sha = f"{self._commits:07x}{self._commits:033x}"
        self.repo.commits[sha] = dict(files if files is not None else {"deploy/pipeline.json": template()})
        return sha

    def push(self, ref: str, sha: str) -> Look:
        """Move a ref; the look that its webhook makes."""
        self.now += 10_000
        self.repo.refs[ref] = sha
        return self.pushed(ref, sha)

    def pushed(self, ref: str, sha: str) -> Look:
        return Look(str(self.id(ref)), REPOSITORY, "push", ref, sha, self.now // 1000)

    def remove(self, ref: str) -> Look:
        self.now += 10_000
        del self.repo.refs[ref]
        return Look(str(self.id(ref)), REPOSITORY, "push", ref)

    def id(self, ref: str) -> EnvironmentId:
        if ref.startswith("refs/tags/"):
            return EnvironmentId(42, Stage.PRODUCTION)
        branch = ref.removeprefix("refs/heads/")
        if branch == self.repo.default_branch:
            return EnvironmentId(42, Stage.STAGING)
        return EnvironmentId(42, Stage.DEVELOPMENT, branch)

    # --- the builder

    def look(self, look: Look, receives: int = 1) -> None:
        self.now += 1000
        self.builder.look(look, receives)

    def swept(self, ticks: int = 1) -> None:
        """Let five minutes pass, sweep every repository, and work off the looks that come of it, so many times."""
        for _ in range(ticks):
            self.now += 300_000
            self.builder.sweeper.tick(Tick(f"tick-{self.now}"))
            while self.shelf.sweeps:
                self.builder.sweep(self.shelf.sweeps.pop(0))
            self.forwarded()

    def quiet(self, rounds: int = 10) -> None:
        """Let every stack and run come to its end, nobody being told, with a sweep after each."""
        for _ in range(rounds):
            self.now += 60_000
            for kept in list(self.cloud.kept.values()):
                if kept.stack.status.endswith("IN_PROGRESS"):
                    self.cloud.finish(kept.stack.name)
            for name in list(self.cloud.executions):
                self.cloud.read(name)
                self.cloud.end(name)
            self.swept()

    def forwarded(self) -> None:
        """Work off the looks that were queued."""
        while self.shelf.looks:
            self.look(self.shelf.looks.pop(0))

    def item(self, ref: str) -> Environment | None:
        return self.shelf.items.get(self.id(ref))

    def stack(self, ref: str) -> Stack:
        item = self.item(ref)
        assert item
        return self.cloud.kept[item.stack].stack

    # --- AWS

    def finish(self, ref: str, failing: str = "") -> str:
        """End the environment's stack operation, and tell the builder."""
        item = self.item(ref)
        assert item
        self.now += 60_000
        stack_id = self.cloud.kept[item.stack].stack.id
        self.cloud.failing = failing
        status = self.cloud.finish(item.stack)
        self.builder.forward(StackChange(stack_id, item.stack, status))
        self.forwarded()
        return status

    def run_to(self, ref: str, state: RunState = RunState.SUCCEEDED) -> None:
        """Let the environment's runs read their source and end, and tell the builder."""
        item = self.item(ref)
        assert item
        self.now += 60_000
        self.cloud.read(item.stack)
        self.cloud.end(item.stack, state)
        self.builder.forward(RunChange(item.stack, "run", state.upper()))
        self.forwarded()

    def live(self, ref: str, sha: str | None = None) -> str:
        """Push and let everything come to a good end; answers with the commit."""
        sha = sha or self.commit()
        self.look(self.push(ref, sha))
        kept = self.cloud.kept.get(self.item(ref).stack)  # type: ignore[union-attr]
        if kept and kept.stack.status.endswith("IN_PROGRESS"):
            self.finish(ref)
        self.run_to(ref)
        return sha

    def prep(self, sha: str, context: str = "build/0-prep") -> str:
        """State and description of a preparation."""
        status = self.forge.latest(sha).get(context)
        return f"{status.state}: {status.description}" if status else "nothing"

    def built(self, ref: str) -> list[str]:
        """The commits that the environment's runs read, oldest first."""
        item = self.item(ref)
        runs = self.cloud.executions.get(item.stack, []) if item else []
        return [self.shelf.commit_of(run.revisions.get("Source", "")) for run in reversed(runs)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make() -> Callable[..., World]:
    """A world with another configuration."""
    return World


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    """The lines that were logged, each its message and fields."""
    caplog.set_level("INFO")
    return lambda: [{"message": record.getMessage(), **vars(record).get("fields", {})} for record in caplog.records]
