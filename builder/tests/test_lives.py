"""Lives of environments, with everything but the builder in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployer.consoles import events_url
from deployer.errors import Transient
from deployer.events import Look, RunChange, StackChange
from deployer.notices import Announcement, Removal, RunNotice
from deployer.ports import Outcome, Stack, StackRequest
from deployer.states import RunState

MAIN, HELLO, OTHER, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/heads/other", "refs/tags/v1.0.0"
REPOSITORY_ID = 42


def pipeline(title: str) -> dict[str, bytes]:
    declared = {"SourceKey": {"Type": "String"}}
    body = {"Description": title, "Parameters": declared, "Resources": {"P": {"Type": "AWS::SNS::Topic"}}}
    return {"deploy/pipeline.json": json.dumps(body).encode()}


def operations(world: Any) -> list[str]:
    return [f"{operation} {name}" for operation, name, _ in world.cloud.operations]


def test_a_push_creates_a_stack_and_its_first_run_is_not_doubled(world: Any) -> None:
    sha = world.live(MAIN)
    assert operations(world) == ["create site-staging"]
    assert world.built(MAIN) == [sha]
    assert world.prep(sha) == "success: staging: prepared"


def test_the_status_goes_to_the_commit_that_is_built(world: Any) -> None:
    first, second = world.live(MAIN), world.live(MAIN)
    assert {status.sha for status in world.forge.statuses} == {first, second}
    assert world.built(MAIN) == [first, second]


def test_an_unchanged_template_goes_straight_to_the_run(world: Any) -> None:
    first = world.live(MAIN)
    second = world.commit()
    world.look(world.push(MAIN, second))
    assert operations(world) == ["create site-staging"]
    assert world.built(MAIN) == [first, second]


@pytest.mark.parametrize("reason", ["push 72d3162e", "push another-id"], ids=["F14-redelivered", "F12-another-id"])
def test_the_same_push_again_does_nothing_more(world: Any, reason: str) -> None:
    def again() -> None:
        before = (operations(world), world.built(HELLO), len(world.forge.statuses), len(world.cloud.executions))
        for _ in range(2):
            world.look(replace(pushed, reason=reason))
        after = (operations(world), world.built(HELLO), len(world.forge.statuses), len(world.cloud.executions))
        assert after == before

    pushed = replace(world.push(HELLO, world.commit()), reason="push 72d3162e")
    world.look(pushed)
    again()
    world.finish(HELLO)
    again()
    world.run_to(HELLO)
    again()
    assert len(world.built(HELLO)) == 1
    world.look(world.remove(HELLO))
    again()
    world.finish(HELLO)
    again()
    assert world.item(HELLO) is None


def test_a_commit_pushed_back_to_is_built_again(world: Any) -> None:
    first, second = world.live(MAIN), world.live(MAIN)
    world.live(MAIN, first)
    assert world.built(MAIN) == [first, second, first]


def test_development_stops_the_run_before_the_stack_is_changed(world: Any) -> None:
    world.live(HELLO)
    again = world.commit()
    world.look(world.push(HELLO, again))
    world.cloud.read(world.item(HELLO).stack)
    changed = world.commit(pipeline("changed"))
    world.look(world.push(HELLO, changed))
    [run] = [run for run in world.cloud.executions[world.item(HELLO).stack] if run.state.active]
    assert run.state is RunState.STOPPING
    assert len(world.cloud.operations) == 1
    world.run_to(HELLO)
    assert operations(world)[-1].startswith("update ")
    world.finish(HELLO)
    world.run_to(HELLO)
    assert world.built(HELLO)[-1] == changed


@pytest.mark.parametrize("ref", [MAIN, TAG])
def test_staging_and_production_wait_for_the_end_of_the_run(world: Any, ref: str) -> None:
    world.live(ref)
    ref = {TAG: "refs/tags/v1.0.1"}.get(ref, ref)
    again = world.commit()
    world.look(world.push(ref, again))
    world.cloud.read(world.item(ref).stack)
    newest = {MAIN: MAIN}.get(ref, "refs/tags/v1.0.2")
    changed = world.commit(pipeline("changed"))
    world.look(world.push(newest, changed))
    assert all(run.state is not RunState.STOPPING for run in world.cloud.executions[world.item(ref).stack])
    assert len(world.cloud.operations) == 1
    world.run_to(ref)
    assert len(world.cloud.operations) == 2
    world.finish(newest)
    world.run_to(newest)
    assert world.built(newest)[-1] == changed


def test_F27_a_push_during_an_update_is_applied_after_it(world: Any) -> None:
    world.live(MAIN)
    world.look(world.push(MAIN, world.commit(pipeline("two"))))
    third = world.commit(pipeline("three"))
    world.look(world.push(MAIN, third))
    assert len(world.cloud.operations) == 2
    world.finish(MAIN)
    assert len(world.cloud.operations) == 3
    world.finish(MAIN)
    world.run_to(MAIN)
    assert world.built(MAIN)[-1] == third
    assert world.prep(third).startswith("success")


def test_F28_a_push_while_the_stack_is_deleted_brings_it_back(world: Any) -> None:
    world.live(HELLO)
    world.look(world.remove(HELLO))
    assert world.stack(HELLO).status == "DELETE_IN_PROGRESS"
    sha = world.commit()
    world.look(world.push(HELLO, sha))
    world.finish(HELLO)
    world.finish(HELLO)
    world.run_to(HELLO)
    assert world.built(HELLO) == [sha]


def test_F28_a_branch_deleted_while_its_stack_is_created_goes(world: Any) -> None:
    world.look(world.push(HELLO, world.commit()))
    world.look(world.remove(HELLO))
    world.finish(HELLO)
    world.run_to(HELLO)
    world.finish(HELLO)
    assert world.item(HELLO) is None
    assert world.cloud.kept == {}


def test_a_deleted_branch_leaves_nothing(world: Any) -> None:
    world.live(HELLO)
    assert world.cloud.artifacts
    assert world.cloud.logs
    world.look(world.remove(HELLO))
    world.finish(HELLO)
    assert world.item(HELLO) is None
    assert world.cloud.kept == {}
    assert world.cloud.artifacts == {}
    assert world.cloud.logs == set()
    assert world.shelf.objects == {}
    assert {kind for kind, _ in world.shelf.holders} <= {"commit"}


def test_a_log_that_is_the_stacks_own_is_left_to_the_stack(world: Any) -> None:
    """Until then the branch may come back, and its builds find the log that their template gave them."""
    world.cloud.logged = True
    world.live(HELLO)
    logs = set(world.cloud.logs)
    world.look(world.remove(HELLO))
    assert world.cloud.logs == logs
    world.finish(HELLO)
    assert world.cloud.logs == set()


def test_a_run_is_stopped_before_its_environment_is_removed(world: Any) -> None:
    world.live(HELLO)
    world.look(world.push(HELLO, world.commit()))
    world.look(world.remove(HELLO))
    assert operations(world)[-1].startswith("create ")
    world.run_to(HELLO)
    assert operations(world)[-1].startswith("delete ")


def test_a_recreated_branch_is_built_again_under_a_generation_never_used(world: Any) -> None:
    sha = world.live(HELLO)
    before = world.item(HELLO).generation
    world.look(world.remove(HELLO))
    world.finish(HELLO)
    world.live(HELLO, sha)
    assert world.built(HELLO) == [sha]
    assert world.item(HELLO).generation > before


@pytest.mark.parametrize("ref", [MAIN, TAG], ids=["F32-staging", "F36-production"])
def test_the_end_of_its_ref_never_touches_a_reserved_environment(world: Any, ref: str) -> None:
    world.live(ref)
    before = (operations(world), world.stack(ref), world.item(ref))
    world.look(world.remove(ref))
    assert (operations(world), world.stack(ref), world.item(ref)) == before


def test_F42_nothing_is_deleted_while_the_repository_cannot_be_read(world: Any) -> None:
    world.live(HELLO)
    before = (world.item(HELLO), world.stack(HELLO), dict(world.shelf.objects), dict(world.shelf.holders))
    look = world.remove(HELLO)
    world.repo.readable = False
    world.look(look)
    assert (world.item(HELLO), world.stack(HELLO), world.shelf.objects, world.shelf.holders) == before


def test_F13_a_replayed_deletion_deletes_nothing_while_the_branch_is_there(world: Any) -> None:
    world.live(HELLO)
    world.look(Look(str(world.id(HELLO)), world.repo.name, "push", HELLO))
    assert operations(world)[-1].startswith("create ")


def test_the_wish_is_what_github_says_whatever_the_look_says(world: Any) -> None:
    sha = world.live(MAIN)
    forged = world.commit()
    world.look(world.pushed(MAIN, forged))
    assert world.item(MAIN).commit == sha
    assert world.built(MAIN) == [sha]


def test_F31_branches_called_like_stages_are_ordinary(world: Any) -> None:
    for branch in ("staging", "production"):
        world.live(f"refs/heads/{branch}")
    names = {name for _, name, _ in world.cloud.operations}
    assert not names & {"site-staging", "site-production"}
    for branch in ("staging", "production"):
        world.look(world.remove(f"refs/heads/{branch}"))
        name = next(name for name in names if f"-{branch[:5]}" in name)
        assert world.cloud.kept[name].stack.status == "DELETE_IN_PROGRESS"


def test_F40_a_branch_with_an_emoji_says_how_it_stands_on_a_commit_of_another_branch(world: Any) -> None:
    sha = world.live(MAIN)
    world.look(world.push("refs/heads/feature/🚀", sha))
    assert world.prep(sha, "feature/[U+1F680]/build/0-prep") == "pending: feature/�: preparing the pipeline"


def test_F39_the_default_branch_is_what_github_says(world: Any) -> None:
    world.live(HELLO)
    world.live(MAIN)
    world.repo.default_branch = "feature/hello"
    world.look(Look("42/refs/heads/feature/hello", world.repo.name, "push", HELLO))
    assert operations(world)[-1].startswith("delete site-feature-hello")
    world.look(Look("42/staging", world.repo.name, "push", HELLO))
    assert world.item(HELLO).commit == world.repo.refs[HELLO]


def test_F37_an_annotated_tag_builds_the_commit_it_names(world: Any) -> None:
    sha = world.commit()
    world.repo.tags["t" * 40] = sha
    world.repo.refs[TAG] = "t" * 40
    world.look(world.pushed(TAG, "t" * 40))
    world.finish(TAG)
    world.run_to(TAG)
    assert world.built(TAG) == [sha]
    assert world.prep(sha, "production/0-prep") == "success: production v1.0.0: prepared"


def test_F37_a_tag_of_a_tree_is_refused(world: Any) -> None:
    world.repo.tags["t" * 40] = None
    world.repo.refs[TAG] = "t" * 40
    world.look(world.pushed(TAG, "t" * 40))
    assert world.cloud.operations == []
    assert world.forge.statuses == []


def test_an_older_version_after_a_newer_one_is_refused(world: Any) -> None:
    newer = world.live("refs/tags/v2.0.0")
    older = world.commit()
    world.look(world.push("refs/tags/v1.9.9", older))
    assert world.built("refs/tags/v2.0.0") == [newer]
    assert world.prep(older, "production/0-prep").startswith("failure: production v1.9.9: v1.9.9 is older than v2.0.0")


def test_a_moved_tag_is_refused(world: Any) -> None:
    sha = world.live(TAG)
    other = world.commit()
    world.look(world.push(TAG, other))
    assert world.built(TAG) == [sha]
    assert world.prep(other, "production/0-prep").startswith("failure: production v1.0.0: v1.0.0 was moved")


def test_F43b_the_first_webhook_builds_its_own_ref_and_leaves_the_others_alone(world: Any) -> None:
    world.repo.refs = {OTHER: world.commit(), "refs/tags/v0.9.0": world.commit(), MAIN: world.commit()}
    sha = world.commit()
    world.look(world.push(HELLO, sha))
    for ref in (OTHER, "refs/tags/v0.9.0", MAIN):
        world.look(Look(str(world.id(ref)), world.repo.name, "sweep", ref))
    assert [name for _, name, _ in world.cloud.operations] == [world.item(HELLO).stack]


def test_F43b_a_parked_ref_wakes_when_it_is_pushed_or_moves(world: Any) -> None:
    parked = world.commit()
    world.repo.refs = {OTHER: parked, "refs/heads/third": world.commit()}
    world.look(world.push(HELLO, world.commit()))
    world.look(world.pushed(OTHER, parked))
    assert world.item(OTHER).commit == parked
    moved = world.commit()
    world.repo.refs["refs/heads/third"] = moved
    world.look(Look("42/refs/heads/third", world.repo.name, "sweep", "refs/heads/third"))
    assert world.item("refs/heads/third").commit == moved


def test_F43b_a_push_from_before_the_parking_wakes_nothing(world: Any) -> None:
    parked = world.commit()
    world.repo.refs = {OTHER: parked}
    old = world.pushed(OTHER, parked)
    world.look(world.push(HELLO, world.commit()))
    world.look(old)
    assert world.item(OTHER) is None


def test_a_ref_without_a_template_wishes_nothing(world: Any) -> None:
    sha = world.commit({"README.md": b"hello"})
    world.look(world.push(HELLO, sha))
    assert world.item(HELLO) is None
    assert world.forge.statuses == []


def test_a_template_that_a_later_commit_lacks_is_said_and_the_environment_stays(world: Any) -> None:
    first = world.live(MAIN)
    sha = world.commit({"README.md": b"hello"})
    world.look(world.push(MAIN, sha))
    assert world.prep(sha) == "failure: staging: deploy/pipeline.json is missing"
    assert operations(world) == ["create site-staging"]
    assert world.built(MAIN) == [first]


@pytest.mark.parametrize(
    ("environment", "ref"),
    [
        pytest.param("42/staging", MAIN, id="F32-a-default-branch-that-is-not-there"),
        pytest.param("42/production", "refs/tags/nightly", id="F35-no-release"),
        pytest.param("42/production", "", id="no-ref-at-all"),
    ],
)
def test_a_reserved_environment_that_never_was_is_not_made_of_nothing(world: Any, environment: str, ref: str) -> None:
    world.repo.refs = {HELLO: world.commit(), "refs/tags/nightly": world.commit()}
    world.look(Look(environment, world.repo.name, "push", ref, world.repo.refs.get(ref, ""), world.now))
    assert (world.cloud.operations, world.shelf.items, world.forge.statuses) == ([], {}, [])


@pytest.mark.parametrize("kind", ["symlink", "submodule", "dir"])
def test_F22_a_template_that_is_no_file_is_said_once(world: Any, kind: str) -> None:
    world.repo.kinds["deploy/pipeline.json"] = kind
    sha = world.commit()
    for _ in range(3):
        world.look(world.push(HELLO, sha))
    assert world.prep(sha) == f"failure: feature/hello: deploy/pipeline.json is a {kind}; it must be a file"
    assert len(world.forge.statuses) == 1
    assert world.cloud.operations == []


def test_F53_a_parameter_that_the_deployer_provides_is_refused_by_name(world: Any) -> None:
    given = b'{"development": [{"ParameterKey": "SourceKey", "ParameterValue": "x"}]}'
    sha = world.commit({**pipeline("x"), "deploy/pipeline.parameters.json": given})
    world.look(world.push(HELLO, sha))
    assert "set by the deployer, not by the repository: SourceKey" in world.prep(sha)
    assert world.cloud.operations == []


def test_F54_a_long_template_goes_through_s3(world: Any) -> None:
    world.live(MAIN, world.commit(pipeline("x" * 60_000)))
    assert [len(text) > 60_000 for text in world.shelf.texts.values()] == [True]
    assert next(iter(world.cloud.kept.values())).request.template_url.startswith("https://s3/sources/")


def test_F54_a_template_over_one_megabyte_is_refused_with_its_size(world: Any) -> None:
    sha = world.commit(pipeline("x" * 1_100_000))
    world.look(world.push(MAIN, sha))
    assert "CloudFormation takes at most 1 MB" in world.prep(sha)


def foreign(world: Any, name: str, tags: dict[str, str]) -> None:
    request = StackRequest(name, "theirs", "", {}, tags, "", "their-token")
    world.cloud.create(request)
    world.cloud.finish(name)
    world.cloud.operations.clear()


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="F55-no-tags"),
        pytest.param({"opolis:deployer:environment": "42/staging"}, id="F55-of-another-installation"),
    ],
)
def test_F55_a_stack_of_that_name_that_is_not_ours_is_left_untouched(world: Any, tags: dict[str, str]) -> None:
    foreign(world, "site-staging", tags)
    sha = world.commit()
    world.look(world.push(MAIN, sha))
    assert world.cloud.operations == []
    assert "not this environment's; it was left untouched" in world.prep(sha)


def test_F55_a_stack_that_lost_its_tags_is_not_deleted_with_the_branch(world: Any) -> None:
    world.live(HELLO)
    kept = world.cloud.kept[world.item(HELLO).stack]
    kept.stack = Stack(kept.stack.id, kept.stack.name, kept.stack.status)
    world.look(world.remove(HELLO))
    assert operations(world)[-1].startswith("create ")


def test_F30_another_repository_of_the_same_name_gets_a_name_of_its_own(world: Any) -> None:
    tags = {"opolis:deployer:environment": "7/staging", "opolis:deployer:installation": "opolis-deployer-prod"}
    foreign(world, "site-staging", tags)
    world.look(world.push(MAIN, world.commit()))
    [(_, name, _)] = world.cloud.operations
    assert name != "site-staging"
    assert name.endswith("-staging")


def test_a_failed_creation_says_why_and_the_next_push_starts_over(world: Any) -> None:
    sha = world.commit()
    world.look(world.push(MAIN, sha))
    world.finish(MAIN, failing="Bucket (AWS::S3::Bucket): name taken")
    assert world.prep(sha).startswith("failure: staging: the stack could not be created: Bucket (AWS::S3::Bucket)")
    for _ in range(3):
        world.look(world.pushed(MAIN, sha))
    assert len(world.cloud.operations) == 1
    mended = world.commit()
    world.look(world.push(MAIN, mended))
    world.finish(MAIN)
    world.finish(MAIN)
    world.run_to(MAIN)
    assert operations(world) == ["create site-staging", "delete site-staging", "create site-staging"]
    assert world.built(MAIN) == [mended]


def warnings(world: Any) -> list[Announcement]:
    """What the notifier is asked to say in Slack."""
    return [notice for notice in world.shelf.notices if isinstance(notice, Announcement)]


def test_what_fails_before_a_run_begins_is_told_in_slack(world: Any) -> None:
    world.live(MAIN)
    bad = world.commit(pipeline("bad"))
    world.look(world.push(MAIN, bad))
    world.finish(MAIN, failing="Role (AWS::IAM::Role): no")
    for _ in range(2):
        world.look(world.pushed(MAIN, bad))
    item = world.item(MAIN)
    text = "the stack could not be updated: Role (AWS::IAM::Role): no"
    [told] = warnings(world)
    assert told == Announcement(
        *(str(item.id), f"site-staging {item.generation} failed", text, bad),
        at=told.at,
        url=events_url(world.stack(MAIN).id),
    )
    assert told.at >= item.source_at > 0, "a run that begins after it may mend it"


def test_that_an_environment_can_not_be_removed_is_told_and_no_run_mends_it(world: Any) -> None:
    sha = world.live(HELLO)
    look = world.remove(HELLO)
    world.look(look)
    for _ in range(3):
        world.finish(HELLO, failing="Bucket (AWS::S3::Bucket): the bucket is not empty")
    [told] = warnings(world)
    assert told.text.startswith("the environment could not be removed: Bucket")
    assert (told.commit, told.at) == (sha, 0)


def test_a_failed_update_says_why_and_the_next_push_mends_it(world: Any) -> None:
    world.live(MAIN)
    bad = world.commit(pipeline("bad"))
    world.look(world.push(MAIN, bad))
    world.finish(MAIN, failing="Role (AWS::IAM::Role): no")
    assert world.prep(bad).startswith("failure: staging: the stack could not be updated: Role")
    assert bad not in world.built(MAIN)
    mended = world.commit()
    world.look(world.push(MAIN, mended))
    assert world.built(MAIN)[-1] == mended or world.prep(mended).startswith(("pending", "success"))
    world.run_to(MAIN)
    assert world.built(MAIN)[-1] == mended
    assert world.prep(mended).startswith("success")


@pytest.mark.parametrize("ref", [MAIN, HELLO], ids=["F51-staging", "F51-development"])
def test_a_rollback_that_failed_is_taken_up_again_by_the_next_push(world: Any, ref: str) -> None:
    world.live(ref)
    world.cloud.irreversible = True
    broken = world.commit(pipeline("two"))
    world.look(world.push(ref, broken))
    assert world.finish(ref, failing="Role (AWS::IAM::Role): no") == "UPDATE_ROLLBACK_FAILED"
    state, said = world.prep(broken).split(": ", 1)
    assert (state, "Role (AWS::IAM::Role): no" in said) == ("failure", True)
    assert "push again" in said
    assert [operation for operation, *_ in world.cloud.operations] == ["create", "update"], "nothing by itself"

    mended = world.commit(pipeline("three"))
    world.look(world.push(ref, mended))
    assert world.finish(ref) == "UPDATE_ROLLBACK_COMPLETE"
    assert [operation for operation, *_ in world.cloud.operations][2:] == ["continue", "update"]
    assert world.finish(ref) == "UPDATE_COMPLETE"
    world.run_to(ref)
    assert world.built(ref)[-1] == mended
    assert world.prep(mended).startswith("success")


def test_F51_a_rollback_that_never_ends_well_is_given_up_and_a_person_is_asked(world: Any) -> None:
    world.live(MAIN)
    world.cloud.irreversible = True
    world.look(world.push(MAIN, world.commit(pipeline("two"))))
    world.finish(MAIN, failing="Role (AWS::IAM::Role): no")
    commit = world.commit(pipeline("three"))
    world.look(world.push(MAIN, commit))
    for _ in range(3):
        assert world.prep(commit).startswith("pending")
        assert world.finish(MAIN, failing="Table (AWS::DynamoDB::Table): gone") == "UPDATE_ROLLBACK_FAILED"
    assert [operation for operation, *_ in world.cloud.operations][2:] == ["continue"] * 3
    state, said = world.prep(commit).split(": ", 1)
    assert state == "failure"
    assert "repair or delete it in CloudFormation" in said
    assert "Table (AWS::DynamoDB::Table): gone" in said


@pytest.mark.parametrize("pinnable", [True, False], ids=["F60-v2", "F60-v1"])
def test_F60_each_generation_has_exactly_one_run(world: Any, *, pinnable: bool) -> None:
    world.cloud.pinnable = pinnable
    first = world.live(MAIN)
    second = world.live(MAIN)
    third = world.live(MAIN, world.commit(pipeline("other")))
    assert world.built(MAIN) == [first, second, third]


def test_F60_a_source_is_never_replaced_while_a_run_has_not_read_it(world: Any) -> None:
    world.look(world.push(MAIN, world.commit()))
    world.finish(MAIN)
    second = world.commit()
    world.look(world.push(MAIN, second))
    assert len(next(iter(world.shelf.objects.values()))) == 1
    world.run_to(MAIN)
    world.run_to(MAIN)
    assert world.built(MAIN)[-1] == second


def test_F59_a_source_that_starts_runs_by_itself_is_said_in_the_status(world: Any) -> None:
    source = {
        "Name": "GitHub",
        "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "S3", "Version": "1"},
        "Configuration": {"S3Bucket": "b", "S3ObjectKey": {"Ref": "SourceKey"}},
    }
    body = {
        "Parameters": {"SourceKey": {"Type": "String"}},
        "Resources": {
            "P": {
                "Type": "AWS::CodePipeline::Pipeline",
                "Properties": {"Stages": [{"Name": "Source", "Actions": [source]}]},
            }
        },
    }
    sha = world.live(MAIN, world.commit({"deploy/pipeline.json": json.dumps(body).encode()}))
    told = "prepared, but it starts runs by itself: P/GitHub: set PollForSourceChanges to false"
    assert world.prep(sha) == f"success: staging: {told}"
    # A commit whose run waits for that of the one before, and is told of later, with its files long read.
    second = world.commit(world.repo.commits[sha])
    [run] = world.cloud.executions["site-staging"]
    world.cloud.executions["site-staging"] = [replace(run, state=RunState.IN_PROGRESS, revisions={})]
    world.look(world.push(MAIN, second))
    assert world.prep(second).startswith("pending")
    world.run_to(MAIN)
    assert world.prep(second) == f"success: staging: {told}"
    world.run_to(MAIN)
    third = world.live(MAIN)
    assert world.prep(third) == "success: staging: prepared"


def test_asking_by_hand_before_the_stacks_end_was_seen_brings_the_template_along(world: Any) -> None:
    world.live(MAIN)
    sha = world.commit({"deploy/pipeline.json": world.template("other")})
    world.look(world.push(MAIN, sha))
    world.cloud.finish("site-staging")
    world.look(Look(str(world.id(MAIN)), world.repo.name, "by hand", MAIN, request="one"))
    world.run_to(MAIN)
    assert world.prep(sha) == "success: staging: prepared"
    assert world.built(MAIN)[-1] == sha


def test_F60_a_first_run_that_could_not_read_its_source_is_made_up_for_once(world: Any) -> None:
    sha = world.commit()
    world.look(world.push(MAIN, sha))
    world.finish(MAIN)
    for _ in range(4):
        world.cloud.end(world.item(MAIN).stack, RunState.FAILED)
        world.builder.forward(RunChange(world.item(MAIN).stack, "run", "FAILED"))
        world.forwarded()
    assert len(world.cloud.executions[world.item(MAIN).stack]) == 2


def test_where_another_environment_reported_first_the_branchs_name_stands_in_front(world: Any) -> None:
    sha = world.live(MAIN)
    world.live(HELLO, sha)
    assert world.prep(sha) == "success: staging: prepared"
    assert world.prep(sha, "feature/hello/build/0-prep") == "success: feature/hello: prepared"


def test_F92_no_token_is_read_for_a_template_that_does_not_ask(world: Any) -> None:
    world.live(MAIN)
    assert world.tokens_read == 0


def test_F52_a_creation_whose_answer_was_lost_is_not_repeated(world: Any) -> None:
    create = world.cloud.create

    def lost(request: StackRequest) -> None:
        create(request)
        world.cloud.create = create
        raise Transient("the answer was lost")

    world.cloud.create = lost
    look = world.push(MAIN, world.commit())
    with pytest.raises(Transient):
        world.look(look)
    world.look(look, 2)
    world.finish(MAIN)
    world.run_to(MAIN)
    assert operations(world) == ["create site-staging"]
    assert len(world.built(MAIN)) == 1


def test_events_of_strangers_are_ignored(world: Any) -> None:
    world.builder.forward(StackChange("arn:aws:cloudformation:r:a:stack/theirs/1", "theirs", "UPDATE_COMPLETE"))
    assert world.shelf.looks == []
    assert world.tokens_read == 0
    assert not any(call.startswith(("github", "cloudformation")) for call in world.tape.calls)


def test_a_lost_table_is_rebuilt_without_touching_the_stack(world: Any) -> None:
    sha = world.live(MAIN)
    world.shelf.items.clear()
    world.shelf.holders.clear()
    world.look(world.pushed(MAIN, sha))
    assert operations(world) == ["create site-staging"]
    assert world.item(MAIN).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("created", [False, True], ids=["F49-creation", "F50-update"])
def test_a_failed_preparation_says_what_failed_and_where_to_read_on(world: Any, *, created: bool) -> None:
    """Within 140 characters, which the adapter cuts to: what failed and why, first."""
    if created:
        world.live(MAIN)
    sha = world.commit({"deploy/pipeline.json": world.template("other")})
    world.look(world.push(MAIN, sha))
    world.finish(MAIN, "Site (AWS::S3::Bucket): The specified bucket is not valid")
    status = world.forge.latest(sha)["build/0-prep"]
    assert "Site (AWS::S3::Bucket): The specified bucket is not valid" in status.description[:140]
    assert status.url == (
        "https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1#/stacks/events?stackId="
        "arn%3Aaws%3Acloudformation%3Aus-east-1%3A000000000000%3Astack%2Fsite-staging%2F1"
    )


def test_a_stack_that_is_not_ours_is_not_linked_to(world: Any) -> None:
    sha = world.commit()
    world.cloud.create(StackRequest("site-staging", "t", "", {}, {}, "role", "theirs"))
    world.look(world.push(MAIN, sha))
    assert world.prep(sha).startswith("failure: staging: a stack site-staging exists")
    assert world.forge.latest(sha)["build/0-prep"].url == ""


@pytest.mark.parametrize("ref", [MAIN, HELLO, TAG], ids=["F57-staging", "F57-development", "F57-production"])
def test_a_stack_is_made_with_its_stages_role_and_no_other(world: Any, ref: str) -> None:
    """Without one it would be made with the builder's own rights."""
    world.look(world.push(ref, world.commit()))
    assert [kept.request.role for kept in world.cloud.kept.values()] == [f"arn:role/{world.id(ref).stage}"]


def test_F63_what_a_new_pipelines_run_said_before_anybody_knew_it_is_told(world: Any) -> None:
    """CodePipeline starts a run while CloudFormation still works: its events may come before the stack's end."""
    world.look(world.push(MAIN, world.commit()))
    world.finish(MAIN)
    [run] = world.cloud.executions["site-staging"]
    assert world.shelf.notices == [RunNotice("site-staging", run.id)]
    world.run_to(MAIN)
    world.look(world.push(MAIN, world.commit()))
    world.run_to(MAIN)
    assert len(world.shelf.notices) == 1, "of a pipeline that is known, the events say enough"


def test_F24_a_run_that_nobody_remembers_is_not_told_again(world: Any) -> None:
    sha = world.live(MAIN)
    world.shelf.items.clear()
    world.shelf.holders.clear()
    world.shelf.notices.clear()
    world.look(world.pushed(MAIN, sha))
    assert world.item(MAIN).pipelines == ("site-staging",)
    assert world.shelf.notices == []


@pytest.mark.parametrize("late", [False, True], ids=["waits-already", "waits-after-it-was-stopped"])
def test_F28_a_run_that_waits_for_an_approval_keeps_no_branch_from_being_removed(world: Any, *, late: bool) -> None:
    world.look(world.push(HELLO, world.commit()))
    world.finish(HELLO)
    name = world.item(HELLO).stack
    [run] = world.cloud.executions[name]
    if not late:
        world.cloud.waiting.add(run.id)
    look = world.remove(HELLO)
    world.look(look)
    if late:
        world.cloud.waiting.add(run.id)
        world.look(look)
    world.look(look)
    assert world.stack(HELLO).status == "DELETE_IN_PROGRESS"
    world.finish(HELLO)
    assert world.item(HELLO) is None


def test_what_a_branch_deployed_is_told_to_be_gone_with_it(world: Any) -> None:
    world.live(HELLO)
    item = world.item(HELLO)
    world.shelf.notices.clear()
    world.look(world.remove(HELLO))
    assert world.shelf.notices == [], "its stack is still there"
    world.finish(HELLO)
    [said] = world.shelf.notices
    assert (said.environment, said.repository) == (str(item.id), item.repository)
    assert said.generation >= item.generation
    assert world.item(HELLO) is None


def test_what_an_environment_of_several_pipelines_had_is_named(world: Any) -> None:
    """GitHub has an environment for each of them, which only the builder knows of once all is gone."""
    world.live(HELLO)
    item = world.item(HELLO)
    world.shelf.save(replace(item, pipelines=(f"{item.stack}-api", f"{item.stack}-web", item.stack)))
    world.shelf.notices.clear()
    world.look(world.remove(HELLO))
    world.finish(HELLO)
    assert [notice.parts for notice in world.shelf.notices] == [("api", "web")]


def test_which_pipelines_there_are_is_noted_before_their_runs_are_told(world: Any) -> None:
    """The notifier waits for it: what a stage is called depends on whether its pipeline is the only one."""
    noted: list[tuple[str, ...]] = []

    def look(name: str, after: bool) -> None:
        if name == "sqs.notify" and not after:
            noted.append(world.item(HELLO).pipelines)

    world.tape.hook = look
    world.live(HELLO)
    world.tape.hook = None
    assert noted
    assert all(noted)


def test_F45_it_is_told_again_rather_than_never(world: Any) -> None:
    """It is told before the environment is forgotten: nobody would come back to it after."""
    world.live(HELLO)
    world.shelf.notices.clear()
    world.look(world.remove(HELLO))
    world.tape.hook = lambda name, after: raise_(Transient("SQS")) if name == "sqs.notify" and not after else None
    with pytest.raises(Transient):
        world.finish(HELLO)
    assert world.item(HELLO) is not None
    world.tape.hook = None
    world.quiet()
    assert [type(notice) for notice in world.shelf.notices] == [Removal]
    assert world.item(HELLO) is None


def raise_(error: Exception) -> None:
    raise error
