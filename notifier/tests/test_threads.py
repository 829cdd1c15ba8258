"""Slack's side between in-memory fakes: which messages there are, where, and whom they mention."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.said import Notes as Leased

from deployer.builds import Failure
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RunChange
from deployer.notices import Announcement, RunNotice
from deployer.pipelines import APPROVAL
from deployer.ports import Commit, Post
from deployer.states import RunState
from deployer.testing import Killed, Tape
from notifier.authors import MOST, Authors
from notifier.channels import Told, rules_of
from notifier.handler import receive
from notifier.notes import LEASE

from .test_notify import (
    LIFE,
    NEW,
    OLD,
    PIPELINE,
    REPOSITORY,
    RUN,
    SOURCE,
    Builds,
    GitHub,
    Memory,
    Notes,
    Runs,
    Served,
    Slack,
    World,
    did,
    environment,
    live,
    record,
)

FAILED, WORKED = LIFE[4], LIFE[6]
STAGING, PRODUCTION = (
    environment("7/staging", ref="refs/heads/main"),
    environment("7/production", ref="refs/tags/v1.0.0"),
)


def at(seconds: int, state: RunState, commit: str = NEW) -> Runs:
    """A run that began then, and failed or succeeded in its stage Build."""
    source = replace(SOURCE, started=seconds * 1000, updated=seconds * 1000 + 3000)
    ended = did("Build", "Failed" if state is RunState.FAILED else "Succeeded", seconds + 5, error="no luck")
    return Runs(state, [source, ended], {"GitHub": ("version-9", commit)})


def hear(world: World, name: str, runs: Runs) -> None:
    world.runs = runs
    world.notice(run=name)


# --- as a run goes on


def test_a_message_follows_its_run() -> None:
    world, heads = World(), []
    for step in range(len(LIFE)):
        live(world, [step])
        [message] = world.slack.messages.values()
        heads.append(message.split("\n")[0].removeprefix("*acme/site* ").partition("`feature/login` ")[2])
    assert heads == [
        "is being deployed",
        "is being deployed: *Source*",
        "is being deployed",
        "is being deployed: *Build*",
        "failed in *Build*",
        "is being deployed: *Build*",
        "is deployed",
    ]


def test_the_end_is_told_though_all_stages_had_ended_before() -> None:
    world = World()
    hear(world, RUN, replace(at(1, RunState.SUCCEEDED), state=RunState.IN_PROGRESS))
    hear(world, RUN, replace(at(1, RunState.SUCCEEDED), state=RunState.STOPPING))
    [message] = world.slack.messages.values()
    assert "is being stopped" in message
    hear(world, RUN, at(1, RunState.SUCCEEDED))
    [message] = world.slack.messages.values()
    assert "is deployed" in message


def test_an_approval_is_asked_for_in_the_message_and_in_its_thread() -> None:
    waiting = did("Release", "InProgress", 5, provider=APPROVAL)
    world = World(runs=Runs(RunState.IN_PROGRESS, [SOURCE, waiting]))
    world.runs.stages = lambda pipeline, version: {"Source": 1, "Release": 1}  # type: ignore[method-assign]
    for _ in range(2):
        world.notice()
    [message] = world.slack.messages.values()
    asked = [text for text in (message, *world.slack.replies) if f"/{PIPELINE}/view?" in text and "approval" in text]
    assert asked == [message, world.slack.replies[1]]
    assert len(world.slack.replies) == 2
    world.runs.done = [SOURCE, replace(waiting, status="Succeeded")]
    world.notice()
    assert "succeeded" in world.slack.replies[-1]


def test_what_is_deployed_has_a_link_to_where_it_is_served() -> None:
    world, posts = World(served=Served("https://site.example/")), list[Post]()
    world.slack.update = lambda channel, ts, post: posts.append(post)  # type: ignore[method-assign]
    live(world, [3, 4, 6])
    assert ["View deployment" in " ".join(post.context) for post in posts] == [False, True]


@pytest.mark.parametrize("error", [Transient("throttled"), Broken("AccessDenied")], ids=["F46-throttled", "denied"])
def test_no_message_waits_for_where_it_is_served(error: DeployerError) -> None:
    world = World(served=Served(failure=error))
    live(world, [6])
    [message] = world.slack.messages.values()
    assert "is deployed" in message


# --- whose commit it is


def test_the_author_is_mentioned_once_where_the_run_failed() -> None:
    world = World()
    live(world, [3, 4, 4, 5])
    again = [SOURCE, did("Build", "Failed", 5), did("Build", "Failed", 20)]
    hear(world, RUN, Runs(RunState.FAILED, again))
    said = [*world.slack.messages.values(), *world.slack.replies]
    assert [text.count("<@U0000000A>") for text in said] == [0, 0, 1, 0]
    assert world.slack.replies[2].endswith("Commit by Ada"), "retried, it failed again"


def test_F45_where_the_reply_was_not_taken_the_mention_is_still_to_come() -> None:
    world, inner = World(runs=Runs(*FAILED)), World().slack
    posts: list[Post] = []

    def post(channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        posts.append(post)
        if "<@" in post.text and sum("<@" in each.text for each in posts) == 1:
            raise Transient("503")
        return inner.post(channel, post, thread)

    world.slack.post = post  # type: ignore[method-assign]
    with pytest.raises(Transient):
        world.notice()
    world.notice()
    assert [text.count("<@U0000000A>") for text in inner.replies] == [0, 1]


@pytest.mark.parametrize(
    ("email", "asked"),
    [
        ("grace@example.com", ["grace@example.com"]),
        ("", []),
        ("root", []),
        ("1+ada@users.noreply.github.com", []),
        (" Ada@Example.com ", ["ada@example.com"]),
    ],
    ids=["nobody-has-it", "none", "no-address", "hidden-by-github", "in-another-case"],
)
def test_who_is_not_found_is_named(email: str, asked: list[str]) -> None:
    world = World(github=GitHub(email=email), runs=Runs(*FAILED))
    world.notice()
    who = "<@U0000000A>" if "Ada" in email else "Ada"
    assert world.slack.replies[-1].endswith(f"Commit by {who}")
    assert world.slack.asked == asked


@pytest.mark.parametrize("error", [Broken("missing_scope"), Transient("429", 30.0), Rejected("no")], ids=str)
def test_F70_that_slack_does_not_say_who_it_is_is_no_error(error: DeployerError) -> None:
    world = World(runs=Runs(*FAILED))

    def person(email: str) -> str:
        raise error

    world.slack.person = person  # type: ignore[method-assign]
    world.notice()
    assert world.slack.replies[-1].endswith("Commit by Ada")


class Counted:
    """Repositories, and people, that count what they are asked."""

    def __init__(self) -> None:
        self.commits, self.people = list[str](), list[str]()
        self.down = False

    def commit(self, repository: Any, sha: str) -> Commit:
        self.commits.append(sha)
        if self.down:
            raise ConnectionError
        return Commit(sha, "Say hello", "Ada", f"{sha}@example.com")

    def person(self, email: str) -> str:
        self.people.append(email)
        if self.down:
            raise Transient("503")
        return "" if email.startswith("n") else "U0000000A"


def test_what_was_looked_up_is_remembered_and_a_failure_is_not() -> None:
    counted: Any = Counted()
    authors = Authors(counted)
    for down in (True, False, False):
        counted.down = down
        commit = authors.commit(REPOSITORY, "nobody")
        found = Commit("x", "", "Ada", "nobody@example.com")
        assert (commit.subject, authors.person(counted, found)) == ("" if down else "Say hello", "")
    assert (counted.commits, counted.people) == (["nobody"] * 2, ["nobody@example.com"] * 2)


def test_F70_a_github_that_hangs_is_not_waited_for_at_each_reply() -> None:
    counted: Any = Counted()
    times = iter([0.0, 25.0, 25.0, 84.0, 85.0])
    authors = Authors(counted, lambda: next(times))
    counted.down = True
    assert authors.commit(REPOSITORY, "x") == authors.commit(REPOSITORY, "x") == authors.commit(REPOSITORY, "x")
    assert counted.commits == ["x"], "once in a minute"
    counted.down = False
    assert authors.commit(REPOSITORY, "x").subject == "Say hello"


def test_what_is_refused_at_once_is_asked_for_again() -> None:
    counted: Any = Counted()
    times = iter([0.0, 4.0, 4.0])
    authors = Authors(counted, lambda: next(times))
    counted.down = True
    authors.commit(REPOSITORY, "x")
    counted.down = False
    assert authors.commit(REPOSITORY, "x").subject == "Say hello"


def test_of_commits_that_are_not_asked_for_so_many_are_remembered() -> None:
    counted: Any = Counted()
    counted.down = True
    ticks = itertools.count(0, 10)
    authors = Authors(counted, lambda: float(next(ticks)))
    for number in range(MOST + 1):
        authors.commit(REPOSITORY, f"{number}")
    assert len(authors.silent) == 1


def test_a_bot_is_not_looked_up() -> None:
    counted: Any = Counted()
    assert Authors(counted).person(counted, Commit("x", "", "dependabot[bot]", "bot@example.com")) == ""
    assert counted.people == []


def test_what_is_remembered_has_its_limit() -> None:
    counted: Any = Counted()
    authors = Authors(counted)
    for number in range(MOST + 1):
        authors.person(counted, authors.commit(REPOSITORY, f"{number}"))
    assert (len(authors.commits), len(authors.people)) == (1, 1)


def test_a_reason_that_could_not_be_asked_for_is_waited_for_once() -> None:
    failed = did("Build", "Failed", 5, external_id="site:1")
    world = World(builds=Builds(Transient("throttled")), runs=Runs(RunState.FAILED, [SOURCE, failed]))
    for told in (1, 2, 2):
        with pytest.raises(Transient):
            world.notice()
        assert len(world.slack.replies) == told


# --- what was fixed


def test_a_run_that_works_after_one_that_failed_says_what_it_fixed() -> None:
    world = World()
    hear(world, "first", at(1, RunState.FAILED, OLD))
    for _ in range(2):
        hear(world, "second", at(100, RunState.SUCCEEDED))
    hear(world, "third", at(200, RunState.SUCCEEDED))
    failed, fixed, later = world.slack.messages.values()
    assert "Fixed: *Build*, which had failed at `aaaaaaa`" in fixed
    assert "Fixed" not in failed + later


def test_F63_a_failure_that_is_heard_of_late_is_not_fixed_again() -> None:
    world = World()
    hear(world, "second", at(100, RunState.SUCCEEDED))
    hear(world, "first", at(1, RunState.FAILED))
    hear(world, "third", at(200, RunState.SUCCEEDED))
    assert not any("Fixed" in text for text in world.slack.messages.values())


def test_what_failed_elsewhere_is_not_fixed_here() -> None:
    world = World()
    hear(world, "first", at(1, RunState.FAILED))
    world.memory = Memory(STAGING)
    hear(world, "second", at(100, RunState.SUCCEEDED))
    assert not any("Fixed" in text for text in world.slack.messages.values())


def test_F44_the_ends_of_two_runs_at_once_are_noted_one_after_the_other() -> None:
    world = World()
    hear(world, "first", at(1, RunState.FAILED))
    inner = world.notes.health

    def health(environment: str) -> str:
        kept = inner(environment)
        world.notes.healths[environment] = kept + " "
        return kept

    world.notes.health = health  # type: ignore[method-assign]
    with pytest.raises(Transient, match="the end of another run is being noted"):
        hear(world, "second", at(100, RunState.SUCCEEDED))
    world.notes.health = inner  # type: ignore[method-assign]
    hear(world, "second", at(100, RunState.SUCCEEDED))
    assert "Fixed" in list(world.slack.messages.values())[-1]


# --- what fails before a run begins

BEFORE = Announcement(
    "7/refs/heads/feature/login",
    "site-x 1 failed",
    "the stack could not be updated: Site (AWS::S3::Bucket): <taken>",
    commit=OLD,
    at=50_000,
    url="https://console.aws.amazon.com/cloudformation",
)


@pytest.mark.parametrize("told", Told, ids=str)
def test_what_failed_before_a_run_began_is_told_once(told: Told) -> None:
    world = World(development=told)
    for _ in range(2):
        receive(world.function, record(BEFORE.to_json()))
    assert list(world.slack.messages.values()) == (
        []
        if told is Told.NONE
        else [
            ":x: *acme/site* `feature/login` failed: "
            "the stack could not be updated: Site (AWS::S3::Bucket): &lt;taken&gt;\n"
            f"<https://github.com/acme/site/commit/{OLD}|Say hello>\n"
            "Commit by <@U0000000A>"
        ]
    )


def test_whose_commit_it_was_is_named_where_nobody_is_found() -> None:
    world = World(github=GitHub(email=""))
    world.function.threads.announce(BEFORE)
    [message] = world.slack.messages.values()
    assert message.endswith("\nCommit by Ada")


@pytest.mark.parametrize(
    ("failed", "began", "fixed"),
    [
        pytest.param(BEFORE, 100, True, id="a-later-run"),
        pytest.param(BEFORE, 1, False, id="F62-a-run-that-began-before"),
        pytest.param(replace(BEFORE, at=0), 100, False, id="a-removal"),
    ],
)
def test_a_run_that_works_after_it_says_that_it_is_fixed(failed: Announcement, began: int, *, fixed: bool) -> None:
    world = World(development=Told.FAILURES)
    world.function.threads.announce(failed)
    hear(world, "next", at(began, RunState.SUCCEEDED))
    said = "Fixed: what had failed at `aaaaaaa`"
    assert [said in message for message in world.slack.messages.values()] == ([False, True] if fixed else [False])


def test_of_an_environment_that_is_gone_nobody_is_blamed() -> None:
    world = World()
    world.memory.items.clear()
    world.function.threads.announce(BEFORE)
    [message] = world.slack.messages.values()
    assert message.startswith(":bell: the stack could not be updated")
    assert (world.github.reads, world.notes.healths) == (0, {})


def test_F44_the_end_of_a_run_is_noted_before_it() -> None:
    world = World()
    world.notes.note_health = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(Transient, match="the end of another run is being noted"):
        world.function.threads.announce(BEFORE)
    assert world.slack.messages == {}


# --- how much, and where


@pytest.mark.parametrize("state", RunState, ids=str)
@pytest.mark.parametrize("told", Told, ids=str)
def test_of_development_failures_alone_are_told(told: Told, state: RunState) -> None:
    world = World(development=told)
    hear(world, RUN, replace(at(1, state), state=state))
    loud = told is Told.ALL or (told is Told.FAILURES and state is RunState.FAILED)
    assert bool(world.slack.messages) is loud
    assert len(world.github.statuses) == 2
    if loud:
        assert len(world.slack.replies) == (2 if told is Told.ALL else 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, len(LIFE) - 1), max_size=10).map(sorted),
    st.lists(st.integers(0, 3), min_size=len(LIFE), max_size=len(LIFE)),
)
def test_F23_F63_lost_and_doubled_events_of_a_quiet_run(steps: list[int], doubles: list[int]) -> None:
    """It is heard of where its failure was, which its success then mends; where that was lost, nothing is said."""
    world = World(development=Told.FAILURES)
    live(world, steps, lambda step: doubles[step])
    live(world, [len(LIFE) - 1])
    heard = any(doubles[step] for step in steps if step == 4)
    assert [text.count("Fixed: *Build*") for text in world.slack.messages.values()] == ([1] if heard else [])
    assert len(world.slack.replies) == (1 if heard else 0)


@pytest.mark.parametrize("item", [STAGING, PRODUCTION], ids=["staging", "production"])
@pytest.mark.parametrize("told", Told, ids=str)
def test_of_the_others_everything_is_told(item: Any, told: Told) -> None:
    world = World(Memory(item), development=told)
    live(world, [0, 1, 2])
    assert (len(world.slack.messages), len(world.slack.replies)) == (1, 1)


def test_a_quiet_run_has_its_message_when_it_fails_and_keeps_it() -> None:
    world = World(development=Told.FAILURES)
    live(world, [0, 1, 2, 3])
    assert (world.slack.messages, world.notes.ranks.keys() & {(RUN, "slack")}) == ({}, set())
    live(world, [4])
    [message] = world.slack.messages.values()
    assert "failed in *Build*" in message
    [reply] = world.slack.replies
    assert ":x: *Build* failed" in reply
    live(world, [5])
    [message] = world.slack.messages.values()
    assert "is being deployed" in message, "retried, it goes on"
    live(world, [6])
    [message] = world.slack.messages.values()
    assert "is deployed" in message
    assert "Fixed: *Build*" in message
    assert len(world.slack.replies) == 1


def test_a_recovery_is_told_where_it_is_quiet() -> None:
    world = World(development=Told.FAILURES)
    hear(world, "first", at(1, RunState.FAILED, OLD))
    for _ in range(2):
        hear(world, "second", at(100, RunState.SUCCEEDED))
        hear(world, "third", at(200, RunState.SUCCEEDED))
    _, fixed = world.slack.messages.values()
    assert "Fixed: *Build*, which had failed at `aaaaaaa`" in fixed
    assert len(world.slack.replies) == 1, "its stages are as quiet as ever"


def test_an_approval_is_asked_for_where_it_is_quiet_too() -> None:
    """It waits for a person, and for seven days at most."""
    waiting = did("Release", "InProgress", 5, provider=APPROVAL)
    stages = {"Source": 1, "Release": 1}
    world = World(development=Told.FAILURES, runs=Runs(RunState.IN_PROGRESS, [SOURCE], structure=stages))
    world.notice()
    assert world.slack.messages == {}
    world.runs.done = [SOURCE, waiting]
    for _ in range(2):
        world.notice()
    [message] = world.slack.messages.values()
    assert "waits for an approval" in message
    [reply] = world.slack.replies
    assert f"/{PIPELINE}/view?" in reply
    world.runs = Runs(RunState.SUCCEEDED, [SOURCE, replace(waiting, status="Succeeded")], structure=stages)
    world.notice()
    [message] = world.slack.messages.values()
    assert "is deployed" in message
    assert world.slack.replies == [reply], "it goes on as quietly as ever"


def test_where_nothing_is_told_no_approval_is_asked_for() -> None:
    world = World(
        development=Told.NONE, runs=Runs(RunState.IN_PROGRESS, [did("Build", "InProgress", 5, provider=APPROVAL)])
    )
    world.notice()
    assert world.slack_made == 0


RULES = rules_of("acme/site:production=#releases, acme/*:staging=C0000000S")


@pytest.mark.parametrize(
    ("item", "channels"),
    [(PRODUCTION, ["#releases"]), (STAGING, ["C0000000S"]), (environment(), ["deployments"])],
    ids=["production", "staging", "development"],
)
def test_each_stage_has_its_channel(item: Any, channels: list[str]) -> None:
    world = World(Memory(item), rules=RULES, runs=Runs(*FAILED))
    world.notice()
    assert world.slack.channels == channels
    soon = Announcement(str(item.id), "idle/1", "is removed tomorrow")
    world.function.threads.announce(soon)
    assert world.slack.channels == channels * 2


def test_what_has_no_channel_is_not_told() -> None:
    world = World(channel="", rules=RULES, runs=Runs(*FAILED))
    world.notice()
    world.function.threads.announce(Announcement("7/refs/heads/feature/login", "idle/1", "is removed tomorrow"))
    assert world.slack_made == 0


@pytest.mark.parametrize("told", [Told.ALL, Told.FAILURES], ids=str)
def test_F24_what_was_said_of_a_run_is_forgotten_with_the_table_and_not_said_again(told: Told) -> None:
    """GitHub, where it does no harm, is told; Slack would show twenty runs of each environment twice."""
    world = World(development=told, runs=Runs(*FAILED))
    world.notice()
    before = (dict(world.slack.messages), list(world.slack.replies), len(world.github.statuses))
    world.notes = Notes()
    for _ in range(2):
        receive(world.function, record(RunNotice(PIPELINE, RUN, forgotten=True).to_json()))
    assert (world.slack.messages, world.slack.replies, len(world.github.statuses)) == (*before[:2], before[2] + 2)
    receive(world.function, record(RunNotice(PIPELINE, "another").to_json()))
    assert len(world.slack.messages) == 2, "what began since is told"


def test_F24_a_message_that_is_known_follows_its_run_whatever_else_is_forgotten() -> None:
    world = World()
    live(world, [3])
    world.runs.state, world.runs.done = FAILED
    receive(world.function, record(RunNotice(PIPELINE, RUN, forgotten=True).to_json()))
    [message] = world.slack.messages.values()
    assert "failed in *Build*" in message


# --- what Slack does not take


def test_a_message_that_somebody_removed_holds_up_nothing() -> None:
    world = World()
    live(world, [3])

    def update(channel: str, ts: str, post: Post) -> None:
        raise Rejected("message_not_found")

    world.slack.update = update  # type: ignore[method-assign]
    live(world, [4, 4])
    assert len(world.slack.replies) == 2
    assert len(world.github.statuses) == 3


@pytest.mark.parametrize("error", ["not_in_channel", "is_archived", "channel_not_found"])
def test_F70_a_wrong_channel_is_an_alarm_and_github_is_told_once(error: str) -> None:
    world = World(slack=Slack(failure=Broken(error)), runs=Runs(*FAILED))
    for _ in range(3):
        with pytest.raises(Broken, match=error):
            world.notice()
    assert len(world.github.statuses) == 2
    world.slack.failure = None
    world.notice()
    assert (len(world.slack.messages), len(world.slack.replies), len(world.github.statuses)) == (1, 2, 2)


# --- killed


def told_while_killed(points: list[int], told: Told) -> tuple[World, Slack]:
    """Two runs, of which the second mends the first; whoever tells of them is killed at these of its calls."""
    left, now = iter(points), [1_000_000]
    until = [next(left, -1)]

    def hook(name: str, after: bool) -> None:
        until[0] -= 1
        if until[0] == 0:
            until[0] = next(left, -1)
            raise Killed(name)

    tape = Tape(hook=hook)
    notes, slack = Leased(tape, lambda: now[0]), Slack()
    world = World(development=told, slack=slack, notes=notes, builds=Builds(Failure("no luck")))  # type: ignore[arg-type]
    post, update = slack.post, slack.update

    def posting(channel: str, post_: Post, thread: str = "") -> tuple[str, str]:
        with tape.call("slack.post"):
            return post(channel, post_, thread)

    def updating(channel: str, ts: str, post_: Post) -> None:
        with tape.call("slack.update"):
            update(channel, ts, post_)

    slack.post, slack.update = posting, updating  # type: ignore[method-assign]
    for name, runs in (("first", at(1, RunState.FAILED, OLD)), ("second", at(100, RunState.SUCCEEDED))):
        for _ in range(len(points) + 1):
            world.runs = runs
            now[0] += (LEASE + 1) * 1000
            try:
                world.notifier.notice(RunChange(PIPELINE, name, "STARTED", "Build"))
            except Killed:
                continue
            break
    return world, slack


@pytest.mark.parametrize("told", [Told.ALL, Told.FAILURES], ids=str)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=4))
def test_F45_killed_between_any_two_calls_everything_is_told(told: Told, points: list[int]) -> None:
    _, slack = told_while_killed(points, told)
    last = {text for text in slack.messages.values() if "is deployed" in text or "failed in" in text}
    assert [word in "".join(last) for word in ("failed in *Build*", "Fixed: *Build*")] == [True, True]
    assert len(slack.messages) <= 2 + len(points), "told once more for each time it was killed, and no more"
    assert len(slack.replies) <= (4 if told is Told.ALL else 1) + len(points)
    assert {text.split()[1] for text in slack.replies} == ({"*Source*", "*Build*"} if told is Told.ALL else {"*Build*"})
    assert any("<@U0000000A>" in text for text in slack.replies)
