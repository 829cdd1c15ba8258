"""CloudFormation and CodePipeline in virtual time: operations and runs take a while and tell it on the event bus.

A pipeline has the stages Source and Build, one run at a time in each; of the runs that wait for Build, a newer one
supersedes an older. Sources: https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
(how executions are superseded and stopped)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.chaos import Chaos
from tests.simulation.commits import Kind, metadata
from tests.simulation.scheduler import Scheduler

from deployer.pipelines import ActionRun, RunDetails
from deployer.ports import Run, Source
from deployer.states import RunState
from deployer.testing import Cloud

ACCOUNT, REGION = "000000000000", "us-east-1"
_EVENTS = {
    RunState.CANCELLED: "CANCELED",
    RunState.STOPPED: "STOPPED",
    RunState.STOPPING: "STOPPING",
    RunState.SUCCEEDED: "SUCCEEDED",
    RunState.SUPERSEDED: "SUPERSEDED",
    RunState.FAILED: "FAILED",
}


@dataclass
class Track:
    """A run as it goes on. ``first``: its pipeline has started it by itself, when its role was seconds old.

    ``actions``: stage -> (status, started, updated).
    """

    pipeline: str
    id: str
    first: bool
    stage: str = "Source"
    actions: dict[str, tuple[str, int, int]] = field(default_factory=dict)


@dataclass
class Sky(Cloud):
    """One account.

    ``told`` takes what happened, ``effect`` what an invocation brings about. ``commit_of`` a version, and whether its
    build is ``broken``. ``sources_built``: the versions that any run has built to the end;
    ``deployed``: what each pipeline has built last.
    """

    scheduler: Scheduler = field(kw_only=True)
    chaos: Chaos = field(kw_only=True)
    told: Callable[[dict[str, Any]], None] = field(kw_only=True)
    effect: Callable[[str, str], None] = field(kw_only=True)
    commit_of: Callable[[str], str] = field(kw_only=True)
    broken: Callable[[str], bool] = field(kw_only=True)
    sources_built: set[str] = field(default_factory=set)
    tracks: dict[str, Track] = field(default_factory=dict)
    building: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    reading: dict[str, int] = field(default_factory=dict)
    deployed: dict[str, str] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    refused_deletion: set[str] = field(default_factory=set)

    # --- stacks

    def _did(self, operation: str, name: str, token: str) -> None:
        super()._did(operation, name, token)
        self.effect(operation, name)
        self.under_way[name] = self.under_way.get(name, 0) + 1
        serial, stack = self.under_way[name], self.kept[name].stack
        self._stack_event(stack.id, stack.status)
        took = self.chaos.rng.choice((5_000, 20_000, 60_000, 180_000))
        self.scheduler.after(took, lambda: self._conclude(name, serial))

    def _conclude(self, name: str, serial: int) -> None:
        if self.under_way.get(name) != serial:
            return  # it was taken over by another operation
        kept = self.kept[name]
        stack, pending = kept.stack, kept.pending
        if stack.status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS") and pending:
            kind, _ = metadata(pending.template)
            self.failing = "Bucket (AWS::S3::Bucket): no such name" if kind in (Kind.FAILS, Kind.STUCK) else ""
            self.irreversible = kind is Kind.STUCK
        elif stack.status == "DELETE_IN_PROGRESS" and self._refuses_deletion(stack.id):
            self.failing = "Bucket (AWS::S3::Bucket): not empty"
        status = self.finish(name)
        if status == "DELETE_COMPLETE":
            for gone in (self.building, self.waiting, self.deployed):
                gone.pop(name, None)
        self._stack_event(stack.id, status)

    def _refuses_deletion(self, stack_id: str) -> bool:
        """Once for each stack, if at all."""
        if stack_id in self.refused_deletion or not self.chaos.happens(self.chaos.rates.deletion_fails):
            return False
        self.refused_deletion.add(stack_id)
        return True

    def _stack_event(self, stack_id: str, status: str) -> None:
        detail = {"stack-id": stack_id, "status-details": {"status": status, "status-reason": ""}}
        self._tell("aws.cloudformation", "CloudFormation Stack Status Change", detail)

    def _tell(self, source: str, kind: str, detail: dict[str, Any]) -> None:
        self.told({"source": source, "detail-type": kind, "account": ACCOUNT, "region": REGION, "detail": detail})

    # --- runs

    def source(self, pipeline: str, key: str, repository: str) -> Source | None:
        """Its source action; only a V2 pipeline can be told what to read."""
        with self.tape.call("codepipeline.source"):
            kept = self.kept.get(pipeline)
            if kept is None or not key.endswith(f"/{pipeline}.zip"):
                return None
            return Source("Source", metadata(kept.request.template)[1] == 2)

    def start(self, pipeline: str, source: Source | None, revision: str, token: str) -> str:
        """Start a run: what the invocation brought about is known at once."""
        with self.tape.call("codepipeline.start"):
            self.effect("start", pipeline)
            return self._begin(pipeline, {"Source": revision} if source and source.pinnable else {})

    def _begin(self, pipeline: str, revisions: dict[str, str]) -> str:
        self._made += 1
        run = Run(f"00000000-0000-0000-0000-{self._made:012x}", RunState.IN_PROGRESS, self.clock(), revisions)
        self.executions[pipeline] = [run, *self.executions[pipeline]]
        track = self.tracks[run.id] = Track(pipeline, run.id, first=len(self.executions[pipeline]) == 1)
        track.actions["Source"] = ("InProgress", self.clock(), self.clock())
        self._run_event(track, "STARTED")
        self._run_event(track, "STARTED", "Source")
        # No execution overtakes another: Source has them in the order in which they were started.
        when = max(self.clock() + self.chaos.rng.randint(1_000, 20_000), self.reading.get(pipeline, 0) + 1_000)
        self.reading[pipeline] = when
        self.scheduler.at(when, lambda: self._read(track))
        return run.id

    def _run(self, track: Track) -> Run | None:
        return next((run for run in self.executions.get(track.pipeline, ()) if run.id == track.id), None)

    def _read(self, track: Track) -> None:
        run = self._run(track)
        if run is None or not run.state.active:
            return
        version = run.revisions.get("Source") or self.version(track.pipeline)
        if not version or (track.first and self.chaos.happens(self.chaos.rates.first_run_fails)):
            self._action(track, "Failed")
            self._end(track, RunState.FAILED)
            return
        self.executions[track.pipeline] = [
            replace(each, revisions={"Source": version}) if each.id == run.id else each
            for each in self.executions[track.pipeline]
        ]
        self.artifacts.setdefault(track.pipeline, set()).add(track.id)
        self.commit_of(version)  # the run knows it from now on, also when the object is gone
        self._action(track, "Succeeded")
        self._run_event(track, "SUCCEEDED", "Source")
        if run.state is RunState.STOPPING:
            self._end(track, RunState.STOPPED)
        elif track.pipeline in self.building:
            before = self.waiting.get(track.pipeline)
            self.waiting[track.pipeline] = track.id
            if before:
                self._end(self.tracks[before], RunState.SUPERSEDED)
        else:
            self._build(track)

    def _build(self, track: Track) -> None:
        self.building[track.pipeline] = track.id
        track.stage = "Build"
        self.logs.add(track.pipeline)
        track.actions["Build"] = ("InProgress", self.clock(), self.clock())
        self._run_event(track, "STARTED", "Build")
        took = self.chaos.rng.choice((10_000, 30_000, 90_000))
        self.scheduler.after(took, lambda: self._built(track))

    def _built(self, track: Track) -> None:
        run = self._run(track)
        if run is None or not run.state.active:
            return
        fails = self._fails(run)
        self._action(track, "Failed" if fails else "Succeeded")
        if not fails:
            self.deployed[track.pipeline] = run.revisions["Source"]
            self.sources_built.add(run.revisions["Source"])
        stopping = run.state is RunState.STOPPING
        state = RunState.FAILED if fails else RunState.STOPPED if stopping else RunState.SUCCEEDED
        self._end(track, state)

    def _fails(self, run: Run) -> bool:
        return self.broken(self.commit_of(run.revisions["Source"]))

    def _action(self, track: Track, status: str) -> None:
        _, started, _ = track.actions[track.stage]
        track.actions[track.stage] = (status, started, self.clock())

    def _end(self, track: Track, state: RunState) -> None:
        self._change(track.pipeline, track.id, state)

    def _change(self, pipeline: str, run: str, state: RunState) -> None:
        super()._change(pipeline, run, state)
        track = self.tracks[run]
        if state is RunState.STOPPING:
            self._run_event(track, "STOPPING")
            if self.waiting.get(pipeline) == run:
                self.scheduler.after(2_000, lambda: self._leave(track))
            return
        if track.actions[track.stage][0] == "InProgress":
            self._action(track, "Abandoned")
        self._run_event(track, _EVENTS[state], track.stage)
        self._run_event(track, _EVENTS[state])
        if self.waiting.get(pipeline) == run:
            del self.waiting[pipeline]
        if self.building.get(pipeline) == run:
            del self.building[pipeline]
            following = self.waiting.pop(pipeline, None)
            if following:
                self._build(self.tracks[following])

    def _leave(self, track: Track) -> None:
        if self.waiting.get(track.pipeline) == track.id:
            self._end(track, RunState.STOPPED)

    def _run_event(self, track: Track, state: str, stage: str = "") -> None:
        if stage and state == "SUPERSEDED":
            return  # stages know no such state
        kind = f"CodePipeline {'Stage' if stage else 'Pipeline'} Execution State Change"
        detail = {"pipeline": track.pipeline, "execution-id": track.id, "state": state}
        self._tell("aws.codepipeline", kind, {**detail, "stage": stage} if stage else detail)

    # --- what the notifier reads

    def run(self, pipeline: str, run: str) -> RunDetails | None:
        """One run with what it read, and the commit that the source object names."""
        with self.tape.call("codepipeline.run"):
            found = next((each for each in self.executions.get(pipeline, ()) if each.id == run), None)
            if found is None:
                return None
            revisions = {name: (version, self.commit_of(version)) for name, version in found.revisions.items()}
            return RunDetails(run, found.state, 1, revisions)

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]:
        """What its actions did."""
        with self.tape.call("codepipeline.actions"):
            track = self.tracks[run]
            return tuple(
                ActionRun(stage, stage, "S3" if stage == "Source" else "CodeBuild", *done)
                for stage, done in track.actions.items()
            )

    def stages(self, pipeline: str, version: int) -> dict[str, int]:
        """Its structure."""
        with self.tape.call("codepipeline.stages"):
            return {"Source": 1, "Build": 1}
