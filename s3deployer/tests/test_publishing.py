"""Content types, the order of the objects, and writing them."""

from __future__ import annotations

import io
import mimetypes
import os
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import Broken, Rejected
from s3deployer.archive import Entry, entries
from s3deployer.content_types import content_type
from s3deployer.publishing import IN_MEMORY, Published, plan, publish

from .jobs import SITE, zipped


def plenty() -> float:
    return 600.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("a.b/INDEX.HTML", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.min.js", "text/javascript; charset=utf-8"),
        ("site.css", "text/css; charset=utf-8"),
        ("logo.svg", "image/svg+xml; charset=utf-8"),
        ("data.json", "application/json; charset=utf-8"),
        ("app.js.map", "application/json; charset=utf-8"),
        ("app.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.woff", "font/woff"),
        ("site.webmanifest", "application/manifest+json; charset=utf-8"),
        ("feed.xml", "application/xml; charset=utf-8"),
        ("robots.txt", "text/plain; charset=utf-8"),
        ("favicon.ico", "image/x-icon"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/octet-stream"),
        ("a.zip", "application/zip"),
        ("LICENSE", "application/octet-stream"),
        (".htaccess", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ],
    ids=lambda value: f"F85-{value}" if "/" not in value else None,
)
def test_content_types(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_F85_the_machines_own_table_is_not_asked() -> None:
    mimetypes.add_type("application/x-of-this-machine", ".js")
    mimetypes.add_type("application/x-of-this-machine", ".unheard-of")
    try:
        assert content_type("a.js") == "text/javascript; charset=utf-8"
        assert content_type("a.unheard-of") == "application/octet-stream"
    finally:
        mimetypes.init()


def entry(name: str, size: int = 1) -> Entry:
    return Entry(name, size, zipfile.ZipInfo(name))


class TestPlan:
    def test_F84_pages_last_and_the_entry_page_last_of_all(self) -> None:
        names = ["index.html", "z.js", "about/index.html", "imprint.html", "a.css", "OLD.HTM"]
        waves = plan([entry(name) for name in names], "")
        assert [[put.key for put in wave] for wave in waves] == [
            ["a.css", "z.js"],
            ["OLD.HTM", "imprint.html"],
            ["about/index.html"],
            ["index.html"],
        ]

    @given(st.lists(st.from_regex(r"[a-c]{1,3}(/[a-c]{1,2})?\.(html|js|css)", fullmatch=True), unique=True, min_size=1))
    def test_F84_nothing_is_lost_and_nothing_comes_after_a_page_but_pages(self, names: list[str]) -> None:
        keys = [put.key for wave in plan([entry(name) for name in names], "p") for put in wave]
        assert sorted(keys) == sorted(f"p/{name}" for name in names)
        pages = [key.endswith(".html") for key in keys]
        assert pages == sorted(pages)

    @pytest.mark.parametrize(("prefix", "key"), [("", "a.js"), ("docs/v1", "docs/v1/a.js")])
    def test_the_prefix(self, prefix: str, key: str) -> None:
        ((put,),) = plan([entry("a.js")], prefix)
        assert (put.key, put.content_type) == (key, "text/javascript; charset=utf-8")

    def test_an_empty_site_is_refused(self) -> None:
        with pytest.raises(Rejected, match="no files"):
            plan([], "")

    def test_a_key_that_is_too_long_is_refused(self) -> None:
        with pytest.raises(Rejected, match="longer than"):
            plan([entry("a" * 1000)], "p" * 100)


class FakeBucket:
    """Objects in memory, in the order in which they came; a broken key is refused."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.streamed: list[str] = []
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, content_type: str) -> None:
        if key == self.broken:
            raise Broken(f"writing {key}: S3 answered AccessDenied")
        with self._lock:
            self.objects[key] = (body, content_type)

    def upload(self, key: str, stream: IO[bytes], content_type: str) -> None:
        self.streamed.append(key)
        self.put(key, stream.read(), content_type)


@contextmanager
def opened(files: dict[str, bytes]) -> Iterator[tuple[zipfile.ZipFile, tuple[Entry, ...]]]:
    content = zipped(files)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        yield archive, entries(archive.infolist(), len(content))


def site(number: str, names: str) -> dict[str, bytes]:
    """A site in a version: four pages that lead to each other, and what they show."""
    files = {f"app.{names}.js": b"", f"css/site.{names}.css": b"", f"logo.{names}.svg": b""}
    shown = "".join(f'<link href="{name}">' for name in list(files)[:2])
    links = {"index.html": "about/index.html", "about/index.html": "docs/a.html", "docs/a.html": "imprint.html"}
    pages = {page: f'{shown}<a href="{links.get(page, "index.html")}">'.encode() for page in (*links, "imprint.html")}
    return {name: body + f"<!-- version {number} -->".encode() for name, body in {**pages, **files}.items()}


def refers(page: bytes) -> list[str]:
    return re.findall(r'href="([^"]+)"', page.decode())


def version(body: bytes) -> str:
    return body.decode().rpartition("version ")[2]


def reachable(found: dict[str, bytes]) -> set[str]:
    """The pages that lead on from the entry page, itself included."""
    pages, queue = set[str](), ["index.html"]
    while queue:
        page = queue.pop()
        if page not in pages:
            pages.add(page)
            queue += [name for name in refers(found[page]) if name.endswith(".html")]
    return pages


class TestPublish:
    def test_everything_is_written(self) -> None:
        bucket = FakeBucket()
        with opened(SITE) as (archive, files):
            published = publish(archive, plan(files, ""), bucket, plenty, at_once=2)
        assert published == Published(5, sum(map(len, SITE.values())))
        assert {key: body for key, (body, _) in bucket.objects.items()} == SITE
        assert list(bucket.objects)[-1] == "index.html"

    @pytest.mark.parametrize("at_once", [1, 8])
    @pytest.mark.parametrize("renamed", [False, True], ids=["F84-the-same-names", "F84-names-of-their-own"])
    def test_a_failure_at_any_object_leaves_the_old_site_working(self, renamed: bool, at_once: int) -> None:
        """As a reader sees it: each page that could be reached is there, whole, with all that it shows.

        Where every version's files have names of their own, as build tools make them, they are the page's version too.
        """
        old, new = site("1", "1"), site("2", "2" if renamed else "1")
        pages = reachable(old)
        assert len(pages) == 4
        for broken in new:
            bucket = FakeBucket(broken)
            bucket.objects = {key: (body, "") for key, body in old.items()}
            with opened(new) as (archive, files), pytest.raises(Broken):
                publish(archive, plan(files, ""), bucket, plenty, at_once)
            now = {key: body for key, (body, _) in bucket.objects.items()}
            assert now["index.html"] == old["index.html"], f"{broken} failed"
            for page in pages:
                assert now[page] in (old[page], new[page]), f"{page}, where {broken} failed"
                shown = {name: now.get(name) for name in refers(now[page]) if not name.endswith(".html")}
                assert len(shown) == 2
                assert None not in shown.values(), f"{page} lacks something where {broken} failed"
                if renamed:
                    assert {version(now[page])} == {version(body) for body in shown.values() if body}

    def test_F84_a_failure_before_the_pages_leaves_all_the_old_ones(self) -> None:
        for broken in (name for name in SITE if not name.endswith(".html")):
            bucket = FakeBucket(broken)
            with opened(SITE) as (archive, files), pytest.raises(Broken):
                publish(archive, plan(files, ""), bucket, plenty, at_once=2)
            assert not [key for key in bucket.objects if key.endswith(".html")]

    def test_large_files_are_streamed(self) -> None:
        bucket = FakeBucket()
        large = os.urandom(IN_MEMORY + 1)
        with opened({"video.bin": large}) as (archive, files):
            publish(archive, plan(files, ""), bucket, plenty)
        assert bucket.streamed == ["video.bin"]
        assert bucket.objects["video.bin"][0] == large

    def test_time_that_runs_out_is_said(self) -> None:
        bucket = FakeBucket()
        ticks = iter([1.0, 0.0])
        with opened(SITE) as (archive, files), pytest.raises(Rejected, match="after 2 of 5 objects"):
            publish(archive, plan(files, ""), bucket, lambda: next(ticks), at_once=2)
        assert sorted(bucket.objects) == ["app.js", "css/site.css"]
