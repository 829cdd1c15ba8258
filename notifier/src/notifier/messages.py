"""What Slack shows: one message for a run, a reply for each stage that ended, and what the builder announces.

Pure. Everything that comes from outside is escaped; no text here can mention a channel or make a link of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer import lengths
from deployer.contexts import ref_of
from deployer.ports import Commit, Environment
from deployer.refs import TAGS
from deployer.states import CommitState, RunState
from notifier.builds import Failure
from notifier.progress import OVERRULED, StageProgress

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
# Lengths of what comes from outside, once it is escaped: together they stay below a section's 3,000 characters.
_NAME, _SUBJECT, _REASON, _CODE = 400, 900, 700, 1500


def escape(text: str) -> str:
    """Outside text as Slack shows it verbatim. Source: https://docs.slack.dev/messaging/formatting-message-text"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _outside(text: str, most: int) -> str:
    """Outside text, cut where its escaped form would be too long."""
    return escape(lengths.cut(text, most, _escaped))


def _escaped(character: str) -> int:
    return lengths.units(character) + len(escape(character)) - 1


def run_message(environment: Environment, commit: Commit, state: RunState, url: str, instead: str = "") -> str:
    """The run's message: what, where, which commit, whose, and how it stands.

    ``instead``: what the environment wants instead, where it overruled the run.
    """
    status, words = _RUN_TEXTS[state]
    if instead and state in OVERRULED:
        words = f"was {instead}"
    author = f" by {_outside(commit.author, _NAME)}" if commit.author else ""
    head = f"{_ICONS[status]} {_place(environment, ref_of(environment, commit.sha))} {words}"
    return f"{head}\n<{url}|{commit.sha[:7]}> {_outside(commit.subject, _SUBJECT)}{author}"


def announcement_message(environment: Environment | None, text: str) -> str:
    """What the builder has to say of an environment; where that is gone, without its name."""
    said = _outside(" ".join(text.split()), _REASON)
    return f":bell: {_place(environment, environment.ref)} {said}" if environment else f":bell: {said}"


def _place(environment: Environment, ref: str) -> str:
    """Which environment of which repository, and which release of it, where ``ref`` is one."""
    where = environment.id.label
    if ref.startswith(TAGS):
        where = f"{where} {ref.removeprefix(TAGS)}"
    return f"*{_outside(environment.repository.full_name, _NAME)}* `{_outside(where, _NAME)}`"


def stage_reply(progress: StageProgress, failure: Failure | None) -> str:
    """A stage's reply: how it ended; where it failed, why, with the log's end."""
    stage = _outside(progress.stage, _NAME // 2)
    head = f"{_ICONS[progress.state]} *{stage}* {progress.text} after {progress.seconds} s"
    if failure is None:
        return head
    action = f" ({_outside(progress.failed.action, _NAME // 2)})" if progress.failed else ""
    return f"{head}{action}: {_outside(failure.reason, _REASON)}{_code(failure.lines)}"


def _code(lines: Sequence[str]) -> str:
    """The end of a log as a block of code, which what is in it cannot close."""
    text = "\n".join(lines).replace("```", "'''")
    if not text:
        return ""
    end = lengths.cut(text[::-1], _CODE, _escaped)[::-1]  # cut at its beginning
    return f"\n```{escape(end)}```"
