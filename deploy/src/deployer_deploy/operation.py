"""One stack on its way to what is wanted: observe, ask `plan` for a step, take it, and look again.

Nothing waits in here; `finish` looks at every operation in turn until all are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from deployer.errors import Broken
from deployer_deploy import plan
from deployer_deploy.manifest import Manifest
from deployer_deploy.plan import Step
from deployer_deploy.progress import Listener, StackFailed, StackFinished, StackStarted
from deployer_deploy.stacks import Failure, Stacks, StacksFailed

_DEADLINE = 30 * 60.0
_OUTCOMES = {Step.CREATE: "created", Step.UPDATE: "updated", Step.DELETE: "deleted"}


class Operation:
    """Bring the stack ``name`` to ``manifest`` with those of ``values`` that it declares; ``manifest`` None: delete."""

    def __init__(
        self,
        stacks: Stacks,
        part: str,
        name: str,
        *,
        listener: Listener,
        manifest: Manifest | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        self._stacks = stacks
        self._part = part
        self._name = name
        self._listener = listener
        self._manifest = manifest
        self._values = values or {}
        self._taken: Step | None = None
        self._began = time.monotonic()

    def look(self) -> bool:
        """Observe, and take at most one step. True once the stack is as wanted. Raises ``StacksFailed`` if it can't be.

        Raises ``Broken`` where a call is refused or a parameter has no value.
        """
        try:
            return self._look()
        except StacksFailed:
            self._listener(StackFailed(self._part, self._name, time.monotonic() - self._began))
            raise

    def _look(self) -> bool:
        stack = self._stacks.observe(self._name)
        if plan.moving(stack.status):
            return False
        if self._taken in (Step.CREATE, Step.UPDATE):
            if plan.succeeded(stack.status):
                return self._done(_OUTCOMES[self._taken])
            raise StacksFailed((self._stacks.failure(stack),))
        if self._taken and (stack.status or "").endswith("_FAILED"):
            raise StacksFailed((self._stacks.failure(stack),))
        if self._manifest is None:
            return self._delete(stack)
        step = plan.next_step(stack)
        wanted = plan.parameters(self._manifest, self._values, stack)
        if step is Step.UPDATE and plan.holds(stack, self._stacks.template(stack), self._manifest, wanted):
            return self._done("unchanged")
        if not self._stacks.take(step, stack, self._manifest.text, wanted):
            return self._done("unchanged")
        return self._started(step)

    def _delete(self, stack: plan.Stack) -> bool:
        if stack.status is None or stack.status == "DELETE_COMPLETE":
            return self._done("deleted" if self._taken else "absent")
        self._stacks.take(Step.DELETE, stack, "", {})
        return self._started(Step.DELETE)

    def _started(self, step: Step) -> bool:
        self._taken = step
        self._listener(StackStarted(self._part, self._name, step.value))
        return False

    def _done(self, outcome: str) -> bool:
        self._listener(StackFinished(self._part, self._name, outcome, time.monotonic() - self._began))
        return True


class Looking(Protocol):
    """What `finish` looks at; `Operation` is one."""

    def look(self) -> bool:
        """Take at most one step. True once there is nothing left to do; raises ``StacksFailed`` if it can't be done."""


def finish(
    operations: Mapping[str, Looking],
    poll: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Look at every operation (by part) until all are done, ``poll`` seconds apart.

    One that fails doesn't stop the others, so that nothing is left half way; all failures are raised together at the
    end as ``StacksFailed``. Raises ``Broken`` after half an hour.
    """
    pending = dict(operations)
    failures: list[Failure] = []
    deadline = clock() + _DEADLINE
    while pending:
        for part, operation in list(pending.items()):
            try:
                done = operation.look()
            except StacksFailed as failed:
                failures.extend(failed.failures)
                done = True
            if done:
                del pending[part]
        if pending:
            if clock() > deadline:
                raise Broken(f"CloudFormation is still at work on {', '.join(pending)}; run this again to go on")
            sleep(poll)
    if failures:
        raise StacksFailed(tuple(failures))
