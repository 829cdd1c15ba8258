"""What is said where others say the same, and where AWS does not tell."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deployer.builds import Builds
from deployer.errors import Broken, Rejected, Transient
from deployer.pipelines import RunDetails
from deployer.progress import commit_of
from deployer.states import RunState
from notifier.notify import MAX_ROUNDS

from .test_notify import LIFE, NEW, OLD, RUN, Notes, Runs, World, environment


class Contended(Notes):
    """Whatever is said, somebody else says something later at the same time."""

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        del self.ranks[run, topic]
        return False


def test_F63_who_is_overtaken_each_time_leaves_it_to_the_queue() -> None:
    world = World(channel="", notes=Contended(), runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    with pytest.raises(Transient) as refusal:
        world.notice()
    assert refusal.value.retry_after == 1.0
    assert len(world.github.statuses) == 2 * MAX_ROUNDS


def test_a_run_that_read_the_source_we_remember_is_at_the_commit_we_remember() -> None:
    """Also where the revision's summary is another: a person may have written over the object's metadata."""
    run = RunDetails(RUN, RunState.IN_PROGRESS, 1, {"GitHub": ("version-9", OLD)})
    assert commit_of(run, environment(source="version-9")) == NEW
    assert commit_of(run, environment(source="version-8")) == OLD


@pytest.mark.parametrize(("code", "kind"), [("ThrottlingException", Transient), ("AccessDeniedException", Broken)])
def test_a_log_that_cannot_be_read_is_not_taken_for_none(code: str, kind: type[Exception]) -> None:
    def client(service: str) -> Any:
        return boto3.client(service, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    codebuild, logs = client("codebuild"), client("logs")
    with Stubber(codebuild) as builds, Stubber(logs) as lines:
        builds.add_response("batch_get_builds", {"builds": [{"logs": {"groupName": "g", "streamName": "s"}}]})
        lines.add_client_error("get_log_events", code)
        with pytest.raises(kind, match="log s"):
            Builds(codebuild, logs).failure("site:1")


def test_a_run_that_is_refused_for_good_is_not_asked_for_again() -> None:
    world, asked = World(), list[str]()

    def run(pipeline: str, run: str) -> RunDetails:
        asked.append(run)
        raise Rejected("no such pipeline can be")

    world.runs.run = run  # type: ignore[method-assign]
    world.notice()
    assert asked == [RUN] * 2, "once for each side"
    assert world.github.statuses == []
