"""The notifier between in-memory fakes: what people read depends on what is, not on which events came in what order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts.aws_events import examples

from deployer.builds import Failure
from deployer.environments import EnvironmentId, parse
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import Malformed, RepositoryName, RunChange
from deployer.github import GitHub as RealGitHub
from deployer.lengths import description
from deployer.notices import Announcement, RunNotice
from deployer.pipelines import ActionRun, RunDetails
from deployer.ports import Commit, CommitStatus, Environment, Outcome, Post
from deployer.progress import commit_of
from deployer.queues import LONGEST, process
from deployer.reasons import Reasons
from deployer.slack import Slack as RealSlack
from deployer.states import CommitState, RunState
from notifier.authors import Authors
from notifier.channels import Channels, Rule, Told
from notifier.commits import Commits
from notifier.handler import Function, receive
from notifier.notify import Notifier
from notifier.observing import Observer
from notifier.threads import Threads

REPOSITORY = RepositoryName(7, "acme", "site")
OLD, NEW, RUN, PIPELINE = "a" * 40, "b" * 40, "11111111-2222-3333-4444-555555555555", "site-x-Pipeline"
STAGES = {"Source": 1, "Build": 1}


def environment(identifier: str = "7/refs/heads/feature/login", **changes: Any) -> Environment:
    item = Environment(
        parse(identifier), REPOSITORY, "refs/heads/feature/login", "site-x", 1, commit=NEW, pipelines=(PIPELINE,)
    )
    return replace(item, **changes)


class Memory:
    """Environments, and who holds which name."""

    def __init__(self, *items: Environment) -> None:
        self.items = {each.id: each for each in items}
        self.holders: dict[tuple[str, str], EnvironmentId] = {}
        for each in items:
            self.claim("pipeline", PIPELINE, each.id)

    def environment(self, environment: EnvironmentId) -> Environment | None:
        return self.items.get(environment)

    def holder(self, kind: str, name: str) -> EnvironmentId | None:
        return self.holders.get((kind, name))

    def claim(self, kind: str, name: str, environment: EnvironmentId) -> EnvironmentId:
        return self.holders.setdefault((kind, name), environment)

    def save(self, environment: Environment) -> Environment:
        raise AssertionError("the notifier changes no environment")

    def forget(self, environment: Environment) -> None:
        raise AssertionError("the notifier forgets no environment")


@dataclass
class Runs:
    """One run, as it stands."""

    state: RunState = RunState.IN_PROGRESS
    done: list[ActionRun] = field(default_factory=list)
    revisions: dict[str, tuple[str, str]] = field(default_factory=lambda: {"GitHub": ("version-9", NEW)})
    known: bool = True
    structure: dict[str, int] = field(default_factory=lambda: STAGES)

    def run(self, pipeline: str, run: str) -> RunDetails | None:
        return RunDetails(run, self.state, 1, self.revisions) if self.known else None

    def actions(self, pipeline: str, run: str) -> tuple[ActionRun, ...]:
        return tuple(self.done)

    def stages(self, pipeline: str, version: int) -> dict[str, int]:
        return self.structure


@dataclass
class Notes:
    """``notifier.notes.Notes`` without time: a claim that nobody confirmed or released is held for ever."""

    ranks: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    where: dict[str, tuple[str, str]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    healths: dict[str, str] = field(default_factory=dict)

    def claim(self, run: str, topic: str, rank: int) -> bool:
        held, state = self.ranks.get((run, topic), (-1, "said"))
        if rank < held or (rank == held and state == "said"):
            return False
        if state == "speaking":
            raise Transient("being said", 2.0)
        self.ranks[run, topic] = (rank, "speaking")
        return True

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        held, _ = self.ranks[run, topic]
        self.ranks[run, topic] = (held, "said" if held == rank else "open")
        return held == rank

    def release(self, run: str, topic: str, rank: int) -> None:
        if self.ranks[run, topic] == (rank, "speaking"):
            self.ranks[run, topic] = (rank, "open")

    def message(self, run: str) -> tuple[str, str] | None:
        return self.where.get(run)

    def posted(self, run: str, channel: str, ts: str) -> None:
        self.where[run] = (channel, ts)

    def note(self, run: str, name: str, text: str) -> None:
        self.texts[run, name] = text

    def noted(self, run: str, name: str) -> str:
        return self.texts.get((run, name), "")

    def health(self, environment: str) -> str:
        return self.healths.get(environment, "")

    def note_health(self, environment: str, before: str, after: str) -> bool:
        if self.health(environment) != before:
            return False
        self.healths[environment] = after
        return True


@dataclass
class GitHub:
    """Statuses in the order in which they were posted; ``failure`` is raised instead."""

    statuses: list[CommitStatus] = field(default_factory=list)
    failure: DeployerError | None = None
    reads: int = 0
    email: str = "ada@example.com"

    def post(self, status: CommitStatus) -> None:
        self.reads += 1
        if self.failure:
            raise self.failure
        self.statuses.append(replace(status, description=description(status.description)))

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        self.reads += 1
        if self.failure:
            raise self.failure
        return Commit(sha, "Say hello", "Ada", self.email, f"https://github.com/acme/site/commit/{sha}")

    def final(self) -> dict[tuple[str, str], CommitState]:
        return {(each.sha, each.context): each.state for each in self.statuses}


@dataclass
class Slack:
    """Messages and the replies to them, as they read now."""

    messages: dict[str, str] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    failure: DeployerError | None = None
    asked: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)

    def post(self, channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        if self.failure:
            raise self.failure
        if thread:
            assert thread in self.messages
            assert channel == "C1", "a channel's id once it is known"
            self.replies.append(post.whole)
            return channel, f"reply-{len(self.replies)}"
        self.channels.append(channel)
        ts = f"ts-{len(self.messages)}"
        self.messages[ts] = post.whole
        return "C1", ts

    def update(self, channel: str, ts: str, post: Post) -> None:
        if self.failure:
            raise self.failure
        assert channel == "C1"
        self.messages[ts] = post.whole

    def person(self, email: str) -> str:
        self.asked.append(email)
        if self.failure:
            raise self.failure
        return "U0000000A" if email == "ada@example.com" else ""


@dataclass
class Builds:
    found: Failure | Exception | None = None

    def failure(self, build_id: str) -> Failure | None:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@dataclass
class Events:
    """The first failed resource of stacks, by name or ARN."""

    found: dict[str, str | Exception] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def failure(self, stack_id: str, token: str = "", since: int = 0) -> str:
        self.asked.append((stack_id, since))
        found = self.found.get(stack_id, "")
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Served:
    """Where environments are served; ``failure`` is raised instead."""

    url: str = ""
    failure: DeployerError | None = None

    def of(self, environment: Environment, deployed: Sequence[str] = (), part: str = "") -> str:
        if self.failure:
            raise self.failure
        return self.url


@dataclass
class World:
    """Everything around one notifier."""

    memory: Memory = field(default_factory=lambda: Memory(environment()))
    runs: Runs = field(default_factory=Runs)
    github: GitHub = field(default_factory=GitHub)
    slack: Slack = field(default_factory=Slack)
    builds: Builds = field(default_factory=Builds)
    events: Events = field(default_factory=Events)
    served: Served = field(default_factory=Served)
    notes: Notes = field(default_factory=Notes)
    channel: str = "deployments"
    development: Told = Told.ALL
    rules: tuple[Rule, ...] = ()
    slack_made: int = 0

    @property
    def function(self) -> Function:
        def slack() -> Slack:
            self.slack_made += 1
            return self.slack

        github: Any = self.github
        reasons = Reasons(self.builds, self.events)
        channels = Channels(self.channel, self.rules, self.development)
        return Function.of(
            Commits(self.memory, github, self.notes, reasons),
            Threads(self.memory, Authors(github), self.notes, reasons, slack, channels, self.served),
            Observer(self.runs, "eu-west-1"),
        )

    @property
    def notifier(self) -> Notifier:
        return self.function.notifier

    def notice(self, stage: str = "", run: str = RUN) -> None:
        self.notifier.notice(RunChange(PIPELINE, run, "STARTED", stage))


def did(stage: str, status: str, number: int = 0, **changes: Any) -> ActionRun:
    action = ActionRun(stage, stage, "CodeBuild", status, number * 1000, number * 1000 + 3000)
    return replace(action, **changes)


SOURCE = did("Source", "Succeeded", provider="S3")
LIFE: list[tuple[RunState, list[ActionRun]]] = [
    (RunState.IN_PROGRESS, []),
    (RunState.IN_PROGRESS, [did("Source", "InProgress", provider="S3")]),
    (RunState.IN_PROGRESS, [SOURCE]),
    (RunState.IN_PROGRESS, [SOURCE, did("Build", "InProgress", 5)]),
    (RunState.FAILED, [SOURCE, did("Build", "Failed", 5, error="no luck")]),
    (RunState.IN_PROGRESS, [SOURCE, did("Build", "Failed", 5), did("Build", "InProgress", 20)]),
    (RunState.SUCCEEDED, [SOURCE, did("Build", "Failed", 5), did("Build", "Succeeded", 20)]),
]


def live(world: World, steps: list[int], noticed: Callable[[int], int] = lambda _: 1) -> None:
    for step in steps:
        world.runs.state, world.runs.done = LIFE[step]
        for _ in range(noticed(step)):
            world.notice()


def test_a_run_from_its_start_to_its_end() -> None:
    world = World()
    live(world, [0, 1, 2, 3, 4])
    told = [(each.context, str(each.state), each.description) for each in world.github.statuses]
    assert told == [
        ("pipeline/Source", "pending", "feature/login: Source is running"),
        ("pipeline/Source", "success", "feature/login: Source succeeded in 3 s"),
        ("pipeline/Build", "pending", "feature/login: Build is running"),
        ("pipeline/Build", "failure", "feature/login: Build failed in 3 s: no luck"),
    ]
    assert {each.sha for each in world.github.statuses} == {NEW}
    assert f"/pipelines/{PIPELINE}/executions/{RUN}/" in world.github.statuses[0].url
    [message] = world.slack.messages.values()
    assert "failed" in message
    assert len(world.slack.replies) == 2
    live(world, [5])
    assert world.github.final()[NEW, "pipeline/Build"] is CommitState.PENDING, "retried"
    live(world, [6])
    assert world.github.final()[NEW, "pipeline/Build"] is CommitState.SUCCESS
    [message] = world.slack.messages.values()
    assert "is deployed" in message, "retried: the message follows"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, len(LIFE) - 1), max_size=10).map(sorted),
    st.lists(st.integers(0, 3), min_size=len(LIFE), max_size=len(LIFE)),
)
def test_F23_F63_F66_lost_doubled_and_reordered_events_end_in_the_same(steps: list[int], doubles: list[int]) -> None:
    """An event only wakes: its contents, which would arrive in any order, are not even looked at."""
    world = World()
    live(world, steps, lambda step: doubles[step])
    live(world, [len(LIFE) - 1])
    assert world.github.final() == {
        (NEW, "pipeline/Source"): CommitState.SUCCESS,
        (NEW, "pipeline/Build"): CommitState.SUCCESS,
    }
    [message] = world.slack.messages.values()
    assert "is deployed" in message
    assert len(world.slack.replies) == len(set(world.slack.replies))
    once = World()
    live(once, steps, lambda step: min(1, doubles[step]))
    live(once, [len(LIFE) - 1])
    assert world.github.statuses == once.github.statuses, "F66: what has not changed is not posted again"
    assert world.slack.replies == once.slack.replies


@pytest.mark.parametrize("order", list(itertools.permutations(["STARTED", "SUCCEEDED", "FAILED"])), ids="-".join)
def test_F63_the_state_in_an_event_is_not_believed(order: tuple[str, ...]) -> None:
    world = World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    for state in order:
        world.notifier.notice(RunChange(PIPELINE, RUN, state, "Build"))
    assert [str(each.state) for each in world.github.statuses] == ["success", "success"]


def test_F66_unchanged_is_not_posted_again() -> None:
    world = World()
    live(world, [3, 3, 3])
    assert len(world.github.statuses) == 2


def test_F66_a_stage_of_many_actions_says_once_how_it_stands() -> None:
    """What is posted is what has changed, and an approval that is given is a change."""
    world = World(channel="", runs=Runs(structure={"Source": 1, "Build": 4}))
    approve = did("Build", "InProgress", 9, action="Approve", provider="Manual")
    done: list[ActionRun] = [SOURCE]
    for number, name in enumerate(("Lint", "Test"), 5):
        for status in ("InProgress", "Succeeded"):
            world.runs.done = [*done, did("Build", status, number, action=name)]
            world.notice()
        done = world.runs.done
    beside = did("Build", "InProgress", 9, action="Scan")
    for waiting in ([beside], [beside, approve], [beside, replace(approve, status="Succeeded")]):
        world.runs.done = [*done, *waiting]
        world.notice()
    told = [each.description for each in world.github.statuses if each.context == "pipeline/Build"]
    assert told == [f"feature/login: Build {text}" for text in ("is running", "waits for an approval", "is running")]


def test_F65_somebody_elses_pipeline() -> None:
    world = World(memory=Memory())
    world.notice()
    assert (world.github.reads, world.slack_made, world.notes.ranks) == (0, 0, {})


@pytest.mark.parametrize(
    ("memory", "fetched"),
    [(Memory(), set()), (Memory(environment()), {"github", "slack"})],
    ids=["F65-somebody-elses", "ours"],
)
def test_F65_no_token_is_fetched_for_somebody_elses_pipeline(memory: Memory, fetched: set[str]) -> None:
    """Over the real adapters: whoever asks GitHub or Slack anything asks for a token first."""
    asked: list[str] = []

    def token(of: str) -> str:
        asked.append(of)
        raise Broken(f"no token of {of}")

    github: Any = RealGitHub("http://127.0.0.1:1", lambda: token("github"))
    slack = RealSlack("http://127.0.0.1:1/", lambda: token("slack"))
    runs = Runs(RunState.SUCCEEDED, LIFE[-1][1])
    reasons, notes = Reasons(Builds(), Events()), Notes()
    channels = Channels("deployments", development=Told.ALL)
    threads = Threads(memory, Authors(github), notes, reasons, lambda: slack, channels, Served())
    subject = Function.of(Commits(memory, github, notes, reasons), threads, Observer(runs, "eu-west-1"))
    with suppress(Broken):
        subject.notifier.notice(RunChange(PIPELINE, RUN, "STARTED", "Source"))
    assert set(asked) == fetched


def test_F64_the_source_stage_starts_before_the_run_has_read_anything() -> None:
    world = World(runs=Runs(RunState.IN_PROGRESS, LIFE[1][1], revisions={}))
    receive(world.function, record(envelope(stage="Source", state="STARTED")))
    [status] = world.github.statuses
    assert (status.sha, status.context, str(status.state)) == (NEW, "pipeline/Source", "pending")
    [message] = world.slack.messages.values()
    assert NEW[:7] in message
    world.runs = Runs(RunState.IN_PROGRESS, LIFE[2][1], revisions={"GitHub": ("version-8", OLD)})
    receive(world.function, record(envelope(stage="Source", state="SUCCEEDED")))
    assert world.github.statuses[-1].sha == OLD, "and once it has, what it read is believed"


def test_F65_an_environment_that_is_gone() -> None:
    world = World()
    world.memory.items.clear()
    world.notice()
    assert (world.github.reads, world.slack_made) == (0, 0)


def test_a_run_that_is_gone() -> None:
    world = World(runs=Runs(known=False))
    world.notice()
    assert (world.github.reads, world.slack_made) == (0, 0)


@pytest.mark.parametrize(
    ("revisions", "remembered", "commit"),
    [
        pytest.param({}, NEW, NEW, id="F64-nothing-read-yet"),
        pytest.param({"GitHub": ("version-9", OLD)}, NEW, OLD, id="F62-an-older-commit-than-wanted"),
        pytest.param({"GitHub": (OLD, "Say hello")}, NEW, OLD, id="a-connections-revision"),
        pytest.param({"Lib": ("x", OLD), "GitHub": ("y", NEW)}, NEW, NEW, id="two-sources"),
        pytest.param({"GitHub": ("version-9", "by hand")}, NEW, "", id="no-commit-of-ours"),
        pytest.param({"GitHub": ("version-9", "0" * 40)}, NEW, "", id="F68-zeros"),
        pytest.param({}, "0" * 40, "", id="F68-zeros-remembered"),
        pytest.param({}, "", "", id="F68-nothing-remembered"),
    ],
)
def test_which_commit_a_run_built(revisions: dict[str, tuple[str, str]], remembered: str, commit: str) -> None:
    item = environment(commit=remembered)
    assert commit_of(RunDetails(RUN, RunState.IN_PROGRESS, 1, revisions), item) == commit
    world = World(Memory(item), Runs(RunState.SUCCEEDED, LIFE[-1][1], revisions))
    world.notice()
    assert {each.sha for each in world.github.statuses} == ({commit} if commit else set())
    assert bool(world.slack.messages) is bool(commit)


def test_F62_an_older_run_that_ends_last_leaves_the_newer_commit_alone() -> None:
    world = World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    world.notice(run="newer")
    world.runs = Runs(RunState.FAILED, LIFE[4][1], {"GitHub": ("version-8", OLD)})
    world.notice(run="older")
    assert world.github.final()[NEW, "pipeline/Build"] is CommitState.SUCCESS
    assert world.github.final()[OLD, "pipeline/Build"] is CommitState.FAILURE


@pytest.mark.parametrize(
    ("item", "said"),
    [
        pytest.param(environment(commit=NEW), "superseded by bbbbbbb", id="F61-another-commit-is-wanted"),
        pytest.param(environment(commit=OLD), "stopped", id="F61-the-same-is-built-again"),
        pytest.param(
            environment(commit=OLD, present=False),
            "stopped: the environment is being removed",
            id="F61-nothing",
        ),
    ],
)
def test_a_run_that_was_stopped_says_why(item: Environment, said: str) -> None:
    abandoned = [SOURCE, did("Build", "Abandoned", 5)]
    world = World(Memory(item), Runs(RunState.STOPPED, abandoned, {"GitHub": ("version-8", OLD)}))
    world.notice()
    last = world.github.statuses[-1]
    assert (last.sha, last.context, last.state) == (OLD, "pipeline/Build", CommitState.ERROR)
    assert last.description == f"feature/login: Build {said}"
    [message] = world.slack.messages.values()
    assert message.splitlines()[0].endswith(f"was {said}")
    assert said in world.slack.replies[-1]


@pytest.mark.parametrize("end", [RunState.STOPPED, RunState.FAILED, RunState.IN_PROGRESS], ids=str)
@pytest.mark.parametrize("told_first", ["older", "newer"])
def test_F62_of_two_runs_of_one_commit_the_later_speaks(end: RunState, told_first: str) -> None:
    """It was built again, and what became of the first run is told when the second has ended."""
    older = Runs(end, [SOURCE, did("Build", "Failed" if end is RunState.FAILED else "Abandoned", 5)])
    newer = Runs(RunState.SUCCEEDED, [replace(SOURCE, started=60_000, updated=63_000), did("Build", "Succeeded", 65)])
    runs = {"older": older, "newer": newer}
    world = World()
    for name in (told_first, *(name for name in runs if name != told_first)):
        world.runs = runs[name]
        world.notice(run=name)
    assert world.github.final() == {
        (NEW, "pipeline/Source"): CommitState.SUCCESS,
        (NEW, "pipeline/Build"): CommitState.SUCCESS,
    }
    assert len(world.github.statuses) == (2 if told_first == "newer" else 4)
    assert len(world.slack.messages) == 2, "in Slack each has its own message"


def test_F61_a_run_that_never_began_does_not_speak_over_one_that_did() -> None:
    world = World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    world.notice(run="first")
    world.runs = Runs(RunState.SUPERSEDED, [])
    world.notice(run="second")
    assert world.github.final()[NEW, "pipeline/Source"] is CommitState.SUCCESS


def test_F61_F62_commits_of_one_environment_never_speak_for_each_other() -> None:
    """The older one was superseded while it ran, and its end is told last."""
    world = World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    world.notice(run="newer")
    abandoned = [SOURCE, did("Build", "Abandoned", 5)]
    world.runs = Runs(RunState.SUPERSEDED, abandoned, {"GitHub": ("version-8", OLD)})
    world.notice(run="older")
    assert world.github.final() == {
        (NEW, "pipeline/Source"): CommitState.SUCCESS,
        (NEW, "pipeline/Build"): CommitState.SUCCESS,
        (OLD, "pipeline/Source"): CommitState.SUCCESS,
        (OLD, "pipeline/Build"): CommitState.ERROR,
    }
    assert "superseded by bbbbbbb" in world.github.statuses[-1].description


@pytest.mark.parametrize("failure", [Transient("503"), Broken("token")], ids=["F70-down", "F70-token-refused"])
def test_slack_down_leaves_github_told(failure: DeployerError) -> None:
    world = World(slack=Slack(failure=failure))
    world.runs.state, world.runs.done = LIFE[4]
    with pytest.raises(type(failure)):
        world.notice()
    assert len(world.github.statuses) == 2
    world.slack.failure = None
    world.notice()
    assert len(world.github.statuses) == 2
    assert (len(world.slack.messages), len(world.slack.replies)) == (1, 2)


@pytest.mark.parametrize("failure", [Transient("503"), Broken("token")], ids=["F70-down", "F70-token-refused"])
def test_github_down_leaves_slack_told(failure: DeployerError) -> None:
    world = World(github=GitHub(failure=failure))
    world.runs.state, world.runs.done = LIFE[4]
    with pytest.raises(type(failure)):
        world.notice()
    assert (len(world.slack.messages), len(world.slack.replies)) == (1, 2)
    world.github.failure = None
    world.notice()
    assert len(world.github.statuses) == 2
    assert len(world.slack.replies) == 2


@pytest.mark.parametrize("failure", [KeyError("channel"), AttributeError("get")], ids=["F70-a-bug", "F70-another"])
@pytest.mark.parametrize("down", ["github", "slack"])
def test_a_bug_met_on_one_side_leaves_the_other_told(down: str, failure: Any) -> None:
    world = World()
    world.runs.state, world.runs.done = LIFE[4]
    side: Any = getattr(world, down)
    side.failure = failure
    with pytest.raises(Transient):
        world.notice()
    told = (len(world.github.statuses), len(world.slack.messages), len(world.slack.replies))
    assert told == ((0, 1, 2) if down == "github" else (2, 0, 0))
    side.failure = None
    world.notice()
    assert (len(world.github.statuses), len(world.slack.messages), len(world.slack.replies)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("github", "slack", "hidden"),
    [
        pytest.param(Transient("403", 30.0), None, 30, id="F67-github"),
        pytest.param(None, Transient("429", 77.0), 77, id="F67-slack"),
        pytest.param(Transient("403", 30.0), Transient("429", 77.0), 77, id="F67-both-slack-longer"),
        pytest.param(Transient("403", 77.0), Transient("429", 30.0), 77, id="F67-both-github-longer"),
        pytest.param(Transient("502"), Transient("429", 77.0), 77, id="F67-slack-and-github-does-not-say"),
        pytest.param(Broken("token"), Transient("429", 77.0), 77, id="F67-slack-and-no-token-for-github"),
        pytest.param(Transient("403", 10.0**6), None, LONGEST, id="F67-no-longer-than-sqs-hides"),
    ],
)
def test_the_message_stays_away_until_nobody_asks_to_wait(
    github: DeployerError | None, slack: DeployerError | None, hidden: int
) -> None:
    world = World(github=GitHub(failure=github), slack=Slack(failure=slack))
    world.runs.state, world.runs.done = LIFE[4]
    away: list[int] = []
    batch = {"Records": [record(envelope())]}
    process(batch, lambda each: receive(world.function, each), lambda _, seconds: away.append(seconds))
    assert away == [hidden]


def test_F67_the_other_side_says_how_long_to_wait() -> None:
    world = World(github=GitHub(failure=Transient("slow down", 77.0)))
    world.runs.state, world.runs.done = LIFE[4]
    with pytest.raises(Transient) as refusal:
        world.notice()
    assert refusal.value.retry_after == 77.0


def test_without_a_channel_slack_is_not_even_made() -> None:
    world = World(channel="")
    live(world, [4])
    assert world.slack_made == 0
    assert len(world.github.statuses) == 2


def test_what_github_refuses_for_good_is_not_tried_for_ever() -> None:
    world = World(github=GitHub(failure=Rejected("422: this SHA and context has reached the maximum")))
    live(world, [4, 4])
    assert world.slack.replies
    assert world.github.statuses == []


def test_a_message_that_slack_refuses_for_good_ends_there() -> None:
    world = World(slack=Slack(failure=Rejected("channel_not_found")))
    live(world, [4])
    assert len(world.github.statuses) == 2


LONG = "é" * 500


@pytest.mark.parametrize(
    ("builds", "action", "description"),
    [
        pytest.param(
            Builds(Failure("npm test exited with 1", ("1 failing",), "https://logs")),
            {"external_id": "site:1", "error": "Build terminated"},
            "feature/login: Build failed in 3 s: npm test exited with 1",
            id="the-build-says",
        ),
        pytest.param(
            Builds(),
            {"external_id": "site:1", "error": "Build terminated"},
            "feature/login: Build failed in 3 s: Build terminated",
            id="the-build-is-gone",
        ),
        pytest.param(
            Builds(Broken("AccessDenied")),
            {"external_id": "site:1", "error": "Build terminated"},
            "feature/login: Build failed in 3 s: Build terminated",
            id="the-build-may-not-be-read",
        ),
        pytest.param(
            Builds(KeyError("phases")),
            {"external_id": "site:1", "error": "Build terminated"},
            "feature/login: Build failed in 3 s: Build terminated",
            id="F70-the-build-answers-nonsense",
        ),
        pytest.param(
            Builds(), {"provider": "Lambda"}, "feature/login: Build failed in 3 s: Build failed", id="nobody-says"
        ),
        pytest.param(
            Builds(),
            {"provider": "Lambda", "error": "The function failed", "summary": "no bucket", "action": "Publish"},
            "feature/login: Build failed in 3 s: Publish: The function failed (no bucket)",
            id="an-actions-name-its-error-and-its-summary",
        ),
        pytest.param(
            Builds(),
            {"provider": "S3", "error": "Access Denied", "summary": "Access"},
            "feature/login: Build failed in 3 s: Access Denied",
            id="a-summary-that-says-no-more",
        ),
        pytest.param(
            Builds(),
            {"provider": "S3", "summary": "no bucket"},
            "feature/login: Build failed in 3 s: no bucket",
            id="a-summary-alone",
        ),
        pytest.param(
            Builds(Failure(LONG)),
            {"external_id": "site:1"},
            f"feature/login: Build failed in 3 s: {LONG}"[:139] + "…",
            id="over-140-characters",
        ),
    ],
)
def test_a_failure_says_why(builds: Builds, action: dict[str, str], description: str) -> None:
    world = World(builds=builds, runs=Runs(RunState.FAILED, [SOURCE, did("Build", "Failed", 5, **action)]))
    world.notice()
    status = world.github.statuses[-1]
    assert (status.state, status.description) == (CommitState.FAILURE, description)
    assert len(status.description) <= 140


def test_a_reason_that_did_not_come_holds_up_nothing_and_is_asked_for_again() -> None:
    failed = did("Build", "Failed", 5, external_id="site:1", error="Build terminated")
    world = World(builds=Builds(Transient("throttled")), runs=Runs(RunState.FAILED, [SOURCE, failed]))
    for _ in range(3):
        with pytest.raises(Transient):
            world.notice()
    told = [each.description for each in world.github.statuses if each.context == "pipeline/Build"]
    assert told == ["feature/login: Build failed in 3 s: Build terminated"], "F66: once"
    assert len(world.slack.replies) == 2, "and Slack does not wait for it"
    world.builds.found = Failure("npm test exited with 1")
    world.notice()
    assert world.github.statuses[-1].description.endswith("npm test exited with 1")
    assert len(world.github.statuses) == 3


@pytest.mark.parametrize(
    ("identifier", "ref", "holder", "context", "description"),
    [
        pytest.param(
            "7/staging", "refs/heads/main", "", "pipeline/Source", "staging: Source succeeded in 3 s", id="staging"
        ),
        pytest.param(
            "7/production",
            "refs/tags/v1.0.0",
            "7/staging",
            "production/Source",
            "production v1.0.0: Source succeeded in 3 s",
            id="production-beside-staging",
        ),
        pytest.param(
            "7/refs/heads/feature/login",
            "refs/heads/feature/login",
            "7/staging",
            "feature/login/pipeline/Source",
            "feature/login: Source succeeded in 3 s",
            id="a-branch-at-stagings-commit",
        ),
    ],
)
def test_contexts(identifier: str, ref: str, holder: str, context: str, description: str) -> None:
    world = World(Memory(environment(identifier, ref=ref)), Runs(RunState.IN_PROGRESS, [SOURCE]))
    if holder:
        world.memory.claim("commit", f"7/{NEW}", parse(holder))
    world.notice()
    [status] = world.github.statuses
    assert (status.context, status.description) == (context, description)


@pytest.mark.parametrize(
    ("read", "release"),
    [
        pytest.param(NEW, "production v1.1.0", id="the-releases-own"),
        pytest.param(OLD, "production", id="F62-an-earlier-releases"),
    ],
)
def test_a_run_goes_by_the_release_of_its_own_commit(read: str, release: str) -> None:
    production = environment("7/production", ref="refs/tags/v1.1.0")
    world = World(Memory(production), Runs(RunState.SUCCEEDED, [SOURCE], {"GitHub": ("version-8", read)}))
    world.notice()
    assert [(each.sha, each.description.partition(":")[0]) for each in world.github.statuses] == [(read, release)]
    [message] = world.slack.messages.values()
    assert f"*acme/site* `{release}` is deployed\n" in message


def test_a_list_of_actions_that_lags_behind_is_read_again() -> None:
    world = World(runs=Runs(RunState.FAILED, [SOURCE, did("Build", "InProgress", 5)]))
    with pytest.raises(Transient):
        world.notice()
    world.runs.done = LIFE[4][1]
    world.notice()
    assert world.github.final()[NEW, "pipeline/Build"] is CommitState.FAILURE


class Overtaken(GitHub):
    """While the first status is on its way, another invocation says what came after it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.first = world, True

    def post(self, status: CommitStatus) -> None:
        if self.first:
            self.first = False
            [held] = [name for name in self.world.notes.ranks if name[1] == "github/Source"]
            self.world.notes.ranks[held] = (self.world.notes.ranks[held][0], "open")  # the lease is over
            live(self.world, [6])
        super().post(status)


def test_F63_a_status_that_was_overtaken_does_not_have_the_last_word() -> None:
    world = World(channel="")
    world.github = Overtaken(world)
    live(world, [1])
    assert [str(each.state) for each in world.github.statuses if each.context == "pipeline/Source"] == [
        "success",
        "pending",
        "success",
    ]


def test_two_events_of_the_same_moment_say_everything_once() -> None:
    world = World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    inner = world.slack.post

    def post(channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        with pytest.raises(Transient):
            World(world.memory, world.runs, world.github, Slack(), notes=world.notes).notice()
        return inner(channel, post, thread)

    world.slack.post = post  # type: ignore[method-assign]
    world.notice()
    assert (len(world.slack.messages), len(world.slack.replies)) == (1, 2)
    assert len(world.github.statuses) == 2


# --- the queue


def record(body: Any, identifier: str = "1") -> dict[str, Any]:
    return {"messageId": identifier, "body": body if isinstance(body, str) else json.dumps(body), "attributes": {}}


def envelope(**detail: Any) -> dict[str, Any]:
    """AWS's own example of a stage's event, about our run."""
    example = examples()["stage-started"]
    ours = {"pipeline": PIPELINE, "execution-id": RUN, "state": "SUCCEEDED", "stage": "Build"}
    return {**example, "detail": {**example["detail"], **ours, **detail}}


@pytest.fixture
def world() -> World:
    return World(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))


def test_an_event_in_the_queue(world: World) -> None:
    receive(world.function, record(envelope()))
    assert len(world.github.statuses) == 2


def test_an_approval_behind_another_action_of_its_stage_is_told_though_the_stage_says_nothing_of_it() -> None:
    """The stage's own events come where it begins and where it ends."""
    example = examples()["action-started"]
    ours = {"pipeline": PIPELINE, "execution-id": RUN, "stage": "Build", "action": "Ask"}
    event = {**example, "detail": {**example["detail"], **ours}}
    approve = did("Build", "InProgress", 9, action="Ask", provider="Manual")
    world = World(runs=Runs(RunState.IN_PROGRESS, [SOURCE, did("Build", "Succeeded", 5), approve]))
    receive(world.function, record(event))
    assert world.github.statuses[-1].description == "feature/login: Build waits for an approval"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        json.dumps({"detail": 1}),
        json.dumps(envelope(pipeline=None)),
        json.dumps(envelope(**{"execution-id": "run-1"})),
        json.dumps(envelope(state="SUCCEEDING")),
        json.dumps({**envelope(), "account": None}),
        json.dumps({"a": "[" * 99}),
    ],
)
def test_F19_what_nobody_of_ours_sent(world: World, body: str) -> None:
    with pytest.raises(Malformed):
        receive(world.function, record(body))
    hidden: list[int] = []
    batch = {"Records": [record(body), record(envelope(), "2")]}
    answer = process(batch, lambda each: receive(world.function, each), lambda _, seconds: hidden.append(seconds))
    assert answer == {"batchItemFailures": []}
    assert len(world.github.statuses) == 2


@pytest.mark.parametrize("name", examples())
def test_F19_whatever_an_event_lacks_the_rest_is_processed(world: World, name: str) -> None:
    event = examples()[name]
    lacking = [{**event, "detail": {k: v for k, v in event["detail"].items() if k != each}} for each in event["detail"]]
    lacking += [{k: v for k, v in event.items() if k != each} for each in event]
    batch = {"Records": [record(each, str(number)) for number, each in enumerate([*lacking, envelope()])]}
    hidden: list[int] = []
    answer = process(batch, lambda each: receive(world.function, each), lambda _, seconds: hidden.append(seconds))
    assert (answer, hidden) == ({"batchItemFailures": []}, [])
    assert len(world.github.statuses) == 2


def test_events_of_another_kind_are_none_of_ours(world: World) -> None:
    receive(world.function, record({**envelope(), "detail-type": "CodePipeline Pipeline Trigger"}))
    receive(world.function, record({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}))
    assert world.github.statuses == []


# --- what the builder asks for

NOTICE = RunNotice(PIPELINE, RUN)


@pytest.mark.parametrize("heard", range(len(LIFE)), ids=[f"F63-after-{heard}-events" for heard in range(len(LIFE))])
def test_the_builder_makes_sure_that_an_end_was_told(heard: int) -> None:
    """Whatever events were lost: the final states of all stages, each once."""
    world = World()
    live(world, list(range(heard)))
    world.runs.state, world.runs.done = LIFE[-1]
    before = len(world.github.statuses)
    receive(world.function, record(NOTICE.to_json()))
    assert world.github.final() == {
        (NEW, "pipeline/Source"): CommitState.SUCCESS,
        (NEW, "pipeline/Build"): CommitState.SUCCESS,
    }
    told = [each.context for each in world.github.statuses[before:]]
    assert len(told) == len(set(told))
    [message] = world.slack.messages.values()
    assert "is deployed" in message
    said = (list(world.github.statuses), dict(world.slack.messages), list(world.slack.replies))
    for _ in range(2):
        receive(world.function, record(NOTICE.to_json()))
    assert (world.github.statuses, world.slack.messages, world.slack.replies) == said, "where all was said, nothing is"


def test_F63_all_events_were_lost_and_the_stages_end_once_each() -> None:
    world = World(runs=Runs(RunState.FAILED, LIFE[4][1]))
    for _ in range(2):
        receive(world.function, record(NOTICE.to_json()))
    assert [(each.context, str(each.state)) for each in world.github.statuses] == [
        ("pipeline/Source", "success"),
        ("pipeline/Build", "failure"),
    ]
    assert (len(world.slack.messages), len(world.slack.replies)) == (1, 2)


def test_F65_a_notice_of_somebody_elses_pipeline() -> None:
    world = World(memory=Memory())
    receive(world.function, record(NOTICE.to_json()))
    assert (world.github.reads, world.slack_made, world.notes.ranks) == (0, 0, {})


BRANCH = "7/refs/heads/feature/login"
SOON = Announcement(BRANCH, "idle/1800000000", "has been idle for 30 days and is <removed> tomorrow")
SAID = ":bell: *acme/site* `feature/login` has been idle for 30 days and is &lt;removed&gt; tomorrow"


def test_an_announcement_is_made_once_for_each_of_its_keys(world: World) -> None:
    later, other = replace(SOON, key="idle/1900000000"), replace(SOON, environment="7/staging")
    for each in (SOON, SOON, later, SOON, other, later, other):
        receive(world.function, record(each.to_json()))
    assert list(world.slack.messages.values()) == [SAID, SAID, SAID.replace("*acme/site* `feature/login` ", "")]
    assert (world.github.statuses, world.slack.replies) == ([], [])


def test_an_announcement_that_is_being_made_is_left_to_who_makes_it(world: World) -> None:
    inner = world.slack.post

    def post(channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        rival = World(world.memory, world.runs, world.github, Slack(), notes=world.notes)
        with pytest.raises(Transient):
            rival.function.threads.announce(SOON)
        assert rival.slack.messages == {}
        return inner(channel, post, thread)

    world.slack.post = post  # type: ignore[method-assign]
    world.function.threads.announce(SOON)
    world.function.threads.announce(SOON)
    assert list(world.slack.messages.values()) == [SAID]


def test_without_a_channel_an_announcement_is_dropped() -> None:
    world = World(channel="")
    receive(world.function, record(SOON.to_json()))
    assert (world.slack_made, world.notes.ranks) == (0, {})


@pytest.mark.parametrize("failure", [Transient("503"), Broken("token")], ids=["F70-down", "F70-token-refused"])
def test_an_announcement_waits_until_slack_is_back(world: World, failure: DeployerError) -> None:
    world.slack.failure = failure
    with pytest.raises(type(failure)):
        world.function.threads.announce(SOON)
    world.slack.failure = None
    world.function.threads.announce(SOON)
    assert list(world.slack.messages.values()) == [SAID]


def test_an_announcement_that_slack_refuses_for_good_ends_there(world: World) -> None:
    world.slack.failure = Rejected("channel_not_found")
    world.function.threads.announce(SOON)
    assert world.slack.messages == {}


@pytest.mark.parametrize(
    "body",
    [
        replace(SOON, environment="site").to_json(),
        json.dumps({"announcement": {"environment": BRANCH, "key": "k"}}),
        json.dumps({"announcement": []}),
        json.dumps({"run": {"pipeline": PIPELINE}}),
        json.dumps({"run": None}),
        json.dumps({"sweep": {}}),
    ],
    ids=["no-environment", "no-text", "no-announcement", "no-execution", "no-run", "a-message-to-the-builder"],
)
@pytest.mark.parametrize("channel", ["", "deployments"], ids=["quiet", "loud"])
def test_F19_what_the_builder_does_not_send(body: str, channel: str) -> None:
    world = World(channel=channel)
    with pytest.raises(Malformed):
        receive(world.function, record(body))
    assert (world.github.reads, world.slack_made) == (0, 0)


def test_an_announcement_of_a_branch_whose_name_is_no_utf_8(world: World) -> None:
    """Notes are kept under a name that DynamoDB takes."""
    odd = replace(SOON, environment="7/refs/heads/\udcff")
    receive(world.function, record(odd.to_json()))
    assert len(world.slack.messages) == 1
    assert all(name.isascii() and len(name) < 100 for name, _ in world.notes.ranks)


# --- several pipelines in one environment

API, WEB = "site-x-api", "site-x-web"


def two(world: Any) -> Any:
    """An environment of two pipelines."""
    item = environment(pipelines=(API, WEB))
    world.memory = Memory(item)
    for name in item.pipelines:
        world.memory.claim("pipeline", name, item.id)
    return world


def ran(world: Any, pipeline: str, step: int, run: str) -> None:
    """One of them has come so far."""
    world.runs.state, world.runs.done = LIFE[step]
    world.notifier.notice(RunNotice(pipeline, run))


def test_what_one_pipeline_failed_in_another_does_not_make_good() -> None:
    """Both have a stage Build, and both are of the same commit."""
    world = two(World())
    ran(world, API, 4, "run-of-api")
    ran(world, WEB, 6, "run-of-web")
    final = {context: str(state) for (_, context), state in world.github.final().items()}
    assert final == {
        "pipeline/api:Source": "success",
        "pipeline/api:Build": "failure",
        "pipeline/web:Source": "success",
        "pipeline/web:Build": "success",
    }
    failed, done = world.slack.messages.values()
    assert "*acme/site* `feature/login (api)` failed in *Build*" in failed
    assert "*acme/site* `feature/login (web)` is deployed" in done
    assert "Fixed" not in done
    assert sorted(world.notes.healths) == ["7/refs/heads/feature/login (api)", "7/refs/heads/feature/login (web)"]


def test_whose_part_a_pipeline_is_waits_until_the_builder_has_noted_all_of_them() -> None:
    world = two(World())
    [item] = world.memory.items.values()
    world.memory.items[item.id] = replace(item, pipelines=())
    with pytest.raises(Transient):
        ran(world, API, 4, "run-of-api")
    assert (world.github.statuses, world.slack.messages) == ([], {})
    world.memory.items[item.id] = item
    ran(world, API, 4, "run-of-api")
    assert {each.context for each in world.github.statuses} == {"pipeline/api:Source", "pipeline/api:Build"}


def test_a_run_is_told_where_nothing_of_its_pipeline_will_be_noted() -> None:
    """A push that can't be deployed came while the stack was being made; the run that this began goes on."""
    world = two(World())
    [item] = world.memory.items.values()
    world.memory.items[item.id] = replace(item, pipelines=(), outcome=Outcome.FAILURE)
    ran(world, API, 4, "run-of-api")
    assert {each.context for each in world.github.statuses} == {"pipeline/Source", "pipeline/Build"}
