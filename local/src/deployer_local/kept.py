"""What an engine keeps of itself, so that the next one on its data, and commands beside it, find it again."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from deployer.errors import Rejected

_FILE = "engine.json"


@dataclass(frozen=True)
class Kept:
    """Ports (0: none yet) and tokens; what is stored in an engine's data names the ports in URLs."""

    aws_port: int = 0
    web_port: int = 0
    github_token: str = ""
    slack_token: str = ""

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """What the engine at ``data`` kept, None where there was none."""
        path = data / _FILE
        return cls(**json.loads(path.read_text())) if path.exists() else None

    @classmethod
    def running(cls, data: Path) -> Self:
        """The engine that runs at ``data``.

        Raises:
            Rejected: where none does; the message says how to start one.
        """
        kept = cls.read(data)
        if kept is None or not _listens(kept.aws_port):
            raise Rejected(f"no engine runs on {data}; start one with `deployer local up`, or say --data where it is")
        return kept

    def write(self, data: Path) -> None:
        """Keep it, readable for the owner alone."""
        path = data / _FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @property
    def aws_url(self) -> str:
        """Endpoint of every AWS service."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def web_url(self) -> str:
        """Base of the local GitHub, Slack and the sites."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def github_url(self) -> str:
        """Base of GitHub's REST API."""
        return f"{self.web_url}/api/v3"

    @property
    def slack_url(self) -> str:
        """Base of Slack's web API, with its trailing slash."""
        return f"{self.web_url}/slack/api/"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2.0).close()
    except OSError:
        return False
    return True
