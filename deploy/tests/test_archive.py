"""Zips: the same content gives the same bytes, whatever the disk says of dates and modes."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from deployer.errors import Broken
from deployer_deploy import archive


def package(folder: Path, *, mode: int = 0o644, date: float = 1.7e9) -> Path:
    """A small package with everything that doesn't belong into an archive."""
    contents = {
        "shop/__init__.py": "",
        "shop/handler.py": "def handler(event, context): ...\n",
        "shop/deep/data.json": "{}",
        "shop/py.typed": "",
        "shop/tests/test_handler.py": "assert True\n",
        "shop/__pycache__/handler.cpython-311.pyc": "old",
        "shop/stray.pyc": "old",
        "shop/testing/twin.py": "assert True\n",
        "shop/.DS_Store": "",
        "shop/.handler.py.swp": "half",
        "shop/.cache/entry": "",
        "shop/handler.py~": "before",
        "shop/handler.py.orig": "before",
        "other/__init__.py": "",
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        os.utime(path, (date, date))
    return folder


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    first = package(tmp_path / "a")
    second = package(tmp_path / "b", mode=0o755, date=1.2e9)
    archive.write(archive.sources(first, "shop"), tmp_path / "a.zip")
    archive.write(reversed(archive.sources(second, "shop")), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    archive.write(archive.sources(package(tmp_path), "shop", "python/"), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as written:
        assert written.namelist() == [
            "python/shop/__init__.py",
            "python/shop/deep/data.json",
            "python/shop/handler.py",
            "python/shop/py.typed",
        ]
        assert {info.date_time for info in written.infolist()} == {archive.EPOCH}
        assert {info.external_attr >> 16 for info in written.infolist()} == {0o100644}


def test_digest_follows_names_and_contents(tmp_path: Path) -> None:
    entries = archive.sources(package(tmp_path), "shop")
    before = archive.digest(entries)
    assert archive.digest(reversed(entries)) == before
    assert archive.digest(entries[1:]) != before
    (tmp_path / "shop/handler.py").write_text("def handler(event, context): return 1\n")
    assert archive.digest(entries) != before


def test_symlinks_are_refused(tmp_path: Path) -> None:
    (package(tmp_path) / "shop/link.py").symlink_to("/etc/hostname")
    with pytest.raises(Broken, match="symlink"):
        archive.sources(tmp_path, "shop")


def test_a_missing_package_is_said(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="no package shop"):
        archive.sources(tmp_path, "shop")


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive.write([archive.Entry("a", tmp_path / "gone")], tmp_path / "out" / "a.zip")
    assert list((tmp_path / "out").iterdir()) == []
