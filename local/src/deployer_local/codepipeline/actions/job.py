"""What a provider gets and what it gives back.

The mailbox is how events reach a blocked provider: answers to its job, stack events, approvals, the order to leave.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from deployer_local.codepipeline.records import Artifact, Revision


class Interrupted(Exception):  # noqa: N818 - not an error: an order
    """The action is abandoned, or the engine closes; the provider must leave at once."""


@dataclass(frozen=True)
class Answered:
    """PutJobSuccessResult, PutJobFailureResult or PutApprovalResult arrived, and is kept."""


@dataclass(frozen=True)
class StackChanged:
    """A stack event passed the bus."""

    stack: str
    status: str


@dataclass(frozen=True)
class Leave:
    """Stop what you are doing."""


Message = Answered | StackChanged | Leave


@dataclass(frozen=True)
class Succeeded:
    """The action did its work. ``revision`` only from source actions; ``outputs`` replaces the allotted places."""

    summary: str = ""
    external_id: str = ""
    url: str = ""
    log_stream: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    revision: Revision | None = None


@dataclass(frozen=True)
class Failed:
    """The action failed; ``code`` is the API's (JobFailed, ConfigurationError, PermissionError, …)."""

    code: str
    message: str
    summary: str = ""
    external_id: str = ""
    url: str = ""
    log_stream: str = ""


Outcome = Succeeded | Failed


class Desk(Protocol):
    """What the engine does for a running job."""

    def remember(self, attempt: str, values: Mapping[str, Any]) -> None: ...
    def show(self, attempt: str, external_id: str, url: str, summary: str) -> None: ...
    def open_job(self, attempt: str) -> str: ...
    def job_answer(self, job: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class Surroundings:
    """The same for every job: ``client`` makes boto3 clients, ``clock`` gives seconds since the epoch."""

    client: Callable[[str], Any]
    clock: Callable[[], float]
    account: str
    region: str


@dataclass
class Job:
    """One action to be run. ``memory`` is what an earlier life of the same execution remembered."""

    around: Surroundings
    desk: Desk
    id: str
    run: str
    pipeline: str
    stage: str
    action: Mapping[str, Any]
    role: str
    bucket: str
    configuration: Mapping[str, str]
    inputs: tuple[Artifact, ...]
    outputs: tuple[Artifact, ...]
    memory: dict[str, Any]
    overrides: Mapping[str, str] = field(default_factory=dict)
    mailbox: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    on_leave: Callable[[], None] | None = None
    left: bool = False

    def receive(self, timeout: float | None) -> Message | None:
        """The next message, None after ``timeout`` seconds; raises Interrupted."""
        try:
            message = self.mailbox.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(message, Leave):
            raise Interrupted
        return message

    def remember(self, **values: Any) -> None:
        """Keep values for the case that the engine dies and this execution is taken up again."""
        self.memory |= values
        self.desk.remember(self.id, values)

    def leave(self) -> None:
        """Called by the engine from another thread."""
        self.left = True
        self.mailbox.put(Leave())
        if self.on_leave is not None:
            self.on_leave()
