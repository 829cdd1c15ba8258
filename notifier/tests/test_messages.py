"""What Slack shows, and why a build failed."""

from __future__ import annotations

import datetime
import html
import re
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.environments import parse
from deployer.errors import Broken
from deployer.events import RepositoryName
from deployer.pipelines import ActionRun
from deployer.ports import Commit, Environment
from deployer.states import CommitState, RunState
from notifier.builds import Builds, Failure, reason_of
from notifier.messages import announcement_message, escape, run_message, stage_reply
from notifier.progress import StageProgress

REPOSITORY = RepositoryName(7, "acme", "site")
SHA = "ab" * 20


def environment(ref: str, identifier: str) -> Environment:
    return Environment(parse(identifier), REPOSITORY, ref, "site-x", 1, commit=SHA)


@pytest.mark.parametrize("state", RunState, ids=str)
def test_every_state_of_a_run_has_words(state: RunState) -> None:
    text = run_message(
        environment("refs/tags/v1.0.0", "7/production"), Commit(SHA, "Say hello", "Ada", ""), state, "https://console"
    )
    head, body = text.split("\n")
    assert "*acme/site* `production v1.0.0`" in head
    assert body == f"<https://console|{SHA[:7]}> Say hello by Ada"


@pytest.mark.parametrize(
    "text", ["<!channel>", "<!here|all>", "<@U123>", "a & b <https://evil|acme>", "&lt;!channel&gt;"], ids=repr
)
def test_F69_outside_text_mentions_nobody_and_links_nowhere(text: str) -> None:
    commit = Commit(SHA, text, text, "")
    message = run_message(
        environment(f"refs/heads/{text}", f"7/refs/heads/{text}"), commit, RunState.FAILED, "https://console"
    )
    failed = ActionRun("Build", text, "CodeBuild", "Failed", 0, 0)
    stage = StageProgress(text, CommitState.FAILURE, "failed", 3, 4, failed)
    reply = stage_reply(stage, Failure(text, (text, "```", text)))
    announced = announcement_message(environment(f"refs/heads/{text}", f"7/refs/heads/{text}"), text)
    for shown in (message.replace(f"<https://console|{SHA[:7]}>", ""), reply, announced):
        assert not {"<", ">"} & set(shown)
        assert escape(text) in shown
    assert reply.count("```") == 2


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param(RunState.SUPERSEDED, "was superseded by abc1234", id="F61-superseded"),
        pytest.param(RunState.STOPPED, "was superseded by abc1234", id="F61-stopped"),
        pytest.param(RunState.CANCELLED, "was superseded by abc1234", id="F61-cancelled"),
        pytest.param(RunState.SUCCEEDED, "is deployed", id="F62-it-ended-before"),
        pytest.param(RunState.FAILED, "failed", id="F62-it-failed-before"),
        pytest.param(RunState.STOPPING, "is being stopped", id="F61-not-yet"),
    ],
)
def test_a_run_that_was_overruled_says_by_what(state: RunState, said: str) -> None:
    item = environment("refs/heads/x", "7/refs/heads/x")
    text = run_message(item, Commit(SHA, "Say hello", "Ada", ""), state, "https://console", "superseded by abc1234")
    assert text.partition("\n")[0].endswith(f"*acme/site* `x` {said}")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (environment("refs/heads/x", "7/refs/heads/x"), ":bell: *acme/site* `x` is removed tomorrow"),
        (environment("refs/tags/v1.0.0", "7/production"), ":bell: *acme/site* `production v1.0.0` is removed tomorrow"),
        (None, ":bell: is removed tomorrow"),
    ],
    ids=["a-branch", "production", "gone"],
)
def test_an_announcement(item: Environment | None, text: str) -> None:
    assert announcement_message(item, "is removed\n tomorrow") == text


TEXTS = st.text(st.sampled_from("&<>`!@#|*_~ abcé🪣\n\u0301\u200d"), max_size=400) | st.text(max_size=40)
NAMES = st.tuples(TEXTS, st.integers(1, 20)).map(lambda made: made[0] * made[1])


@given(NAMES, NAMES, NAMES, st.sampled_from(RunState))
@example("", "<\n", "", RunState.SUCCEEDED)
@example("<" * 250, "&" * 4000, ">" * 4000, RunState.SUPERSEDED)
def test_F69_no_text_from_outside_is_a_control_sequence(
    branch: str, subject: str, author: str, state: RunState
) -> None:
    """``<`` begins every reference, mention and link: the only one is ours."""
    item = environment(f"refs/heads/{branch}", f"7/refs/heads/{branch or 'x'}")
    message = run_message(item, Commit(SHA, subject, author, ""), state, "https://console")
    assert units(message) <= 3000
    ours = f"<https://console|{SHA[:7]}>"
    assert message.count(ours) == 1
    head, _, rest = message.partition(ours)
    assert not {"<", ">"} & set(head + rest)
    assert re.findall(r"&(?!amp;|lt;|gt;)", message) == []
    for said in (branch or "x", subject.split("\n", 1)[0], author):
        assert shown_in(said, html.unescape(head + rest))


@given(NAMES, NAMES, NAMES, st.lists(TEXTS, max_size=5))
@example("&" * 100, "<" * 100, "🪣" * 4000, ["🪣" * 4000])
def test_F69_nor_is_what_a_build_says(stage: str, action: str, reason: str, lines: list[str]) -> None:
    failed = ActionRun("Build", action, "CodeBuild", "Failed", 0, 0)
    said = Failure(reason, tuple(lines))
    reply = stage_reply(StageProgress(stage, CommitState.FAILURE, "failed", 3, 4, failed), said)
    assert units(reply) <= 3000
    assert not {"<", ">"} & set(reply)
    assert re.findall(r"&(?!amp;|lt;|gt;)", reply) == []
    log = "\n".join(lines).replace("```", "'''")
    if log:
        shown = html.unescape(reply.removesuffix("```"))
        assert reply.endswith("```")
        assert shown.endswith(log[-200:]), "the end of the log is what is kept"
        head = reply[: -len("```") - len(escape(log))]
        assert len(escape(log)) > 1500 - 12 or head.endswith("```")


@given(NAMES, NAMES)
@example("<" * 250, "&" * 4000)
def test_F69_nor_is_what_is_announced(branch: str, text: str) -> None:
    item = environment(f"refs/heads/{branch}", f"7/refs/heads/{branch or 'x'}")
    message = announcement_message(item, text)
    assert units(message) <= 3000
    assert not {"<", ">"} & set(message)
    assert re.findall(r"&(?!amp;|lt;|gt;)", message) == []
    assert shown_in(" ".join(text.split()), html.unescape(message))


def shown_in(text: str, shown: str) -> bool:
    """Whether people read this text, or as much of its beginning as there is room for."""
    return text in shown or any(f"{text[:length]}…" in shown for length in range(50, len(text)))


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_a_reply_shows_the_end_of_the_log() -> None:
    stage = StageProgress("Build", CommitState.FAILURE, "failed", 3, 4, ActionRun("Build", "Test", "x", "Failed", 0, 0))
    reply = stage_reply(stage, Failure("npm test exited with 1", ("x" * 4000, "AssertionError: 1 != 2")))
    assert reply.startswith(":x: *Build* failed after 4 s (Test): npm test exited with 1\n```")
    assert reply.endswith("AssertionError: 1 != 2```")
    assert len(reply) < 3000


def test_a_reply_to_what_went_well() -> None:
    assert stage_reply(StageProgress("Build", CommitState.SUCCESS, "succeeded", 3, 4), None) == (
        ":white_check_mark: *Build* succeeded after 4 s"
    )


def phase(name: str, status: str, message: str = "") -> dict[str, Any]:
    return {"phaseType": name, "phaseStatus": status, "contexts": [{"statusCode": "X", "message": message}]}


COMMAND = "Error while executing command: npm test. Reason: exit status 1"


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        pytest.param({"phases": [phase("BUILD", "FAILED", COMMAND)]}, "npm test exited with 1", id="a-command"),
        pytest.param(
            {"phases": [phase("BUILD", "FAILED", "Error while executing command: a\n b. Reason: exit status 127")]},
            "a\n b exited with 127",
            id="a-command-of-two-lines",
        ),
        pytest.param(
            {"phases": [phase("INSTALL", "SUCCEEDED", ""), phase("DOWNLOAD_SOURCE", "FAILED", "no such object")]},
            "no such object",
            id="no-command",
        ),
        pytest.param(
            {"phases": [phase("BUILD", "FAILED", COMMAND), phase("POST_BUILD", "FAILED", "later")]},
            "npm test exited with 1",
            id="the-first",
        ),
        pytest.param({"phases": [phase("BUILD", "TIMED_OUT", "too long")]}, "too long", id="timed-out"),
        pytest.param({"buildStatus": "TIMED_OUT", "phases": [{"phaseType": "BUILD"}]}, "timed out", id="no-context"),
        pytest.param({"buildStatus": "STOPPED"}, "stopped", id="no-phases"),
        pytest.param({}, "failed", id="nothing"),
    ],
)
def test_why_a_build_failed(build: dict[str, Any], reason: str) -> None:
    assert reason_of(build) == reason


@pytest.fixture
def aws() -> Any:
    def client(service: str) -> tuple[Any, Stubber]:
        made = boto3.client(service, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        stub = Stubber(made)
        stub.activate()
        return made, stub

    return client


BUILD = {
    "id": "site:1",
    "buildStatus": "FAILED",
    "startTime": datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
    "phases": [phase("BUILD", "FAILED", COMMAND)],
    "logs": {"groupName": "/aws/codebuild/site", "streamName": "1", "deepLink": "https://logs"},
}


def test_builds_read_the_log_of_a_failure(aws: Any) -> None:
    codebuild, builds = aws("codebuild")
    logs, events = aws("logs")
    builds.add_response("batch_get_builds", {"builds": [BUILD]}, {"ids": ["site:1"]})
    events.add_response(
        "get_log_events",
        {"events": [{"message": "one\n"}, {"message": "two"}]},
        {"logGroupName": "/aws/codebuild/site", "logStreamName": "1", "limit": 20, "startFromHead": False},
    )
    assert Builds(codebuild, logs).failure("site:1") == Failure(
        "npm test exited with 1", ("one", "two"), "https://logs"
    )


@pytest.mark.parametrize(
    ("logs_of_build", "error"), [({}, None), (BUILD["logs"], "ResourceNotFoundException")], ids=["none", "expired"]
)
def test_builds_without_a_log(aws: Any, logs_of_build: Any, error: str | None) -> None:
    codebuild, builds = aws("codebuild")
    logs, events = aws("logs")
    builds.add_response("batch_get_builds", {"builds": [{**BUILD, "logs": logs_of_build}]})
    if error:
        events.add_client_error("get_log_events", error)
    found = Builds(codebuild, logs).failure("site:1")
    assert found is not None
    assert (found.reason, found.lines) == ("npm test exited with 1", ())


def test_a_build_that_is_not_there_and_one_that_may_not_be_read(aws: Any) -> None:
    codebuild, builds = aws("codebuild")
    builds.add_response("batch_get_builds", {"builds": [], "buildsNotFound": ["site:1"]})
    builds.add_client_error("batch_get_builds", "AccessDeniedException")
    subject = Builds(codebuild, None)
    assert subject.failure("site:1") is None
    with pytest.raises(Broken):
        subject.failure("site:1")
