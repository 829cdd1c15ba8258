"""Which archives are refused, before anything is written."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from deployer.errors import Rejected
from s3deployer.archive import MAX_ENTRIES, MAX_TOTAL, SMALL, announced, entries, readable, verify

from .jobs import SITE, damaged, linked, renamed, zipped


def plenty() -> float:
    return 600.0


def check(content: bytes) -> list[str]:
    with readable("the archive"), zipfile.ZipFile(io.BytesIO(content)) as opened:
        files = entries(opened.infolist(), len(content))
        verify(opened, files, plenty)
        return [entry.name for entry in files]


def encrypted() -> bytes:
    content = bytearray(zipped({"index.html": b"x"}))
    for at in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1
    return bytes(content)


def overlapping() -> bytes:
    """Many directory entries over the same data, as the best bombs are made."""
    content = zipped({"a": bytes(1000)}, zipfile.ZIP_STORED)
    at, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[at:end]
    several = b"".join(entry[:46] + bytes([ord("a") + number]) + entry[47:] for number in range(4))
    tail = content[end : end + 8] + struct.pack("<HHLLH", 4, 4, len(several), at, 0)
    return content[:at] + several + tail


def repeated() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("index.html", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            opened.writestr("index.html", b"2")
    return packed.getvalue()


def special() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        pipe = zipfile.ZipInfo("pipe")
        pipe.external_attr = 0o010644 << 16
        opened.writestr(pipe, b"")
    return packed.getvalue()


def test_files_are_kept_and_directories_make_none() -> None:
    assert check(zipped({"css/": b"", **SITE})) == list(SITE)


@pytest.mark.parametrize(
    "name", ["index.html", "a b/c.html", "ü/日本.html", ".well-known/x", "a..b", "...", "-", "C", "a:b"]
)
def test_unusual_names_are_fine(name: str) -> None:
    assert check(zipped({name: b"x"})) == [name]


HOSTILE_NAMES = {
    "traversal": "../index.html",
    "traversal-inside": "a/../../index.html",
    "traversal-at-the-end": "a/..",
    "absolute": "/etc/passwd",
    "drive": "C:/x",
    "double-slash": "a//b",
    "dot": "./index.html",
    "newline": "a\nb",
    "too-long": "a" * 1025,
    "directory-outside": "../",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=[f"F83-{kind}" for kind in HOSTILE_NAMES])
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(Rejected, match="path"):
        check(zipped({"index.html": b"", name: b"x"}))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(renamed({"a_b": b""}, "a_b", "a\\b"), "backslash", id="F83-backslash"),
        pytest.param(renamed({"a_b": b""}, "a_b", "a\0b"), "control character", id="F83-nul"),
        pytest.param(linked("current", "index.html"), "symbolic link", id="F83-link"),
        pytest.param(linked("current", "../../etc/passwd"), "symbolic link", id="F83-link-outside"),
        pytest.param(special(), "neither a file", id="F83-pipe"),
        pytest.param(encrypted(), "encrypted", id="F83-encrypted"),
        pytest.param(repeated(), "more than once", id="F83-duplicate"),
        pytest.param(zipped({"a": bytes(50 << 20)}), "times its size", id="F83-bomb"),
        pytest.param(
            zipped({**{f"{n}": bytes(SMALL) for n in range(20)}}), "times its size", id="F83-bomb-of-small-files"
        ),
        pytest.param(overlapping(), "overlap", id="F83-bomb-of-overlapping-entries"),
        pytest.param(damaged(), "'app.js' is damaged", id="F82-crc"),
        pytest.param(zipped(SITE)[:-30], "zip", id="F82-cut-off"),
        pytest.param(b"<html>", "zip", id="F82-no-zip"),
    ],
)
def test_hostile_archives_are_refused(content: bytes, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        check(content)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"file_size": MAX_TOTAL + 1}, "unpacks to", id="F83-too-large"),
        pytest.param({"file_size": 300 * SMALL, "compress_size": SMALL}, "300 times", id="F83-one-entry"),
    ],
)
def test_sizes_are_judged_before_anything_is_read(changes: dict[str, int], why: str) -> None:
    info = zipfile.ZipInfo("a")
    for name, value in changes.items():
        setattr(info, name, value)
    with pytest.raises(Rejected, match=why):
        entries([info], 100 * SMALL)


def test_F83_too_many_entries() -> None:
    with pytest.raises(Rejected, match="entries"):
        entries([zipfile.ZipInfo("a")] * (MAX_ENTRIES + 1), 1)


def test_F83_a_size_that_lies() -> None:
    content = zipped({"a": bytes(100)}, zipfile.ZIP_STORED)
    at = content.index(b"PK\x01\x02")
    lying = content[: at + 24] + struct.pack("<L", 50) + content[at + 28 :]
    with pytest.raises(Rejected, match="'a' is damaged"):
        check(lying)


def test_a_text_that_packs_well_is_fine() -> None:
    text = b"".join(b'{"line": %d, "value": "some text that repeats"}\n' % number for number in range(60_000))
    assert check(zipped({"data.json": text})) == ["data.json"]


def test_checking_stops_when_time_runs_out() -> None:
    content = zipped(SITE)
    with zipfile.ZipFile(io.BytesIO(content)) as opened, pytest.raises(Rejected, match="nothing was written"):
        verify(opened, entries(opened.infolist(), len(content)), lambda: 0.0)


def many(entries: int, size: int) -> bytes:
    """The end of an archive that says so much of its directory, and nothing before it."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, min(entries, 0xFFFF), min(entries, 0xFFFF), size, 0, 0)


@pytest.mark.parametrize(
    ("entries", "size"), [(50_001, 100), (1, (32 << 20) + 1)], ids=["F83-entries", "F83-bytes-of-entries"]
)
def test_a_directory_too_large_to_be_read_is_refused_unread(entries: int, size: int) -> None:
    with pytest.raises(Rejected, match="more than 50000 entries"):
        announced(io.BytesIO(many(entries, size)))


def test_an_archives_directory_is_looked_at_and_left_where_it_was() -> None:
    file = io.BytesIO(zipped({"index.html": b""}))
    announced(file)
    assert file.tell() == 0
    announced(io.BytesIO(b"no archive"))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["F83-bzip2", "F83-lzma"])
def test_only_what_everybody_packs_with_is_unpacked(compression: int) -> None:
    content = zipped({"index.html": b"x" * 100}, compression)
    with zipfile.ZipFile(io.BytesIO(content)) as archive, pytest.raises(Rejected, match="something else than deflate"):
        entries(archive.infolist(), len(content))
