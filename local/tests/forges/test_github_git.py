"""git over HTTP against the local GitHub: real git, real sockets, hostile paths."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import Forge, Work


def test_push_clone_and_fetch(forge: Forge, site: Work, tmp_path: Path) -> None:
    other = Work(tmp_path / "other")
    other.git("fetch", "-q", f"{forge.url}/acme/site", "main")
    assert other.git("rev-parse", "FETCH_HEAD") == site.git("rev-parse", "HEAD")
