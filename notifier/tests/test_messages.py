"""What Slack shows, and why a build failed."""

from __future__ import annotations

import datetime
import html
import re
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.builds import Builds, Failure, reason_of
from deployer.environments import parse
from deployer.errors import Broken
from deployer.events import RepositoryName
from deployer.notices import Announcement
from deployer.pipelines import APPROVAL, ActionRun, RunDetails
from deployer.ports import Commit, Environment, Post
from deployer.progress import StageProgress, progress
from deployer.states import CommitState, RunState
from notifier.health import Setback
from notifier.messages import announcement_message, failure_message, name_of, run_message, stage_reply
from notifier.mrkdwn import escape, link, mention
from notifier.observing import Observed

REPOSITORY = RepositoryName(7, "acme", "site")
SHA = "ab" * 20


def environment(ref: str, identifier: str) -> Environment:
    return Environment(parse(identifier), REPOSITORY, ref, "site-x", 1, commit=SHA)


def observed(
    item: Environment, state: RunState = RunState.IN_PROGRESS, *stages: StageProgress, url: str = "https://console"
) -> Observed:
    return Observed(
        item, "site-x", RunDetails("run-1", state, 1, {}), SHA, stages, 0, url, f"{url}/view" if url else ""
    )


PAGE = f"https://github.com/acme/site/commit/{SHA}"
HELLO = Commit(SHA, "Say hello", "Ada", "", PAGE)


@pytest.mark.parametrize("state", RunState, ids=str)
def test_every_state_of_a_run_has_words(state: RunState) -> None:
    post = run_message(observed(environment("refs/tags/v1.0.0", "7/production"), state), HELLO)
    head, subject = post.text.split("\n")
    assert "*acme/site* `production v1.0.0` " in head
    assert subject == f"<{PAGE}|Say hello>"
    assert post.context == (f"`{SHA[:7]}`", "by Ada", "<https://console|the run>")
    assert post.details == ()


@pytest.mark.parametrize(
    ("served", "shown"),
    [
        ("https://site.example/?a=b&c", ("<https://site.example/?a=b&amp;c|View deployment>",)),
        ("", ()),
        ("https://a|b", ()),
    ],
    ids=["said", "not-said", "F69-no-url"],
)
def test_where_it_is_served(served: str, shown: tuple[str, ...]) -> None:
    post = run_message(observed(environment("refs/heads/x", "7/refs/heads/x")), HELLO, served=served)
    assert post.context[3:] == shown


def test_a_commit_that_github_does_not_tell_of() -> None:
    post = run_message(observed(environment("refs/heads/x", "7/refs/heads/x"), url=""), Commit(SHA, "", "", ""))
    assert post.text == ":hourglass_flowing_sand: *acme/site* `x` is being deployed"
    assert post.context == (f"`{SHA[:7]}`", "the run")


def staged(name: str, state: CommitState, text: str = "is running") -> StageProgress:
    return StageProgress(name, state, text, 3, 4)


SOURCE = staged("Source", CommitState.SUCCESS, "succeeded")
BUILD = staged("B<uild", CommitState.PENDING)
# As ``deployer.progress`` says it.
[WAITS] = progress(
    {"Release": 1},
    [ActionRun("Release", "Approve", APPROVAL, "InProgress", 0, 0)],
    RunState.IN_PROGRESS,
)


@pytest.mark.parametrize(
    ("state", "stages", "head"),
    [
        pytest.param(RunState.IN_PROGRESS, [], "is being deployed", id="nothing-yet"),
        pytest.param(RunState.IN_PROGRESS, [SOURCE, BUILD], "is being deployed: *B&lt;uild*", id="a-stage"),
        pytest.param(RunState.IN_PROGRESS, [SOURCE], "is being deployed", id="between-stages"),
        pytest.param(RunState.STOPPING, [SOURCE, WAITS], "is being stopped", id="stopping"),
        pytest.param(RunState.SUCCEEDED, [SOURCE], "is deployed", id="the-end"),
        pytest.param(RunState.FAILED, [SOURCE], "failed", id="failed-somewhere"),
        pytest.param(
            RunState.FAILED,
            [SOURCE, staged("B<uild", CommitState.FAILURE, "failed")],
            "failed in *B&lt;uild*",
            id="failed-in-a-stage",
        ),
    ],
)
def test_a_message_says_how_far_its_run_has_come(state: RunState, stages: list[StageProgress], head: str) -> None:
    post = run_message(observed(environment("refs/heads/x", "7/refs/heads/x"), state, *stages), HELLO)
    assert post.text.split("\n")[0].endswith(f"*acme/site* `x` {head}")
    assert "approval" not in post.text


def test_an_approval_that_is_waited_for_has_its_link() -> None:
    post = run_message(observed(environment("refs/heads/x", "7/refs/heads/x"), RunState.IN_PROGRESS, WAITS), HELLO)
    head, _, approval = post.text.split("\n")
    assert head == ":raised_hand: *acme/site* `x` waits for an approval"
    assert approval == "*Release* waits for an approval: <https://console/view|approve it>"
    assert stage_reply(WAITS, None, "https://console/view").text == f":raised_hand: {approval}"


@pytest.mark.parametrize(
    ("state", "stage", "fixed"),
    [
        (RunState.SUCCEEDED, "B<uild", ":wrench: Fixed: *B&lt;uild*, which had failed at `cdcdcdc`"),
        (RunState.SUCCEEDED, "", ":wrench: Fixed: what had failed at `cdcdcdc`"),
        (RunState.IN_PROGRESS, "B<uild", ""),
    ],
    ids=["a-stage", "somewhere", "not-yet"],
)
def test_what_a_run_has_put_right(state: RunState, stage: str, fixed: str) -> None:
    mended = Setback(1, "run-0", stage, "cd" * 20)
    post = run_message(observed(environment("refs/heads/x", "7/refs/heads/x"), state), HELLO, mended)
    assert post.text.split("\n")[2:] == ([fixed] if fixed else [])


HOSTILE = ["<!channel>", "<!here|all>", "<@U123>", "a & b <https://evil|acme>", "&lt;!channel&gt;"]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_F69_outside_text_mentions_nobody_and_links_nowhere(text: str) -> None:
    item, failed = environment(f"refs/heads/{text}", f"7/refs/heads/{text}"), CommitState.FAILURE
    stage = StageProgress(text, failed, "failed", 3, 4, ActionRun("Build", text, "CodeBuild", "Failed", 0, 0))
    commit = Commit(SHA, text, text, "", PAGE)
    message = run_message(observed(item, RunState.SUCCEEDED, stage), commit, Setback(1, "run-0", text, "cd" * 20))
    failing = run_message(observed(item, RunState.FAILED, stage), commit)
    reply = stage_reply(stage, Failure(text, (text, "```", text)), author=name_of(commit))
    announced = announcement_message(item, text)
    before = failure_message(item, commit, Announcement("7/refs/heads/x", "1", text, SHA), name_of(commit))
    links = (f"<{PAGE}|{escape(text)}>", "<https://console|the run>")
    for post in (message, failing, reply, announced, before):
        assert escape(text) in post.text
        for shown in (*post.context, *post.details, post.text):
            assert not {"<", ">"} & set(shown.replace(links[0], "").replace(links[1], ""))
    assert reply.whole.count("```") == 2


@pytest.mark.parametrize(
    "url",
    ["", "javascript:alert(1)", "https://a b", "https://a|b", "https://a>b", "https://a<b", "https://" + "&" * 100],
    ids=repr,
)
def test_F69_what_is_no_url_makes_no_link(url: str) -> None:
    assert link(url, "Say hello") == "Say hello"


def test_a_link_and_a_mention() -> None:
    assert link("https://a/?b=c&d=e", "Say hello") == "<https://a/?b=c&amp;d=e|Say hello>"
    assert link("https://a", " ") == " "
    assert [mention(each) for each in ("U0123AB", "W0123AB", "", "!channel", "u0123ab")] == [
        "<@U0123AB>",
        "<@W0123AB>",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param(RunState.SUPERSEDED, "was superseded by abcabca", id="F61-superseded"),
        pytest.param(RunState.STOPPED, "was superseded by abcabca", id="F61-stopped"),
        pytest.param(RunState.CANCELLED, "was superseded by abcabca", id="F61-cancelled"),
        pytest.param(RunState.SUCCEEDED, "is deployed", id="F62-it-ended-before"),
        pytest.param(RunState.FAILED, "failed", id="F62-it-failed-before"),
        pytest.param(RunState.STOPPING, "is being stopped", id="F61-not-yet"),
    ],
)
def test_a_run_that_was_overruled_says_by_what(state: RunState, said: str) -> None:
    item = replace(environment("refs/heads/x", "7/refs/heads/x"), commit="abcabca" + "0" * 33)
    text = run_message(observed(item, state), HELLO).text
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
    assert announcement_message(item, "is removed\n tomorrow") == Post(text)


def test_what_failed_before_a_run_began_leads_to_its_stack() -> None:
    item, failed = environment("refs/heads/x", "7/refs/heads/x"), Announcement("7/refs/heads/x", "1", "no\n luck", SHA)
    post = failure_message(item, HELLO, replace(failed, url="https://console/stack"), "")
    assert post == Post(
        f":x: *acme/site* `x` failed: no luck\n<{PAGE}|Say hello>",
        context=(f"`{SHA[:7]}`", "<https://console/stack|the stack>"),
    )
    assert failure_message(item, HELLO, failed, "Ada").context == (f"`{SHA[:7]}`",)
    assert failure_message(item, Commit(SHA, "", "", ""), failed, "").text == ":x: *acme/site* `x` failed: no luck"


TEXTS = st.text(st.sampled_from("&<>`!@#|*_~ abcé🪣\n\u0301\u200d"), max_size=400) | st.text(max_size=40)
NAMES = st.tuples(TEXTS, st.integers(1, 20)).map(lambda made: made[0] * made[1])


@given(NAMES, NAMES, NAMES, NAMES, st.sampled_from(RunState))
@example("", "<\n", "", "", RunState.SUCCEEDED)
@example("<" * 250, "&" * 4000, ">" * 4000, "&" * 100, RunState.SUPERSEDED)
@example("<" * 250, "&" * 4000, ">" * 4000, "&" * 100, RunState.FAILED)
@example("&" * 250, "&" * 4000, ">" * 4000, "&" * 100, RunState.SUCCEEDED)
def test_F69_no_text_from_outside_is_a_control_sequence(
    branch: str, subject: str, author: str, stage: str, state: RunState
) -> None:
    """``<`` begins every reference, mention and link: the only ones are ours."""
    item = environment(f"refs/heads/{branch}", f"7/refs/heads/{branch or 'x'}")
    for status in (CommitState.FAILURE, CommitState.PENDING):
        seen = observed(
            item, state, StageProgress(stage, status, "waits for an approval", 3, waits=status is CommitState.PENDING)
        )
        post = run_message(seen, Commit(SHA, subject, author, "", PAGE), Setback(1, "run-0", stage, "cd" * 20))
        assert units(post.text) <= 3000
        assert all(units(each) <= 3000 for each in post.context)
        whole = "\n".join((post.text, *post.context))
        assert re.findall(r"&(?!amp;|lt;|gt;)", whole) == []
        rest = re.sub(rf"<{PAGE}\|([^<>]*)>|<https://console[/view]*\|[a-z ]+>", r"\1", whole)
        assert not {"<", ">"} & set(rest)
        for said in (branch or "x", subject.split("\n", 1)[0], author):
            assert shown_in(said, html.unescape(rest))


@given(NAMES, NAMES, NAMES, st.lists(TEXTS, max_size=5), NAMES)
@example("&" * 100, "<" * 100, "🪣" * 4000, ["🪣" * 4000], "<" * 500)
def test_F69_nor_is_what_a_build_says(stage: str, action: str, reason: str, lines: list[str], author: str) -> None:
    failed = ActionRun("Build", action, "CodeBuild", "Failed", 0, 0)
    said = Failure(reason, tuple(lines), "https://logs/?a=b&c=d")
    commit = name_of(Commit(SHA, "", author, ""))
    reply = stage_reply(StageProgress(stage, CommitState.FAILURE, "failed", 3, 4, failed), said, author=commit)
    assert all(units(each) <= 3000 for each in (reply.text, *reply.details))
    assert not {"<", ">"} & set(reply.whole)
    assert re.findall(r"&(?!amp;|lt;|gt;)", reply.whole) == []
    log = "\n".join(lines).replace("```", "'''")
    if log.strip():
        [block] = reply.details
        shown = html.unescape(block.removesuffix("```"))
        assert block.startswith("```")
        assert block.endswith("```")
        assert shown.endswith(log[-200:]), "the end of the log is what is kept"
        assert len(escape(log)) > 2900 - 12 or block == f"```{escape(log)}```"
        assert reply.context == ("<https://logs/?a=b&amp;c=d|the whole log>",)
    else:
        assert (reply.details, reply.context) == ((), ("<https://logs/?a=b&amp;c=d|more about it>",))


@given(NAMES, NAMES)
@example("<" * 250, "&" * 4000)
def test_F69_nor_is_what_is_announced(branch: str, text: str) -> None:
    item = environment(f"refs/heads/{branch}", f"7/refs/heads/{branch or 'x'}")
    commit = Commit(SHA, text, text, "")
    before = failure_message(item, commit, Announcement("7/refs/heads/x", "1", text, SHA), name_of(commit)).text
    for message in (announcement_message(item, text).text, before):
        assert units(message) <= 3000
        assert not {"<", ">"} & set(message)
        assert re.findall(r"&(?!amp;|lt;|gt;)", message) == []
        assert shown_in(" ".join(text.split()), html.unescape(message))


def shown_in(text: str, shown: str) -> bool:
    """Whether people read this text, or as much of its beginning as there is room for."""
    return text in shown or any(f"{text[:length]}…" in shown for length in range(50, len(text)))


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


FAILED = StageProgress("Build", CommitState.FAILURE, "failed", 3, 4, ActionRun("Build", "Test", "x", "Failed", 0, 0))


def test_a_reply_says_what_failed_why_and_whose_it_is() -> None:
    reply = stage_reply(FAILED, Failure("npm test exited with 1", ("one", "two")), author="<@U0000000A>")
    assert reply == Post(
        ":x: *Build* failed in 4 s: *Test*: npm test exited with 1\nCommit by <@U0000000A>", ("```one\ntwo```",)
    )


@pytest.mark.parametrize("url", ["", "no url"], ids=["none", "no-url"])
def test_what_leads_nowhere_is_not_shown(url: str) -> None:
    assert stage_reply(FAILED, Failure("no luck", ("one",), url)).context == ()


def test_an_action_called_as_its_stage_is_named_once() -> None:
    stage = replace(FAILED, failed=ActionRun("Build", "Build", "x", "Failed", 0, 0))
    assert stage_reply(stage, Failure("no luck")).text == ":x: *Build* failed in 4 s: no luck"


def test_a_reply_shows_the_last_twenty_lines_of_the_log() -> None:
    reply = stage_reply(FAILED, Failure("no luck", tuple(f"line {number}" for number in range(30))))
    [block] = reply.details
    assert block.strip("`").split("\n") == [f"line {number}" for number in range(10, 30)]


def test_a_reply_shows_the_end_of_a_long_log() -> None:
    reply = stage_reply(FAILED, Failure("npm test exited with 1", ("x" * 4000, "AssertionError: 1 != 2")))
    [block] = reply.details
    assert block.startswith("```…xxx")
    assert block.endswith("AssertionError: 1 != 2```")
    assert len(block) < 3000


def test_a_stage_that_failed_without_an_action() -> None:
    stage = StageProgress("Build", CommitState.FAILURE, "failed", 3)
    assert stage_reply(stage, None, author="Ada") == Post(":x: *Build* failed\nCommit by Ada")


def test_a_reply_to_what_went_well() -> None:
    assert stage_reply(StageProgress("Build", CommitState.SUCCESS, "succeeded", 3, 4), None) == Post(
        ":white_check_mark: *Build* succeeded in 4 s"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "succeeded"),
        (42, "succeeded in 42 s"),
        (60, "succeeded in 1 min"),
        (725, "succeeded in 12 min 5 s"),
        (3_600, "succeeded in 1 h"),
        (7_385, "succeeded in 2 h 3 min"),
    ],
)
def test_how_long_a_stage_took(seconds: int, text: str) -> None:
    stage = StageProgress("Build", CommitState.SUCCESS, "succeeded", 3, seconds)
    assert stage_reply(stage, None).text == f":white_check_mark: *Build* {text}"


@pytest.mark.parametrize("text", ["superseded by abc1234", "stopped"], ids=["F61-superseded", "F61-stopped"])
def test_what_did_not_come_to_its_end_took_no_time(text: str) -> None:
    stage = StageProgress("Build", CommitState.ERROR, text, 3, 42)
    assert stage_reply(stage, None).text == f":no_entry_sign: *Build* {text}"


def phase(name: str, status: str, message: str = "") -> dict[str, Any]:
    return {"phaseType": name, "phaseStatus": status, "contexts": [{"statusCode": "X", "message": message}]}


COMMAND = "Error while executing command: npm test. Reason: exit status 1"


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        pytest.param({"phases": [phase("BUILD", "FAILED", COMMAND)]}, "npm test exited with 1", id="a-command"),
        pytest.param(
            {"phases": [phase("BUILD", "FAILED", "Error while executing command: a\n b. Reason: exit status 127")]},
            "a … exited with 127",
            id="a-command-of-two-lines",
        ),
        pytest.param(
            {"phases": [phase("BUILD", "FAILED", COMMAND.replace("npm test", "x" * 500))]},
            f"{'x' * 79}… exited with 1",
            id="a-long-command-leaves-room-for-how-it-ended",
        ),
        pytest.param(
            {"phases": [phase("BUILD", "FAILED", COMMAND.replace("npm test", "git push https://me:secret@host/x"))]},
            "git push https://***@host/x exited with 1",
            id="F91-credentials-in-a-command",
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
        pytest.param({"phases": [phase("BUILD", "TIMED_OUT", "too\r\nlong")]}, "too long", id="timed-out"),
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
        {"events": [{"message": "[Container] 2026/11/01 00:00:00 Entering phase BUILD"}, {"message": "one\ntwo"}]},
        {"logGroupName": "/aws/codebuild/site", "logStreamName": "1", "limit": 500, "startFromHead": False},
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
