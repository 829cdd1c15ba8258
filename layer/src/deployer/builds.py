"""Why a CodeBuild build failed, and the last lines that its commands wrote.

Sources: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployer import lengths
from deployer.logs import clean, ending
from deployer.stacks import code_of, translated

# Events of a log's end: what its commands wrote may stand before much that the agent, or another phase, says later.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html takes 10,000.
FETCHED = 500
# So much of a command is shown that how it ended has room behind it.
LONGEST = 80
_COMMAND = re.compile(
    r"Error while executing command: (?P<command>.*)\. Reason: exit status (?P<status>\d+)", re.DOTALL
)


@dataclass(frozen=True)
class Failure:
    """Why an action failed. ``lines``: the end of its log; ``url``: where the log is, or empty.

    ``late``: more is to be known of it, and could not be asked now.
    """

    reason: str
    lines: tuple[str, ...] = ()
    url: str = ""
    late: bool = False


def reason_of(build: Mapping[str, Any]) -> str:
    """The first failed phase in words: ``npm test exited with 1``. Of a command of many lines, the first."""
    for phase in build.get("phases", []):
        for context in phase.get("contexts", []):
            message = str(context.get("message", ""))
            if phase.get("phaseStatus") in ("FAILED", "FAULT", "TIMED_OUT") and message:
                match = _COMMAND.search(message)
                return f"{_short(match['command'])} exited with {match['status']}" if match else _whole(message)
    return str(build.get("buildStatus", "failed")).lower().replace("_", " ")


def _whole(message: str) -> str:
    return " ".join(map(clean, message.splitlines()))


def _short(command: str) -> str:
    first, more, _ = command.strip().partition("\n")
    first = clean(first)
    return lengths.cut(f"{first} {lengths.ELLIPSIS}" if more else first, LONGEST)


class Builds:
    """Read builds and their logs. ``codebuild`` and ``logs`` are boto3 clients."""

    def __init__(self, codebuild: Any, logs: Any) -> None:
        self._codebuild, self._logs = codebuild, logs

    def failure(self, build_id: str) -> Failure | None:
        """Why the build failed, with its log's last lines; None where there is no such build."""
        with translated(f"build {build_id}"):
            builds = self._codebuild.batch_get_builds(ids=[build_id])["builds"]
        if not builds:
            return None
        logs = builds[0].get("logs", {})
        return Failure(
            reason_of(builds[0]), self._tail(logs.get("groupName"), logs.get("streamName")), logs.get("deepLink", "")
        )

    def _tail(self, group: str | None, stream: str | None) -> tuple[str, ...]:
        if not group or not stream:
            return ()
        with translated(f"log {stream}"):
            try:
                events = self._logs.get_log_events(
                    logGroupName=group, logStreamName=stream, limit=FETCHED, startFromHead=False
                )["events"]
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return ()
                raise
        return ending(event["message"] for event in events)
