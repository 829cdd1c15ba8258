"""Content types, and writing the objects."""

from __future__ import annotations

import io
import mimetypes
import os
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from deployer.deadline import TimeLeft
from deployer.errors import Broken, Rejected
from s3deployer.archive import entries, verify
from s3deployer.content_types import content_type
from s3deployer.parameters import Parameters
from s3deployer.planning import Waves, plan
from s3deployer.publishing import FEW, IN_FLIGHT, IN_MEMORY, Archive, Published, Publisher, Width, changed

from .jobs import SITE, zipped
from .sites import FakeSite


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


@contextmanager
def opened(files: dict[str, bytes], keep: bool = True) -> Iterator[tuple[Archive, Waves]]:
    """A verified archive and its plan. ``keep``: whether the bodies are, as those of a large archive are not."""
    content = zipped(files)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = entries(archive.infolist(), len(content))
        contents = verify(archive, found, plenty) if keep else verify(archive, found, plenty, most=0)
        yield Archive(archive, contents), plan(found, Parameters())


def publish(archive: Archive, waves: Waves, site: FakeSite, at_once: int = 2, left: TimeLeft = plenty) -> Published:
    return Publisher(archive, site, left, Width(at_once)).publish(waves)


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
    @pytest.mark.parametrize("keep", [True, False], ids=["bodies-kept", "bodies-read-again"])
    def test_everything_is_written(self, keep: bool) -> None:
        bucket = FakeSite()
        with opened(SITE, keep) as (archive, waves):
            published = publish(archive, waves, bucket)
        assert (published.uploaded, published.size) == (5, sum(map(len, SITE.values())))
        assert published.complete
        assert len(published.digests) == 5
        assert bucket.objects == SITE
        assert list(bucket.objects)[-1] == "index.html"
        assert bucket.headers["app.js"]["Cache-Control"] == "no-cache"

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
            bucket = FakeSite(broken)
            bucket.objects = dict(old)
            with opened(new) as (archive, waves), pytest.raises(Broken):
                publish(archive, waves, bucket, at_once)
            now = bucket.objects
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
            bucket = FakeSite(broken)
            with opened(SITE) as (archive, waves), pytest.raises(Broken):
                publish(archive, waves, bucket)
            assert not [key for key in bucket.objects if key.endswith(".html")]

    def test_F82_a_file_that_became_shorter_is_not_padded(self) -> None:
        """The archive is read twice where it is large; what is short the second time is no object."""
        with opened(SITE, keep=False) as (archive, waves):
            entry = replace(waves[0][0].entry, size=waves[0][0].entry.size + 1)
            with pytest.raises(Rejected, match="is damaged: 9 bytes instead of 10"):
                archive.body(entry)

    def test_large_files_are_streamed(self) -> None:
        bucket = FakeSite()
        large = os.urandom(IN_MEMORY + 1)
        with opened({"video.bin": large, "app.js": b""}) as (archive, waves):
            published = publish(archive, waves, bucket)
        assert bucket.asked("upload") == ["video.bin"]
        assert bucket.objects["video.bin"] == large
        assert (published.uploaded, published.size) == (2, IN_MEMORY + 1)

    def test_a_site_of_large_files_alone(self) -> None:
        bucket = FakeSite()
        with opened({"video.bin": os.urandom(IN_MEMORY + 1)}) as (archive, waves):
            assert publish(archive, waves, bucket).complete
        assert bucket.asked("upload") == ["video.bin"]

    def test_F88b_only_so_much_is_in_memory_at_the_same_time(self) -> None:
        """Every body is held back until no more come: those on their way fit into ``IN_FLIGHT``."""
        size = IN_FLIGHT // 4
        files = {f"{n}.bin": os.urandom(size) for n in range(12)}

        class Slow(FakeSite):
            def __init__(self) -> None:
                super().__init__()
                self.flying, self.most, self.full = 0, 0, threading.Event()
                self.guard = threading.Lock()

            def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
                with self.guard:
                    self.flying += len(body)
                    self.most = max(self.most, self.flying)
                    if self.flying == IN_FLIGHT:
                        self.full.set()
                assert self.full.wait(30)
                with self.guard:
                    self.flying -= len(body)
                return super().put(key, body, headers)

        bucket = Slow()
        with opened(files) as (archive, waves):
            publish(archive, waves, bucket, at_once=12)
        assert (bucket.most, len(bucket.objects)) == (IN_FLIGHT, 12)

    @pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
    def test_time_that_runs_out_leaves_the_pages_as_they_were(self, large: bool) -> None:
        bucket = FakeSite()
        ticks = iter([1.0, 0.0])
        files = {name: body + os.urandom(IN_MEMORY + 1 if large else 0) for name, body in SITE.items()}
        with opened(files) as (archive, waves):
            published = publish(archive, waves, bucket, left=lambda: next(ticks))
        assert not published.complete
        assert list(bucket.objects) == ["app.js"]
        assert (published.uploaded, len(published.digests)) == (1, 1)

    def test_only_what_is_not_as_planned_is_written(self) -> None:
        bucket = FakeSite()
        with opened(SITE) as (archive, waves):
            first = publish(archive, waves, bucket)
            del bucket.objects["css/site.css"]  # removed by somebody
            bucket.objects["app.js"] = b"changed by somebody"
            [known] = bucket.pages("")
            wanted, kept = changed(archive, waves, known, frozenset(first.digests))
        assert [[put.key for put in wave] for wave in wanted] == [["app.js", "css/site.css"]]
        assert len(kept) == 3
        assert kept < first.digests

    def test_files_are_handed_over_a_few_at_a_time(self) -> None:
        """So few that every thread has its share, and together so small that they are no burden."""
        site = {f"{number:03}.js": bytes([number]) for number in range(100)}
        site |= {f"large{number}.bin": os.urandom(FEW // 2) for number in range(3)}
        with opened(site) as (archive, waves):
            publisher = Publisher(archive, FakeSite(), plenty, Width(2))
            fews = list(publisher._fews(waves[0]))
            many = list(Publisher(archive, FakeSite(), plenty, Width(64))._fews(waves[0]))
        assert [put for few in fews for put in few] == list(waves[0])
        assert [len(few) for few in fews] == [8] * 12 + [5, 2]
        assert {len(few) for few in many} == {1}


class TestWidth:
    @staticmethod
    def width(*looks: tuple[float, float], most: int = 64) -> list[int]:
        """The width after each look at the clocks: (seconds on the wall, of the processor) since the one before."""
        wall, busy, times = 0.0, 0.0, [(0.0, 0.0)]
        for passed, used in looks:
            wall, busy = wall + passed, busy + used
            times.append((wall, busy))
        given = iter(times)
        width, found = Width(most, clocks=lambda: next(given)), []
        for _ in looks:
            for _ in range(width.now):
                width.landed()
            found.append(width.now)
        return found

    @pytest.mark.parametrize(
        ("looks", "most", "widths"),
        [
            pytest.param([(1.0, 0.9)] * 3, 64, [16, 16, 16], id="the-processor-is-busy"),
            pytest.param([(1.0, 0.4)] * 3, 64, [40, 64, 64], id="it-waits-for-the-network"),
            pytest.param([(1.0, 0.1)] * 2, 64, [64, 64], id="it-waits-for-it-most-of-the-time"),
            pytest.param([(1.0, 0.0)] * 2, 64, [64, 64], id="it-does-nothing-else"),
            pytest.param([(1.0, 0.9), (1.0, 0.4), (1.0, 0.9)], 64, [16, 40, 40], id="it-waits-for-a-while"),
            pytest.param([(1.0, 0.1)] * 2, 24, [24, 24], id="no-wider-than-it-may"),
            pytest.param([(1.0, 0.1)], 2, [2], id="a-narrow-one"),
        ],
    )
    def test_it_widens_while_the_processor_is_idle(
        self, looks: list[tuple[float, float]], most: int, widths: list[int]
    ) -> None:
        assert self.width(*looks, most=most) == widths

    def test_the_clocks_are_real(self) -> None:
        wall, busy = Width().clocks()
        assert wall > 0
        assert busy > 0
