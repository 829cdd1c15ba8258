"""What is remembered of pipelines, runs and action executions, and how it becomes JSON.

Frozen values; a change is a new value. Nothing here touches disk, network or clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .machine import ActionView, RunView, StageView, Status


@dataclass(frozen=True)
class Artifact:
    """A place in the artifact store; ``revision`` is the source revision the artifact comes from."""

    name: str
    bucket: str
    key: str
    revision: str | None = None


@dataclass(frozen=True)
class Revision:
    """What a source action found; ``name`` is its output artifact's."""

    action: str
    name: str
    id: str
    summary: str
    url: str | None = None
    created: float | None = None


@dataclass(frozen=True)
class Result:
    """ActionExecutionResult, flat; empty means absent."""

    external_id: str = ""
    url: str = ""
    summary: str = ""
    code: str = ""
    message: str = ""
    log_stream: str = ""


@dataclass(frozen=True)
class Attempt:
    """One execution of one action. ``memory`` is the provider's own, kept for the case that the engine dies."""

    id: str
    stage: str
    action: str
    started: float
    updated: float
    status: Status = Status.IN_PROGRESS
    configuration: dict[str, str] = field(default_factory=dict)
    inputs: tuple[Artifact, ...] = ()
    outputs: tuple[Artifact, ...] = ()
    result: Result = Result()
    variables: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRecord:
    """A stage of a run; ``attempts`` maps an action to the execution that counts."""

    name: str
    status: Status | None = None
    attempts: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    entered: float | None = None


@dataclass(frozen=True)
class Run:
    """One pipeline execution, with the declaration it runs by (an update does not change a run)."""

    id: str
    pipeline: str
    number: int
    declaration: dict[str, Any]
    started: float
    updated: float
    trigger: dict[str, str]
    status: Status = Status.IN_PROGRESS
    summary: str = ""
    stop_reason: str | None = None
    attempt: int = 1
    overrides: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    revisions: tuple[Revision, ...] = ()
    stages: tuple[StageRecord, ...] = ()
    executions: tuple[Attempt, ...] = ()

    @property
    def live(self) -> bool:
        """Whether anything may still happen to it."""
        return self.status in {Status.IN_PROGRESS, Status.STOPPING}

    def stage(self, name: str) -> StageRecord:
        """The stage of that name; StopIteration never leaves: names come from the declaration."""
        return next(stage for stage in self.stages if stage.name == name)

    def execution(self, identifier: str) -> Attempt:
        """The action execution of that id."""
        return next(attempt for attempt in self.executions if attempt.id == identifier)

    def declared(self, stage: str, action: str) -> dict[str, Any]:
        """The action's declaration."""
        found: dict[str, Any] = next(
            item
            for declared in self.declaration["stages"]
            if declared["name"] == stage
            for item in declared["actions"]
            if item["name"] == action
        )
        return found

    def with_stage(self, changed: StageRecord) -> Run:
        """This run with one stage replaced."""
        return replace(self, stages=tuple(changed if s.name == changed.name else s for s in self.stages))

    def with_execution(self, changed: Attempt) -> Run:
        """This run with one execution replaced, or added at the end."""
        if all(attempt.id != changed.id for attempt in self.executions):
            return replace(self, executions=(*self.executions, changed))
        return replace(self, executions=tuple(changed if a.id == changed.id else a for a in self.executions))

    def artifacts(self) -> dict[str, Artifact]:
        """The artifacts of the actions that succeeded and count, by name."""
        counting = {identifier for stage in self.stages for identifier in stage.attempts.values()}
        return {
            artifact.name: artifact
            for attempt in self.executions
            if attempt.id in counting and attempt.status is Status.SUCCEEDED
            for artifact in attempt.outputs
        }

    def view(self) -> RunView:
        """What the state machine needs to know."""
        status = {attempt.id: attempt.status for attempt in self.executions}
        stages = []
        for declared, stage in zip(self.declaration["stages"], self.stages, strict=True):
            actions = tuple(
                ActionView(a["name"], a.get("runOrder", 1), status.get(stage.attempts.get(a["name"], "")))
                for a in declared["actions"]
            )
            stages.append(StageView(stage.name, actions, stage.status))
        return RunView(self.id, self.number, tuple(stages), self.status is Status.STOPPING)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline at its current version. ``closed`` maps a stage to why and when its inbound transition was closed;
    ``closed_outbound`` the same for outbound ones."""

    name: str
    declaration: dict[str, Any]
    version: int
    created: float
    updated: float
    tags: dict[str, str] = field(default_factory=dict)
    closed: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed_outbound: dict[str, dict[str, Any]] = field(default_factory=dict)

    def closed_stages(self) -> frozenset[str]:
        """The stages that no run may enter."""
        names = [stage["name"] for stage in self.declaration["stages"]]
        after = {names[names.index(name) + 1] for name in self.closed_outbound if name in names[:-1]}
        return frozenset(self.closed) | after

    def with_transition(self, stage: str, kind: str, why: dict[str, Any] | None) -> Pipeline:
        """This pipeline with one transition closed (``why`` has ``reason`` and ``at``) or open (None)."""
        before = self.closed if kind == "Inbound" else self.closed_outbound
        after = {name: value for name, value in before.items() if name != stage}
        if why is not None:
            after[stage] = why
        return replace(self, closed=after) if kind == "Inbound" else replace(self, closed_outbound=after)


def dump(record: Run | Pipeline) -> dict[str, Any]:
    """JSON-ready values."""
    return asdict(record)


def load_run(values: dict[str, Any]) -> Run:
    """The reverse of ``dump``."""
    return Run(
        **{
            **values,
            "status": Status(values["status"]),
            "revisions": tuple(Revision(**item) for item in values["revisions"]),
            "stages": tuple(
                StageRecord(**{**item, "status": Status(item["status"]) if item["status"] else None})
                for item in values["stages"]
            ),
            "executions": tuple(_load_attempt(item) for item in values["executions"]),
        }
    )


def _load_attempt(values: dict[str, Any]) -> Attempt:
    return Attempt(
        **{
            **values,
            "status": Status(values["status"]),
            "inputs": tuple(Artifact(**item) for item in values["inputs"]),
            "outputs": tuple(Artifact(**item) for item in values["outputs"]),
            "result": Result(**values["result"]),
        }
    )
