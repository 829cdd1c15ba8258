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


def listening() -> list[str]:
    """Local addresses (hexadecimal) that this process listens on, over IPv4 and IPv6."""
    ours = {
        match.group(1)
        for each in Path("/proc/self/fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", _target(each)))
    }
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{os.getpid()}/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == LISTEN and row[9] in ours]


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


def test_f99_everything_listens_on_loopback_only(aws: Any) -> None:
    # Whatever a service starts lazily is started by now.
    aws.client("sqs").list_queues()
    aws.client("iot").list_things()

    addresses = listening()

    assert len(addresses) >= 2
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}


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
