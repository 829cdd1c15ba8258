"""What Slack shows: one message for a run, a reply for each stage that ended.

Pure. Everything that comes from outside is escaped; no text here can mention a channel or make a link of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.ports import Commit, Environment
from deployer.refs import TAGS
from deployer.states import CommitState, RunState
from notifier.builds import Failure
from notifier.progress import StageProgress

_ICONS = {
    CommitState.PENDING: ":hourglass_flowing_sand:",
    CommitState.SUCCESS: ":white_check_mark:",
    CommitState.FAILURE: ":x:",
    CommitState.ERROR: ":no_entry_sign:",
}
_RUN_TEXTS = {
    RunState.IN_PROGRESS: (CommitState.PENDING, "is being deployed"),
    RunState.STOPPING: (CommitState.PENDING, "is being stopped"),
    RunState.SUCCEEDED: (CommitState.SUCCESS, "is deployed"),
    RunState.FAILED: (CommitState.FAILURE, "failed"),
    RunState.STOPPED: (CommitState.ERROR, "was stopped"),
    RunState.CANCELLED: (CommitState.ERROR, "was cancelled"),
    RunState.SUPERSEDED: (CommitState.ERROR, "was superseded by a newer run"),
}
_CODE = 2500


def escape(text: str) -> str:
    """Outside text as Slack shows it verbatim. Source: https://docs.slack.dev/messaging/formatting-message-text"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def run_message(environment: Environment, commit: Commit, state: RunState, url: str) -> str:
    """The run's message: what, where, which commit, whose, and how it stands."""
    status, words = _RUN_TEXTS[state]
    repository, ref, where = environment.repository.full_name, environment.ref, environment.id.label
    if ref.startswith(TAGS):
        where = f"{where} {ref.removeprefix(TAGS)}"
    author = f" by {escape(commit.author)}" if commit.author else ""
    head = f"{_ICONS[status]} *{escape(repository)}* `{escape(where)}` {words}"
    return f"{head}\n<{url}|{commit.sha[:7]}> {escape(commit.subject[:200])}{author}"


def stage_reply(progress: StageProgress, failure: Failure | None) -> str:
    """A stage's reply: how it ended; where it failed, why, with the log's end."""
    head = f"{_ICONS[progress.state]} *{escape(progress.stage)}* {progress.text} after {progress.seconds} s"
    if failure is None:
        return head
    action = f" ({escape(progress.failed.action)})" if progress.failed else ""
    return f"{head}{action}: {escape(failure.reason[:500])}{_code(failure.lines)}"


def _code(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    text = escape("\n".join(lines)).replace("```", "'''")
    return f"\n```{text[-_CODE:]}```"
