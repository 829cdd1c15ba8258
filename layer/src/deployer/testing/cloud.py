"""CloudFormation and CodePipeline in memory: operations are accepted at once and end when the test says so.

Implements ``Stacks``, ``Resources``, ``Pipelines`` and ``Leftovers``. A stack holds one pipeline and one build project
of its own name; creating it starts a run, changing it stops the one that runs. A run that reads its source leaves an
artifact, and a log of its build. Tokens are honoured: the same one has its effect once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from deployer.errors import Rejected, Transient
from deployer.ports import Run, Source, Stack, StackRequest, StackResource
from deployer.states import RunState, StackPhase, stack_phase
from deployer.testing.tape import Tape

PIPELINE = "AWS::CodePipeline::Pipeline"
PROJECT = "AWS::CodeBuild::Project"
LOG = "AWS::Logs::LogGroup"


@dataclass
class _Kept:
    stack: Stack
    request: StackRequest
    pending: StackRequest | None = None
    reason: str = ""


@dataclass
class Cloud:
    """One account.

    ``version``: answers with the version id of the source object that a run would read now. ``pinnable``: whether
    the pipelines are V2. ``sourced``: whether they read the artifact store at all; ``connected``: whether they read the
    repository instead: then ``version`` answers with a commit. ``failing``: why the next
    operation that ends fails. ``refusing``: why no stack may be deleted now. ``irreversible``: whether an update that
    fails can't be rolled back either.
    ``artifacts``: of each pipeline that ever ran, also when it is gone; ``logs``: the build projects that have one;
    ``logged``: whether that is a resource of the stack. ``waiting``: the runs that wait for nothing but an
    approval.
    """

    tape: Tape = field(default_factory=Tape)
    clock: Callable[[], int] = lambda: 0
    version: Callable[[str], str] = lambda _stack: ""
    kept: dict[str, _Kept] = field(default_factory=dict)
    executions: dict[str, list[Run]] = field(default_factory=dict)
    operations: list[tuple[str, str, str]] = field(default_factory=list)
    failing: str = ""
    refusing: str = ""
    irreversible: bool = False
    tokens: set[str] = field(default_factory=set)
    pinnable: bool = True
    sourced: bool = True
    connected: bool = False
    artifacts: dict[str, set[str]] = field(default_factory=dict)
    logs: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    logged: bool = False
    _made: int = 0

    # --- Stacks

    def describe(self, name: str) -> Stack | None:
        """The stack of that name or ARN."""
        with self.tape.call("cloudformation.describe"):
            return next((kept.stack for kept in self.kept.values() if name in (kept.stack.name, kept.stack.id)), None)

    def create(self, request: StackRequest) -> None:
        """Accept a creation."""
        with self.tape.call("cloudformation.create"):
            if request.token in self.tokens:
                return
            if request.name in self.kept:
                raise Transient(f"stack {request.name} already exists")
            self.kept[request.name] = _Kept(self._stack(request, "CREATE_IN_PROGRESS"), request, request)
            self._did("create", request.name, request.token)

    def update(self, request: StackRequest) -> bool:
        """Accept an update, or say that there is nothing to update."""
        with self.tape.call("cloudformation.update"):
            if request.token in self.tokens:
                return True
            kept = self.kept.get(request.name)
            if kept is None:
                raise Rejected(f"Stack [{request.name}] does not exist")
            phase = stack_phase(kept.stack.status)
            if phase is StackPhase.BUSY:
                raise Transient(f"{request.name} is in {kept.stack.status} state and can not be updated")
            if phase not in (StackPhase.STABLE, StackPhase.REVERTED):
                raise Rejected(f"{request.name} is in {kept.stack.status} state and can not be updated")
            if (request.template, request.parameters) == (kept.request.template, kept.request.parameters):
                return False
            kept.stack, kept.pending = replace(kept.stack, status="UPDATE_IN_PROGRESS"), request
            self._did("update", request.name, request.token)
            return True

    def delete(self, stack_id: str, token: str) -> None:
        """Accept a deletion."""
        with self.tape.call("cloudformation.delete"):
            if self.refusing:
                raise Rejected(self.refusing)
            for kept in self.kept.values():
                if kept.stack.id == stack_id and token not in self.tokens:
                    if kept.stack.status.startswith("UPDATE_") and kept.stack.phase is StackPhase.BUSY:
                        raise Transient(f"{stack_id} cannot be deleted while in status {kept.stack.status}")
                    kept.stack = replace(kept.stack, status="DELETE_IN_PROGRESS")
                    self._did("delete", kept.stack.name, token)

    def continue_rollback(self, stack_id: str, token: str) -> None:
        """Accept that a failed rollback is taken up again."""
        with self.tape.call("cloudformation.continue_rollback"):
            for kept in self.kept.values():
                if kept.stack.id == stack_id and token not in self.tokens:
                    if kept.stack.status != "UPDATE_ROLLBACK_FAILED":
                        raise Transient(f"stack {stack_id} is in another state by now")
                    kept.stack = replace(kept.stack, status="UPDATE_ROLLBACK_IN_PROGRESS")
                    self._did("continue", kept.stack.name, token)

    def failure(self, stack_id: str, token: str = "", since: int = 0) -> str:
        """The first failed resource."""
        with self.tape.call("cloudformation.failure"):
            return next((kept.reason for kept in self.kept.values() if kept.stack.id == stack_id), "")

    def every(self) -> Iterator[Stack]:
        """All that are there."""
        with self.tape.call("cloudformation.every"):
            return iter([kept.stack for kept in self.kept.values()])

    # --- Resources

    def resources(self, stack_id: str) -> tuple[StackResource, ...]:
        """The build project and the pipeline, once they have been made."""
        with self.tape.call("cloudformation.resources"):
            names = [kept.stack.name for kept in self.kept.values() if kept.stack.id == stack_id]
            return tuple(each for name in names if name in self.executions for each in self._resources(name))

    def _resources(self, name: str) -> tuple[StackResource, ...]:
        log = (StackResource(LOG, "Log", f"/aws/codebuild/{name}"),) if self.logged else ()
        return *log, StackResource(PROJECT, "Project", name), StackResource(PIPELINE, "Pipeline", name)

    def holder(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None:
        """The stack of a pipeline."""
        with self.tape.call("cloudformation.holder"):
            kept = self.kept.get(physical_id)
            return (kept.stack.id, (StackResource(PIPELINE, "Pipeline", physical_id),)) if kept else None

    # --- Pipelines

    def count(self) -> int:
        """Those that have had a run."""
        with self.tape.call("codepipeline.count"):
            return len(self.executions)

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        """Newest first."""
        with self.tape.call("codepipeline.runs"):
            return tuple(self.executions.get(pipeline, ()))

    def source(self, pipeline: str, key: str, repository: str) -> Source | None:
        """Its source action."""
        with self.tape.call("codepipeline.source"):
            reads = self.connected or (self.sourced and key.endswith(f"/{pipeline}.zip"))
            return Source("Source", self.pinnable, self.connected) if reads else None

    def start(self, pipeline: str, source: Source | None, revision: str, token: str) -> str:
        """Start a run; CodePipeline promises nothing for its token."""
        with self.tape.call("codepipeline.start"):
            return self._begin(pipeline, {"Source": revision} if source and source.pinnable else {})

    def stop(self, pipeline: str, run: str, reason: str) -> None:
        """Let a run come to its stop; one that has ended stays as it is."""
        with self.tape.call("codepipeline.stop"):
            if any(each.id == run and each.state.active for each in self.executions.get(pipeline, ())):
                self._change(pipeline, run, RunState.STOPPED if run in self.waiting else RunState.STOPPING)

    # --- Leftovers

    def clear_artifacts(self, pipeline: str) -> None:
        """Those that the pipeline's history names: none of one that is gone."""
        with self.tape.call("leftovers.clear_artifacts"):
            if pipeline in self.executions:
                self.artifacts.pop(pipeline, None)

    def clear_log(self, project: str) -> None:
        """If it has one."""
        with self.tape.call("leftovers.clear_log"):
            self.logs.discard(project)

    # --- what the test says

    def stand(self, request: StackRequest) -> None:
        """Let a stack be there that somebody has made before, without a pipeline."""
        self.kept[request.name] = _Kept(self._stack(request, "CREATE_COMPLETE"), request)

    def finish(self, name: str) -> str:
        """End the stack's operation, as ``failing`` says; answers with the status."""
        kept = self.kept[name]
        failed, kept.reason, self.failing = bool(self.failing), self.failing, ""
        match kept.stack.status, failed:
            case "CREATE_IN_PROGRESS", False:
                kept.pending = None
                status = "CREATE_COMPLETE"
                self.executions[name] = []
                self._begin(name, {})
            case "CREATE_IN_PROGRESS", True:
                status = "ROLLBACK_COMPLETE"
            case "UPDATE_IN_PROGRESS", False:
                kept.request, kept.pending = kept.pending or kept.request, None
                status = "UPDATE_COMPLETE"
                for run in self.executions.get(name, ()):
                    if run.state is RunState.IN_PROGRESS:
                        self._change(name, run.id, RunState.CANCELLED)
            case "UPDATE_IN_PROGRESS", True:
                status = "UPDATE_ROLLBACK_FAILED" if self.irreversible else "UPDATE_ROLLBACK_COMPLETE"
            case "UPDATE_ROLLBACK_IN_PROGRESS", _:
                status = "UPDATE_ROLLBACK_FAILED" if failed else "UPDATE_ROLLBACK_COMPLETE"
            case "DELETE_IN_PROGRESS", True:
                status = "DELETE_FAILED"
            case "DELETE_IN_PROGRESS", False:
                del self.kept[name]
                self.executions.pop(name, None)
                if self.logged:
                    self.logs.discard(name)
                return "DELETE_COMPLETE"
            case _:
                raise AssertionError(f"{name} has no operation to finish: {kept.stack.status}")
        kept.stack = replace(kept.stack, status=status)
        return status

    def read(self, pipeline: str) -> None:
        """Let every run that has not read its source read it now."""
        reading = {run.id for run in self.executions[pipeline] if not run.revisions and run.state.active}
        self._left_by(pipeline, *reading)
        self.executions[pipeline] = [
            replace(run, revisions={"Source": self.version(pipeline)}) if run.id in reading else run
            for run in self.executions[pipeline]
        ]

    def end(self, pipeline: str, state: RunState = RunState.SUCCEEDED) -> None:
        """End every run that is active; one that is stopping is stopped."""
        for run in self.executions[pipeline]:
            if run.state.active:
                self._change(pipeline, run.id, RunState.STOPPED if run.state is RunState.STOPPING else state)

    def _stack(self, request: StackRequest, status: str) -> Stack:
        self._made += 1
        arn = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{request.name}/{self._made}"
        return Stack(arn, request.name, status, dict(request.tags), role=request.role)

    def _begin(self, pipeline: str, revisions: dict[str, str]) -> str:
        self._made += 1
        run = Run(f"run-{self._made}", RunState.IN_PROGRESS, self.clock(), revisions)
        self.executions[pipeline] = [run, *self.executions[pipeline]]
        if revisions:
            self._left_by(pipeline, run.id)
        return run.id

    def _left_by(self, pipeline: str, *runs: str) -> None:
        if runs:
            self.artifacts.setdefault(pipeline, set()).update(runs)
            self.logs.add(pipeline)

    def _change(self, pipeline: str, run: str, state: RunState) -> None:
        self.executions[pipeline] = [
            replace(each, state=state) if each.id == run else each for each in self.executions[pipeline]
        ]

    def _did(self, operation: str, name: str, token: str) -> None:
        if token:  # without one, every call is another
            self.tokens.add(token)
        self.operations.append((operation, name, token))
