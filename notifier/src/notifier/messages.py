"""What Slack shows: one message for a run, a reply for each stage that ended, and what the builder announces.

Pure. Everything that comes from outside is escaped and cut; a message's sections stay below Slack's 3,000 characters.
"""

from __future__ import annotations

from deployer.builds import Failure
from deployer.contexts import readable, ref_of, with_part
from deployer.logs import LINES
from deployer.notices import Announcement
from deployer.ports import Commit, Environment, Post
from deployer.progress import OVERRULED, StageProgress, overruled
from deployer.refs import TAGS
from deployer.states import CommitState, RunState
from notifier.health import Setback
from notifier.mrkdwn import code, link, outside
from notifier.observing import Observed
from notifier.wording import action_of, how

_ICONS = {
    CommitState.PENDING: ":hourglass_flowing_sand:",
    CommitState.SUCCESS: ":white_check_mark:",
    CommitState.FAILURE: ":x:",
    CommitState.ERROR: ":no_entry_sign:",
}
_WAITS = ":raised_hand:"
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
_NAME, _STAGE, _SUBJECT, _REASON, _CODE = 400, 200, 700, 900, 2900


def failed_stage(observed: Observed) -> str:
    """The stage in which a run failed, or empty."""
    return next((each.stage for each in observed.stages if each.state is CommitState.FAILURE), "")


def run_message(observed: Observed, commit: Commit, mended: Setback | None = None, served: str = "") -> Post:
    """The run's message: what, where, which commit, whose, and how it stands.

    ``mended``: what it has put right; ``served``: where it is to be seen, or empty.
    """
    environment, run = observed.environment, observed.run
    icon, words = _head(observed)
    lines = [
        f"{icon} {_place(environment, ref_of(environment, observed.commit), observed.part)} {words}",
        link(commit.url, outside(commit.subject, _SUBJECT)),
        *_approvals(observed),
    ]
    if mended and run.state is RunState.SUCCEEDED:
        where = f"*{outside(mended.stage, _STAGE)}*, which" if mended.stage else "what"
        lines.append(f":wrench: Fixed: {where} had failed at `{outside(mended.commit[:7], _STAGE)}`")
    author = f"by {outside(commit.author, _NAME)}" if commit.author else ""
    small = (f"`{observed.commit[:7]}`", author, link(observed.url, "the run"), _leads(served, "View deployment"))
    return Post(_lines(*lines), context=tuple(text for text in small if text))


def _leads(url: str, shown: str) -> str:
    """A link; nothing where it would lead nowhere."""
    made = link(url, shown)
    return made if made != shown else ""


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _head(observed: Observed) -> tuple[str, str]:
    state = observed.run.state
    status, words = _RUN_TEXTS[state]
    instead = overruled(observed.environment, observed.commit)
    if instead and state in OVERRULED:
        return _ICONS[status], f"was {instead}"
    if state is RunState.FAILED and (stage := failed_stage(observed)):
        return _ICONS[status], f"{words} in *{outside(stage, _STAGE)}*"
    if state is RunState.IN_PROGRESS:
        running = [each for each in observed.stages if not each.ended]
        if any(each.waits for each in running):
            return _WAITS, "waits for an approval"
        if running:
            return _ICONS[status], f"{words}: *{outside(running[-1].stage, _STAGE)}*"
    return _ICONS[status], words


def _approvals(observed: Observed) -> list[str]:
    if observed.run.state is not RunState.IN_PROGRESS:
        return []
    return [_approval(each, observed.page(each)) for each in observed.stages if each.waits][:1]


def _approval(stage: StageProgress, url: str) -> str:
    """That a stage waits, with the way to where it can be approved."""
    return f"*{outside(stage.stage, _STAGE)}* waits for an approval: {link(url, 'approve it')}"


def stage_reply(stage: StageProgress, failure: Failure | None, url: str = "", author: str = "") -> Post:
    """A stage's reply: how it ended; where it failed, what and why, whose commit it is, and the log's end.

    ``url``: where it is to be looked at, or approved; ``author``: a mention, or a name that is escaped already.
    """
    if stage.waits:
        return Post(f"{_WAITS} {_approval(stage, url)}")
    text = f"{_ICONS[stage.state]} *{outside(stage.stage, _STAGE)}* {how(stage)}"
    if failure is not None:
        action = f": *{outside(action_of(stage), _STAGE)}*" if action_of(stage) else ""
        text = f"{text}{action}: {outside(failure.reason, _REASON)}"
    if author:
        text = f"{text}\nCommit by {author}"
    log = code(failure.lines[-LINES:], _CODE) if failure else ""
    leads = _leads(failure.url, "the whole log" if log else "more about it") if failure else ""
    return Post(text, (log,) if log else (), (leads,) if leads else ())


def name_of(commit: Commit) -> str:
    """An author's name, which mentions nobody."""
    return outside(commit.author, _NAME)


def announcement_message(environment: Environment | None, text: str) -> Post:
    """What the builder has to say of an environment; where that is gone, without its name."""
    said = outside(" ".join(text.split()), _REASON)
    return Post(f":bell: {_place(environment, environment.ref)} {said}" if environment else f":bell: {said}")


def failure_message(environment: Environment, commit: Commit, failed: Announcement, author: str) -> Post:
    """What kept a commit from being deployed before a run of it could begin; ``author`` as in a stage's reply."""
    reason = outside(" ".join(readable(failed.text).split()), _REASON)
    lines = (
        f"{_ICONS[CommitState.FAILURE]} {_place(environment, ref_of(environment, commit.sha))} failed: {reason}",
        link(commit.url, outside(commit.subject, _SUBJECT)),
        f"Commit by {author}" if author else "",
    )
    leads = _leads(failed.url, "the stack")
    return Post(_lines(*lines), context=(f"`{commit.sha[:7]}`", *([leads] if leads else [])))


def _place(environment: Environment, ref: str, part: str = "") -> str:
    """Which environment of which repository, which release of it, where ``ref`` is one, and which part."""
    where = environment.id.label
    if ref.startswith(TAGS):
        where = f"{where} {ref.removeprefix(TAGS)}"
    where = with_part(where, part)
    return f"*{outside(environment.repository.full_name, _NAME)}* `{outside(where, _NAME)}`"
