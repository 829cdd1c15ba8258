"""What a build's log says to people: its commands and what they printed, up to the command that failed.

Pure. CodeBuild's agent writes of itself in between, in lines that begin with ``[Container]`` and the time; AWS
documents no more of them than that they are there. It goes on after a command has failed, with the phases that follow
in any case, and what those print is not why. So that nobody's credentials go from a log, which few may read, into a
channel, what looks like one is left out.
Sources: https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details.html,
https://github.com/aws/aws-codebuild-docker-images/issues/102 (a whole log)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LINES = 20
_AGENT = re.compile(r"\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?P<says>.*)")
_RUNS, _FAILED = "Running command ", "Command did not exit successfully "
# Colours, cursors and titles: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Tokens by the form that GitHub and Slack give them, and whatever stands for somebody in a URL.
# https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/,
# https://docs.slack.dev/authentication/tokens
_CREDENTIALS = (
    (re.compile(r"\b(gh[a-z]_|github_pat_|xox[a-z]-|xapp-)[A-Za-z0-9._-]{8,}"), r"\1***"),
    (re.compile(r"(://)[^\s/@]+@"), r"\1***@"),
)


def ending(messages: Iterable[str], most: int = LINES) -> tuple[str, ...]:
    """The last lines that tell something, of the messages of a log's end in their order; none where there are none.

    A command that is run is shown as a shell would: ``$ npm test``.
    """
    told: list[str] = []
    for line in (line for message in messages for line in message.rstrip("\n").split("\n")):
        agent = _AGENT.fullmatch(line.rstrip("\r"))
        says = agent["says"] if agent else ""
        if says.startswith(_FAILED):
            break
        if agent and not says.startswith(_RUNS):
            continue
        shown = clean(f"$ {says.removeprefix(_RUNS)}" if agent else line)
        if shown or (told and told[-1]):
            told.append(shown)
    while told and not told[-1]:
        told.pop()
    return tuple(told[-most:])


def as_left(line: str) -> str:
    """What a terminal shows of a line in the end: without colours, and without what was written over."""
    return _ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2]


def clean(line: str) -> str:
    """A line as a terminal leaves it, without colours, what was written over and credentials."""
    left = as_left(line)
    for pattern, instead in _CREDENTIALS:
        left = pattern.sub(instead, left)
    return _UNSEEN.sub("", left).rstrip()


def build_log(project: str) -> str:
    """The log group that CodeBuild makes for a build project, unless it is told another.

    Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CloudWatchLogsConfig.html
    """
    return f"/aws/codebuild/{project}"
