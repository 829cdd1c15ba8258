"""The engine: applies what the state machine says is due, runs actions, tells the world.

One lock, one sqlite transaction a turn. A turn changes records and posts events to the outbox; when it is committed,
the lock is free again and only then actions start and events leave, in order, from one thread. Each action runs in a
thread of its own and comes back with an outcome, which is the next turn. Nothing polls.

Killed and started again: runs go on where they were. An action that was in flight is run again under the same action
execution, with what its provider remembered (each provider's module says what that means); events not yet handed over
are handed over, so that one may arrive twice and none is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployer_local.codebuild.service import CodeBuild

from .actions.job import Answered, Failed, Interrupted, Job, Outcome, StackChanged, Surroundings
from .errors import ServiceError
from .operations import Operations
from .providers import Providers
from .shapes import CONTRACT
from .store import Store
from .turn import Turn

log = logging.getLogger(__name__)
_HOOKED_POLL = 30.0
_POLL = 0.2


def thread(work: Callable[[], None]) -> None:
    """The usual executor: a daemon thread for each action, because most of an action's time is waiting."""
    threading.Thread(target=work, name="pipeline-action", daemon=True).start()


class CodePipeline:
    """The whole service.

    ``store`` is a directory; ``client`` makes boto3 clients by service name; ``emit`` gets detail-type, detail and
    resources; ``clock`` gives seconds since the epoch; ``executor`` runs a function and does not wait for it;
    ``build_variables`` reach every build (an endpoint, say); ``reply_within`` is how long a Lambda action waits, and
    ``continuation_pause`` how long before it is invoked again, both in seconds.
    """

    def __init__(
        self,
        store: Path,
        client: Callable[[str], Any],
        emit: Callable[[str, dict[str, Any], list[str]], None],
        account: str,
        region: str,
        *,
        clock: Callable[[], float] = time.time,
        executor: Callable[[Callable[[], None]], object] = thread,
        build_variables: Mapping[str, str] | None = None,
        reply_within: float = 20 * 60.0,
        continuation_pause: float = 1.0,
    ) -> None:
        store.mkdir(parents=True, exist_ok=True)
        self._store = Store(store / "codepipeline.sqlite")
        self._emit, self._account, self._region, self._clock = emit, account, region, clock
        self._executor = executor
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._closing = False
        self._hooked = False
        self._mail = threading.Event()
        self.codebuild = CodeBuild(store, client, account, region, variables=build_variables, clock=clock)
        self._around = Surroundings(client, clock, account, region)
        self._providers = Providers(self.codebuild, self._stack_poll, reply_within, continuation_pause)
        self._operations = Operations(account, region)
        self._postman = threading.Thread(target=self._deliver, name="pipeline-events", daemon=True)
        self._postman.start()
        self._resumed = False

    def start(self) -> None:
        """Take up what was in flight when the last engine ended; call it once the clients work.

        The first API call does it otherwise. Calling it again does nothing.
        """
        with self._lock:
            if self._resumed or self._closing:
                return
            self._resumed = True
        self._take_up()

    def handle(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one API call; raises ServiceError. An answer that AWS could not give undoes what the call changed."""
        with CONTRACT.errors(action):
            self.start()
            CONTRACT.check_request(action, body)
            operation = self._operations.named(action)
            if operation is None:
                message = f"{action} exists on AWS and is not served by this engine"
                raise ServiceError("UnknownOperationException", message, 404)
            with self._turn() as turn:
                answer = operation(turn, body)
                CONTRACT.check_answer(action, answer)
                return answer

    def stack_event(self, stack_id: str, status: str) -> None:
        """To be called for every CloudFormation stack event; without it the engine looks every 0.2 s."""
        self._hooked = True
        with self._lock:
            for job in self._jobs.values():
                job.mailbox.put(StackChanged(stack_id, status))

    def function_failed(self, event: Mapping[str, Any], message: str) -> None:
        """To be called when the last attempt of an asynchronous Lambda invocation ended with an error.

        ``event`` is what the function was invoked with; anything but an unanswered job of ours is ignored.
        """
        job = event.get("CodePipeline.job") if isinstance(event, Mapping) else None
        if not isinstance(job, Mapping) or not isinstance(job.get("id"), str):
            return
        details = {"type": "JobFailed", "message": (message or "the function failed")[:5000]}
        try:
            self.handle("PutJobFailureResult", {"jobId": job["id"], "failureDetails": details})
        except ServiceError as error:
            log.info("the failure of job %s came after its answer: %s", job["id"], error)

    def close(self) -> None:
        """Stop; what is in flight stays InProgress on disk and is taken up by the next engine on this store."""
        with self._lock:
            self._closing = True
            jobs = list(self._jobs.values())
        for job in jobs:
            job.leave()
        self.codebuild.close()
        self._mail.set()
        self._postman.join(timeout=10)

    @contextmanager
    def _turn(self) -> Iterator[Turn]:
        with self._lock:
            if self._closing:
                raise ServiceError("ServiceUnavailable", "the engine is closing", 503)
            turn = Turn(self._store, self._clock, self._region)
            with self._store.transaction():
                yield turn
                turn.settle()
            for started in turn.started:
                self._jobs[started.id] = self._job(started.run, started.id)
            jobs = [self._jobs[started.id] for started in turn.started]
            left = [self._jobs[name] for name in turn.left if name in self._jobs]
            answered = [self._jobs[name] for name in turn.answered if name in self._jobs]
        for job in answered:
            job.mailbox.put(Answered())
        for job in left:
            job.leave()
        for job in jobs:
            self._start(job)
        self._mail.set()

    def _take_up(self) -> None:
        """Run again what was in flight when the engine last ended."""
        jobs = []
        with self._turn() as turn:
            for name in self._store.live_pipelines():
                turn.touch(name)
                for run in self._store.runs(name, live=True):
                    jobs += [self._job(run.id, a.id) for a in run.executions if a.status == "InProgress"]
            for job in jobs:
                self._jobs[job.id] = job
        for job in jobs:
            self._start(job)

    def _job(self, run_id: str, identifier: str) -> Job:
        run = self._store.known_run(run_id)
        attempt = run.execution(identifier)
        declared = run.declared(attempt.stage, attempt.action)
        overridden = {k.partition(":")[2]: v for k, v in run.overrides.items() if k.partition(":")[0] == attempt.action}
        return Job(
            around=self._around,
            desk=self,
            id=attempt.id,
            run=run.id,
            pipeline=run.pipeline,
            stage=attempt.stage,
            action=declared,
            role=declared.get("roleArn", run.declaration["roleArn"]),
            bucket=Turn.bucket(run.declaration, self._region),
            configuration=attempt.configuration,
            inputs=attempt.inputs,
            outputs=attempt.outputs,
            memory=dict(attempt.memory),
            overrides=overridden,
        )

    def _start(self, job: Job) -> None:
        self._executor(lambda: self._work(job))

    def _work(self, job: Job) -> None:
        try:
            outcome: Outcome = self._providers.run(job)
        except Interrupted:
            with self._lock:
                self._jobs.pop(job.id, None)
            return
        except Exception as error:
            log.exception("action %s/%s of %s broke", job.stage, job.action["name"], job.pipeline)
            outcome = Failed("SystemUnavailable", f"This engine failed: {type(error).__name__}: {error}")
        try:
            with self._turn() as turn:
                self._jobs.pop(job.id, None)
                turn.finish(job.run, job.id, outcome)
        except ServiceError as error:
            log.info("the outcome of action %s is dropped and the action taken up again: %s", job.id, error)

    def _deliver(self) -> None:
        """Hand events over, in order, outside the lock; one that ``emit`` refuses is logged and dropped."""
        while True:
            self._mail.wait()
            self._mail.clear()
            while True:
                with self._lock:
                    letters = self._store.outbox()
                if not letters:
                    break
                for number, kind, detail, pipeline in letters:
                    try:
                        self._emit(kind, detail, [f"arn:aws:codepipeline:{self._region}:{self._account}:{pipeline}"])
                    except Exception:
                        log.exception("an event of pipeline %s was not taken: %s", pipeline, kind)
                    with self._lock:
                        self._store.posted(number)
            if self._closing:
                with self._lock:
                    self._store.close()
                return

    def _stack_poll(self) -> float:
        return _HOOKED_POLL if self._hooked else _POLL

    # What running jobs ask for (actions.job.Desk).

    def remember(self, attempt: str, values: Mapping[str, Any]) -> None:
        """Keep a provider's values with its action execution."""
        with self._desk_turn() as turn:
            turn.remember(self._jobs[attempt].run, attempt, values)

    def show(self, attempt: str, external_id: str, url: str, summary: str) -> None:
        """Show where the action's work can be seen."""
        with self._desk_turn() as turn:
            turn.show(self._jobs[attempt].run, attempt, external_id, url, summary)

    def open_job(self, attempt: str) -> str:
        """A new job id, to be answered by an API call."""
        with self._desk_turn() as turn:
            return turn.open_job(self._jobs[attempt].run, attempt)

    def job_answer(self, job: str) -> Mapping[str, Any] | None:
        """The answer to a job, or None."""
        with self._desk_turn() as turn:
            found = turn.store.job(job)
        return found[2] if found else None

    @contextmanager
    def _desk_turn(self) -> Iterator[Turn]:
        """A turn for a running action, which must leave when the engine closes."""
        with self._lock:
            if self._closing:
                raise Interrupted
            with self._turn() as turn:
                yield turn


__all__ = ["CodePipeline"]
