"""One world: the real functions between the twins, chaos around them, and people who push."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws import ACCOUNT, REGION, Sky
from tests.simulation.chaos import SILENT, Chaos
from tests.simulation.commits import Kind, make
from tests.simulation.people import BRANCHES, HALTING, NAMES, People, Team, body_of
from tests.simulation.queues import Invocation, Queue, Trigger
from tests.simulation.said import Builds, Notes, Secrets, Slack
from tests.simulation.scheduler import Scheduler
from tests.simulation.shelves import Desk, Hub
from tests.simulation.verdict import OURS, STRANGE

from builder.apply import Applier
from builder.baseline import baseline_of
from builder.handler import Builder
from builder.handler import receive as build
from builder.installation import Installation
from builder.observe import Observer
from builder.slots import Slots
from builder.sweep import Sweeper
from builder.wishes import Wishes
from deployer.addresses import Addresses
from deployer.admission import Admission
from deployer.environments import INSTALLATION_TAG, OWNER_TAG, EnvironmentId, environment_of, source_key, stack_names
from deployer.errors import Transient
from deployer.events import Look
from deployer.ports import CommitStatus, Environment, StackRequest
from deployer.queues import Record
from deployer.reasons import Reasons
from deployer.refs import HEADS, Stage
from deployer.runs import belongs
from deployer.states import CommitState, RunState
from deployer.testing import InTurn, Killed, Tape
from listener.handler import Listener
from listener.signature import Verifier
from notifier.authors import Authors
from notifier.channels import Channels, Told
from notifier.commits import Commits
from notifier.deployments import Deployed
from notifier.handler import Function
from notifier.handler import receive as tell
from notifier.observing import Observer as Notifying
from notifier.threads import Threads

PREFIX, SECRET = OURS, "s3cret"
BEGINNING = 1_700_000_000_000
SECOND, MINUTE = 1_000, 60_000
TICK = 5 * MINUTE
# How many environments a sweep may want to make or to remove: none of these worlds has so many.
MOST = 25
# One world in so many is a silent one, where some of what is pushed can't be deployed.
EVERY = 10
Point = tuple[str, bool]


@dataclass
class Counts:
    """What is counted in a world."""

    webhooks_lost: int = 0
    events_lost: int = 0
    doubled: int = 0
    refused: int = 0
    points: set[Point] = field(default_factory=set)
    killed: Counter[Point] = field(default_factory=Counter)


class World:
    """Everything, from one seed. ``trace``: keep what happens, line by line.

    ``lost_at``: when the table was lost, or 0; ``forgotten``: the statuses, by number, that nobody remembers since.
    """

    def __init__(self, seed: int, *, trace: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311 - the same world from the same seed, no secret
        self.scheduler = Scheduler(BEGINNING)
        silent = seed % EVERY == 0
        self.chaos = Chaos(self.rng, SILENT if silent else None)
        self.counts = Counts()
        self.lines: list[str] | None = [] if trace else None
        self.violations: list[str] = []
        self.effects: Counter[tuple[EnvironmentId, int, str, int]] = Counter()
        self.written: dict[EnvironmentId, Environment] = {}
        self.named: set[str] = set()
        self.ticks = self.lost_at = 0
        self.forgotten: set[int] = set()
        self._make_twins()
        self._make_functions()
        self._make_people()
        if silent:
            self.people.kinds, self.people.steady = HALTING, True

    def clock(self) -> int:
        """Milliseconds since the epoch."""
        return self.scheduler.now

    # --- making

    def _make_twins(self) -> None:
        self.tape = Tape(hook=self._call)
        self.hub = Hub(self.tape, self._posted)
        self.desk = Desk(self.tape, clock=self.clock, world=self)
        self.sky = Sky(
            self.tape,
            clock=self.clock,
            version=self._newest,
            scheduler=self.scheduler,
            chaos=self.chaos,
            told=self._told,
            effect=self._effect,
            commit_of=self.desk.commit_of,
            broken=lambda commit: self.people.commits[commit].kind is Kind.BUILD_FAILS,
        )

    def _newest(self, stack: str) -> str:
        versions = self.desk.objects.get(source_key(stack))
        return versions[-1].version if versions else ""

    def _make_functions(self) -> None:
        self.limit = self.rng.choice((0, 0, 2))
        installation = Installation(
            PREFIX,
            "artifacts",
            {stage: f"arn:role/{stage}" for stage in Stage},
            "arn:boundary",
            lambda: "ghs_token",
            admission=Admission(repositories=("acme/*", "beta/*")),
            limit=self.limit,
        )
        hub, sky, desk, clock = self.hub, self.sky, self.desk, self.clock
        side = InTurn(early=self.seed % 2 == 0)
        wishes = Wishes(hub, hub, desk, desk, installation, clock)
        self.builder = Builder(
            Observer(hub, wishes, sky, sky, sky, desk, desk, Slots(desk, self.limit), side, PREFIX, clock),
            Applier(sky, sky, desk, desk, desk, hub, hub, desk, desk, installation, clock, sky),
            desk,
            desk,
            Sweeper(hub, desk, desk, desk, sky, sky, desk, desk, installation, (), MOST, clock),
        )
        slack, self.notes = Slack(self.tape), Notes(self.tape, clock)
        reasons = Reasons(Builds(self.tape), sky)
        addresses = Addresses(sky)
        channels = Channels(self.rng.choice(("", "C1")), development=list(Told)[self.seed % 2])
        self.notifier = Function.of(
            Commits(desk, hub, self.notes, reasons),
            Threads(
                desk, Authors(hub, lambda: clock() / 1000), self.notes, reasons, lambda: slack, channels, addresses
            ),
            Notifying(sky, "us-east-1"),
            Deployed(desk, hub, self.notes, reasons, addresses, sky),
        )
        verifier = Verifier(Secrets(self.tape, SECRET), "hmac", lambda: clock() / 1000)
        self.listener = Listener(verifier, desk, "acme/*,beta/*")
        # As the functions' manifests and the core stack say.
        building = {"function": "builder", "receive": lambda record: build(self.builder, record)}
        self.looks = Queue(
            "look", self, Trigger(**building, batch=1, timeout=300 * SECOND, visibility=1800 * SECOND), fifo=True
        )
        self.changes = Queue(
            "change", self, Trigger(**building, batch=10, timeout=300 * SECOND, visibility=1800 * SECOND), fifo=False
        )
        self.notices = Queue(
            "notice",
            self,
            Trigger("notifier", lambda record: tell(self.notifier, record), 2, 60 * SECOND, 360 * SECOND),
            fifo=False,
        )

    def _make_people(self) -> None:
        self.people = People(
            self.rng,
            clock=self.clock,
            deliver=self._deliver,
            ask=self._ask,
            renamed=self.hub.rename,
            note=self.note,
        )
        for name in NAMES[: self.rng.choice((1, 1, 2, 3)) if self.seed % EVERY else 1]:
            team = Team(self.hub.add(name), version=self.rng.choice((1, 2)))
            self.people.teams.append(team)
            for ref in (HEADS + "main", HEADS + "old"):
                made = self.people.commit(team, Kind.GOOD)
                self.hub.statuses.append(CommitStatus(name, made.sha, STRANGE, CommitState.PENDING, "not ours"))
                team.repo.refs[ref] = made.sha
                team.was[ref] = [(self.clock(), made.sha)]
            if self.rng.random() < 0.8:  # known, by an earlier webhook or by configuration
                refs = tuple(sorted(team.repo.refs.items()))
                self.desk.known[name.id] = baseline_of(name, "main", refs, self.clock() // 1000)
        self._make_foreign()

    def _make_foreign(self) -> None:
        """Stacks that are nobody's business, some under names that ours would have."""
        template = make(0, Kind.GOOD, "theirs", 1).template
        name = self.people.teams[0].name
        colliding = environment_of(name.id, HEADS + self.rng.choice(BRANCHES), "main")
        staging = EnvironmentId(name.id, Stage.STAGING)
        assert colliding
        ours = {INSTALLATION_TAG: PREFIX}
        for stack, tags in (
            ("billing", {}),
            ("shop", ours | {OWNER_TAG: "99/staging", INSTALLATION_TAG: "opolis-deployer-dev"}),
            (stack_names(colliding, name.name)[0], {} if self.rng.random() < 0.3 else None),
            (stack_names(staging, name.name)[0], {OWNER_TAG: "x"} if self.rng.random() < 0.15 else None),
        ):
            if tags is not None:
                self.sky.stand(StackRequest(stack, template, "", {}, tags, "", "theirs"))
        self.foreign = dict(self.sky.kept)

    # --- what happens to calls

    def _call(self, name: str, after: bool) -> None:
        invocation = self.scheduler.current
        if not isinstance(invocation, Invocation):
            return
        self.counts.points.add((name, after))
        if not after:
            self.scheduler.pause(self.chaos.latency())
            self.note(name)
        elif name == "memory.save":
            self._saved(invocation)
        elif name == "github.post" and invocation.started <= self.lost_at:
            self.forgotten.add(len(self.hub.statuses) - 1)
        try:
            if self.clock() > invocation.deadline:
                raise Killed(f"the invocation took too long: {name}")
            self.chaos.strike(name, after=after)
        except Killed as end:
            self.counts.killed[name, after] += 1
            invocation.struck = True
            self.note(f"KILLED {end}")
            raise
        except Transient as error:
            self.counts.refused += 1
            invocation.struck = True
            self.note(f"REFUSED {error}")
            raise

    def note(self, text: str) -> None:
        """A line of the trace."""
        if self.lines is not None:
            who = self.scheduler.current.name if self.scheduler.current else "-"
            seconds = (self.clock() - BEGINNING) / 1000
            self.lines.append(f"{seconds:10.3f}  {who:<14} {text}")

    def watched(self, receive: Callable[[Record], None]) -> Callable[[Record], None]:
        """A receiver whose unexpected errors are not only logged."""

        def watch(record: Record) -> None:
            invocation = self.scheduler.current
            assert isinstance(invocation, Invocation)
            try:
                receive(record)
            except Transient as error:
                invocation.failed.add(str(record["messageId"]))
                self.note(f"tries again: {error}")
                if str(error).startswith("unexpected"):
                    self.violate(str(error))
                raise
            except Exception as error:
                self.violate(f"{type(error).__name__}: {error}")
                raise

        return watch

    def violate(self, text: str) -> None:
        """Something happened that never may."""
        self.note(f"VIOLATION {text}")
        who = self.scheduler.current.name if self.scheduler.current else "-"
        self.violations.append(f"{(self.clock() - BEGINNING) / 1000:.3f} {who}: {text}")

    # --- who does what

    def sees(self, environment: EnvironmentId, item: Environment | None) -> None:
        """An invocation knows an item as it is now."""
        if isinstance(self.scheduler.current, Invocation):
            self.scheduler.current.seen[environment] = item

    def writes(self, environment: Environment) -> None:
        """An invocation is about to write."""
        if isinstance(self.scheduler.current, Invocation):
            self.scheduler.current.writing = environment

    def _saved(self, invocation: Invocation) -> None:
        """An item was written: a new generation wants only what its ref led to since its invocation began."""
        item = self.desk.items[invocation.writing.id]
        before = self.written.get(item.id)
        self.written[item.id] = item
        self.named.add(item.stack)
        if self.lines is not None:
            self.note(f"saved {item.id} {changes(before, item)}")
        if before and before.generation == item.generation:
            return
        team = next(team for team in self.people.teams if team.name.id == item.id.repository)
        allowed = team.held(item.ref, invocation.started)
        if before:
            allowed |= {before.commit}
        elif source := self.desk.objects.get(source_key(item.stack)):
            allowed |= {source[-1].commit}  # what was forgotten is rebuilt as it stands
        if item.present and item.commit not in allowed:
            self.violate(f"{item.id} is to be at {item.commit[:8]}, where {item.ref} was not")

    def _posted(self, status: CommitStatus) -> None:
        self.note(f"says {status.sha[:8]} {status.context} {status.state}: {status.description}")

    def _effect(self, operation: str, name: str) -> None:
        """An invocation has operated a stack or started a run."""
        invocation = self.scheduler.current
        assert isinstance(invocation, Invocation)
        item = next((item for item in invocation.seen.values() if item and item.stack == name), None)
        if item is None:
            self.violate(f"{operation} of {name}, which is no environment's")
            return
        self.note(f"{operation.upper()} {name} for generation {item.generation} at {item.commit[:8]}")
        if operation == "start":
            same = [run for run in self.sky.executions.get(name, ()) if _counts(item, run)]
            if same:
                self.violate(f"{item.id} generation {item.generation} is run twice: {same[0].id} {same[0].state}")
            return
        if any(run.state.active for run in self.sky.executions.get(name, ())):
            self.violate(f"{item.id} generation {item.generation}: {operation} under a running pipeline")
        key = (item.id, item.generation, operation, item.attempt)
        self.effects[key] += 1
        if self.effects[key] > 1:
            self.violate(f"{item.id} generation {item.generation}: {operation} had its effect twice")

    def lose_table(self) -> None:
        """Everything that is remembered is gone; what was said on commits before is known to nobody now."""
        self.note("the environments table is lost")
        for kept in (self.desk.items, self.desk.holders, self.desk.known, self.desk.places, self.written):
            kept.clear()
        self.notes.forget()
        self.lost_at = self.clock()
        self.forgotten.update(range(len(self.hub.statuses)))

    # --- what travels

    def _deliver(self, payload: dict[str, Any]) -> None:
        """A webhook on its way."""
        chaos = self.chaos
        if chaos.happens(chaos.rates.webhook_lost):
            self.counts.webhooks_lost += 1
            return
        delay = self.rng.randint(200, 3_000)
        if chaos.happens(chaos.rates.webhook_late):
            delay = self.rng.choice((20_000, 120_000, 600_000))
        self._post(payload, delay)
        if chaos.happens(chaos.rates.webhook_doubled):
            self.counts.doubled += 1
            self._post(payload, delay + self.rng.choice((100, 5_000, 300_000, 900_000)))

    def _ask(self, team: Team, ref: str) -> None:
        """Somebody asks by hand that a branch be built again; asked twice, it is one request."""
        environment = environment_of(team.name.id, ref, team.repo.default_branch)
        look = Look(str(environment), team.name, "by hand", ref, request=f"request-{self.clock()}")
        for _ in range(2):
            self.looks.send(look.to_json(), look.environment)

    def _post(self, payload: dict[str, Any], delay: int, secret: str = SECRET) -> None:
        body = body_of(payload)
        event = {
            "version": "2.0",
            "headers": {
                "content-type": "application/json",
                "x-github-event": "push",
                "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
            },
            "body": body.decode(),
            "isBase64Encoded": False,
        }

        def arrive() -> None:
            self.scheduler.spawn(Invocation("listener", self.clock() + 9 * SECOND), answer)

        def answer() -> None:
            self.note(f"webhook {payload['ref']} {payload['after'][:8]}")
            try:
                status = self.listener.answer(event)["statusCode"]
            except Killed:
                return
            if status not in ((202, 503) if secret == SECRET else (401, 503)):  # 503: a call was refused
                self.violate(f"a webhook was answered with {status}")

        self.scheduler.after(delay, arrive)

    def forge(self) -> None:
        """Somebody who doesn't know the secret says that a branch was deleted."""
        team = self.rng.choice(self.people.teams)
        self._post(self.people.payload(team, HEADS + self.rng.choice(BRANCHES), "e" * 40), 1, "guessed")

    def _told(self, event: dict[str, Any]) -> None:
        """An event on the bus; each of its targets may miss it."""
        self.note(f"event {event['detail']}")
        queues = (self.changes,) if event["source"] == "aws.cloudformation" else (self.changes, self.notices)
        for queue in queues:
            if self.chaos.happens(self.chaos.rates.event_lost):
                self.counts.events_lost += 1
                continue
            times = 2 if self.chaos.happens(self.chaos.rates.event_doubled) else 1
            self.counts.doubled += times - 1
            for _ in range(times):
                late = self.chaos.happens(self.chaos.rates.message_late)
                delay = self.rng.choice((5_000, 60_000, 400_000)) if late else self.rng.randint(100, 2_000)
                queue.send(json.dumps(event), delay=delay)

    def tick(self) -> None:
        """The schedule says that it is time for a sweep."""
        self.ticks += 1
        self.note("tick")
        event = {
            "id": f"tick-{self.ticks}",
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "account": ACCOUNT,
            "region": REGION,
            "detail": {},
        }
        times = 2 if self.chaos.happens(self.chaos.rates.event_doubled) else 1
        for _ in range(times if not self.chaos.happens(self.chaos.rates.event_lost) else 0):
            self.changes.send(json.dumps(event))

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not (len(self.looks) or len(self.changes) or len(self.notices))


def _counts(item: Environment, run: Any) -> bool:
    """Whether a run stands for a generation, so that no other may be started."""
    unread = run.state is RunState.FAILED and not run.revisions
    active = run.revisions or run.state.active
    return bool(belongs(item, run) and not unread and active)


def changes(before: Environment | None, item: Environment) -> str:
    """What a write has changed, for a trace."""
    fields = vars(item)
    kept = vars(before) if before else {}
    shown = {name: value for name, value in fields.items() if kept.get(name) != value and name not in ("id", "version")}
    return ", ".join(f"{name}={str(value)[:24]}" for name, value in shown.items())
