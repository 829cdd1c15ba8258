"""One engine at a time on a data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer_local.lock import Busy, locked


def test_who_comes_second_is_told_and_may_come_later(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with locked(data), pytest.raises(Busy, match=f"another engine runs on {data}"), locked(data):
        pytest.fail("both hold it")
    with locked(data):
        pass
