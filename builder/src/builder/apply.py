"""Carry out a plan's steps, one call at a time: the intent is written before each call, the world observed after it.

A kill between any two calls leaves a state from which the next look goes on. Never waits for an operation's end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from builder.baseline import sleeper
from builder.pen import Collaborators, Pen
from builder.situation import Present, Situation
from builder.steps import (
    Announce,
    Applied,
    Begin,
    Clear,
    Forget,
    Found,
    Operate,
    Park,
    Refuse,
    Report,
    Retry,
    Settle,
    Start,
    Step,
    Stop,
    Supersede,
    Touch,
    Upload,
    Wake,
)
from builder.telling import Teller
from deployer.contexts import part_of
from deployer.environments import owner_tags, source_key
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.notices import Removal, RunNotice
from deployer.observability import logger
from deployer.ports import (
    Environment,
    Operation,
    StackRequest,
)
from deployer.stacks import MAX_INLINE_TEMPLATE

log = logger("builder")


def operation_token(environment: Environment, operation: str, stack_id: str) -> str:
    """A ClientRequestToken: the same for the same intent, so that a repeated call has its effect once."""
    parts = (str(environment.id), environment.generation, operation, stack_id, environment.attempt)
    return "deployer-" + hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:48]


@dataclass(frozen=True)
class Applier(Collaborators):
    """Carries plans out."""

    def apply(self, situation: Situation, steps: tuple[Step, ...]) -> Situation | None:
        """Carry the steps out in order; answers with what a new plan is to be made from, or None.

        Raises:
            Transient: look again later.
        """
        work = _Work(self, situation)
        for step in steps:
            try:
                again = work.take(step)
            except Rejected as error:
                work.teller.refused(error)
                return None
            if again:
                return replace(situation, item=work.item)
        return None


class _Work:
    """One look's steps."""

    def __init__(self, applier: Applier, situation: Situation) -> None:
        self._to, self._situation = applier, situation
        self._pen = Pen(applier.memory, situation.item)
        self.teller = Teller(applier, situation, self._pen)

    @property
    def item(self) -> Environment | None:
        """The environment as remembered by now."""
        return self._pen.item

    def take(self, step: Step) -> bool:
        """Carry out one step; True where the plan is to be made anew before the next."""
        log.info("step", step=type(step).__name__, environment=str(self._situation.id))
        match step:
            case Park() | Wake() | Begin() | Touch() | Applied() | Found():
                self._note(step)
            case Supersede() | Report() | Refuse() | Announce() | Settle():
                self.teller.tell(step)
            case Upload():
                self._upload()
            case Operate(operation):
                return self._operate(operation)
            case Clear(pipelines, projects):
                self._clear(pipelines, projects)
            case Start(pipeline):
                return self._start(pipeline)
            case Stop(pipeline, run):
                self._pen.change()  # who was overtaken might stop the very run that is wanted
                self._to.pipelines.stop(pipeline, run, "another commit is wanted, or none")
            case Forget():
                self._forget()
            case Retry(reason, seconds):  # pragma: no branch - a plan has no other step
                raise Transient(reason, seconds)
        return False

    def _note(self, step: Park | Wake | Begin | Touch | Applied | Found) -> None:
        match step:
            case Park(place):
                self._to.parking.park(place)
            case Wake(ref):
                self._to.baselines.wake(self._situation.id.repository, sleeper(ref))
                self._to.parking.unpark(self._situation.id)
            case Begin(environment):
                self._pen.save(environment)
            case Touch(at):
                self._pen.change(touched=at)
            case Applied():
                self._pen.change(applied=self._pen.now.digest)
            case Found(pipelines):  # pragma: no branch - mypy holds the match complete
                self._found(pipelines)

    def _found(self, pipelines: tuple[str, ...]) -> None:
        """What a new pipeline's first run has said so far went past the notifier, who did not know whose it was."""
        item = self._pen.now
        new = set(pipelines) - set(item.pipelines) if item.operation is not Operation.NONE else set()
        self._pen.change(pipelines=pipelines)  # first: what a run's stages are called depends on it
        for name in sorted(new):
            for run in self._situation.runs[name]:
                self._to.notices.notify(RunNotice(name, run.id))

    # --- acting

    def _upload(self) -> None:
        item = self._pen.now
        started = self._to.clock()
        with self._to.files.archive(self._situation.repository, item.commit) as archive:
            version = self._to.sources.put(source_key(item.stack), archive, item.commit, item.generation)
        self._pen.change(source=version, source_at=started)

    def _operate(self, operation: Operation) -> bool:
        item, stack = self._pen.now, self._situation.stack
        asked = item.operation is operation
        again = asked and item.accepted
        self._pen.change(operation=operation, attempt=item.attempt + 1 if again else item.attempt, accepted=False)
        token = operation_token(self._pen.now, operation, stack.id if stack else "")
        log.info("stack operation", stack=item.stack, operation=str(operation), token=token)
        changed = self._call(operation, token)
        if changed:
            self._pen.change(accepted=True)
            if asked and not again:
                # The answer to an earlier call was lost: it may have ended by now, and its event with it.
                raise Transient(f"the {operation} may have been accepted before: look again", 1.0)
            return False
        self._pen.change(accepted=True, applied=self._pen.now.digest)
        return True

    def _call(self, operation: Operation, token: str) -> bool:
        stack = self._situation.stack
        if operation in (Operation.DELETE, Operation.CONTINUE):
            if stack is None or not self._situation.ours:
                raise Broken("a plan may delete or roll back only a stack that is this environment's")
            stacks = self._to.stacks
            (stacks.delete if operation is Operation.DELETE else stacks.continue_rollback)(stack.id, token)
            return True
        request = self._request(token)
        if operation is Operation.CREATE:
            self._to.stacks.create(request)
            return True
        return self._to.stacks.update(request)

    def _request(self, token: str) -> StackRequest:
        wish, item = self._situation.wish, self._pen.now
        if not isinstance(wish, Present) or not wish.template:
            raise Broken("a plan may operate a stack only with the template that is wanted")
        url = ""
        if len(wish.template.encode("utf-8")) > MAX_INLINE_TEMPLATE:
            url = self._to.sources.put_text(f"{source_key(item.stack)}.template", wish.template)
        return StackRequest(
            name=item.stack,
            template=wish.template,
            template_url=url,
            parameters=wish.parameters,
            tags=owner_tags(item.id, self._to.installation.prefix, self._situation.repository.full_name),
            role=self._to.installation.roles[item.id.stage],
            token=token,
        )

    def _clear(self, pipelines: tuple[str, ...], projects: tuple[str, ...]) -> None:
        for pipeline in pipelines:
            self._to.leftovers.clear_artifacts(pipeline)
        for project in projects:
            self._to.leftovers.clear_log(project)

    def _start(self, pipeline: str) -> bool:
        source = self._to.pipelines.source(
            pipeline, source_key(self._pen.now.stack), self._situation.repository.full_name
        )
        if source and self._finds_another_source():
            return True
        item = self._pen.now
        token = operation_token(item, f"start/{pipeline}", "")
        self._pen.change(starting=self._to.clock())
        try:
            revision = item.commit if source and source.connected else item.source
            run = self._to.pipelines.start(pipeline, source, revision, token)
        except DeployerError:
            # Nobody is about to ask any more: whether it was started after all, the next look sees.
            self._pen.change(starting=0)
            raise
        log.info("run started", pipeline=pipeline, run=run, commit=item.commit)
        return False

    def _finds_another_source(self) -> bool:
        """Make sure that what a run would read is what is remembered; True where a run may have read it already.

        Whoever was overtaken may have put another version on top: of this generation, or of an earlier one.
        """
        item = self._pen.now
        newest = self._to.sources.newest(source_key(item.stack))
        if newest and newest.version == item.source:
            return False
        if newest and (newest.generation, newest.commit) == (item.generation, item.commit):
            self._pen.change(source=newest.version)
            return True
        self._upload()
        return False

    def _forget(self) -> None:
        item = self._pen.now
        self.teller.close("the environment was removed")
        for key in (source_key(item.stack), f"{source_key(item.stack)}.template"):
            self._to.sources.delete(key)
        # GitHub still shows what is deployed there. The notifier ends that, however long GitHub takes to listen.
        parts = tuple(part for name in item.pipelines if (part := part_of(item, name)))
        self._to.notices.notify(Removal(str(item.id), self._situation.repository, item.generation, parts))
        self._to.memory.forget(item)
