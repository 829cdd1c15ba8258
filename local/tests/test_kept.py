"""What an engine keeps of itself: found again by the next one, and by commands beside it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deployer.errors import Rejected
from deployer_local.kept import Kept

KEPT = Kept(4566, 4567, "ghp_secret", "xoxb-secret")


def test_what_was_kept_is_read_again_and_is_the_owners_alone(tmp_path: Path) -> None:
    assert Kept.read(tmp_path) is None
    KEPT.write(tmp_path)
    KEPT.write(tmp_path)
    assert Kept.read(tmp_path) == KEPT
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_where_everything_is() -> None:
    assert KEPT.aws_url == "http://127.0.0.1:4566"
    assert KEPT.web_url == "http://127.0.0.1:4567"
    assert KEPT.github_url == "http://127.0.0.1:4567/api/v3"
    assert KEPT.slack_url == "http://127.0.0.1:4567/slack/api/"


def test_an_engine_runs_where_its_port_answers(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no engine runs on"):
        Kept.running(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = Kept(listening.getsockname()[1], 1, "g", "s")
        kept.write(tmp_path)
        assert Kept.running(tmp_path) == kept
    with pytest.raises(Rejected, match="start one with `deployer local up`, or say --data where it is"):
        Kept.running(tmp_path)
