"""An AWS account and a GitHub in memory around the real builder; on its virtual clock each call takes a stated time.

Invocations of different environments run side by side, those of one environment one after the other, as SQS hands them
out. Nothing sleeps, and the same pushes always cost the same.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.rules import event_of, passes

from builder.apply import Applier
from builder.handler import Builder
from builder.installation import Installation
from builder.observe import Observer
from builder.slots import Slots
from builder.sweep import Sweeper
from builder.wishes import Wishes
from deployer.environments import EnvironmentId, source_key
from deployer.events import Look, RepositoryName, RunChange, StackChange
from deployer.ports import Baseline
from deployer.refs import HEADS, Stage
from deployer.states import CommitState
from deployer.testing import Cloud, Forge, Shelf, Tape
from listener.admission import admit

T = TypeVar("T")
PREFIX = "opolis-deployer-prod"
REPOSITORY = RepositoryName(42, "acme", "site")
START = 1_800_000_000_000.0

# Milliseconds that one call takes, warm and in the region. Neither AWS nor GitHub publishes them, but for DynamoDB's
# "single-digit millisecond" (https://aws.amazon.com/dynamodb/): the others are assumptions, to be replaced by what your
# traces say. What is claimed from them is said with them.
TIMES: dict[str, float] = {
    "memory": 5,
    "sqs": 8,
    "s3": 25,
    "github": 60,
    "github.archive": 120,
    "github.post": 90,
    "cloudformation": 50,
    "cloudformation.create": 100,
    "cloudformation.update": 100,
    "codepipeline": 40,
    "codepipeline.start": 80,
}
# What the function does beside its calls, once warm: JSON, planning, signing. Milliseconds an invocation.
OWN = 8.0
# From an event or a message to the function: EventBridge and SQS. Milliseconds.
TRANSIT = 200.0
MAXIMUM_CONCURRENCY = 4  # of the queue `changes`, as builder/template.yaml has it
STAGES = ("Source", "Build", "Deploy", "Release")


def time_of(call: str) -> float:
    """How long a call takes; one whose service has no time is an error."""
    return TIMES.get(call) or TIMES[call.partition(".")[0]]


@dataclass
class Account:
    """``operation`` and ``run``: the seconds that a stack operation and a stage of a run take."""

    operation: float = 60.0
    stage: float = 10.0
    now: float = START
    billed: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _free: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tape = Tape(hook=self._passes)
        self.forge, self.shelf = Forge(self.tape), Shelf(self.tape, clock=self._clock)
        self.cloud = Cloud(self.tape, clock=self._clock, version=self._newest)
        self.repository = self.forge.add(REPOSITORY)
        self.builder = self._builder()
        self._seen_operations = 0
        self._seen_runs: set[str] = set()
        self.shelf.record(Baseline(REPOSITORY, "main", 0, frozenset()))
        self.tape.calls.clear()

    def _builder(self) -> Builder:
        forge, shelf, cloud, clock = self.forge, self.shelf, self.cloud, self._clock
        roles = {stage: f"arn:role/{stage}" for stage in Stage}
        here = Installation(PREFIX, "artifacts", roles, "arn:boundary", lambda: "token")
        wishes = Wishes(forge, forge, shelf, shelf, here, clock)
        observer = Observer(forge, wishes, cloud, cloud, cloud, shelf, shelf, Slots(shelf, 0), self, PREFIX, clock)
        applier = Applier(cloud, cloud, shelf, shelf, shelf, forge, forge, shelf, shelf, here, clock, cloud)
        sweeper = Sweeper(forge, shelf, shelf, shelf, cloud, cloud, shelf, shelf, here, (), 25, clock)
        return Builder(observer, applier, shelf, shelf, sweeper)

    @contextmanager
    def beside(self, work: Callable[[], T]) -> Iterator[Callable[[], T]]:
        """The builder's ``Side``: the work begins when the body does, and whoever needs its result waits for its end.

        Only the waiting is shared: what the function does itself is in OWN.
        """
        began = self.now
        found = work()
        ended, self.now = self.now, began

        def result() -> T:
            self.now = max(self.now, ended)
            return found

        yield result
        result()

    def _clock(self) -> int:
        return int(self.now)

    def _newest(self, stack: str) -> str:
        versions = self.shelf.objects.get(source_key(stack), [])
        return versions[-1].version if versions else ""

    def _passes(self, call: str, after: bool) -> None:
        if not after:
            self.now += time_of(call)

    # --- what happens

    def commit(self, number: int, template: str) -> str:
        """A commit whose template says ``template``."""
        sha = f"{number:040x}"
        resources = {"Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {}}}
        body = {"Description": template, "Parameters": {"SourceKey": {"Type": "String"}}, "Resources": resources}
        self.repository.commits[sha] = {"deploy/pipeline.json": json.dumps(body).encode()}
        return sha

    def push(self, branch: str, sha: str) -> None:
        """Move a branch now; its look is on its way."""
        self.repository.refs[HEADS + branch] = sha
        repository = {"id": REPOSITORY.id, "name": REPOSITORY.name, "owner": {"login": REPOSITORY.owner}}
        repository |= {"default_branch": "main", "pushed_at": int(self.now) // 1000}
        head = {"id": sha, "message": f"Subject of {sha[:7]}"}
        look = admit({"ref": HEADS + branch, "after": sha, "head_commit": head, "repository": repository}, "*", "")
        if not isinstance(look, Look):
            raise TypeError(f"no look came of a push to {branch}")
        self._look(look, self.now)

    def id(self, branch: str) -> EnvironmentId:
        """The environment of a branch."""
        return EnvironmentId(42, Stage.STAGING) if branch == "main" else EnvironmentId(42, Stage.DEVELOPMENT, branch)

    def rest(self) -> None:
        """Let everything that is under way come to its end."""
        while self._events:
            at, _, act = heapq.heappop(self._events)
            self.now = at
            act()

    def green(self, sha: str) -> bool:
        """Whether a commit's preparation is said to have succeeded."""
        return self.forge.latest(sha)["build/0-prep"].state is CommitState.SUCCESS

    # --- how it comes about

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), act))

    def _look(self, look: Look, sent: float) -> None:
        self._at(sent + TRANSIT, lambda: self._invoke(look.environment, "look", lambda: self.builder.look(look)))

    def _tell(self, change: StackChange | RunChange, when: float) -> None:
        if not passes("ChangesQueue", event_of(change)):
            return

        def handle() -> None:
            slots = (f"changes/{number}" for number in range(MAXIMUM_CONCURRENCY))
            slot = min(slots, key=lambda each: self._free.get(each, 0.0))
            self._invoke(slot, "event", lambda: self.builder.forward(change))

        self._at(when + TRANSIT, handle)

    def _invoke(self, group: str, kind: str, act: Callable[[], None]) -> None:
        self.now = begun = max(self.now, self._free.get(group, 0.0))
        act()
        self.now += OWN
        self._free[group] = self.now
        self.billed[kind] += math.ceil(self.now - begun)
        self.invocations[kind] += 1
        for look in self.shelf.looks:
            self._look(look, self.now)
        self.shelf.looks.clear()
        self._begin()

    def _begin(self) -> None:
        """Let what was asked for just now run its course."""
        for _, name, _ in self.cloud.operations[self._seen_operations :]:
            stack, when = self.cloud.kept[name].stack, self.now
            self._tell(StackChange(stack.id, name, stack.status), when)
            self._at(when + 1000 * self.operation, lambda name=name, stack=stack: self._finish(name, stack.id))  # type: ignore[misc]
        self._seen_operations = len(self.cloud.operations)
        self._run()

    def _finish(self, name: str, stack_id: str) -> None:
        self._tell(StackChange(stack_id, name, self.cloud.finish(name)), self.now)
        self._run()

    def _run(self) -> None:
        for name, runs in self.cloud.executions.items():
            for run in runs:
                if run.id in self._seen_runs:
                    continue
                self._seen_runs.add(run.id)
                when = self.now
                self._tell(RunChange(name, run.id, "STARTED"), when)
                for stage in STAGES:
                    self._tell(RunChange(name, run.id, "STARTED", stage), when)
                    when += 1000 * self.stage
                    self._tell(RunChange(name, run.id, "SUCCEEDED", stage), when)
                self._at(self.now + 500, lambda name=name: self.cloud.read(name))  # type: ignore[misc]
                self._at(when, lambda name=name: self.cloud.end(name))  # type: ignore[misc]
                self._tell(RunChange(name, run.id, "SUCCEEDED"), when)
