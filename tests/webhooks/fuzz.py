"""Fuzz the listener, guided by coverage: what `make fuzz` runs.

    python -m tests.webhooks.fuzz --seconds 60      fuzz
    python -m tests.webhooks.fuzz FILE              give a finding to the listener again; needs no fuzzer

Starts the fuzzer (atheris, on libFuzzer) as a process of its own, since libFuzzer ends the one that it runs in, and
says in the end what it did. What it learns is kept in ``build/fuzz/corpus`` and is where the next run begins.
Source: https://llvm.org/docs/LibFuzzer.html#options
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.webhooks import mangled, target
from tests.webhooks.endpoints import delivery, http_api
from tests.webhooks.payloads import EXAMPLES, MADE, MASTER

HOME = Path("build/fuzz")
# Bytes; the example payloads have 7 to 22 thousand.
LARGEST = 32_768
WORDS = """
    repository owner login name id default_branch pushed_at ref after master main refs/heads/ refs/tags/ v1.2.3 null
    true 1e999 NaN -1 [ { ":" .lock headers multiValueHeaders body isBase64Encoded x-hub-signature-256 sha256=
    content-type application/json x-github-event push ping x-github-delivery \\ud800 \\u0000 .. @{ // {"repository":{"
"""
SHAPED, RAW, ENDLESS = 0, 5, 7  # places in mangled.FORMS
AS_IS, MERGED, WITH_REF, DEEP = range(4)  # places in mangled.BODIES


def seeds() -> Iterator[bytes]:
    """What to begin with: each payload signed, each form of a signature, each set-up, some refs, an event as it is."""
    for kind, payloads in EXAMPLES.items():
        for payload in payloads:
            yield _shaped(AS_IS, kind=mangled.KINDS.index(kind)) + json.dumps(payload).encode()
    for ref in dict.fromkeys(pushed.payload["ref"] for pushed in MADE):
        yield _shaped(WITH_REF, len(mangled.SPACES) - 1) + ref.encode()
        yield _shaped(MERGED, 0) + json.dumps({"ref": ref, "after": "0" * 40}).encode()
    for number in range(len(mangled.SIGNATURES)):
        yield _shaped(WITH_REF, 0, installed=1, binary=number % 2, signature=number, delivery=number) + b"main"
    for number in range(len(mangled.INSTALLED)):
        yield _shaped(WITH_REF, 0, installed=number, shape=number, case=number) + b"main"
    for number in range(len(mangled.CONTENT_TYPES)):
        yield _shaped(WITH_REF, 2, content_type=number, method=number, delivery=number) + b"nightly"
    for change in ({"owner": {"login": "../x"}}, {"id": 2**70}, {"id": True}, {"pushed_at": -1.5}, {"name": 5}):
        yield _shaped(MERGED, 0) + json.dumps({"repository": change}).encode()
    for deep in (b"[", b'{"a":', b"\xff"):
        yield _shaped(DEEP) + deep
    small = {key: MASTER["repository"][key] for key in ("id", "name", "default_branch")}
    small = {"ref": "refs/heads/x", "repository": {**small, "owner": {"login": "acme"}}}
    yield _shaped(AS_IS) + json.dumps(small).encode()
    for signed in range(2):
        raw = bytes((RAW, 0, signed))
        yield raw + json.dumps(http_api(delivery(small, mangled.CURRENT))).encode()
        for body in ("e30=", "*", "e30"):
            event = {"headers": {"x-github-event": "push"}, "body": body, "isBase64Encoded": True}
            yield raw + json.dumps(event).encode()
        yield raw + b'{"headers":{"x-hub-signature-256":[]},"body":{}}'
    for shape in range(len(mangled.SHAPES)):
        yield bytes((ENDLESS, 0, shape, shape))


def _shaped(
    *body: int,
    installed: int = 0,
    shape: int = 0,
    case: int = 0,
    binary: int = 0,
    signature: int = 0,
    content_type: int = 0,
    kind: int = 0,
    method: int = 0,
    delivery: int = 0,
) -> bytes:
    """The choices in the order in which the target reads them; ``body``: its form, and what that form asks for."""
    return bytes((SHAPED, installed, shape, case, binary, signature, content_type, kind, method, delivery, *body))


def prepare(home: Path) -> None:
    """Write the seeds and the dictionary; what earlier runs learned stays."""
    (home / "corpus").mkdir(parents=True, exist_ok=True)
    (home / "findings").mkdir(exist_ok=True)
    for number, seed in enumerate(seeds()):
        (home / "corpus" / f"seed-{number:03}").write_bytes(seed)
    words = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS.split())
    (home / "words").write_text("".join(f'"{word}"\n' for word in words), encoding="ascii")


def fuzz(seconds: int, home: Path = HOME) -> int:
    """Fuzz for so long; 0 where nothing was found."""
    prepare(home)
    command = [
        *(sys.executable, "-m", "tests.webhooks.fuzzer", str(home / "corpus"), f"-dict={home / 'words'}"),
        *(f"-max_total_time={seconds}", f"-artifact_prefix={home / 'findings'}/", f"-max_len={LARGEST}"),
        *("-timeout=20", "-rss_limit_mb=2048", "-use_value_profile=1", "-print_final_stats=1"),
    ]
    print(f"Fuzzing the listener for {seconds} s, from {len(list((home / 'corpus').iterdir()))} inputs", flush=True)
    said = Said()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as run:
        for line in run.stdout or ():
            if said.is_news(line.rstrip()):
                print(line.rstrip(), flush=True)
    print(f"{said.executions} webhooks, {said.edges} edges of listener and layer; what was learned is in {home}/corpus")
    if run.returncode == 0:
        print(f"FUZZ OK: nothing found in {seconds} s")
        return 0
    if said.finding:
        print(f"FUZZ FAILED: the input is {said.finding}; once more, without the fuzzer:")
        print(f"    {sys.executable} -m tests.webhooks.fuzz {said.finding}")
    else:
        print("FUZZ FAILED: the fuzzer itself did not run")
    return 1


@dataclass
class Said:
    """What libFuzzer said of its run."""

    executions: str = "0"
    edges: str = "no"
    finding: str = ""

    def is_news(self, line: str) -> bool:
        """Take in a line; whether somebody who waits wants to read it."""
        if found := re.match(r"stat::number_of_executed_units:\s*(\d+)", line):
            self.executions = found[1]
        if found := re.match(r"#\d+\s.*cov: (\d+)", line):
            self.edges = found[1]
        if found := re.search(r"Test unit written to (\S+)", line):
            self.finding = found[1]
        return not re.match(r"#\d+\s+(NEW|REDUCE)|stat::|\[?INFO|Done |#####|\"|WARNING: Failed to find|0x|\\\d", line)


def main() -> int:
    """Fuzz, or give one input to the listener again."""
    arguments = argparse.ArgumentParser(prog="python -m tests.webhooks.fuzz", description="Fuzz the listener.")
    arguments.add_argument("finding", nargs="?", type=Path, help="an input to be given to the listener again")
    arguments.add_argument("--seconds", type=int, default=60)
    given = arguments.parse_args()
    if given.finding is None:
        return fuzz(given.seconds)
    data = given.finding.read_bytes()
    print(f"{mangled.webhook(data)}"[:4000])
    target.check(data)
    print("everything holds for it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
