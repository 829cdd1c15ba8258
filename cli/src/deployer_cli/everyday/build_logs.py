"""The logs of builds, from CloudWatch Logs, as far as they go and on from there.

Sources: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployer.logs import as_left
from deployer.pipelines import ActionRun
from deployer.stacks import code_of, translated
from deployer_cli.everyday.judge import Report
from deployer_cli.output import plain

BUILDS = "CodeBuild"


@dataclass(frozen=True)
class Message:
    """One line of a build's log. ``time``: milliseconds since the epoch."""

    action: str
    time: int
    text: str


def chosen(report: Report, stage: str | None) -> tuple[ActionRun, ...]:
    """The builds whose logs are meant: those of the stage that was named; else what failed; else all. Pure.

    Of an action that was retried, the latest attempt.
    """
    seen = [run for run in report.seen.runs.values() if run]
    builds = {
        (run.pipeline, action.stage, action.action): action
        for run in seen
        for action in run.actions
        if action.provider == BUILDS and action.external_id
    }.values()
    if stage is not None:
        return tuple(action for action in builds if action.stage.lower() == stage.lower())
    return tuple(action for action in builds if action.status == "Failed") or tuple(builds)


def readable_line(text: str) -> str:
    """A line as it may be printed: its colours gone, a tab a blank, nothing that steers the terminal."""
    return plain(as_left(text.rstrip("\r\n")).replace("\t", "    "))


class BuildLog:
    """One build's log, read on from where it was read to. ``codebuild`` and ``logs`` are boto3 clients."""

    def __init__(self, codebuild: Any, logs: Any, action: ActionRun) -> None:
        self._codebuild, self._logs, self.action = codebuild, logs, action
        self._token = ""
        self.over = False

    def more(self) -> Iterator[Message]:
        """The lines that have come since.

        Raises:
            Transient: where AWS is to be asked again; what was answered with is not repeated.
        """
        with translated(f"build {self.action.external_id}"):
            builds = self._codebuild.batch_get_builds(ids=[self.action.external_id])["builds"]
        build = builds[0] if builds else {}
        place = build.get("logs", {})
        # Looked at before its lines: what it has written until it was complete is there then.
        complete = not builds or bool(build.get("buildComplete"))
        if place.get("groupName") and place.get("streamName"):
            yield from self._lines(place["groupName"], place["streamName"])
        self.over = complete

    def _lines(self, group: str, stream: str) -> Iterator[Message]:
        while True:
            token = {"nextToken": self._token} if self._token else {}
            with translated(f"log {stream}"):
                try:
                    page = self._logs.get_log_events(
                        logGroupName=group, logStreamName=stream, startFromHead=True, **token
                    )
                except ClientError as error:
                    if code_of(error) == "ResourceNotFoundException":
                        return
                    raise
            for event in page["events"]:
                yield Message(self.action.action, int(event["timestamp"]), str(event["message"]))
            # At the end of a stream the token stays what it was.
            if page["nextForwardToken"] == self._token:
                return
            self._token = str(page["nextForwardToken"])


@dataclass(frozen=True)
class Reading:
    """The lines that have come, of all logs that are read. ``over``: whether none will come any more."""

    messages: Sequence[Message]
    over: bool


def read(logs: Iterable[BuildLog]) -> Iterator[Message]:
    """All that has come, one log after the other."""
    for log in logs:
        yield from log.more()
