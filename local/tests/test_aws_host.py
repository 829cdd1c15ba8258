"""The host listens on loopback only, one at a time, and says when a port is taken."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from deployer_local.aws.host import Host, HostError
from deployer_local.aws.serving import LoopbackServer, ServingError

LISTEN = "0A"
TABLES = {"tcp": LISTEN, "tcp6": LISTEN, "udp": "", "udp6": ""}
"""A table of /proc/net and the state of what listens in it; whatever has a UDP socket is listening."""
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def descendants(process: int) -> list[int]:
    """The process and all that it started, as far as they live."""
    parents: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(each.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(each.parent.name))
    found = [process]
    for each in found:
        found += parents.get(each, [])
    return found


def listening(process: int) -> list[tuple[str, str]]:
    """Table and local address (hexadecimal) of everything that the process listens on."""
    ours = {
        match.group(1)
        for each in Path(f"/proc/{process}/fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", _target(each)))
    }
    return [
        (table, row[1].partition(":")[0])
        for table, state in TABLES.items()
        if Path(f"/proc/{process}/net/{table}").exists()
        for row in map(str.split, Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:])
        if row[3] == (state or row[3]) and row[9] in ours
    ]


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


def test_what_listens_is_seen() -> None:
    """Else the test after this one could not fail."""
    kinds = {
        ("tcp", "0200007F"): (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.2"),
        ("udp", "0200007F"): (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.2"),
        ("tcp6", "0" * 24 + "01000000"): (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
        ("udp6", "0" * 24 + "01000000"): (socket.AF_INET6, socket.SOCK_DGRAM, "::1"),
    }
    for told, (family, kind, address) in kinds.items():
        if not Path("/proc/net", told[0]).exists():
            continue
        before = listening(os.getpid())
        with socket.socket(family, kind) as opened:
            opened.bind((address, 0))
            if kind is socket.SOCK_STREAM:
                opened.listen()
            after = listening(os.getpid())
        assert after.count(told) == before.count(told) + 1


def test_F99_everything_listens_on_loopback_only(aws: Any) -> None:
    """Strict: a service that other machines can reach."""
    # Whatever a service starts lazily is started by now: the brokers and servers that ministack has, and a worker.
    aws.client("sqs").list_queues()
    aws.client("iot").list_things()
    aws.client("transfer").list_servers()
    assert aws.invoke(aws.function("import os\ndef handler(event, context): return os.getpid()")) in descendants(
        os.getpid()
    )

    processes = {process: listening(process) for process in descendants(os.getpid())}

    assert len(processes[os.getpid()]) >= 2
    assert {address for found in processes.values() for _, address in found} <= LOOPBACK


def test_a_second_host_in_the_process_is_refused(aws: Any, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="already"):
        Host(tmp_path, LoopbackServer()).start()


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ServingError, match=str(port)):
            LoopbackServer(port)


def test_everything_is_written_below_the_data_directory(aws: Any) -> None:
    aws.client("s3").create_bucket(Bucket=(bucket := aws.unique("b")))
    aws.client("s3").put_object(Bucket=bucket, Key="a/b.txt", Body=b"text")

    assert list((aws.engine.data / "aws" / "objects").rglob("b.txt"))
