"""What one look must not believe because another, a kill or a person came in between."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from builder.situation import Gone, Present, Situation, Wish
from builder.steps import Operate, Step, Upload
from deployer.environments import EnvironmentId
from deployer.errors import Broken, Rejected, Transient
from deployer.events import Look, Malformed, RepositoryName, RunChange
from deployer.ports import CommitStatus, Environment, Operation, Outcome, Run, Stack, StackRequest
from deployer.refs import Stage
from deployer.states import RunState

MAIN, HELLO, TAG = "refs/heads/main", "refs/heads/feature/hello", "refs/tags/v1.0.0"


def commit(world: Any, title: str) -> str:
    sha: str = world.commit({"deploy/pipeline.json": world.template(title)})
    return sha


def title_of_stack(world: Any, ref: str) -> str:
    return str(json.loads(world.cloud.kept[world.item(ref).stack].request.template)["Description"])


def event(world: Any, ref: str) -> None:
    """A run's end, forwarded as a look."""
    world.builder.forward(RunChange(world.item(ref).stack, "run", "SUCCEEDED"))
    world.forwarded()


@pytest.mark.parametrize("ref", [MAIN, HELLO])
def test_F27_a_template_taken_back_while_its_update_runs_is_taken_back(world: Any, ref: str) -> None:
    world.live(ref, commit(world, "a"))
    world.look(world.push(ref, commit(world, "b")))
    assert world.stack(ref).status == "UPDATE_IN_PROGRESS"
    back = commit(world, "a")
    world.look(world.push(ref, back))
    world.finish(ref)
    world.finish(ref)
    assert title_of_stack(world, ref) == "a"
    world.run_to(ref)
    assert world.built(ref)[-1] == back


def test_F28_a_template_taken_back_while_the_stack_is_made_again_is_taken_back(world: Any) -> None:
    world.live(HELLO, commit(world, "a"))
    world.look(world.remove(HELLO))
    world.look(world.push(HELLO, commit(world, "b")))
    world.finish(HELLO)
    assert world.stack(HELLO).status == "CREATE_IN_PROGRESS"
    world.look(world.push(HELLO, commit(world, "a")))
    world.finish(HELLO)
    world.run_to(HELLO)
    world.finish(HELLO)
    assert title_of_stack(world, HELLO) == "a"


def test_F44_a_stack_that_an_overtaken_look_made_is_not_taken_for_what_is_wanted(world: Any) -> None:
    """Two looks saw that there is no stack; the other one's creation, with an older template, came first."""
    wanted = commit(world, "wanted")
    look = world.push(MAIN, wanted)
    create = world.cloud.create

    def second(request: StackRequest) -> None:
        older = replace(request, template=world.template("older").decode(), token="older")
        create(older)
        world.cloud.create = create
        create(request)

    world.cloud.create = second
    with pytest.raises(Exception, match="already exists"):
        world.look(look)
    world.look(look, 2)
    world.finish(MAIN)
    world.run_to(MAIN)
    world.finish(MAIN)
    assert title_of_stack(world, MAIN) == "wanted"
    world.run_to(MAIN)
    assert world.built(MAIN)[-1] == wanted
    assert world.prep(wanted).startswith("success")


@pytest.mark.parametrize(
    "revision", ["c" * 40, "sha256:abc", "another-buckets-version"], ids=["connection", "image", "other-object"]
)
def test_F60_a_pipeline_that_reads_another_source_is_started_once_for_each_push(world: Any, revision: str) -> None:
    world.cloud.sourced = False
    world.cloud.version = lambda _: revision
    world.live(MAIN)
    for _ in range(3):
        event(world, MAIN)
    name = world.item(MAIN).stack
    assert len(world.cloud.executions[name]) == 1
    world.live(MAIN)
    for _ in range(3):
        event(world, MAIN)
    assert len(world.cloud.executions[name]) == 2


def test_F60_a_run_that_an_update_cancelled_is_made_up_for_by_one(world: Any) -> None:
    world.live(MAIN, commit(world, "a"))
    changed = commit(world, "b")
    world.look(world.push(MAIN, changed))
    name = world.item(MAIN).stack
    # Somebody starts a run while the stack is being updated: it reads this generation's source and is cancelled.
    hand = Run("by-hand", RunState.IN_PROGRESS, world.now, {"Source": world.newest(name)})
    world.cloud.executions[name].insert(0, hand)
    world.finish(MAIN)
    assert [run.state for run in world.cloud.executions[name][:2]] == [RunState.IN_PROGRESS, RunState.CANCELLED]
    world.run_to(MAIN)
    event(world, MAIN)
    assert len(world.cloud.executions[name]) == 3


def put_on_top(world: Any, ref: str, sha: str, generation: int) -> None:
    """A look that was overtaken between its reading and its writing uploads what it wanted."""
    with world.forge.archive(world.repo.name, sha) as archive:
        world.shelf.put(f"sources/{world.item(ref).stack}.zip", archive, sha, generation)


@pytest.mark.parametrize("pinnable", [True, False], ids=["F44-V2", "F44-V1"])
def test_the_same_source_put_on_top_by_who_was_overtaken_is_not_run_for_ever(world: Any, *, pinnable: bool) -> None:
    """The pipeline's first run reads what is newest, which is not what is remembered."""
    world.cloud.pinnable = pinnable
    sha = world.commit()
    world.look(world.push(MAIN, sha))
    put_on_top(world, MAIN, sha, world.item(MAIN).generation)
    world.finish(MAIN)
    for _ in range(4):
        world.run_to(MAIN)
    assert world.built(MAIN) == [sha]
    assert world.prep(sha).startswith("success")


@pytest.mark.parametrize("pinnable", [True, False], ids=["F44-V2", "F44-V1"])
def test_an_older_source_put_on_top_by_who_was_overtaken_is_replaced(world: Any, *, pinnable: bool) -> None:
    world.cloud.pinnable = pinnable
    older = world.live(MAIN)
    before = world.item(MAIN).generation
    sha = world.commit()
    look = world.push(MAIN, sha)
    start = world.cloud.source

    def overtaken(pipeline: str, key: str, repository: str) -> Any:
        world.cloud.source = start
        put_on_top(world, MAIN, older, before)
        return start(pipeline, key, repository)

    world.cloud.source = overtaken
    world.look(look)
    for _ in range(3):
        world.run_to(MAIN)
    assert world.built(MAIN) == [older, sha]
    assert world.shelf.commit_of(world.newest(world.item(MAIN).stack)) == sha


def test_F44_who_was_overtaken_does_not_stop_the_run_that_was_started_meanwhile(world: Any) -> None:
    """It read the environment before the template was known to be unchanged, and the runs after one was started."""
    world.live(HELLO)
    look = world.push(HELLO, world.commit({"deploy/pipeline.json": world.template("two")}))
    world.look(look)
    world.finish(HELLO)
    begun = world.item(HELLO)
    stale = replace(begun, applied="", accepted=False, source="", version=begun.version - 1)
    environment = world.shelf.environment

    def read_before(identifier: EnvironmentId) -> Environment:
        world.shelf.environment = environment
        return stale

    world.shelf.environment = read_before
    with pytest.raises(Transient, match="changed meanwhile"):
        world.look(look)
    assert world.cloud.executions[begun.stack][0].state is RunState.IN_PROGRESS


def test_a_run_that_a_person_stopped_stays_stopped(world: Any) -> None:
    world.live(MAIN)
    world.look(world.push(MAIN, world.commit()))
    name = world.item(MAIN).stack
    world.cloud.stop(name, world.cloud.executions[name][0].id, "by hand")
    world.run_to(MAIN)
    event(world, MAIN)
    assert len(world.cloud.executions[name]) == 2


def test_F38_a_tag_moved_while_its_release_is_under_way_lets_the_release_come_to_its_end(world: Any) -> None:
    world.live(TAG, commit(world, "a"))
    newer, sha, other = "refs/tags/v1.1.0", commit(world, "b"), commit(world, "c")
    world.look(world.push(newer, sha))
    world.look(world.push(newer, other))
    world.finish(newer)
    world.run_to(newer)
    assert world.built(newer)[-1] == sha
    assert world.prep(sha, "production/0-prep").startswith("success")
    refusals = [status for status in world.forge.statuses if status.sha == other]
    assert [str(status.state) for status in refusals] == ["failure"]


def test_F38_an_older_tag_at_the_commit_that_is_in_production_leaves_its_status_alone(world: Any) -> None:
    sha = world.live("refs/tags/v1.1.0")
    assert world.prep(sha, "production/0-prep").startswith("success")
    world.look(world.push(TAG, sha))
    assert world.prep(sha, "production/0-prep").startswith("success")
    assert world.item(TAG).ref == "refs/tags/v1.1.0"


@pytest.mark.parametrize(("first", "then"), [(TAG, "refs/tags/v1.1.0"), (MAIN, MAIN)], ids=["F36-tag", "F32-branch"])
def test_a_ref_that_goes_while_its_update_waits_lets_it_come_to_its_end(world: Any, first: str, then: str) -> None:
    world.live(first, commit(world, "a"))
    world.look(world.push(then if first == MAIN else "refs/tags/v1.0.1", commit(world, "a")))
    sha = commit(world, "b")
    world.look(world.push(then, sha))  # waits: a run is under way
    world.look(world.remove(then))
    world.run_to(then)
    world.finish(then)
    world.run_to(then)
    assert world.built(then)[-1] == sha
    assert title_of_stack(world, then) == "b"


def test_F38_an_older_release_is_not_taken_for_the_newest_after_the_table_was_lost(world: Any) -> None:
    older = world.commit()
    world.live(TAG, older)
    newer = world.live("refs/tags/v2.0.0")
    world.shelf.items.clear()
    world.shelf.holders.clear()
    world.shelf.known.clear()
    world.look(world.pushed(TAG, older))
    name = "site-production"
    assert [world.shelf.commit_of(run.revisions["Source"]) for run in world.cloud.executions[name]] == [newer, older]
    assert world.prep(older, "production/0-prep").startswith("failure: production v1.0.0: v1.0.0 is older than v2.0.0")


@pytest.mark.parametrize("step", ["archive", "start"])
def test_what_is_refused_midway_is_said_on_the_commit_and_not_tried_for_ever(world: Any, step: str) -> None:
    world.live(MAIN)

    def refused(*_: object) -> None:
        raise Rejected("the archive holds a name that leads outside: '../x'")

    setattr(world.forge if step == "archive" else world.cloud, step, refused)
    sha = world.commit()
    for _ in range(3):
        world.look(world.pushed(MAIN, sha) if MAIN in world.repo.refs and _ else world.push(MAIN, sha))
    assert world.prep(sha) == "failure: staging: the archive holds a name that leads outside: '../x'"
    assert [status.sha for status in world.forge.statuses].count(sha) == 2


@pytest.mark.parametrize("ref", [MAIN, HELLO])
def test_a_dead_stack_is_not_removed_under_a_running_pipeline(world: Any, ref: str) -> None:
    world.live(ref)
    world.look(world.push(ref, world.commit()))
    kept = world.cloud.kept[world.item(ref).stack]
    kept.stack = replace(kept.stack, status="ROLLBACK_FAILED")
    world.look(world.push(ref, world.commit()))
    assert [operation for operation, _, _ in world.cloud.operations] == ["create"]
    world.run_to(ref)
    assert [operation for operation, _, _ in world.cloud.operations] == ["create", "delete"]


@pytest.mark.parametrize(("ref", "done"), [(MAIN, 1), (TAG, 1), (HELLO, 2)], ids=["staging", "production", "branch"])
def test_a_deletion_that_a_person_asked_for_is_not_gone_on_with_where_it_matters(
    world: Any, ref: str, done: int
) -> None:
    world.live(ref)
    kept = world.cloud.kept[world.item(ref).stack]
    kept.stack = replace(kept.stack, status="DELETE_FAILED")
    sha = world.commit()
    world.look(world.push("refs/tags/v1.0.1" if ref == TAG else ref, sha))
    assert len(world.cloud.operations) == done


def test_F51_a_dead_stack_whose_removal_fails_is_removed_again_for_a_while(world: Any) -> None:
    world.look(world.push(MAIN, world.commit()))
    world.finish(MAIN, failing="Bucket: taken")
    sha = world.commit()
    world.look(world.push(MAIN, sha))
    assert world.item(MAIN).operation is Operation.DELETE
    for _ in range(3):
        world.finish(MAIN, failing="Role: in use")
    assert [operation for operation, _, _ in world.cloud.operations] == ["create", "delete", "delete", "delete"]
    assert world.prep(sha).startswith("failure: staging: the stack is in DELETE_FAILED: repair or delete it")


@pytest.mark.parametrize("ref", [MAIN, HELLO])
def test_F51_a_removal_that_an_earlier_push_asked_for_is_gone_on_with_by_the_next(world: Any, ref: str) -> None:
    """Of staging too: that its dead stack be removed was our own wish, whoever pushes meanwhile."""
    world.look(world.push(ref, world.commit()))
    world.finish(ref, failing="Bucket: taken")
    world.look(world.push(ref, world.commit()))
    assert world.stack(ref).status == "DELETE_IN_PROGRESS"
    sha = world.commit()
    world.look(world.push(ref, sha))
    world.finish(ref, failing="Role: in use")
    world.finish(ref)
    assert world.stack(ref).status == "CREATE_IN_PROGRESS"
    world.finish(ref)
    world.run_to(ref)
    assert world.built(ref)[-1] == sha
    assert world.prep(sha).startswith("success")


@pytest.mark.parametrize("environment", ["", "x", "42/", "42/canary", "/staging"])
def test_F19_a_look_at_what_is_no_environment_is_nobodys_of_ours(world: Any, environment: str) -> None:
    with pytest.raises(Malformed):
        world.look(Look(environment, world.repo.name, "push"))
    assert world.tape.calls == []


REPOSITORY = RepositoryName(42, "acme", "site")
THEIRS = EnvironmentId(7, Stage.STAGING)


def test_F30_a_name_that_the_table_gives_to_another_repository_is_theirs(world: Any) -> None:
    """Its stack is not made yet: who comes second takes the other name."""
    world.shelf.claim("stack", "site-staging", THEIRS)
    world.look(world.push(MAIN, world.commit()))
    [(_, name, _)] = world.cloud.operations
    assert name != "site-staging"
    assert name.endswith("-staging")


def test_F44_a_name_that_another_repository_takes_meanwhile_is_given_up(world: Any) -> None:
    describe = world.cloud.describe

    def taken(name: str) -> Stack | None:
        world.shelf.claim("stack", name, THEIRS)
        world.cloud.describe = describe
        found: Stack | None = describe(name)
        return found

    world.cloud.describe = taken
    look = world.push(MAIN, world.commit())
    with pytest.raises(Transient, match="site-staging was taken meanwhile"):
        world.look(look)
    assert (world.cloud.operations, world.item(MAIN)) == ([], None)
    world.look(look, 2)
    [(_, name, _)] = world.cloud.operations
    assert name != "site-staging"


def test_where_every_name_is_held_by_others_an_alarm_is_raised_and_nothing_is_made(world: Any) -> None:
    look = world.push(HELLO, world.commit())
    world.live(HELLO)
    [name] = world.cloud.kept
    world.shelf.items.clear()
    world.shelf.holders["stack", name] = THEIRS
    with pytest.raises(Broken, match="every stack name that 42/refs/heads/feature/hello may have is held by another"):
        world.look(look)
    assert [operation for operation, _, _ in world.cloud.operations] == ["create"]


def test_a_pipeline_that_the_table_gives_to_another_environment_is_said_in_the_log(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world.shelf.claim("pipeline", "site-staging", THEIRS)
    sha = world.commit()
    look = world.push(MAIN, sha)
    world.look(look)
    world.cloud.finish("site-staging")
    world.look(look)
    assert world.prep(sha) == "success: staging: prepared"
    [line] = [entry for entry in caplog.records if entry.levelname == "ERROR"]
    assert line.__dict__["fields"] == {"pipeline": "site-staging", "holder": "7/staging"}


def test_F60_a_new_pipeline_is_given_time_for_its_first_run_and_then_it_is_started(world: Any) -> None:
    sha = world.commit()
    look = world.push(MAIN, sha)
    world.look(look)
    world.cloud.finish("site-staging")
    world.cloud.executions["site-staging"].clear()
    for receives in (1, 2):
        with pytest.raises(Transient, match="has not started its first run yet"):
            world.look(look, receives)
    world.look(look, 3)
    world.run_to(MAIN)
    assert world.built(MAIN) == [sha]


def test_what_is_refused_before_anything_was_remembered_is_left_to_the_queue(world: Any) -> None:
    """There is no commit of the environment's to say it on; the message comes again and ends as a dead letter."""

    def refused(*_: object) -> EnvironmentId:
        raise Rejected("remember 42/staging: the table takes no such name")

    world.shelf.claim = refused
    with pytest.raises(Rejected):
        world.look(world.push(MAIN, world.commit()))
    assert (world.cloud.operations, world.forge.statuses, world.item(MAIN)) == ([], [], None)


def test_a_status_that_github_refuses_does_not_hold_up_the_environment(world: Any) -> None:
    """GitHub takes at most 1,000 statuses for a commit and context, and none for a commit that was pruned."""

    def refused(_: object) -> None:
        raise Rejected("GitHub answered 422: This SHA and context has reached the maximum number of statuses.")

    world.forge.post = refused
    sha = world.live(MAIN)
    assert world.built(MAIN) == [sha]
    assert world.forge.statuses == []


@pytest.mark.parametrize("then", ["removed", "pushed again"])
def test_F44_what_is_said_after_the_last_word_on_a_commit_is_taken_back(world: Any, then: str) -> None:
    post, sha, other = world.forge.post, world.commit(), world.commit()
    look = world.push(HELLO, sha)

    def overtaken(status: CommitStatus) -> None:
        world.forge.post = post
        world.look(world.remove(HELLO) if then == "removed" else world.push(HELLO, other))
        post(status)

    world.forge.post = overtaken
    with pytest.raises(Transient, match="changed meanwhile"):
        world.look(look)
    assert world.prep(sha) == "error: feature/hello: overtaken by a newer wish"


def test_F44_what_is_said_after_the_same_commits_end_gives_way_to_it(world: Any) -> None:
    post, sha = world.forge.post, world.commit()
    look = world.push(HELLO, sha)

    def overtaken(status: CommitStatus) -> None:
        world.forge.post = post
        world.look(look)
        world.finish(HELLO, failing="Bucket: taken")
        post(status)

    world.forge.post = overtaken
    with pytest.raises(Transient, match="changed meanwhile"):
        world.look(look)
    assert world.prep(sha) == "failure: feature/hello: the stack could not be created: Bucket: taken"


def test_F44_what_nobody_can_say_the_last_word_on_is_taken_back_too(world: Any) -> None:
    post, environment, sha = world.forge.post, world.shelf.environment, world.commit()
    look = world.push(HELLO, sha)

    def refused(_: EnvironmentId) -> Environment:
        raise Transient("throttled")

    def overtaken(status: CommitStatus) -> None:
        world.forge.post = post
        world.look(world.remove(HELLO))
        post(status)
        world.shelf.environment = refused

    world.forge.post = overtaken
    with pytest.raises(Transient, match="changed meanwhile"):
        world.look(look)
    world.shelf.environment = environment
    assert world.prep(sha) == "error: feature/hello: overtaken by a newer wish"


def test_a_status_whose_note_is_refused_stands(world: Any) -> None:
    save, sha = world.shelf.save, world.commit()
    look = world.push(HELLO, sha)

    def refused(item: Environment) -> Environment:
        if item.outcome is Outcome.PENDING:
            world.shelf.save = save
            raise Transient("throttled")
        saved: Environment = save(item)
        return saved

    world.shelf.save = refused
    with pytest.raises(Transient, match="throttled"):
        world.look(look)
    assert world.prep(sha) == "pending: feature/hello: preparing the pipeline"


def test_a_stack_that_vanishes_each_time_it_is_made_is_given_up(world: Any) -> None:
    sha = world.commit()
    look = world.push(MAIN, sha)
    for _ in range(5):
        world.look(look)
        world.cloud.kept.clear()
    assert [operation for operation, _, _ in world.cloud.operations] == ["create"] * 3
    assert world.prep(sha) == "failure: staging: the stack was created 3 times and vanished each time"
    assert len(world.forge.latest(sha)) == 1


@pytest.mark.parametrize("known", [True, False], ids=["F51", "F51-table-lost"])
def test_an_environment_that_cannot_be_removed_is_tried_three_times_and_said_once(
    world: Any, caplog: pytest.LogCaptureFixture, *, known: bool
) -> None:
    """With its table lost there is no commit to say it on: then the log alone has it."""
    caplog.set_level("INFO")
    sha = world.live(HELLO)
    if not known:
        world.shelf.items.clear()
        world.shelf.holders.clear()
    look, before = world.remove(HELLO), world.tape.calls.count("github.post")
    world.look(look)
    for _ in range(3):
        world.finish(HELLO, failing="Bucket (AWS::S3::Bucket): the bucket is not empty")
    for _ in range(2):
        world.look(look)
    assert [operation for operation, _, _ in world.cloud.operations] == ["create", *["delete"] * 3]
    text = "the environment could not be removed: Bucket (AWS::S3::Bucket): the bucket is not empty"
    reports = [entry.__dict__["fields"] for entry in caplog.records if entry.getMessage() == "report"]
    assert [report["text"] for report in reports if report["outcome"] == "failure"] == [text]
    assert [status.sha for status in world.forge.statuses if text in status.description] == ([sha] if known else [])
    assert world.tape.calls.count("github.post") == before + known


ITEM = Environment(EnvironmentId(42, Stage.STAGING), REPOSITORY, MAIN, "site-staging", 1, commit="a" * 40)


@pytest.mark.parametrize(
    ("wish", "item", "step"),
    [
        pytest.param(Present(MAIN, "a" * 40, "main", "d", "{}"), None, Upload(), id="acts-before-it-remembers"),
        pytest.param(Gone("proven"), ITEM, Operate(Operation.DELETE), id="F55-deletes-what-is-not-ours"),
        pytest.param(
            Present(MAIN, "a" * 40, "main"), ITEM, Operate(Operation.CONTINUE), id="F55-rolls-back-what-is-not-ours"
        ),
        pytest.param(Present(MAIN, "a" * 40, "main"), ITEM, Operate(Operation.CREATE), id="makes-without-a-template"),
    ],
)
def test_a_plan_that_breaks_its_own_rules_raises_an_alarm_and_touches_nothing(
    world: Any, wish: Wish, item: Environment | None, step: Step
) -> None:
    stack = Stack("arn:aws:cloudformation:r:a:stack/site-staging/1", "site-staging", "CREATE_COMPLETE")
    if item:
        item = world.shelf.save(item)
    found = Situation(ITEM.id, REPOSITORY, "opolis-deployer-prod", wish, item, stack, "site-staging")
    with pytest.raises(Broken, match=r"a plan (must|may)"):
        world.builder.applier.apply(found, (step,))
    assert [call for call in world.tape.calls if not call.startswith("memory")] == []


def test_F44_a_source_that_an_overtaken_look_put_again_is_the_one_that_runs(world: Any) -> None:
    """Both put the same commit of the same generation; what lies on top is what a run would read."""
    world.cloud.pinnable = False
    world.live(MAIN)
    put = world.shelf.put

    def twice(key: str, archive: Any, sha: str, generation: int) -> str:
        content = archive.read()
        version: str = put(key, io.BytesIO(content), sha, generation)
        put(key, io.BytesIO(content), sha, generation)
        return version

    world.shelf.put = twice
    wanted = commit(world, "one")
    world.look(world.push(MAIN, wanted))
    world.run_to(MAIN)
    assert world.built(MAIN)[-1] == wanted
    assert world.item(MAIN).source == world.shelf.objects["sources/site-staging.zip"][-1].version
    event(world, MAIN)
    assert len(world.built(MAIN)) == 2


def test_F42_a_repository_of_which_nothing_is_known_and_nothing_can_be_read(world: Any) -> None:
    look = world.push(MAIN, commit(world, "one"))
    world.repo.readable = False
    world.look(look)
    assert (world.shelf.items, world.shelf.known, world.cloud.kept) == ({}, {}, {})
