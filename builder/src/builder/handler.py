"""The builder: take looks, one at a time for each environment, and bring each environment where its ref is.

Stack and run events arrive on a queue of their own; the environment they belong to is looked up, and a look is
forwarded. Anything that isn't ours is ignored before a secret is read.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass, replace
from typing import Any

from builder.apply import Applier
from builder.installation import Installation
from builder.observe import Observer
from builder.plan import plan
from builder.situation import Situation
from builder.slots import Slots
from builder.sweep import Sweeper
from builder.wishes import STOPPED, Wishes
from deployer.admission import Admission
from deployer.errors import DeployerError, Transient
from deployer.events import (
    Look,
    RunChange,
    StackChange,
    Sweep,
    Tick,
    decode,
    is_bus_event,
    parse_bus_event,
    parse_look,
    parse_sweep,
)
from deployer.metrics import RUNS
from deployer.observability import bound, logger, traced
from deployer.patterns import patterns_of
from deployer.ports import Environment, Looks, Memory, Outcome
from deployer.queues import Hide, Record, hider, process, receives_of, sent_at
from deployer.refs import Stage
from deployer.settings import load

log = logger("builder")
# Milliseconds for which a sweep's look is tried again, and a tick is worth a sweep.
STALE = 600_000
# What it does on GitHub, where it does so as an App: it reads refs and files, and says what becomes of a commit.
PERMISSIONS = {"contents": "read", "statuses": "write"}
_UNENDED = frozenset({"STARTED", "RESUMED", "STOPPING"})
# A run that failed or was cancelled may have to be made up for; with these there is nothing to be done.
_GOOD_ENDS = frozenset({"SUCCEEDED", "STOPPED", "SUPERSEDED"})


@dataclass(frozen=True)
class Settings:
    """What template.yaml tells the function."""

    deployer_prefix: str
    environments_table: str
    looks_queue_url: str
    notices_queue_url: str
    artifact_store: str
    development_role_arn: str
    staging_role_arn: str
    production_role_arn: str
    boundary_arn: str
    github_token_parameter: str
    allowed_repositories: str  # no default: an empty list must not mean everybody
    github_api_url: str = "https://api.github.com"
    github_app_id_parameter: str = "opolis.github.app.id"
    github_app_key_parameter: str = "opolis.github.app.key"
    connection_arn: str = ""
    branches: str = "*"
    excluded_branches: str = ""
    repositories: str = ""
    environments_limit: int = 50
    idle_days: int = 0
    sweep_limit: int = 25
    pipelines_quota: int = 1000


@dataclass(frozen=True)
class Builder:
    """The function with its collaborators; tests build it with fakes."""

    observer: Observer
    applier: Applier
    memory: Memory
    looks: Looks
    sweeper: Sweeper

    def look(self, look: Look, receives: int = 1) -> None:
        """Observe, plan, apply; plan anew where there was nothing to update, which is remembered and asked once."""
        situation: Situation | None = self.observer.observe(look, receives)
        while situation is not None:
            steps = plan(situation)
            log.info(
                "planned",
                reason=look.reason,
                wish=type(situation.wish).__name__,
                why=getattr(situation.wish, "reason", ""),
                stack=situation.stack.status if situation.stack else "",
                steps=[type(step).__name__ for step in steps],
            )
            situation = self.applier.apply(situation, steps)

    def tick(self, tick: Tick, sent: int) -> None:
        """Have every repository swept, unless a later tick is behind this one: they pile up while there is no builder.

        ``sent``: milliseconds since the epoch, 0 where nobody says.
        """
        if 0 < sent < self.observer.clock() - STALE:
            log.warning("left to the next sweep", tick=tick.id)
            return
        self.sweeper.tick(tick)

    def sweep(self, sweep: Sweep) -> None:
        """Sweep a repository. What fails is not tried again: the next sweep is five minutes away."""
        with bound(repository=sweep.repository.full_name):
            try:
                self.sweeper.sweep(sweep)
            except Transient as error:
                log.warning("the sweep broke off; the next one goes on", reason=str(error))
            except DeployerError as error:
                log.error(STOPPED, reason=str(error), kind=type(error).__name__)

    def forward(self, change: StackChange | RunChange) -> None:
        """Turn a stack or run event of one of our environments into a look at it."""
        if not (may_matter(change) or begins(change)):
            return
        if isinstance(change, StackChange):
            environment = self.memory.holder("stack", change.stack_name)
        else:
            environment = self.memory.holder("pipeline", change.pipeline)
        item = self.memory.environment(environment) if environment else None
        if item is None:
            return
        if isinstance(change, RunChange) and not change.stage and may_matter(change):
            log.measure(RUNS, Outcome=change.state)
        if item.settled and begins(change):
            # Somebody starts a run of an environment at rest: the sweep is to see its end told.
            self.memory.save(replace(item, settled=False))
        if not matters(change, item):
            return
        reason = change.status if isinstance(change, StackChange) else f"{change.state} {change.execution}"
        self.looks.send(Look(str(item.id), item.repository, reason, item.ref))


def may_matter(change: StackChange | RunChange) -> bool:
    """Whether an event is the end of something, whosever it is: nothing else is worth a question."""
    if isinstance(change, StackChange):
        return not change.status.endswith("_IN_PROGRESS")
    if change.action:
        return False  # the notifier's business
    return change.state != "STARTED" if change.stage else change.state not in _UNENDED


def matters(change: StackChange | RunChange, item: Environment) -> bool:
    """Whether an event can change what is to be done: the end of something, or a source that was read at last."""
    if isinstance(change, RunChange) and change.stage:
        # What a run of production has read is to be seen while it can still be stopped.
        return may_matter(change) and (not item.source or item.id.stage is Stage.PRODUCTION)
    if isinstance(change, RunChange) and change.state in _GOOD_ENDS and _is_done(item):
        return False
    return may_matter(change)


def _is_done(item: Environment) -> bool:
    """Whether a generation has its stack and its run, so that nothing waits for the run's end."""
    return item.present and item.outcome is Outcome.SUCCESS and item.applied == item.digest


def begins(change: StackChange | RunChange) -> bool:
    """Whether a run begins, or goes on after it had ended."""
    return isinstance(change, RunChange) and not change.stage and change.state in ("STARTED", "RESUMED")


def receive(builder: Builder, record: Record) -> None:
    """Handle one queue message."""
    message = decode(str(record.get("body", "")))
    if is_bus_event(message):
        change = parse_bus_event(message)
        if isinstance(change, Tick):
            builder.tick(change, sent_at(record))
        elif change is not None:
            builder.forward(change)
        return
    if sweep := parse_sweep(message):
        builder.sweep(sweep)
        return
    look = parse_look(message)
    if look.sweeping and receives_of(record) > 1 and sent_at(record) < builder.observer.clock() - STALE:
        # The next sweep's look is behind it: what fails for long must not pile up in front of a push that mends it.
        log.warning("left to the next sweep", environment=look.environment)
        return
    with bound(environment=look.environment, commit=look.after, delivery=look.delivery):
        builder.look(look, receives_of(record))


@functools.cache
def _builder() -> tuple[Builder, Hide]:
    import boto3  # noqa: PLC0415 - the tests' fakes need none
    from botocore.config import Config  # noqa: PLC0415

    from builder.leftovers import Remains  # noqa: PLC0415
    from builder.sources import Sources  # noqa: PLC0415
    from builder.together import Threads  # noqa: PLC0415
    from deployer.github import GitHub  # noqa: PLC0415
    from deployer.github_app import Names, Permissions, chosen  # noqa: PLC0415
    from deployer.github_wire import pool  # noqa: PLC0415
    from deployer.memory import Table  # noqa: PLC0415
    from deployer.pipelines import CodePipeline  # noqa: PLC0415
    from deployer.queues import LookQueue, NoticeQueue  # noqa: PLC0415
    from deployer.secrets import Secrets  # noqa: PLC0415
    from deployer.stacks import CloudFormation  # noqa: PLC0415

    settings = load(Settings, os.environ)
    # boto3 would wait a minute for an answer: one call that hangs is not to use up the invocation.
    config = Config(connect_timeout=3, read_timeout=15, retries={"mode": "standard", "max_attempts": 4})
    secrets = Secrets(boto3.client("ssm", config=config))

    def clock() -> int:
        return time.time_ns() // 1_000_000

    connections = pool()
    names = Names(settings.github_token_parameter, settings.github_app_id_parameter, settings.github_app_key_parameter)
    permissions = Permissions(needed=PERMISSIONS, wished={})
    github = GitHub(
        settings.github_api_url,
        chosen(secrets, names, settings.github_api_url, permissions, connections),
        connections,
    )
    stacks = CloudFormation(boto3.client("cloudformation", config=config))
    pipelines = CodePipeline(boto3.client("codepipeline", config=config))
    memory = Table(boto3.client("dynamodb", config=config), settings.environments_table)
    installation = Installation(
        prefix=settings.deployer_prefix,
        artifact_store=settings.artifact_store,
        roles={
            Stage.DEVELOPMENT: settings.development_role_arn,
            Stage.STAGING: settings.staging_role_arn,
            Stage.PRODUCTION: settings.production_role_arn,
        },
        boundary=settings.boundary_arn,
        token=functools.partial(secrets.get, settings.github_token_parameter),
        connection=settings.connection_arn,
        admission=Admission(
            patterns_of(settings.branches),
            patterns_of(settings.excluded_branches),
            patterns_of(settings.allowed_repositories),
        ),
        limit=settings.environments_limit,
        idle_days=settings.idle_days,
    )
    sqs = boto3.client("sqs", config=config)
    looks = LookQueue(sqs, settings.looks_queue_url)
    sources = Sources(boto3.client("s3", config=config), settings.artifact_store)
    builder = Builder(
        Observer(
            github,
            Wishes(github, github, memory, memory, installation, clock),
            stacks,
            stacks,
            pipelines,
            memory,
            sources,
            Slots(memory, installation.limit),
            Threads(),
            settings.deployer_prefix,
            clock,
        ),
        Applier(
            stacks,
            pipelines,
            memory,
            memory,
            memory,
            github,
            github,
            sources,
            NoticeQueue(sqs, settings.notices_queue_url),
            installation,
            clock,
            Remains(functools.partial(boto3.client, config=config), settings.artifact_store),
        ),
        memory,
        looks,
        Sweeper(
            github,
            memory,
            memory,
            memory,
            stacks,
            pipelines,
            looks,
            looks,
            installation,
            patterns_of(settings.repositories),
            settings.sweep_limit,
            clock,
            settings.pipelines_quota,
        ),
    )
    return builder, hider(sqs)


@traced("builder")
def handler(event: Any, context: Any) -> Any:
    """AWS Lambda's entry point."""
    builder, hidden = _builder()
    return process(event, functools.partial(receive, builder), hidden)
