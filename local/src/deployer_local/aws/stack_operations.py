"""Runs stack operations one after the other for each stack, and can hold one open.

ministack starts a deletion beside a creation that still runs; here it waits for it. (AWS cancels the creation instead;
the end is the same, the creation's own end is announced in addition.) A held operation stays *_IN_PROGRESS, with
nothing done, until it is released: the fault hook of the tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import emulator
from .activity import EVERYTHING
from .host import Host


@dataclass(frozen=True)
class StackOperation:
    """An operation about to run: the stack's name and ARN, and CREATE, UPDATE or DELETE."""

    stack: str
    stack_id: str
    kind: str


@dataclass
class Hold:
    """Operations that match are held until `release`; `held` lists them."""

    matches: Callable[[StackOperation], bool]
    held: list[StackOperation] = field(default_factory=list)
    _arrived: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = 30) -> StackOperation:
        """The first operation that is held. Raises TimeoutError after `seconds`."""
        if not self._arrived.wait(seconds):
            raise TimeoutError(f"no matching stack operation within {seconds} s")
        return self.held[0]

    def release(self) -> None:
        """Let the held operations go on, and hold no more."""
        self._released.set()

    async def pass_through(self, operation: StackOperation) -> None:
        """Wait while this hold wants the operation held."""
        if self._released.is_set() or not self.matches(operation):
            return
        self.held.append(operation)
        self._arrived.set()
        while not self._released.is_set():
            await asyncio.sleep(0.01)


class StackOperations:
    """Every stack operation passes here."""

    def __init__(self) -> None:
        self._holds: list[Hold] = []
        self._locks: dict[str, asyncio.Lock] = {}
        self._host: Host | None = None

    @contextmanager
    def hold(self, matches: Callable[[StackOperation], bool]) -> Iterator[Hold]:
        """Hold matching operations open while the context lasts."""
        hold = Hold(matches)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.release()
            self._holds.remove(hold)

    def install(self, host: Host) -> None:
        """Extension for `Host`."""
        self._host = host
        stacks = emulator.module("services.cloudformation.stacks")
        emulator.module("services.cloudformation.handlers")
        emulator.wrap(stacks, "_deploy_stack_async", self._deploying)
        emulator.wrap(stacks, "_delete_stack_async", self._deleting)
        emulator.wrap(stacks, "_roll_back_operation", _with_reason)
        host.before_stop(self.release_all)

    def release_all(self) -> None:
        """Let every held operation go on."""
        for hold in self._holds:
            hold.release()

    def _deploying(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def deploy(name: str, stack_id: str, *arguments: Any, **options: Any) -> None:
            kind = "UPDATE" if options.get("is_update") else "CREATE"
            async with self._turn(stack_id):
                await self._run(StackOperation(name, stack_id, kind), original(name, stack_id, *arguments, **options))

        return deploy

    def _deleting(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def delete(name: str, stack_id: str, *arguments: Any, **options: Any) -> None:
            operation = StackOperation(name, stack_id, "DELETE")
            async with self._turn(stack_id):
                if any(hold.matches(operation) for hold in self._holds):
                    # The original says DELETE_IN_PROGRESS when it begins, which is too late for a held one.
                    emulator.module("services.cloudformation")._stacks[name]["StackStatus"] = "DELETE_IN_PROGRESS"
                await self._run(operation, original(name, stack_id, *arguments, **options))

        return delete

    async def _run(self, operation: StackOperation, work: Awaitable[None]) -> None:
        assert self._host is not None  # noqa: S101 - only installed hooks come here
        with self._host.activity.working(EVERYTHING):
            for hold in list(self._holds):
                await hold.pass_through(operation)
            await work

    def _turn(self, stack_id: str) -> asyncio.Lock:
        return self._locks.setdefault(stack_id, asyncio.Lock())


def _with_reason(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Say why a stack rolls back, as AWS does: ministack only says that it does."""

    async def roll_back(
        name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], reason_override: str = ""
    ) -> None:
        failed, reason = operation.get("failed_logical_id"), reason_override
        if failed and not reason and not operation.get("cancelled"):
            verb = "update" if operation.get("failed_update") else "create"
            reason = f"The following resource(s) failed to {verb}: [{failed}]."
            if not operation.get("is_update"):
                reason += " Rollback requested by user."
        await original(name, stack_id, stack, operation, reason)

    return roll_back
