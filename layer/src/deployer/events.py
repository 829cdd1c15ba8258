"""What travels: looks in our own queue, stack and run changes from the event bus.

Pure: parses at the edge and refuses what does not fit, so that everything inside is typed.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html,
https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html,
https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html (the envelope),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html (the tick)
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deployer.fields import Malformed as Malformed  # noqa: PLC0414 - what parsing here raises
from deployer.fields import matching, number_of, object_of, text_of
from deployer.states import RUN_EVENTS, STAGE_EVENTS, stack_phase

SWEEP = "sweep"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_NAME = re.compile(r"[A-Za-z0-9.@_-]{1,100}")
_EVENT = re.compile(r"[0-9A-Za-z-]+")
_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# AWS gives every stack an id after its name; only the example on its page has none.
_STACK = re.compile(
    r"arn:aws[a-z-]*:cloudformation:(?P<region>[a-z]{2,}(-[a-z]+)+-[0-9]+):(?P<account>[0-9]{12})"
    r":stack/(?P<name>[A-Za-z][A-Za-z0-9-]{0,127})(/[A-Za-z0-9-]+)?"
)


@dataclass(frozen=True)
class RepositoryName:
    """A repository as it is called today; ``id`` is what stays when it is renamed."""

    id: int
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Look:
    """A hint that an environment may need something. It is never believed: the builder observes for itself.

    ``ref`` is set where the environment alone does not tell it (a release tag). ``after`` and ``pushed_at`` (seconds
    since the epoch, by GitHub's clock) come from a verified push and are used only to wake a parked ref. ``skips`` is
    what the commit ``after`` says by its message (see ``deployer.skipping``), None where the push does not tell.
    ``request`` identifies somebody's asking by hand: build again, whatever is there; twice the same id is one request.
    ``stack`` is where the sweep saw the environment's, which is forgotten.
    """

    environment: str
    repository: RepositoryName
    reason: str
    ref: str = ""
    after: str = ""
    pushed_at: int = 0
    request: str = ""
    stack: str = ""
    skips: str | None = None

    @property
    def sweeping(self) -> bool:
        """Whether the sweep asks, which makes sure rather than waits for an event."""
        return self.reason.startswith(SWEEP)

    def to_json(self) -> str:
        """The queue message's body: plain ASCII, since SQS refuses some characters and UTF-8 has no lone surrogates."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class StackSeen:
    """A stack of this installation as the sweep found it. ``owner``: the value of its owner's tag."""

    name: str
    owner: str
    status: str


@dataclass(frozen=True)
class Sweep:
    """Compare a repository's refs with its environments. ``repository.id`` is 0 where only its name is known.

    ``stacks``: those of the repository, or None where they could not be listed. ``unlimited``: somebody has looked
    at what a sweep wants to make and to remove, and agrees.
    """

    repository: RepositoryName
    stacks: tuple[StackSeen, ...] | None = None
    unlimited: bool = False

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({SWEEP: asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Tick:
    """The schedule says that it is time for a sweep. ``id`` is the event's: a tick that is delivered twice is one."""

    id: str


@dataclass(frozen=True)
class RunNotice:
    """The builder asks the notifier to make sure that a run's end was told."""

    pipeline: str
    execution: str

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"run": asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Announcement:
    """The builder asks the notifier to say something of an environment in Slack, once for each ``key``."""

    environment: str
    key: str
    text: str

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"announcement": asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Removal:
    """The builder tells the notifier that an environment is gone, with all that it deployed until ``generation``.

    ``parts``: those that it had beside itself, as ``deployer.contexts.part_of`` names them.
    """

    environment: str
    repository: RepositoryName
    generation: int
    parts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"removal": asdict(self)}, sort_keys=True)


# What the builder asks the notifier.
Notice = RunNotice | Announcement | Removal


@dataclass(frozen=True)
class StackChange:
    """A stack's status changed."""

    stack_id: str
    stack_name: str
    status: str


@dataclass(frozen=True)
class RunChange:
    """A pipeline run, or one stage of it (``stage`` set), changed its state."""

    pipeline: str
    execution: str
    state: str
    stage: str = ""


def _repository(mapping: Mapping[str, Any]) -> RepositoryName:
    found = object_of(mapping.get("repository"), "repository")
    return RepositoryName(number_of(found, "id"), text_of(found, "owner"), text_of(found, "name"))


def decode(body: str) -> Mapping[str, Any]:
    """A queue message's body as an object.

    Raises:
        Malformed: where it is not a JSON object.
    """
    try:
        return object_of(json.loads(body), "message")
    except (ValueError, RecursionError) as error:
        raise Malformed(f"message is not a JSON object: {error}") from error


def parse_look(message: Mapping[str, Any]) -> Look:
    """A look as ``Look.to_json`` writes it.

    Raises:
        Malformed: naming the field.
    """
    return Look(
        environment=text_of(message, "environment"),
        repository=_repository(message),
        reason=text_of(message, "reason", optional=True),
        ref=text_of(message, "ref", optional=True),
        after=text_of(message, "after", optional=True),
        pushed_at=number_of(message, "pushed_at") if message.get("pushed_at") is not None else 0,
        request=text_of(message, "request", optional=True),
        stack=text_of(message, "stack", optional=True),
        skips=text_of(message, "skips", optional=True) if message.get("skips") is not None else None,
    )


def parse_sweep(message: Mapping[str, Any]) -> Sweep | None:
    """A sweep as ``Sweep.to_json`` writes it, or None for any other message.

    Raises:
        Malformed: naming the field.
    """
    if SWEEP not in message:
        return None
    sweep = object_of(message[SWEEP], SWEEP)
    stacks = sweep.get("stacks")
    if stacks is not None and not isinstance(stacks, list):
        raise Malformed(f"stacks: expected a list, got {type(stacks).__name__}")
    return Sweep(
        _repository(sweep),
        None if stacks is None else tuple(_stack_seen(object_of(stack, "stack")) for stack in stacks),
        sweep.get("unlimited") is True,
    )


def _stack_seen(stack: Mapping[str, Any]) -> StackSeen:
    return StackSeen(text_of(stack, "name"), text_of(stack, "owner"), text_of(stack, "status"))


def parse_notice(message: Mapping[str, Any]) -> Notice | None:
    """What the builder asks the notifier, as ``to_json`` writes it, or None for any other message.

    Raises:
        Malformed: naming the field.
    """
    if "run" in message:
        run = object_of(message["run"], "run")
        return RunNotice(text_of(run, "pipeline"), text_of(run, "execution"))
    if "announcement" in message:
        said = object_of(message["announcement"], "announcement")
        return Announcement(text_of(said, "environment"), text_of(said, "key"), text_of(said, "text"))
    if "removal" in message:
        gone = object_of(message["removal"], "removal")
        parts = gone.get("parts", [])
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise Malformed("parts: expected a list of texts")
        return Removal(text_of(gone, "environment"), _repository(gone), number_of(gone, "generation"), tuple(parts))
    return None


def is_bus_event(message: Mapping[str, Any]) -> bool:
    """Whether a message is an EventBridge envelope rather than a look of ours."""
    return "detail-type" in message


def parse_bus_event(message: Mapping[str, Any]) -> StackChange | RunChange | Tick | None:
    """A stack or run change, the schedule's tick, or None for an event of another kind.

    What is read is held to what AWS documents. A state that this version does not know is refused, as everywhere: the
    next look or sweep sees what became of it.

    Raises:
        Malformed: where an event of these kinds is not as AWS documents it.
    """
    detail = object_of(message.get("detail"), "detail")
    match (message.get("source"), message.get("detail-type")):
        case ("aws.cloudformation", "CloudFormation Stack Status Change"):
            return _stack_change(message, detail)
        case ("aws.codepipeline", "CodePipeline Pipeline Execution State Change"):
            return _run_change(message, detail, RUN_EVENTS)
        case ("aws.codepipeline", "CodePipeline Stage Execution State Change"):
            return _run_change(message, detail, STAGE_EVENTS, matching(detail, "stage", _NAME))
        case ("aws.events", "Scheduled Event"):
            return Tick(matching(message, "id", _EVENT))
    return None


def _run_change(
    message: Mapping[str, Any], detail: Mapping[str, Any], states: Container[str], stage: str = ""
) -> RunChange:
    matching(message, "account", _ACCOUNT)
    matching(message, "region", _REGION)
    state = text_of(detail, "state")
    if state not in states:
        raise Malformed(f"state: AWS documents no {state!r} for this kind of event")
    return RunChange(matching(detail, "pipeline", _NAME), matching(detail, "execution-id", _RUN), state, stage)


def _stack_change(message: Mapping[str, Any], detail: Mapping[str, Any]) -> StackChange:
    place = matching(message, "region", _REGION), matching(message, "account", _ACCOUNT)
    stack_id = text_of(detail, "stack-id")
    arn = _stack_arn(stack_id)
    if (arn["region"], arn["account"]) != place:
        raise Malformed(f"the event comes from {place[0]} of {place[1]}, and not from where its stack is: {stack_id!r}")
    status = text_of(object_of(detail.get("status-details"), "status-details"), "status")
    try:
        stack_phase(status)
    except ValueError as error:
        raise Malformed(str(error)) from error
    return StackChange(stack_id, arn["name"], status)


def stack_name_of(stack_id: str) -> str:
    """The name inside a stack's ARN (``arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID``).

    Raises:
        Malformed: where it is not a stack's ARN.
    """
    return _stack_arn(stack_id)["name"]


def _stack_arn(text: str) -> re.Match[str]:
    found = _STACK.fullmatch(text)
    if found is None:
        raise Malformed(f"not a stack ARN: {text!r}")
    return found
