"""``deployer logs``: what the builds of an environment's run have written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from deployer.errors import Rejected
from deployer_cli.commands import placed
from deployer_cli.everyday.build_logs import BuildLog, Reading, chosen, read, readable_line
from deployer_cli.everyday.choosing import Branch, Env, Repo, choose
from deployer_cli.everyday.following import follow
from deployer_cli.everyday.judge import Report
from deployer_cli.everyday.reading import awaited, looking
from deployer_cli.output import Output, plain
from deployer_cli.place import Place


@placed
def logs(
    place: Place,
    output: Output,
    *,
    branch: Branch = None,
    repo: Repo = None,
    env: Env = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="The pipeline's stage; by default what failed, else all.")
    ] = None,
    following: Annotated[bool, typer.Option("--follow", help="Go on until the run has ended.")] = False,
) -> None:
    """Print the logs of the builds of an environment's run; where it failed, of what failed."""
    look = looking(place, choose(place, branch, repo, env, Path.cwd()))
    reader = Reader(place, stage)
    if following:
        found = awaited(look)
        follow(lambda: reader.read(found()), lambda seen: _print(seen, reader, output), time.sleep, output.note, _size)
    else:
        _print(reader.read(look()), reader, output)
    if output.json:
        output.emit({"lines": reader.told})
    if not reader.logs:
        raise Rejected(reader.nothing())


class Reader:
    """Reads on in the logs of a run, and in those of builds that begin meanwhile."""

    def __init__(self, place: Place, stage: str | None) -> None:
        self._place, self._stage = place, stage
        self.logs: dict[str, BuildLog] = {}
        self.told: list[dict[str, object]] = []
        self._reason = ""

    def read(self, report: Report) -> Reading:
        """What has come since the last time."""
        self._reason = report.reason
        for action in chosen(report, self._stage):
            if action.external_id not in self.logs:
                clients = self._place.client("codebuild"), self._place.client("logs")
                self.logs[action.external_id] = BuildLog(*clients, action)
        messages = list(read(log for log in self.logs.values() if not log.over))
        return Reading(messages, report.over and all(log.over for log in self.logs.values()))

    def nothing(self) -> str:
        """Why there was nothing to read."""
        of_stage = f" in its stage {self._stage}" if self._stage else ""
        return plain(f"no build{of_stage} has begun: {self._reason}")


def _print(reading: Reading, reader: Reader, output: Output) -> None:
    several = len({log.action.action for log in reader.logs.values()}) > 1
    for message in reading.messages:
        text = readable_line(message.text)
        if output.json:
            reader.told.append({"action": message.action, "time": message.time, "text": message.text})
        else:
            output.say(f"{plain(message.action)} | {text}" if several else text)


def _size(reading: Reading) -> object:
    """New lines are something new each time; none are none."""
    return object() if reading.messages else None
