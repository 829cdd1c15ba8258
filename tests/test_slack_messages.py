"""What the notifier says, through slack-sdk and over the wire, as the local Slack receives it.

Every exchange is held to Slack's published contract, the calls included.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.contracts import slack as contract
from tests.simulation.said import Notes

from deployer.builds import Failure
from deployer.environments import parse
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import RepositoryName
from deployer.pipelines import ActionRun, RunDetails
from deployer.ports import Commit, Environment, Post
from deployer.progress import StageProgress
from deployer.reasons import Reasons
from deployer.slack import Slack as Client
from deployer.states import CommitState, RunState
from deployer.testing import Tape
from deployer_local.aws.serving import LoopbackServer
from deployer_local.slack import Exchange, Message, Slack
from notifier.authors import Authors
from notifier.channels import Channels, Told
from notifier.health import Setback
from notifier.messages import announcement_message, run_message, stage_reply
from notifier.mrkdwn import mention
from notifier.observing import Observed
from notifier.threads import Threads

SHA, CONSOLE = "ab" * 20, "https://eu-west-1.console.aws.amazon.com/codesuite"
PAGE = f"https://github.com/acme/site/commit/{SHA}"
OURS = re.compile(rf"<(?:{PAGE}\|[^<>]*|{CONSOLE}\|(?:the run|approve it))>")
RUN, LOG = f"<{CONSOLE}|approve it>", f"<{CONSOLE}|the whole log>"
MORE = f"<{CONSOLE}|more about it>"


@dataclass
class Workspace:
    """A local Slack, our client of it, and what passed between them."""

    slack: Slack
    url: str
    seen: list[Exchange] = field(default_factory=list)

    @property
    def client(self) -> Client:
        """As the notifier makes it."""
        return Client(self.url, lambda: "xoxb-canary", timeout=5)

    def message(self, ts: str) -> Message:
        """A message of the channel, as people see it now."""
        return next(each for each in self.slack.messages("deployments") if each.ts == ts)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    server, now = LoopbackServer(), iter(range(1_800_000_000, 1_900_000_000, 2))
    slack = Slack(tmp_path_factory.mktemp("slack"), token="xoxb-canary", clock=lambda: float(next(now)))
    server.start(Starlette(routes=[Mount("/slack/api", slack.app)]), "the local Slack")
    workspace = Workspace(slack, f"{server.url}/slack/api/")
    slack.watch(workspace.seen.append)
    yield workspace
    server.stop()
    slack.close()


@pytest.fixture
def workspace(running: Workspace) -> Iterator[Workspace]:
    running.seen.clear()
    yield running
    assert running.seen, "nothing was asked"
    assert [wrong for each in running.seen for wrong in contract.of_exchange(each, ours=True)] == []


def environment(branch: str) -> Environment:
    name = RepositoryName(7, "acme", "site")
    return Environment(parse(f"7/refs/heads/{branch}"), name, f"refs/heads/{branch}", "site-x", 1, commit=SHA)


def texts(said: Message) -> list[str]:
    """Everywhere that Slack reads control sequences in: its blocks, and what notifications show."""
    shown = [text for block in said.blocks for text in block.get("elements") or [block["text"]]]
    assert all(text["verbatim"] for text in shown), "Slack is not to look for names and links of its own"
    return [*(text["text"] for text in shown), said.text]


def controls(text: str) -> list[str]:
    """References, mentions and links, whole or torn, and what is left of entities."""
    return re.findall(r"<[^>]*>?|>|&(?!amp;|lt;|gt;)", text)


def shown(text: str) -> str:
    """As people read it: of our links their texts."""
    return html.unescape(re.sub(r"<https://(?:github|eu-west-1)[^|<>]*\|([^<>]*)>", r"\1", text))


def seen(branch: str, state: RunState, *stages: StageProgress) -> Observed:
    return Observed(environment(branch), "site-x", RunDetails("run-1", state, 1, {}), SHA, stages, 0, CONSOLE, CONSOLE)


OUTSIDE = st.text(st.sampled_from("&<>!@#|;`* abglmpt日🪣\u0301"), min_size=1, max_size=60) | st.text(
    min_size=1, max_size=30
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE)
@example("<!channel>", "<!here|x> & <@U123>", "<https://evil|acme>", "&lt;!channel&gt;")
@example("x" * 250, "&" * 4000, "<" * 4000, ">" * 4000)
@example("&" * 250, "&" * 4000, "&" * 4000, "&" * 4000)
@example(";", " ", " ", ";")
def test_F69_nothing_from_outside_is_a_control_sequence_where_slack_reads_it(
    workspace: Workspace, branch: str, subject: str, author: str, reason: str
) -> None:
    commit, client = Commit(SHA, subject, author, "", PAGE), workspace.client
    failed = ActionRun("Build", subject, "CodeBuild", "Failed", 0, 0)
    waiting = StageProgress(branch, CommitState.PENDING, "waits for an approval", 2, waits=True)
    stage = StageProgress(branch, CommitState.FAILURE, "failed", 3, 4, failed)
    channel, ts = client.post("deployments", run_message(seen(branch, RunState.IN_PROGRESS, waiting), commit))
    client.post(channel, stage_reply(waiting, None, CONSOLE), thread=ts)
    failure = Failure(reason, (author, subject), CONSOLE)
    client.post(channel, stage_reply(stage, failure, CONSOLE, mention("U0LOCAL0001")), thread=ts)
    client.update(channel, ts, run_message(seen(branch, RunState.FAILED, stage), commit))
    mended = Setback(0, "run-0", branch, SHA)
    client.update(channel, ts, run_message(seen(branch, RunState.SUCCEEDED), commit, mended))
    found = workspace.message(ts)
    asks, reply = found.replies
    for message in (*found.edits, found):
        whole = "\n".join(texts(message))
        assert all(re.fullmatch(OURS, each) for each in controls(whole)), controls(whole)
        assert all(beginning(each) in shown(whole) for each in (branch, subject.split("\n", 1)[0], author))
    # Of a log of blank lines nothing is shown, so nothing leads to the rest of it.
    log = {LOG if (author + subject).strip() else MORE}
    for message, ours in ((asks, {RUN}), (reply, {"<@U0LOCAL0001>", *log})):
        assert set(controls("\n".join(texts(message)))) == ours
        assert beginning(branch) in shown(message.text)
    assert all(beginning(each) in shown(reply.text) for each in (branch, subject, reason))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OUTSIDE, OUTSIDE)
@example("<!channel>", "<https://evil|acme>")
@example("x" * 250, "&" * 4000)
def test_F69_nor_is_anything_in_an_announcement(workspace: Workspace, branch: str, said: str) -> None:
    _, ts = workspace.client.post("deployments", announcement_message(environment(branch), said))
    for text in texts(workspace.message(ts)):
        assert controls(text) == []
        assert all(beginning(each) in html.unescape(text) for each in (branch, " ".join(said.split())))


def beginning(text: str) -> str:
    """What is read of it in any case."""
    return text[:35]


@pytest.mark.parametrize(
    ("what", "kind", "wait"),
    [
        pytest.param(429, Transient, 7.0, id="F67-429"),
        pytest.param("ratelimited", Transient, None, id="F67-said-in-the-body"),
        pytest.param(500, Transient, None, id="F70-500"),
        pytest.param(503, Transient, None, id="F70-503"),
        pytest.param("fatal_error", Transient, None, id="F70-fatal-error"),
        pytest.param("invalid_auth", Broken, None, id="F70-token"),
        pytest.param("channel_not_found", Broken, None, id="no-channel"),
        pytest.param("thread_not_found", Rejected, None, id="somebody-removed-it"),
    ],
)
def test_refusals_on_demand(workspace: Workspace, what: int | str, kind: type, wait: float | None) -> None:
    workspace.slack.fail_next(what, retry_after=7)
    before = len(workspace.slack.messages())
    with pytest.raises(DeployerError) as refusal:
        workspace.client.post("deployments", Post("x"))
    assert (type(refusal.value), getattr(refusal.value, "retry_after", None)) == (kind, wait)
    assert (len(workspace.seen), len(workspace.slack.messages())) == (1, before), "asked once, nothing posted"
    workspace.client.post("deployments", Post("x"))
    assert len(workspace.slack.messages()) == before + 1


@dataclass
class Site:
    """GitHub and CodeBuild, as far as Slack's side asks them."""

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        return Commit(sha, "Say hello", "Ada", "ada@example.com", PAGE)

    def of(self, observed: Observed) -> str:
        return ""

    def failure(self, build_id: str) -> Failure:
        return Failure("npm test exited with 1", ("one", "two"))


def threads(client: Client) -> Threads:
    """Slack's side of the notifier, which tells everything."""
    site: Any = Site()
    notes = Notes(Tape(), lambda: 0)
    channels = Channels("deployments", development=Told.ALL)
    return Threads(site, Authors(site), notes, Reasons(site, site), lambda: client, channels, site)


@contextmanager
def another(folder: Path, **given: Any) -> Iterator[Workspace]:
    """A workspace of a test's own, held to Slack's contract as the others are."""
    server, slack = LoopbackServer(), Slack(folder, token="xoxb-canary", **given)
    workspace = Workspace(slack, f"{server.url}/")
    server.start(slack.app, "another Slack")
    slack.watch(workspace.seen.append)
    try:
        yield workspace
    finally:
        server.stop()
        slack.close()
    assert [wrong for each in workspace.seen for wrong in contract.of_exchange(each, ours=True)] == []


FAILING = (
    StageProgress("Source", CommitState.SUCCESS, "succeeded", 3, 4),
    StageProgress(
        "Build",
        CommitState.FAILURE,
        "failed",
        3,
        4,
        ActionRun("Build", "Test", "CodeBuild", "Failed", 0, 0, external_id="site:1"),
    ),
)


@pytest.mark.parametrize(
    ("trouble", "cure", "kind"),
    [
        pytest.param(Slack.archive_channel, Slack.invite_to_channel, Broken, id="F70-is-archived"),
        pytest.param(Slack.remove_from_channel, Slack.invite_to_channel, Broken, id="F70-not-in-channel"),
        pytest.param(
            lambda slack, _: slack.rotate_token("x"),
            lambda slack, _: slack.rotate_token("xoxb-canary"),
            Broken,
            id="F70-token-revoked",
        ),
        pytest.param(
            lambda slack, _: slack.fail_next("channel_not_found"), lambda *_: None, Broken, id="F70-channel-not-found"
        ),
        pytest.param(lambda slack, _: slack.fail_next("msg_too_long"), lambda *_: None, Broken, id="F70-msg-too-long"),
        pytest.param(lambda slack, _: slack.fail_next(503), lambda *_: None, Transient, id="F70-down"),
        pytest.param(lambda slack, _: slack.fail_next(429), lambda *_: None, Transient, id="F67-ratelimited"),
    ],
)
@pytest.mark.parametrize("after", range(3), ids=["at-first", "after-one", "after-two"])
def test_once_the_trouble_is_mended_everything_is_told_once(
    tmp_path: Path, trouble: Any, cure: Any, kind: type[DeployerError], after: int
) -> None:
    """Whichever of the three messages Slack does not take."""
    with another(tmp_path) as workspace:
        slack, ada = workspace.slack, workspace.slack.add_user("ada@example.com", "Ada")
        client, run = workspace.client, seen("feature/login", RunState.FAILED, *FAILING)
        side = threads(client)
        post, posts = client.post, itertools.count()

        def posting(channel: str, said: Post, thread: str = "") -> tuple[str, str]:
            if next(posts) == after:
                trouble(slack, "deployments")
            return post(channel, said, thread)

        client.post = posting  # type: ignore[method-assign]
        with pytest.raises(kind):
            side.tell(run)
        cure(slack, "deployments")
        assert side.tell(run)
        assert side.tell(run)
        [message] = slack.messages("deployments")
    assert [reply.text.split()[1] for reply in message.replies] == ["*Source*", "*Build*"]
    assert message.replies[1].text.count(f"<@{ada}>") == 1
    assert message.edits == ()


def test_F70_without_the_scope_for_addresses_the_author_is_named(tmp_path: Path) -> None:
    with another(tmp_path, scopes=("chat:write",)) as workspace:
        workspace.slack.add_user("ada@example.com", "Ada")
        assert threads(workspace.client).tell(seen("feature/login", RunState.FAILED, *FAILING))
        [message] = workspace.slack.messages("deployments")
    assert "\nCommit by Ada\n" in message.replies[1].text


def test_F70_without_the_scope_to_write_it_is_an_alarm(tmp_path: Path) -> None:
    with (
        another(tmp_path, scopes=("users:read",)) as workspace,
        pytest.raises(Broken, match="lacks the scope chat:write"),
    ):
        threads(workspace.client).tell(seen("feature/login", RunState.FAILED, *FAILING))


def test_F67_a_message_too_many_says_when_it_is_welcome(tmp_path: Path) -> None:
    server = LoopbackServer()
    slack = Slack(tmp_path, token="xoxb-canary", clock=lambda: 1_800_000_000.0, paced=True)
    server.start(slack.app, "a paced Slack")
    try:
        client = Client(f"{server.url}/", lambda: "xoxb-canary")
        _, ts = client.post("deployments", Post("one"))
        with pytest.raises(Transient) as refusal:
            client.post("deployments", Post("two"), thread=ts)
        assert refusal.value.retry_after == 1.0
    finally:
        server.stop()
        slack.close()
