"""One shell for a whole build, fed one command at a time.

buildspec 0.2 promises that variables and the working directory carry from command to command and from phase to phase
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html), so there is one process; a command that
ends it (``exit``, ``set -e``) is followed by a new one with the same exports and directory. Everything runs in one
process group, which a watching process kills should this engine die. Never reads the host's environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_DRIVER = r"""__mark=$1; __state=$2; set --
exec 8<&0 </dev/null 7>&1
trap 'export -p >"$__state/exports"; pwd >"$__state/directory"' EXIT
while IFS= read -r __file <&8; do . "$__file"; printf '%s %s\n' "$__mark" "$?" >&7; done
"""
_WATCHER = 'read -r word && exit 0; kill -KILL "-$1"'


class BuildStoppedError(Exception):
    """Somebody asked for the build to stop; its processes are gone."""


class BuildTimedOutError(Exception):
    """The deadline passed; the build's processes are gone."""


class Shell:
    """Runs commands; ``state`` is a private directory, ``deadline`` is on ``time.monotonic()``'s clock."""

    def __init__(
        self,
        program: str,
        state: Path,
        directory: Path,
        environment: Mapping[str, str],
        *,
        on_line: Callable[[str], None],
        deadline: float,
    ) -> None:
        self._program, self.state, self._directory = program, state, directory
        self._environment, self._on_line, self.deadline = dict(environment), on_line, deadline
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._stop_read, self._stop_write = os.pipe()
        self._stopped = False
        self._buffer = b""
        self._commands = 0
        self._mark = secrets.token_hex(16)
        (state / "driver.sh").write_text(_DRIVER)

    def run(self, command: str) -> int:
        """Run ``command`` and return its exit status; raises BuildStoppedError, BuildTimedOutError."""
        if self._stopped:
            raise BuildStoppedError
        process = self._alive()
        self._commands += 1
        script = self.state / f"command-{self._commands}.sh"
        script.write_text(command + "\n")
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - started with both
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{script}\n".encode())
            process.stdin.flush()
        return self._follow(process, process.stdout.fileno())

    def stop(self) -> None:
        """End the build from another thread."""
        self._stopped = True
        with contextlib.suppress(OSError):
            os.write(self._stop_write, b"x")

    def close(self) -> None:
        """Kill whatever is left and free the pipes."""
        self._kill()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        restarted = self._process is not None
        self._kill()
        directory = self._directory
        if restarted and (self.state / "directory").exists():
            left_in = Path((self.state / "directory").read_text().rstrip("\n"))
            directory = left_in if left_in.is_dir() else directory
        self._process = subprocess.Popen(
            [self._program, str(self.state / "driver.sh"), self._mark, str(self.state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=self._environment,
            start_new_session=True,
        )
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        exports = self.state / "exports"
        if restarted and exports.exists():
            kept = exports.rename(self.state / "exports-kept")
            self.run(f'. "{kept}"')
        return self._process

    def _follow(self, process: subprocess.Popen[bytes], output: int) -> int:
        end = re.compile(rb"(?s)^(.*?)" + self._mark.encode() + rb" (\d+)\n")
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            selector.register(self._stop_read, selectors.EVENT_READ)
            while True:
                remaining = self.deadline - time.monotonic()
                ready = {key.fd for key, _ in selector.select(max(remaining, 0))}
                if self._stop_read in ready:
                    self._kill()
                    raise BuildStoppedError
                if remaining <= 0 or not ready:
                    self._kill()
                    raise BuildTimedOutError
                chunk = os.read(output, 65536)
                self._buffer += chunk
                if found := end.match(self._buffer):
                    self._buffer = self._buffer[found.end() :]
                    self._lines(found.group(1), last=True)
                    return int(found.group(2))
                if not chunk:
                    self._lines(self._buffer, last=True)
                    self._buffer = b""
                    status = process.wait()
                    return status if status >= 0 else 128 - status
                self._lines(self._buffer, last=False)

    def _lines(self, data: bytes, *, last: bool) -> None:
        complete, newline, rest = data.rpartition(b"\n")
        if last:
            complete, rest = (complete + newline + rest).removesuffix(b"\n"), b""
            newline = b"\n" if complete else b""
        if newline:
            for line in complete.split(b"\n"):
                self._on_line(line.decode(errors="replace").rstrip("\r"))
        if not last:
            self._buffer = rest

    def _kill(self) -> None:
        if self._process is not None:
            gone = contextlib.suppress(ProcessLookupError, PermissionError)
            # Leaving the process's own context waits for it and closes its pipes.
            with contextlib.suppress(BrokenPipeError), self._process, gone:
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._watcher is not None and self._watcher.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watcher.stdin.write(b"done\n")
                self._watcher.stdin.close()
            self._watcher.wait()
        self._watcher = None
