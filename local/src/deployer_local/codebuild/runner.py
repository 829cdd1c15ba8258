"""Runs the phases of one build in a directory of its own.

Everything local: unpacked source in, log lines and phase records out. The rules for what follows a failed phase are
CodeBuild's (https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html): after install or
pre_build the build ends, after build still comes post_build, and whatever reached build gets to upload. Reads no AWS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from .buildspec import PHASES, Buildspec, OnFailure, Phase
from .logs import BuildLog
from .records import PhaseRecord
from .shell import BuildStoppedError, BuildTimedOutError, Shell


class PhaseFailedError(Exception):
    """A phase ended badly, with CodeBuild's status code and message."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class Progress:
    """The phases so far; ``changed`` is told after each step."""

    log: BuildLog
    clock: Callable[[], float]
    changed: Callable[[tuple[PhaseRecord, ...]], None] = lambda _: None
    phases: tuple[PhaseRecord, ...] = ()
    failed: str | None = field(default=None)

    def run(self, kind: str, work: Callable[[], None]) -> bool:
        """Record phase ``kind`` around ``work``; False when it ended badly. The first bad status is the build's."""
        self.phases += (PhaseRecord(kind, self.clock()),)
        self.changed(self.phases)
        record = self.phases[-1]
        try:
            work()
        except PhaseFailedError as error:
            record = replace(record, status=error.status, code=error.code, message=error.message)
            self.failed = self.failed or error.status
        else:
            record = replace(record, status="SUCCEEDED")
        self.phases = (*self.phases[:-1], replace(record, ended=self.clock()))
        self.changed(self.phases)
        self.log.say(f"Phase complete: {kind} State: {record.status}")
        self.log.say(f"Phase context status code: {record.code} Message: {record.message}")
        return record.status == "SUCCEEDED"


@dataclass(frozen=True)
class Workshop:
    """Where and with what the commands run; ``timeout`` in seconds."""

    root: Path
    environment: Mapping[str, str]
    timeout: float


class Runner:
    """Runs a buildspec's phases; ``stop`` may be called from any thread."""

    def __init__(self, spec: Buildspec, workshop: Workshop, progress: Progress) -> None:
        self._spec, self._progress = spec, progress
        state = workshop.root / "state"
        state.mkdir()
        deadline = time.monotonic() + workshop.timeout
        program = "/bin/bash" if spec.shell == "bash" else "/bin/sh"
        source = workshop.root / "src"
        self._shell = Shell(program, state, source, workshop.environment, on_line=progress.log.line, deadline=deadline)

    def stop(self) -> None:
        """End the build now."""
        self._shell.stop()

    def close(self) -> None:
        """Kill what the build left running."""
        self._shell.close()

    def phases(self) -> bool:
        """Run install to post_build; False when the build must not go on to its artifacts."""
        by_name = {phase.name: phase for phase in self._spec.phases}
        for name in PHASES:
            phase = by_name.get(name, Phase(name))
            if not self._progress.run(name.upper(), partial(self._phase, phase)):
                if self._progress.phases[-1].status != "FAILED":
                    return False
                if not goes_on(phase):
                    return False
        return True

    def exported(self) -> dict[str, str]:
        """The values of ``exported-variables`` at the end of the build."""
        found = {}
        for name in self._spec.exported:
            target = self._shell_file(name)
            self._run(f'printf \'%s\' "${{{name}-}}" >"{target}"')
            found[name] = target.read_text() if target.exists() else ""
        return found

    def _shell_file(self, name: str) -> Path:
        if not name.isidentifier():
            raise PhaseFailedError("YAML_FILE_ERROR", f"exported-variables: {name} is not a variable's name")
        return self._shell.state / f"exported-{name}"

    def _phase(self, phase: Phase) -> None:
        log = self._progress.log
        log.say(f"Entering phase {phase.name.upper()}")
        failure: PhaseFailedError | None = None
        for commands in (phase.commands, phase.finally_commands):
            try:
                for command in commands:
                    self._command(command, succeeding=self._progress.failed is None and failure is None)
            except PhaseFailedError as error:
                failure = failure or error
                if error.status != "FAILED":
                    break
        if failure is not None:
            raise failure

    def _command(self, command: str, *, succeeding: bool) -> None:
        self._progress.log.say(f"Running command {command}")
        if status := self._run(f"export CODEBUILD_BUILD_SUCCEEDING={int(succeeding)}\n{command}"):
            self._progress.log.say(f"Command did not exit successfully {command} exit status {status}")
            message = f"Error while executing command: {command}. Reason: exit status {status}"
            raise PhaseFailedError("COMMAND_EXECUTION_ERROR", message)

    def _run(self, command: str) -> int:
        try:
            return self._shell.run(command)
        except BuildStoppedError as error:
            raise PhaseFailedError("BUILD_STOPPED", "Build was stopped", "STOPPED") from error
        except BuildTimedOutError as error:
            raise PhaseFailedError("BUILD_TIMED_OUT", "Build has timed out.", "TIMED_OUT") from error


def goes_on(phase: Phase) -> bool:
    """Whether the phase after a failed ``phase`` still runs."""
    if phase.on_failure is not None:
        return phase.on_failure is OnFailure.CONTINUE
    return phase.name in {"build", "post_build"}
