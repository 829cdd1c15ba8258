"""Stacks and pipelines: CloudFormation and CodePipeline. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deployer.states import RunState, StackPhase, stack_phase


@dataclass(frozen=True)
class Stack:
    """A stack as DescribeStacks tells it. ``role``: the service role that it remembers, or empty.
    ``parent``: the ARN of the stack that it is nested in, or empty."""

    id: str
    name: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    protected: bool = False
    parent: str = ""

    @property
    def phase(self) -> StackPhase:
        """What can be done with it now."""
        return stack_phase(self.status)


@dataclass(frozen=True)
class StackRequest:
    """What a create or an update asks for. ``template_url`` where the body is too long to be sent inline."""

    name: str
    template: str
    template_url: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    role: str
    token: str


class Stacks(Protocol):
    """Operate stacks. Every operation is accepted or refused at once; its end arrives as an event."""

    def describe(self, name: str) -> Stack | None:
        """The stack of that name or ARN, or None where there is none (or it has been deleted)."""

    def create(self, request: StackRequest) -> None: ...

    def update(self, request: StackRequest) -> bool:
        """False where there was nothing to update."""

    def delete(self, stack_id: str, token: str) -> None: ...

    def continue_rollback(self, stack_id: str, token: str) -> None:
        """Take the rollback of an update up again, where it failed (UPDATE_ROLLBACK_FAILED)."""

    def failure(self, stack_id: str, token: str = "", since: int = 0) -> str:
        """Which resource failed first and why, else why the stack did, in the operation with that token; or empty.

        ``since``: milliseconds since the epoch; a failure before that is none.
        """

    def every(self) -> Iterable[Stack]:
        """All stacks of the account and region that have not been deleted, whoever made them."""


@dataclass(frozen=True)
class StackResource:
    """One resource of a stack."""

    type: str
    logical_id: str
    physical_id: str


class Resources(Protocol):
    """What belongs to which stack: CloudFormation's own word, which tags are not."""

    def resources(self, stack_id: str) -> tuple[StackResource, ...]: ...

    def holder(self, physical_id: str) -> tuple[str, tuple[StackResource, ...]] | None:
        """The (ARN, resources) of the stack that owns a physical resource, or None."""


@dataclass(frozen=True)
class Run:
    """A pipeline execution. ``revisions``: source action -> revision id, empty until it has read its sources.

    ``started``: milliseconds since the epoch.
    """

    id: str
    state: RunState
    started: int
    revisions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A pipeline's source action that reads ``key`` of the artifact store, or the repository through a connection.

    ``pinnable``: whether a run can be told what to read (V2 pipelines). ``connected``: whether that, and what a run
    says it has read, is a commit and not a version of the key.
    """

    action: str
    pinnable: bool
    connected: bool = False


class Pipelines(Protocol):
    """Start, stop and list runs."""

    def count(self) -> int:
        """How many pipelines the region has, whosever they are."""

    def runs(self, pipeline: str) -> tuple[Run, ...]:
        """The latest runs, newest first; none for a pipeline that does not exist."""

    def source(self, pipeline: str, key: str, repository: str) -> Source | None:
        """The source action that reads ``key``, or else ``repository`` (``owner/name``); None: it reads elsewhere."""

    def start(self, pipeline: str, source: Source | None, revision: str, token: str) -> str:
        """Start a run that reads ``revision`` where it can be told; answers with its id."""

    def stop(self, pipeline: str, run: str, reason: str) -> None:
        """Let the actions that run end, and nothing follow. One that only waits for approvals ends at once."""


class Leftovers(Protocol):
    """What runs and builds leave beside their stack. Asked while the stack still stands: its end hides them."""

    def clear_artifacts(self, pipeline: str) -> None:
        """Remove every artifact that the pipeline's runs wrote into our store; no other bucket's, no source object."""

    def clear_log(self, project: str) -> None:
        """Remove what a build project logged."""
