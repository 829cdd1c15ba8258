"""Access to ministack, which reads its settings from the environment when it is imported.

A host therefore sets the environment, imports ministack afresh, and forgets it again when it stops; its state lives in
its modules, so one host at a time can run in a process. This module never starts anything.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = "ministack"
ACCOUNT = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


def module(name: str) -> Any:
    """The ministack module `name` (`services.sqs`), imported on first use under the host's environment."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def settings(data: Path, port: int) -> dict[str, str]:
    """The environment ministack runs under: loopback only, everything it writes below `data`."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        # Both would listen on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # No container runtime is ever asked for, even where one is installed.
        "DOCKER_HOST": f"unix://{data / 'no-docker.sock'}",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data / "objects"),
        "LAMBDA_EXECUTOR": "local",
        "TMPDIR": str(data / "tmp"),
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set `values` in the process environment, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    temporary = tempfile.tempdir
    os.environ.update(values)
    tempfile.tempdir = values.get("TMPDIR", temporary)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def loaded() -> list[str]:
    """Names of the ministack modules that are imported now."""
    return [name for name in list(sys.modules) if name == PACKAGE or name.startswith(f"{PACKAGE}.")]


def forget() -> None:
    """Empty every ministack module and drop it, so that the next host imports it under its own environment."""
    for name in loaded():
        reset = getattr(sys.modules[name], "reset", None)
        if name.startswith(f"{PACKAGE}.") and callable(reset):
            reset()
    for name in loaded():
        del sys.modules[name]


def replace(name: str, original: Any, replacement: Any) -> None:
    """Put `replacement` wherever an imported ministack module holds `original` under `name`."""
    for holder in (sys.modules[each] for each in loaded()):
        if getattr(holder, name, None) is original:
            setattr(holder, name, replacement)


def wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replace the function `name` of the module `owner`, and every imported copy, by `wrapper(original)`."""
    original = getattr(owner, name)
    replace(name, original, wrapper(original))
