"""Pushes that meet what is under way, through the real engine: real `git push`, the real packages as workers.

What is under way is held open, so that the order is the test's and not the machine's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.small_site import CONTEXTS, PREP, SmallSite

from deployer_local.aws.stack_operations import StackOperation
from deployer_local.engine import Engine

BRANCH = "feature/hello"
Matches = Callable[[StackOperation], bool]


@pytest.fixture
def site(installed: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> SmallSite:
    """A repository of the test's own."""
    numbers = [int(name.rpartition("-")[2]) for name in names(installed) if name.startswith("acme/small-")]
    return SmallSite(installed, tmp_path, f"small-{max(numbers, default=0) + 1}")


def names(engine: Engine) -> list[str]:
    return [repository.full_name for repository in engine.github.repositories()]


def operation(site: SmallSite, kind: str) -> Matches:
    prefix = site.full_name.removeprefix("acme/")
    return lambda operation: operation.kind == kind and operation.stack.startswith(f"{prefix}-")


def unfinished(site: SmallSite, commit: str) -> dict[str, str]:
    """The contexts of a commit that say that something is still to come."""
    return {context: state for context, state in site.watch.statuses(commit).items() if state == "pending"}


def test_F27_a_push_during_an_update_is_applied_after_it(site: SmallSite) -> None:
    one, two, three = (site.commit(word) for word in ("one", "two", "three"))
    site.push(one)
    site.green(one)
    with site.engine.hold_stack(operation(site, "UPDATE")) as hold:
        site.push(two)
        hold.wait()
        site.push(three)
        site.says(three, "pending")
        site.quiet()
        assert site.stack()["StackStatus"] == "UPDATE_IN_PROGRESS"
        assert len(hold.held) == 1, "an operation under an operation"
    site.green(three)
    assert site.word() == "three"
    assert site.operations() == ["CREATE", "UPDATE", "UPDATE"]
    assert (two, "Succeeded") not in site.runs()


def test_F27_F61_what_an_update_was_overtaken_by_is_said_on_its_commit(site: SmallSite) -> None:
    one, two, three = (site.commit(word) for word in ("one", "two", "three"))
    site.push(one)
    site.green(one)
    with site.engine.hold_stack(operation(site, "UPDATE")) as hold:
        site.push(two)
        hold.wait()
        site.push(three)
        site.says(three, "pending")
    site.green(three)
    site.quiet()
    assert unfinished(site, two) == {}
    assert f"superseded by {three[:7]}" in site.says(two, "error")


def test_F49_a_creation_that_failed_says_why_and_is_repaired_by_a_push(site: SmallSite) -> None:
    bad, good = site.commit("bad", broken=True), site.commit("good")
    site.push(bad)
    said = site.says(bad, "failure")
    assert said.startswith("staging: the stack could not be created: Site (AWS::S3::Bucket): The specified bucket is")
    assert len(said) <= 140
    failed = site.stack()
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    site.push(good)
    site.green(good)
    assert site.stack()["StackId"] != failed["StackId"], "a stack in ROLLBACK_COMPLETE can only be made anew"
    assert site.word() == "good"
    assert site.watch.statuses(bad)[PREP] == "failure"


def test_F50_an_update_that_was_rolled_back_says_why_and_is_repaired_by_what_is_deployed(site: SmallSite) -> None:
    one, bad, back = site.commit("one"), site.commit("bad", broken=True), site.commit("one")
    site.push(one)
    site.green(one)
    site.push(bad)
    assert "the stack could not be updated: Site (AWS::S3::Bucket)" in site.says(bad, "failure")
    assert site.stack()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    site.push(back)  # "No updates are to be performed": it is built all the same
    site.green(back)
    assert site.runs() == [(one, "Succeeded"), (back, "Succeeded")]
    assert site.stack()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_F28_a_branch_deleted_while_it_is_created_is_gone_in_the_end(site: SmallSite) -> None:
    commit = site.commit("hello")
    with site.engine.hold_stack(operation(site, "CREATE")) as hold:
        site.push(commit, BRANCH)
        hold.wait()
        site.tree.delete(BRANCH)
        site.quiet()
        assert site.stack(BRANCH)["StackStatus"] == "CREATE_IN_PROGRESS"
    site.gone(BRANCH)
    site.quiet()
    assert site.stack(BRANCH) == {}


def test_F28_a_branch_pushed_while_it_is_deleted_is_there_in_the_end(site: SmallSite) -> None:
    first, second = site.commit("first"), site.commit("second")
    site.push(first, BRANCH)
    site.green(first, BRANCH)
    old = site.stack(BRANCH)["StackId"]
    with site.engine.hold_stack(operation(site, "DELETE")) as hold:
        site.tree.delete(BRANCH)
        hold.wait()
        site.push(second, BRANCH)
        site.says(second, "pending")
        site.quiet()
        assert site.stack(BRANCH)["StackId"] == old
    site.green(second, BRANCH)
    assert site.stack(BRANCH)["StackId"] != old
    assert site.word(BRANCH) == "second"
    assert site.runs(BRANCH) == [(second, "Succeeded")]


@pytest.mark.parametrize("branch", ["main", BRANCH], ids=["F27-F62-staging", "F27-F62-development"])
def test_of_two_pushes_within_a_second_the_newest_is_what_stands(site: SmallSite, branch: str) -> None:
    older, newer = site.commit("older"), site.commit("newer")
    site.push(older, branch)
    site.push(newer, branch)
    site.green(newer, branch)
    site.quiet()
    assert site.word(branch) == "newer"
    assert site.runs(branch)[-1] == (newer, "Succeeded")
    assert site.watch.statuses(newer) == dict.fromkeys(CONTEXTS, "success")
    assert unfinished(site, older) == {}


@pytest.mark.parametrize("branch", ["main", BRANCH], ids=["F62-staging", "F62-development"])
def test_a_push_during_a_run_never_lets_the_older_commit_stand(site: SmallSite, branch: str) -> None:
    """Staging lets a run come to its end before its stack is changed, development stops it."""
    older, newer = site.commit("older"), site.commit("newer")
    site.push(older, branch)
    site.runs_are([(older, "InProgress")], branch)
    site.push(newer, branch)
    if branch == "main":
        site.says(newer, "pending")
        site.quiet()
        assert site.word(branch) == "older", "a stack was changed under a running pipeline"
    else:
        # It waits for nothing but an approval, and nobody is to be waited for.
        site.runs_are([(older, "Stopped"), (newer, "InProgress")], branch)
    site.approve(branch)
    site.green(newer, branch)
    site.quiet()
    ended = "Succeeded" if branch == "main" else "Stopped"
    assert site.runs(branch) == [(older, ended), (newer, "Succeeded")]
    assert site.word(branch) == "newer"
    assert unfinished(site, older) == {}
    assert site.watch.statuses(newer) == dict.fromkeys(CONTEXTS, "success")


@pytest.mark.parametrize("words", ["same", "other"], ids=["F44-same-template", "F44-another-template"])
def test_a_force_push_back_to_an_older_commit_builds_it_again(site: SmallSite, words: str) -> None:
    one = site.commit("one")
    two = second_of(site) if words == "same" else site.commit("two")
    for commit in (one, two):
        site.push(commit, BRANCH)
        site.green(commit, BRANCH)
    site.push(one, BRANCH, force=True)
    site.green(one, BRANCH)
    assert site.runs(BRANCH) == [(one, "Succeeded"), (two, "Succeeded"), (one, "Succeeded")]
    assert site.word(BRANCH) == "one"


def second_of(site: SmallSite) -> str:
    """Another commit with the same template."""
    site.tree.write("said.txt", "again\n")
    return site.tree.commit("Say it again")
