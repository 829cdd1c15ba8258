"""One turn: changes to records, the events that tell of them, and what the engine must do once they are kept.

Lives inside one transaction, under the engine's lock. Starts no action and hands over no event itself: it lists what
to start (``started``), what to call back (``left``) and what need not wait any longer (``answered``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import events
from .actions.artifacts import place
from .actions.job import Failed, Outcome
from .machine import EndRun, EndStage, EnterStage, Mode, PipelineView, StartAction, Status, Step, due
from .records import Attempt, Pipeline, Result, Run, StageRecord
from .store import Store
from .variables import UnresolvedVariableError, namespaces, resolve

_WORDS = {Status.CANCELLED: "CANCELED"}


@dataclass(frozen=True)
class Started:
    """An action execution to be run."""

    run: str
    id: str


class Turn:
    """``clock`` gives seconds since the epoch."""

    def __init__(self, store: Store, clock: Callable[[], float], region: str) -> None:
        self.store, self._clock, self._region = store, clock, region
        self.started: list[Started] = []
        self.left: list[str] = []
        self.answered: list[str] = []
        self._touched: dict[str, None] = {}

    @property
    def now(self) -> float:
        """The time."""
        return self._clock()

    def touch(self, pipeline: str) -> None:
        """Ask, at the end of the turn, what is due for this pipeline."""
        self._touched[pipeline] = None

    def settle(self) -> None:
        """Apply what is due until nothing is."""
        for name in self._touched:
            pipeline = self.store.pipeline(name)
            while pipeline is not None:
                live = self.store.runs(name, live=True)
                mode = Mode(pipeline.declaration["executionMode"])
                steps = due(PipelineView(mode, tuple(run.view() for run in live), pipeline.closed_stages()))
                if not steps:
                    break
                for step in steps:
                    self._apply(step)

    def begin(self, pipeline: Pipeline, kind: str, detail: str, **given: Mapping[str, str]) -> Run:
        """A new run of the pipeline; ``given`` has ``overrides`` and ``variables``."""
        now = self.now
        run = Run(
            id=str(uuid.uuid4()),
            pipeline=pipeline.name,
            number=self.store.next_number(pipeline.name),
            declaration=pipeline.declaration,
            started=now,
            updated=now,
            trigger={"triggerType": kind, "triggerDetail": detail},
            overrides=dict(given.get("overrides", {})),
            variables=dict(given.get("variables", {})),
            stages=tuple(StageRecord(stage["name"]) for stage in pipeline.declaration["stages"]),
        )
        self._tell_run(run, "STARTED")
        return run

    def finish(self, run_id: str, identifier: str, outcome: Outcome) -> None:
        """An action came back; ignored when it does not count any more."""
        run = self.store.run(run_id)
        if run is None:
            return
        attempt = run.execution(identifier)
        if attempt.status is not Status.IN_PROGRESS:
            return
        before = attempt.result
        result = replace(
            before,
            external_id=outcome.external_id or before.external_id,
            url=outcome.url or before.url,
            summary=outcome.summary[:2048],
            log_stream=outcome.log_stream,
        )
        if isinstance(outcome, Failed):
            result = replace(result, code=outcome.code, message=outcome.message[:5000] or outcome.code)
            attempt = replace(attempt, status=Status.FAILED, result=result)
        else:
            attempt = replace(attempt, status=Status.SUCCEEDED, result=result, variables=dict(outcome.variables))
            if revision := outcome.revision:
                outputs = tuple(replace(output, revision=revision.id) for output in attempt.outputs)
                attempt = replace(attempt, outputs=outputs)
                others = tuple(item for item in run.revisions if item.action != revision.action)
                run = replace(run, revisions=(*others, revision))
        self._tell_action(run, attempt)

    def cancel(self, run: Run, status: Status = Status.CANCELLED) -> None:
        """End a live run at once: its actions are abandoned, whatever they are doing."""
        run = self._abandon(run, "CANCELED")
        for stage in run.stages:
            if stage.status is Status.IN_PROGRESS:
                run = run.with_stage(replace(stage, status=status))
                self._tell_stage(run, stage.name, _word(status))
        self._tell_run(replace(run, status=status), _word(status))

    def stop(self, run: Run, reason: str | None, *, abandon: bool) -> None:
        """Stop after the actions in progress, or without waiting for them."""
        if run.status is not Status.STOPPING:
            run = replace(run, status=Status.STOPPING, stop_reason=reason)
            self._tell_run(run, "STOPPING")
            for stage in run.stages:
                if stage.status is Status.IN_PROGRESS:
                    run = run.with_stage(replace(stage, status=Status.STOPPING))
                    self._tell_stage(run, stage.name, "STOPPING")
        if abandon:
            self._abandon(run, "ABANDONED")
        self.touch(run.pipeline)

    def retry(self, run: Run, stage: StageRecord, *, everything: bool) -> None:
        """Take a failed stage up again."""
        kept = {
            action: identifier
            for action, identifier in stage.attempts.items()
            if not everything and run.execution(identifier).status is Status.SUCCEEDED
        }
        record = replace(stage, status=Status.IN_PROGRESS, attempts=kept, retries=stage.retries + 1, entered=self.now)
        run = replace(run.with_stage(record), status=Status.IN_PROGRESS, attempt=run.attempt + 1, stop_reason=None)
        self._tell_run(run, "RESUMED")
        self._tell_stage(run, stage.name, "RESUMED")

    def remember(self, run_id: str, identifier: str, values: Mapping[str, Any]) -> None:
        """Keep a provider's values."""
        run = self.store.run(run_id)
        if run is not None:
            attempt = run.execution(identifier)
            self.store.put_run(run.with_execution(replace(attempt, memory={**attempt.memory, **values})))

    def show(self, run_id: str, identifier: str, external_id: str, url: str, summary: str) -> None:
        """Show where an action's work can be seen."""
        run = self.store.run(run_id)
        if run is not None and run.execution(identifier).status is Status.IN_PROGRESS:
            result = Result(external_id, url, summary[:2048])
            self.store.put_run(run.with_execution(replace(run.execution(identifier), result=result, updated=self.now)))

    def open_job(self, run_id: str, identifier: str) -> str:
        """A new job id for an action execution."""
        job = str(uuid.uuid4())
        self.store.put_job(job, run_id, identifier)
        return job

    @staticmethod
    def bucket(declaration: Mapping[str, Any], region: str) -> str:
        """The artifact store's bucket."""
        store = declaration.get("artifactStore") or declaration["artifactStores"][region]
        return str(store["location"])

    def _apply(self, step: Step) -> None:
        run = self.store.known_run(step.run)
        match step:
            case EnterStage(stage=name):
                record = replace(run.stage(name), status=Status.IN_PROGRESS, entered=self.now)
                self._tell_stage(run.with_stage(record), name, "STARTED")
            case StartAction(stage=name, action=action):
                self._start(run, name, action)
            case EndStage(stage=name, status=status):
                record = replace(run.stage(name), status=status)
                self._tell_stage(run.with_stage(record), name, _word(status))
            case EndRun(status=status):  # pragma: no branch - a step is one of these four
                self._tell_run(replace(run, status=status), _word(status))

    def _start(self, run: Run, stage: str, action: str) -> None:
        declared = run.declared(stage, action)
        known = run.artifacts()
        bucket = self.bucket(run.declaration, self._region)
        now = self.now
        attempt = Attempt(
            id=str(uuid.uuid4()),
            stage=stage,
            action=action,
            started=now,
            updated=now,
            inputs=tuple(known[item["name"]] for item in declared.get("inputArtifacts", ()) if item["name"] in known),
            outputs=tuple(place(bucket, run.pipeline, item["name"]) for item in declared.get("outputArtifacts", ())),
        )
        record = run.stage(stage)
        run = run.with_stage(replace(record, attempts={**record.attempts, action: attempt.id}))
        try:
            configuration = resolve(declared.get("configuration", {}), namespaces(run))
        except UnresolvedVariableError as error:
            self._tell_action(run, attempt)
            result = Result(code="ConfigurationError", message=str(error))
            run = run.with_execution(attempt)
            self._tell_action(run, replace(attempt, status=Status.FAILED, result=result))
            return
        self._tell_action(run, replace(attempt, configuration=configuration))
        self.started.append(Started(run.id, attempt.id))

    def _abandon(self, run: Run, word: str) -> Run:
        for attempt in run.executions:
            if attempt.status is Status.IN_PROGRESS:
                changed = replace(attempt, status=Status.ABANDONED, updated=self.now)
                run = run.with_execution(changed)
                self.store.post(events.ACTION, events.of_action(run, changed, word, self._region), run.pipeline)
                self.left.append(attempt.id)
        self._keep(run)
        return run

    def _tell_action(self, run: Run, attempt: Attempt) -> None:
        attempt = replace(attempt, updated=self.now)
        run = run.with_execution(attempt)
        self._keep(run)
        word = "STARTED" if attempt.status is Status.IN_PROGRESS else _word(attempt.status)
        self.store.post(events.ACTION, events.of_action(run, attempt, word, self._region), run.pipeline)

    def _tell_stage(self, run: Run, stage: str, word: str) -> None:
        self._keep(run)
        self.store.post(events.STAGE, events.of_stage(run, stage, word, self.now), run.pipeline)

    def _tell_run(self, run: Run, word: str) -> None:
        self._keep(run)
        self.store.post(events.PIPELINE, events.of_run(run, word), run.pipeline)

    def _keep(self, run: Run) -> None:
        self.store.put_run(replace(run, updated=self.now))
        self.touch(run.pipeline)


def _word(status: Status) -> str:
    return _WORDS.get(status, status.value.upper())


def cancel_all(turn: Turn, runs: Iterable[Run]) -> None:
    """Cancel every live run, the oldest first."""
    for run in sorted(runs, key=lambda item: item.number):
        turn.cancel(run)
