"""The sweep: whatever was lost, the next one finds it; what is at rest costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from builder.baseline import mark
from builder.handler import receive
from deployer.environments import INSTALLATION_TAG, OWNER_TAG, EnvironmentId
from deployer.errors import Transient
from deployer.events import Look, RepositoryName, Sweep
from deployer.notices import Announcement, RunNotice
from deployer.ports import CommitStatus, Outcome, Stack
from deployer.refs import Stage
from deployer.states import CommitState, RunState

MAIN, HELLO, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/tags/v1.0.0"
DAY = 24 * 3600 * 1000
PREFIX = "opolis-deployer-prod"


def calls(world: Any, act: Callable[[], None]) -> list[str]:
    before = len(world.tape.calls)
    act()
    return list(world.tape.calls[before:])


@pytest.fixture
def known(world: Any) -> Any:
    """A repository with staging at rest."""
    world.live(MAIN)
    world.swept(3)
    item = world.item(MAIN)
    assert item
    assert item.settled
    return world


def test_an_environment_at_rest_costs_no_call_and_a_repository_no_rate_limit(known: Any) -> None:
    made = calls(known, known.swept)
    assert sorted(made) == [
        "cloudformation.every",
        "codepipeline.count",  # of the region's, once a tick
        "github.refs",
        "memory.all_parked",
        "memory.baseline",
        "memory.environments",
        "memory.repositories",
        "sqs.sweep",
    ]
    refs = known.forge.refs(known.repo.name, {k: v for k, v in known.shelf.known[42].validators.items() if k == "all"})
    assert refs is None


@pytest.mark.parametrize("ref", [MAIN, HELLO, TAG, "refs/heads/new"], ids=["staging", "moved", "release", "created"])
def test_F26_a_push_whose_delivery_was_lost_is_found_by_the_next_sweep(known: Any, ref: str) -> None:
    known.live(HELLO)
    known.quiet()
    lost = known.commit({"deploy/pipeline.json": known.template("lost")})
    known.push(ref, lost)
    known.swept()
    item = known.item(ref)
    assert item
    assert (item.ref, item.commit) == (ref, lost)
    known.quiet()
    assert known.built(ref)[-1] == lost
    assert known.item(ref).settled


def test_F25_many_tags_and_branches_at_once_send_no_event(known: Any) -> None:
    for number in range(4):
        known.push(f"refs/tags/v1.{number}.0", known.commit())
        known.push(f"refs/heads/b{number}", known.commit())
    known.quiet()
    assert known.item(TAG).ref == "refs/tags/v1.3.0"
    assert {item.ref for item in known.shelf.items.values()} == {
        MAIN,
        "refs/tags/v1.3.0",
        *(f"refs/heads/b{number}" for number in range(4)),
    }


def test_F26_a_deletion_whose_delivery_was_lost_is_found(known: Any) -> None:
    known.live(HELLO)
    known.quiet()
    known.remove(HELLO)
    known.quiet()
    assert known.item(HELLO) is None
    assert list(known.cloud.kept) == ["site-staging"]


def test_F26_a_ref_that_came_back_as_it_was_is_found(known: Any) -> None:
    """Deleted and pushed again at the same commit, of which only the deletion was told: the refs are as before."""
    sha = known.live(HELLO)
    known.quiet()
    known.look(known.remove(HELLO))
    known.finish(HELLO)
    known.push(HELLO, sha)
    known.quiet()
    assert known.item(HELLO).commit == sha
    assert known.built(HELLO) == [sha]


def test_F26_a_ref_that_was_moved_back_is_found(known: Any) -> None:
    first = known.item(MAIN).commit
    known.look(known.push(MAIN, known.commit()))
    known.push(MAIN, first)
    known.quiet()
    assert known.built(MAIN)[-1] == first
    assert known.item(MAIN).commit == first


def test_F58_the_end_of_a_stack_and_of_a_run_are_found_where_their_events_were_lost(known: Any) -> None:
    sha = known.commit({"deploy/pipeline.json": known.template("b")})
    known.look(known.push(MAIN, sha))
    known.swept()
    assert known.stack(MAIN).status == "UPDATE_IN_PROGRESS"
    known.quiet()
    assert known.built(MAIN)[-1] == sha
    assert known.prep(sha).startswith("success")
    assert known.item(MAIN).settled


def test_F63_the_notifier_is_asked_to_make_sure_of_every_run_once(known: Any) -> None:
    known.shelf.notices.clear()
    known.look(known.push(MAIN, known.commit()))
    known.quiet()
    [notice] = known.shelf.notices
    assert notice == RunNotice("site-staging", known.cloud.executions["site-staging"][0].id)


def test_F63_a_status_that_does_not_hold_is_said_again(known: Any) -> None:
    sha = known.commit()
    known.look(known.push(MAIN, sha))
    known.forge.statuses = [status for status in known.forge.statuses if str(status.state) != "success"]
    known.quiet()
    assert known.prep(sha) == "success: staging: prepared"


def test_F64_a_run_that_was_taken_for_a_commits_and_read_another_leaves_nothing_pending(known: Any) -> None:
    """The commit's own update fails, so no run of it will ever say how it ended."""
    known.live(MAIN, known.commit({"deploy/pipeline.json": known.template("a")}))
    sha = known.commit({"deploy/pipeline.json": known.template("b")})
    known.look(known.push(MAIN, sha))
    known.forge.post(CommitStatus(known.repo.name, sha, "pipeline/Source", CommitState.PENDING, "Source is running"))
    known.finish(MAIN, failing="Bucket (AWS::S3::Bucket): no")
    known.swept()
    assert {name: str(state) for name, state in known.forge.states(known.repo.name, sha).items()} == {
        "build/0-prep": "failure",
        "pipeline/Source": "error",
    }


def test_a_run_that_waits_for_an_approval_costs_no_call_of_github(known: Any) -> None:
    known.look(known.push(MAIN, known.commit()))
    known.swept()
    made = calls(known, known.swept)
    assert [call for call in made if call.startswith("github.")] == ["github.refs"]
    assert "codepipeline.runs" in made


def test_F63_a_run_that_somebody_starts_is_followed_to_its_end(known: Any) -> None:
    message = {
        "version": "0",
        "id": "01234567-0123-0123-0123-012345678901",
        "detail-type": "CodePipeline Pipeline Execution State Change",
        "source": "aws.codepipeline",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "pipeline": "site-staging",
            "version": 1.0,
            "execution-id": "01234567-0123-0123-0123-012345678901",
            "state": "STARTED",
        },
    }
    receive(known.builder, {"body": json.dumps(message)})
    assert not known.item(MAIN).settled
    assert known.shelf.looks == []


def test_a_superseded_commits_status_names_its_successor_and_is_seen_to_be_final(known: Any) -> None:
    one = known.commit({"deploy/pipeline.json": known.template("b")})
    two = known.commit({"deploy/pipeline.json": known.template("c")})
    known.look(known.push(MAIN, one))
    known.look(known.push(MAIN, two))
    assert known.prep(one) == f"error: staging: superseded by {two[:7]}"
    late = replace(known.forge.latest(one)["build/0-prep"], state=CommitState.PENDING)
    known.forge.statuses.append(late)  # by an invocation that was held up
    known.quiet()
    assert known.prep(one) == f"error: staging: superseded by {two[:7]}"
    assert known.item(MAIN).superseded == ()


def test_F62_an_earlier_releases_commit_is_never_given_the_name_of_the_release_that_took_its_place(known: Any) -> None:
    one, two = known.live("refs/tags/v1.0.0"), known.commit({"deploy/pipeline.json": known.template("c")})
    known.look(known.push("refs/tags/v1.1.0", two))
    late = replace(known.forge.latest(one)["production/0-prep"], context="production/Build", state=CommitState.PENDING)
    known.forge.statuses.append(late)  # a run that nobody heard of again
    known.finish("refs/tags/v1.1.0")
    known.run_to("refs/tags/v1.1.0")
    known.quiet()
    assert known.prep(one, "production/Build") == f"error: production: superseded by {two[:7]}"
    assert known.prep(one, "production/0-prep") == "success: production v1.0.0: prepared"


# --- limits


@pytest.mark.parametrize("unlimited", [False, True], ids=["stopped", "agreed-to"])
def test_F43_a_sweep_that_wants_too_much_stops_and_says_so(known: Any, log: Any, *, unlimited: bool) -> None:
    for number in range(6):
        known.push(f"refs/heads/b{number}", known.commit())
    known.now += 300_000
    known.builder.sweep(Sweep(known.repo.name, None, unlimited))
    assert len(known.shelf.looks) == (6 if unlimited else 0)
    stopped = [line for line in log() if line["message"] == "sweep stopped"]
    assert [line["reason"] for line in stopped] == ([] if unlimited else ["6 creations at once, more than 5"])


def test_F43_too_many_deletions_at_once_are_nobodys_wish(known: Any, log: Any) -> None:
    for number in range(6):
        known.live(f"refs/heads/b{number}")
    known.swept(2)
    for number in range(6):
        known.remove(f"refs/heads/b{number}")
    known.quiet()
    assert len(known.cloud.kept) == 7
    assert {line["reason"] for line in log() if line["message"] == "sweep stopped"} == {
        "6 deletions at once, more than 5"
    }


def test_F42_a_repository_that_cannot_be_read_is_left_alone(known: Any) -> None:
    known.live(HELLO)
    known.repo.readable = False
    known.remove(HELLO)
    known.quiet()
    assert known.item(HELLO)
    assert len(known.cloud.kept) == 2


# --- the table is lost


def lose(world: Any) -> None:
    shelf = world.shelf
    for kept in (shelf.items, shelf.holders, shelf.known, shelf.places):
        kept.clear()


def test_F24_the_lost_table_is_rebuilt_from_the_stacks_tags_and_nothing_runs_again(known: Any) -> None:
    known.live(HELLO)
    known.live(TAG)
    known.quiet()
    built = {ref: known.built(ref) for ref in (MAIN, HELLO, TAG)}
    before = {item.ref: (item.commit, item.stack, item.pipelines) for item in known.shelf.items.values()}
    assert not any(notice.forgotten for notice in known.shelf.notices)
    told = len(known.shelf.notices)
    lose(known)
    known.quiet()
    after = {item.ref: (item.commit, item.stack, item.pipelines) for item in known.shelf.items.values()}
    assert after == before
    assert {ref: known.built(ref) for ref in (MAIN, HELLO, TAG)} == built
    assert all(item.settled for item in known.shelf.items.values())
    assert {notice.forgotten for notice in known.shelf.notices[told:]} == {True}, "Slack is not told all of it again"
    assert set(known.shelf.holders) >= {("stack", "site-staging"), ("pipeline", "site-staging")}


@pytest.mark.parametrize("pinnable", [True, False], ids=["V2", "V1"])
def test_F24_a_run_that_was_going_on_when_the_table_was_lost_is_not_stopped(known: Any, *, pinnable: bool) -> None:
    known.cloud.pinnable = pinnable
    known.live(HELLO)
    sha = known.commit()
    known.look(known.push(HELLO, sha))
    lose(known)
    known.swept()
    assert known.cloud.executions[known.item(HELLO).stack][0].state is RunState.IN_PROGRESS
    known.run_to(HELLO)
    known.quiet()
    assert known.built(HELLO)[1:] == [sha]
    assert known.cloud.executions[known.item(HELLO).stack][0].state is RunState.SUCCEEDED


def test_F24_what_happened_while_the_table_was_lost_is_made_up_for(known: Any) -> None:
    known.live(HELLO)
    known.quiet()
    lose(known)
    moved = known.commit({"deploy/pipeline.json": known.template("b")})
    known.push(MAIN, moved)
    known.remove(HELLO)
    known.quiet()
    assert known.built(MAIN)[-1] == moved
    assert list(known.cloud.kept) == ["site-staging"]


def test_F24_nothing_newer_goes_to_production_right_after_its_memory_was_lost(known: Any, log: Any) -> None:
    first = known.live(TAG)
    known.quiet()
    lose(known)
    newer = known.commit()
    known.push("refs/tags/v1.1.0", newer)
    known.quiet()
    assert known.item(TAG).ref == TAG
    assert known.built(TAG) == [first]
    assert [line["newest"] for line in log() if line["message"] == "sweep stopped"] == ["refs/tags/v1.1.0"]
    known.look(replace(known.pushed("refs/tags/v1.1.0", newer), reason="by hand", after="", request="one"))
    known.quiet()
    assert known.built(TAG) == [first, newer]


# --- refs that sleep


def test_F43c_a_commit_that_says_so_is_not_built_and_the_next_one_is(known: Any) -> None:
    first = known.item(MAIN).commit
    skipped = known.commit()
    known.repo.messages[skipped] = "Mend a typo [skip ci]\n\nMore"
    known.look(known.push(MAIN, skipped))
    known.quiet()
    assert known.built(MAIN) == [first]
    assert known.forge.latest(skipped) == {}
    last = known.commit()
    known.look(known.push(MAIN, last))
    known.quiet()
    assert known.built(MAIN) == [first, last]
    assert known.shelf.places == {}


SAYS = "the commit says [skip ci]"


@pytest.mark.parametrize(
    ("message", "told", "asked", "built"),
    [
        pytest.param("[skip ci]", SAYS, 0, False, id="told-to-skip"),
        pytest.param("Mend", "", 0, True, id="told-not-to"),
        pytest.param("[skip ci]", None, 1, False, id="untold"),
    ],
)
def test_F43c_what_a_push_told_of_its_commits_message_is_not_asked_for(
    known: Any, message: str, told: str | None, asked: int, built: bool
) -> None:
    sha = known.commit()
    known.repo.messages[sha] = message
    look = replace(known.push(MAIN, sha), skips=told)
    assert calls(known, lambda: known.look(look)).count("github.commit") == asked
    assert (known.item(MAIN).commit == sha) is built


@pytest.mark.parametrize("told", ["", SAYS], ids=["told-not-to", "told-to"])
def test_F43c_what_a_push_told_says_nothing_of_the_commit_that_the_ref_is_at_by_now(known: Any, told: str) -> None:
    look = replace(known.push(MAIN, known.commit()), skips=told)
    sha = known.commit()
    known.repo.messages[sha] = "" if told else "[skip ci]"
    known.repo.refs[MAIN] = sha
    known.look(look)
    assert (known.item(MAIN).commit == sha) is bool(told)


@pytest.mark.parametrize("ref", ["refs/heads/docs-NOBUILD", "refs/heads/plain"], ids=["NOBUILD", "no-template"])
def test_F43c_a_ref_that_wishes_nothing_is_parked_and_costs_the_sweep_nothing(known: Any, ref: str) -> None:
    sha = known.commit({"README.md": b""})
    known.look(known.push(ref, sha))
    known.swept(2)
    assert known.shelf.places[known.id(ref)].object == sha
    assert "github.tip" not in calls(known, known.swept)
    known.remove(ref)
    known.swept()
    assert known.shelf.places == {}
    assert known.cloud.kept.keys() == {"site-staging"}


def test_F43c_a_repository_has_only_so_many_environments(make: Any) -> None:
    world = make(limit=2)
    shas = [world.live(f"refs/heads/b{number}") for number in range(2)]
    capped = world.commit()
    world.look(world.push("refs/heads/b2", capped))
    world.swept(3)
    assert "2 environments, as many as it may" in world.prep(capped)
    assert len(world.cloud.kept) == 2
    world.look(world.remove("refs/heads/b0"))
    world.finish("refs/heads/b0")
    world.swept(2)
    assert len(world.cloud.kept) == 1
    world.live("refs/heads/b2")
    world.live(MAIN)
    assert len(world.cloud.kept) == 3
    assert {name for kind, name in world.shelf.holders if kind == "slot"} == {"42/0", "42/1"}
    assert shas


def test_F43c_a_slot_that_a_killed_look_left_behind_is_taken_over(make: Any) -> None:
    world = make(limit=1)
    world.shelf.holders["slot", "42/0"] = EnvironmentId(42, Stage.DEVELOPMENT, "never-made")
    world.live(HELLO)
    assert world.item(HELLO).slot == "42/0"


# --- idle environments


def test_F43c_an_idle_environment_is_announced_then_removed_and_a_push_revives_it(make: Any) -> None:
    world = make(idle_days=3)
    world.live(MAIN)
    sha = world.live(HELLO)
    world.quiet()
    world.now = world.item(HELLO).touched + 2 * DAY - 400_000
    world.swept()
    assert [notice for notice in world.shelf.notices if isinstance(notice, Announcement)] == []
    world.swept(2)
    [said] = [notice for notice in world.shelf.notices if isinstance(notice, Announcement)]
    assert (said.environment, said.text) == (
        str(world.id(HELLO)),
        "nothing happened here for 2 days: removed in a day; a push keeps it",
    )
    assert "removed in a day" in world.prep(sha)
    world.now += DAY
    world.quiet()
    assert world.item(HELLO) is None
    assert list(world.cloud.kept) == ["site-staging"]
    world.quiet()
    assert list(world.cloud.kept) == ["site-staging"]
    world.live(HELLO)
    world.quiet()
    assert world.item(HELLO)


@pytest.mark.parametrize("before", [False, True], ids=["never-built", "built-before"])
def test_F43c_an_idle_branch_that_cannot_be_deployed_is_removed_too(make: Any, *, before: bool) -> None:
    world = make(idle_days=3)
    if before:
        world.live(HELLO)
    sha = world.commit({"deploy/pipeline.json": b"{"})
    world.look(world.push(HELLO, sha))
    world.quiet()
    reason = world.prep(sha)
    assert reason.startswith("failure: feature/hello: deploy/pipeline.json")
    world.shelf.notices.clear()
    world.now = world.item(HELLO).touched + 2 * DAY
    world.swept(3)
    [said] = [notice for notice in world.shelf.notices if isinstance(notice, Announcement)]
    assert said.environment == str(world.id(HELLO))
    assert world.prep(sha).startswith(f"failure: feature/hello: {said.text} (deploy/pipeline.json")
    world.now += DAY
    world.quiet()
    assert world.item(HELLO) is None
    assert world.cloud.kept == {}


@pytest.mark.parametrize(
    ("failing", "state"),
    [
        pytest.param("Role (AWS::IAM::Role): no", CommitState.FAILURE, id="F43c-a-failure-stays-one"),
        pytest.param("", CommitState.SUCCESS, id="F43c-a-success-stays-one"),
    ],
)
def test_an_announcement_changes_nothing_of_how_the_preparation_stands(
    make: Any, failing: str, state: CommitState
) -> None:
    world = make(idle_days=3)
    sha = world.commit()
    world.look(world.push(HELLO, sha))
    world.finish(HELLO, failing)
    world.quiet()
    said = world.item(HELLO).said
    world.now = world.item(HELLO).touched + 2 * DAY
    world.swept(3)
    status = world.forge.latest(sha)["build/0-prep"]
    assert status.state is state
    assert "removed in a day" in status.description
    assert (said[:30] if failing else "") in status.description
    assert world.item(HELLO).said == said
    # Should the status be lost, it is the preparation's end that is said again.
    world.forge.statuses.clear()
    world.builder.memory.save(replace(world.item(HELLO), settled=False))
    world.swept(2)
    assert world.prep(sha) == f"{state}: feature/hello: {said}"


def test_F43c_an_idle_environment_of_an_archived_repository_is_removed_though_nothing_can_be_said(make: Any) -> None:
    world = make(idle_days=3)
    world.live(HELLO)
    world.quiet()
    world.repo.archived, before = True, len(world.forge.statuses)
    world.now += 2 * DAY
    world.swept(2)
    assert [type(notice) for notice in world.shelf.notices].count(Announcement) == 1
    world.now += DAY
    world.quiet()
    assert (world.item(HELLO), world.cloud.kept) == (None, {})
    assert len(world.forge.statuses) == before


@pytest.mark.parametrize("by", ["push", "run"])
def test_activity_keeps_an_idle_environment(make: Any, by: str) -> None:
    world = make(idle_days=3)
    sha = world.live(HELLO)
    world.quiet()
    world.now += 2 * DAY
    world.swept(2)
    if by == "push":
        world.look(world.pushed(HELLO, sha))
    else:
        world.cloud.start(world.item(HELLO).stack, None, "", "")
        world.run_to(HELLO)
    world.now += DAY
    world.swept(3)
    assert world.item(HELLO)
    assert len([notice for notice in world.shelf.notices if isinstance(notice, Announcement)]) == 1


def test_an_environment_that_is_being_removed_as_idle_is_revived_by_a_push(make: Any) -> None:
    world = make(idle_days=3)
    sha = world.live(HELLO)
    world.quiet()
    world.now += 3 * DAY
    world.swept()
    world.now += DAY
    world.swept()
    assert world.stack(HELLO).status == "DELETE_IN_PROGRESS"
    world.look(world.push(HELLO, sha))
    world.quiet()
    assert world.item(HELLO).present
    assert world.built(HELLO) == [sha]


# --- by hand


def test_a_redeploy_that_is_asked_for_is_built_once(known: Any) -> None:
    sha = known.item(MAIN).commit
    look = Look(str(known.id(MAIN)), known.repo.name, "by hand", MAIN, request="one")
    known.look(look)
    known.look(look)
    known.quiet()
    known.look(look)
    assert known.built(MAIN) == [sha, sha]
    known.look(replace(look, request="two"))
    known.quiet()
    assert known.built(MAIN) == [sha, sha, sha]


def test_F38_an_older_version_goes_to_production_when_it_is_asked_for_by_hand(known: Any) -> None:
    one, two = known.live(TAG), known.live("refs/tags/v1.1.0")
    known.quiet()
    known.look(Look(str(known.id(TAG)), known.repo.name, "by hand", TAG, request="back"))
    known.quiet()
    assert known.built(TAG) == [one, two, one]
    for ref, sha in ((TAG, one), ("refs/tags/v1.1.0", two)):
        known.look(known.pushed(ref, sha))
    known.quiet()
    assert known.built(TAG) == [one, two, one]
    assert "v1.1.0 was in production" in known.prep(two, "production/0-prep")
    three = known.live("refs/tags/v1.2.0")
    assert known.built(TAG)[-1] == three


def test_F38_a_moved_tag_goes_to_production_when_it_is_asked_for_by_hand(known: Any) -> None:
    one, two = known.live(TAG), known.commit()
    known.push(TAG, two)
    known.quiet()
    assert known.built(TAG) == [one]
    known.look(Look(str(known.id(TAG)), known.repo.name, "by hand", TAG, request="moved"))
    known.quiet()
    assert known.built(TAG) == [one, two]


# --- how repositories become known


def test_a_configured_repository_is_known_without_a_webhook_and_its_refs_are_left_alone(make: Any) -> None:
    world = make(configured=("acme/site", "acme/other"))
    old = world.commit()
    world.push(MAIN, old)
    world.swept(2)
    assert world.cloud.kept == {}
    lost = world.commit()
    world.push(MAIN, lost)
    world.quiet()
    assert world.built(MAIN) == [lost]


def test_F43b_refs_that_were_there_before_are_not_built_by_the_sweep(world: Any) -> None:
    world.push("refs/heads/old", world.commit())
    world.live(MAIN)
    world.quiet()
    assert list(world.cloud.kept) == ["site-staging"]


def test_F41_a_renamed_repository_keeps_its_environments(known: Any) -> None:
    known.forge.rename("acme/site", "acme", "page")
    sha = known.commit()
    known.push(MAIN, sha)
    known.quiet()
    assert known.built(MAIN)[-1] == sha
    assert known.shelf.known[42].repository == RepositoryName(42, "acme", "page")
    assert known.item(MAIN).stack == "site-staging"


def test_F39_another_default_branch_takes_staging_and_gives_up_its_development_environment(known: Any) -> None:
    sha = known.live("refs/heads/trunk")
    known.quiet()
    known.repo.default_branch = "trunk"
    known.quiet()
    staging = known.shelf.items[EnvironmentId(42, Stage.STAGING)]
    assert (staging.ref, staging.commit) == ("refs/heads/trunk", sha)
    assert EnvironmentId(42, Stage.DEVELOPMENT, "trunk") not in known.shelf.items
    assert EnvironmentId(42, Stage.DEVELOPMENT, "main") in known.shelf.items


# --- stacks


def test_a_stack_that_somebody_deleted_comes_back(known: Any) -> None:
    del known.cloud.kept["site-staging"]
    del known.cloud.executions["site-staging"]
    known.quiet()
    assert known.stack(MAIN).status == "CREATE_COMPLETE"
    assert known.built(MAIN) == [known.item(MAIN).commit]


def test_a_removal_that_failed_is_tried_again_each_day(known: Any) -> None:
    known.live(HELLO)
    known.look(known.remove(HELLO))
    for _ in range(3):
        known.finish(HELLO, "Bucket (AWS::S3::Bucket): not empty")
    known.swept(3)
    assert (known.item(HELLO).outcome, known.item(HELLO).settled) == (Outcome.FAILURE, True)
    known.now += DAY
    known.swept()
    assert known.stack(HELLO).status == "DELETE_IN_PROGRESS"
    known.finish(HELLO)
    assert known.item(HELLO) is None


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("Stack [s] cannot be deleted while TerminationProtection is enabled", id="F51-protected"),
        pytest.param("Role arn:role/s is invalid or cannot be assumed", id="F56-its-service-role-is-gone"),
    ],
)
def test_a_removal_that_is_refused_says_so_once_and_is_tried_again_each_day(known: Any, reason: str) -> None:
    sha = known.live(HELLO)
    known.quiet()
    known.cloud.refusing = reason
    known.look(known.remove(HELLO))
    said = len(known.forge.statuses)
    assert known.prep(sha) == f"failure: feature/hello: {reason}"
    known.swept(50)
    assert len(known.forge.statuses) == said
    assert known.item(HELLO).settled
    assert "cloudformation.delete" not in calls(known, lambda: known.swept(50))
    known.now += DAY
    assert calls(known, lambda: known.swept(50)).count("cloudformation.delete") == 1
    known.cloud.refusing = ""
    known.now += DAY
    with pytest.raises(Transient, match="look again"):  # whether it was the first to be accepted, nobody can tell
        known.swept()
    assert known.stack(HELLO).status == "DELETE_IN_PROGRESS"
    known.finish(HELLO)
    assert known.item(HELLO) is None


def test_F44_a_run_whose_start_was_held_up_is_not_started_twice(known: Any) -> None:
    """Somebody noted that it starts the run, and has been held up since."""
    sha = known.commit()
    look = known.push(MAIN, sha)
    known.look(look)
    runs = known.cloud.executions["site-staging"]
    known.cloud.executions["site-staging"] = [run for run in runs if run.state is RunState.SUCCEEDED]
    with pytest.raises(Exception, match="is being started"):
        known.look(look)
    known.now += 300_000
    known.look(look)
    assert len(known.cloud.executions["site-staging"]) == len(runs)


# --- what a sweep can't see


def foreign(world: Any, name: str, **tags: str) -> None:
    """A stack that somebody else made."""
    kept = next(iter(world.cloud.kept.values()))
    stack = replace(kept.stack, id=f"{kept.stack.id}-{name}", name=name, tags=tags)
    world.cloud.kept[name] = replace(kept, stack=stack)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="no-tags"),
        pytest.param({OWNER_TAG: "42/production", INSTALLATION_TAG: "opolis-deployer-test"}, id="another-installation"),
        pytest.param({OWNER_TAG: "site", INSTALLATION_TAG: PREFIX}, id="no-environment"),
        pytest.param({OWNER_TAG: "43/staging", INSTALLATION_TAG: PREFIX}, id="a-repository-without-a-name"),
    ],
)
def test_stacks_that_name_no_environment_of_ours_are_left_alone(known: Any, tags: dict[str, str]) -> None:
    foreign(known, "theirs", **tags)
    kept = known.cloud.kept["theirs"]
    known.quiet()
    assert known.cloud.kept["theirs"] == kept
    assert set(known.shelf.known) == {42}


class Stacks:
    """Answers with so many stacks, or with an error."""

    def __init__(self, number: int = 0, error: Exception | None = None) -> None:
        self.number, self.error = number, error

    def every(self) -> Any:
        if self.error:
            raise self.error
        tags = {OWNER_TAG: "42/staging", INSTALLATION_TAG: PREFIX}
        return (Stack(f"arn-{number}", f"site-{number:030}", "CREATE_COMPLETE", tags) for number in range(self.number))


@pytest.mark.parametrize(
    ("stacks", "said"),
    [
        pytest.param(Stacks(error=Transient("throttled")), "the stacks can't be listed now", id="F46-throttled"),
        pytest.param(Stacks(3000), "too many stacks to be compared", id="more-than-a-message-takes"),
    ],
)
def test_refs_are_compared_also_where_stacks_cannot_be(known: Any, log: Any, stacks: Stacks, said: str) -> None:
    known.builder = replace(known.builder, sweeper=replace(known.builder.sweeper, stacks=stacks))
    lost = known.commit()
    known.push(MAIN, lost)
    known.swept()
    assert said in [line["message"] for line in log()]
    assert known.item(MAIN).commit == lost


LONG = "refs/heads/" + "ü" * 200


def test_F24_a_branch_whose_tag_holds_a_hash_is_found_among_the_refs(known: Any) -> None:
    known.live(LONG)
    known.quiet()
    lose(known)
    known.quiet()
    assert known.item(LONG).settled


def test_F24_a_stack_of_which_nobody_knows_the_ref_is_a_persons_business(known: Any, log: Any) -> None:
    known.live(LONG)
    known.quiet()
    lose(known)
    known.remove(LONG)
    known.swept()
    assert len(known.cloud.kept) == 2
    assert any(
        "nobody knows what ref" in str(line.get("reason")) for line in log() if line["message"] == "sweep stopped"
    )


def test_F24_a_release_whose_source_is_gone_too_is_a_persons_business(known: Any, log: Any) -> None:
    first = known.live(TAG)
    known.quiet()
    lose(known)
    known.shelf.objects.clear()
    known.swept(2)
    assert known.shelf.items.keys() == {known.id(MAIN)}
    assert "sweep stopped" in [line["message"] for line in log()]
    known.look(known.pushed(TAG, first))
    assert known.item(TAG).commit == first


def test_F24_a_tag_of_a_tree_among_the_releases_is_passed_over(known: Any) -> None:
    known.live(TAG)
    known.quiet()
    lose(known)
    known.repo.refs["refs/tags/v2.0.0"] = "f" * 40
    known.repo.tags["f" * 40] = None
    known.quiet()
    assert known.item(TAG).ref == TAG


def test_F24_an_environment_at_a_commit_before_one_that_is_not_built_is_rebuilt_there(known: Any) -> None:
    first = known.item(MAIN).commit
    skipped = known.commit()
    known.repo.messages[skipped] = "[skip ci]"
    known.push(MAIN, skipped)
    known.quiet()
    lose(known)
    known.quiet()
    assert (known.item(MAIN).commit, known.built(MAIN)) == (first, [first])


def test_F24_a_branch_that_is_gone_and_forgotten_is_removed_in_the_end(known: Any) -> None:
    known.live(HELLO)
    known.quiet()
    lose(known)
    look = known.remove(HELLO)
    known.look(look)
    for _ in range(3):
        known.finish(HELLO, "Bucket (AWS::S3::Bucket): not empty")
    known.swept(2)
    assert (known.item(HELLO).commit, known.item(HELLO).settled) == ("", True)


def test_a_commit_that_a_force_push_took_away_is_looked_for_by_the_next_look(known: Any) -> None:
    gone = "e" * 40
    known.push(MAIN, gone)
    with pytest.raises(KeyError):  # the twin's: GitHub has no such tree
        known.swept()


def test_an_environment_is_not_at_rest_while_its_stack_is_busy(known: Any) -> None:
    known.look(known.push(MAIN, known.commit({"deploy/pipeline.json": known.template("b")})))
    known.look(Look(str(known.id(MAIN)), known.repo.name, "sweep: make sure"))
    assert not known.item(MAIN).settled


def test_a_branch_whose_stack_was_never_made_goes_with_nothing_to_clear(known: Any) -> None:
    known.look(known.push(HELLO, known.commit()))
    known.finish(HELLO, "Role (AWS::IAM::Role): no")
    known.look(known.remove(HELLO))
    assert not [call for call in known.tape.calls if call.startswith("leftovers.")]
    known.finish(HELLO)
    assert known.item(HELLO) is None


# --- names and lists that change


def test_F41_a_renamed_repository_whose_old_name_another_one_took_is_followed(known: Any) -> None:
    known.forge.rename("acme/site", "acme", "site-legacy")
    known.forge.add(RepositoryName(77, "acme", "site"))
    sha = known.commit()
    known.look(replace(known.push(MAIN, sha), repository=known.repo.name))
    known.quiet()
    assert known.built(MAIN)[-1] == sha
    later = known.commit()
    known.push(MAIN, later)
    known.quiet()
    assert known.built(MAIN)[-1] == later


def test_F24_F41_a_renamed_repositorys_stacks_are_found_where_the_table_is_lost(known: Any) -> None:
    built = known.built(MAIN)
    lose(known)
    known.forge.rename("acme/site", "acme", "shop")
    known.quiet()
    assert list(known.cloud.kept) == ["site-staging"]
    assert (known.item(MAIN).stack, known.built(MAIN)) == ("site-staging", built)


def taken_off_the_list(world: Any) -> None:
    admission = replace(world.installation.admission, repositories=("acme/other",))
    installation = replace(world.installation, admission=admission)
    observer = world.builder.observer
    observer = replace(observer, wishes=replace(observer.wishes, installation=installation))
    sweeper = replace(world.builder.sweeper, installation=installation)
    world.builder = replace(world.builder, observer=observer, sweeper=sweeper)


def test_F17_a_repository_that_is_taken_off_the_allow_list_is_left_as_it_is(known: Any) -> None:
    taken_off_the_list(known)
    before = known.item(MAIN)
    look = known.push(MAIN, known.commit())
    known.quiet()
    known.look(look)
    assert known.item(MAIN) == before
    assert "sqs.sweep" not in calls(known, known.swept)
    known.builder.sweep(Sweep(replace(known.repo.name, id=0)))
    assert known.shelf.looks == []


def test_F17_a_nested_stacks_tags_make_no_repository_known(known: Any) -> None:
    """A branch's template says which tags a stack carries that is nested in its own."""
    evil = known.forge.add(RepositoryName(777, "evil", "app"))
    evil.refs[MAIN] = known.commit()
    tags = {OWNER_TAG: "777/staging", INSTALLATION_TAG: PREFIX, "opolis:deployer:repository": "evil/app"}
    foreign(known, "site-feature-nested", **tags)
    kept = known.cloud.kept["site-feature-nested"]
    known.cloud.kept["site-feature-nested"] = replace(kept, stack=replace(kept.stack, parent="arn-of-a-branchs-stack"))
    known.swept(2)
    assert set(known.shelf.known) == {42}


# --- releases that sleep


@pytest.mark.parametrize("asleep", ["tree", "baseline"])
def test_F26_a_release_below_one_that_sleeps_is_found(known: Any, asleep: str) -> None:
    known.live(TAG)
    known.quiet()
    known.repo.refs["refs/tags/v2017.1.1"] = "f" * 40
    if asleep == "tree":
        known.repo.tags["f" * 40] = None
    else:
        kept = known.shelf.known[42]
        known.shelf.known[42] = replace(kept, parked=frozenset({mark("refs/tags/v2017.1.1", "f" * 40)}))
    lost = known.commit()
    known.push("refs/tags/v1.0.1", lost)
    known.quiet()
    assert known.built(TAG)[-1] == lost
    assert [call for call in calls(known, known.swept) if call.startswith("github.")] == ["github.refs"]


def test_a_sweeps_look_that_fails_for_long_is_left_to_the_next(known: Any) -> None:
    look = Look(str(known.id(MAIN)), known.repo.name, "sweep: nobody has seen it at rest")
    known.forge.repos.clear()

    def received(times: int, age: int, look: Look = look) -> bool:
        """Whether anything was asked."""
        attributes = {"ApproximateReceiveCount": str(times), "SentTimestamp": str(known.now - age)}
        return bool(calls(known, lambda: receive(known.builder, {"body": look.to_json(), "attributes": attributes})))

    assert received(1, 3_600_000)
    assert received(2, 599_000)
    assert not received(2, 601_000)
    assert received(2, 3_600_000, replace(look, reason="push"))


TICK = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "id": "89d1a02d-5ec7", "detail": {}})


@pytest.mark.parametrize(
    ("age", "swept"),
    [pytest.param(599_000, True, id="just-now"), pytest.param(601_000, False, id="long-ago")],
)
def test_ticks_that_piled_up_while_nobody_listened_are_left_to_the_next(known: Any, age: int, *, swept: bool) -> None:
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(known.now - age)}
    asked = calls(known, lambda: receive(known.builder, {"body": TICK, "attributes": attributes}))
    assert bool(asked) is swept
