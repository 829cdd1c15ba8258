"""A site brought up to date: what changed, what is stale, what the distribution is told, and what is kept of it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployer.errors import Broken, Rejected, Transient
from s3deployer import updating
from s3deployer.archive import entries, verify
from s3deployer.job import Progress
from s3deployer.parameters import Invalidation, Parameters
from s3deployer.planning import plan
from s3deployer.publishing import Archive
from s3deployer.receipt import Receipt, key_of, mark
from s3deployer.updating import PAGE, Deployed, Target, Unfinished, Update

from .jobs import SITE, zipped
from .sites import FakeSite

CDN = "E2EXAMPLE12345"
WHOLE = sum(map(len, SITE.values()))


@dataclass
class World:
    """A site, and CloudFront as a list of what it was told."""

    site: FakeSite = field(default_factory=FakeSite)
    told: list[tuple[str, Sequence[str], str]] = field(default_factory=list)
    problem: Exception | None = None

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        self.told.append((distribution, paths, reference))
        if self.problem:
            raise self.problem

    def update(
        self,
        files: Mapping[str, bytes] = SITE,
        progress: Progress = Progress(),  # noqa: B008 - frozen
        left: Callable[[], float] = lambda: 600.0,
        distribution: str = "",
        **given: Any,
    ) -> Deployed | Unfinished:
        content = zipped(dict(files))
        given = {"invalidate": Invalidation(distribution) if distribution else None, **given}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found, parameters = entries(archive.infolist(), len(content)), Parameters(**given)
            update = Update(
                Target("site-bucket", self.site, distribution),
                parameters,
                plan(found, parameters),
                Archive(archive, verify(archive, found, lambda: 600.0)),
                "job-1",
                progress,
                self.invalidate,
                left,
                at_once=2,
            )
            return update()

    @property
    def published(self) -> dict[str, bytes]:
        return {key: body for key, body in self.site.objects.items() if not key.endswith(".deployer/published")}


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_time(world: World) -> None:
    assert world.update() == Deployed("site-bucket", "", 5, 0, 0, WHOLE)
    assert world.published == SITE
    assert world.site.asked("list") == []  # nothing can be known to be unchanged
    assert world.site.headers[key_of("")]["Cache-Control"] == "no-store"


def test_the_second_time_nothing_is_written(world: World) -> None:
    world.update()
    world.site.calls.clear()
    assert world.update() == Deployed("site-bucket", "", 0, 5, 0, 0)
    assert world.site.calls == [f"read {key_of('')}", "list "]


def test_only_what_changed_is_written(world: World) -> None:
    world.update()
    world.site.calls.clear()
    assert world.update({**SITE, "app.js": b"export let x"}) == Deployed("site-bucket", "", 1, 4, 0, 12)
    # what is written over leaves the receipt first
    assert world.site.asked("put") == [key_of(""), "app.js", key_of("")]


def test_other_headers_are_a_change(world: World) -> None:
    world.update()
    found = world.update(cache_control=(("*.js", "max-age=60"),))
    assert isinstance(found, Deployed)
    assert (found.uploaded, found.unchanged) == (1, 4)
    assert world.site.headers["app.js"]["Cache-Control"] == "max-age=60"


def test_each_prefix_has_a_receipt_of_its_own(world: World) -> None:
    world.update()
    world.update(prefix="docs")
    world.site.calls.clear()
    world.update()
    world.update(prefix="docs")
    assert world.site.asked("put") == []
    assert world.site.asked("list") == ["", "docs/"]


STALE = {"old.js": b"1", "a//b": b"2", "dir/": b""}


class TestDelete:
    def test_F89b_stale_files_stay_by_default(self, world: World) -> None:
        world.site.objects.update(STALE)
        world.update()
        assert world.published == {**STALE, **SITE}

    def test_F89b_stale_files_are_removed_where_it_is_asked_for(self, world: World) -> None:
        world.site.objects.update(STALE)
        assert world.update(delete=True) == Deployed("site-bucket", "", 5, 0, 3, WHOLE)
        assert world.published == SITE

    def test_F89b_nothing_outside_the_prefix_and_no_other_publication(self, world: World) -> None:
        world.update(prefix="docs/v1")
        world.site.objects.update({"docs/a": b"", "docs/v10/a": b"", "other": b"", "docs/v2/old": b""})
        before = dict(world.published)
        world.update(prefix="docs/v2", delete=True)
        assert world.published == {key: body for key, body in before.items() if key != "docs/v2/old"} | {
            f"docs/v2/{key}": body for key, body in SITE.items()
        }
        world.update(delete=True)
        # docs/v1 and docs/v2 are published by somebody else: they have receipts of their own
        assert world.published == SITE | {
            f"{where}/{key}": body for where in ("docs/v1", "docs/v2") for key, body in SITE.items()
        }
        assert {key_of("docs/v1"), key_of("docs/v2"), key_of("")} <= set(world.site.objects)

    def test_F89b_a_bucket_with_far_more_in_it_is_not_cleared(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(updating, "MOST_OTHERS", 2)
        world.site.objects.update(STALE)
        with pytest.raises(Rejected, match="more than 2 objects are not of this site"):
            world.update(delete=True)
        assert world.published == STALE

    def test_F84_they_are_removed_after_the_last_page(self, world: World) -> None:
        world.site.objects.update(STALE)
        world.update(delete=True)
        kinds = [call.partition(" ")[0] for call in world.site.calls]
        assert kinds[-1] == "delete"
        assert world.site.asked("put")[-2:] == ["index.html", key_of("")]

    def test_a_listing_that_outlasts_the_invocation_is_said(self, world: World) -> None:
        world.site.objects.update(STALE)
        with pytest.raises(Rejected, match="while site-bucket was listed"):
            world.update(delete=True, left=lambda: 0.0)

    def test_a_bucket_is_not_listed_for_longer_than_it_takes_to_write_the_site(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(updating, "LISTED", 0)
        monkeypatch.setattr(updating, "OTHERS", 1)
        world.update()
        world.site.page = 2
        world.site.objects.update({f"0/{number}": b"" for number in range(100)})
        world.site.calls.clear()
        found = world.update()
        assert isinstance(found, Deployed)
        assert (found.uploaded, len(world.site.asked("list"))) == (5, 3)

    def test_F84_a_page_that_is_refused_keeps_them(self, world: World) -> None:
        world.site.objects.update(STALE)
        world.site.broken = "index.html"
        with pytest.raises(Broken):
            world.update(delete=True)
        assert set(world.published) >= set(STALE)

    def test_a_page_at_a_time(self, world: World) -> None:
        world.site.objects.update({f"old/{n}": b"" for n in range(PAGE + 1)})
        world.update(delete=True)
        assert world.site.asked("delete") == ["1000", "1"]


class TestLongerThanAnInvocation:
    def test_it_goes_on_where_it_stopped(self, world: World) -> None:
        world.update({"index.html": b"old"})
        first = world.update(left=ticking(4))
        assert first == Unfinished(Progress(3, len(SITE["app.js"] + SITE["css/site.css"] + SITE["imprint.html"])), 5)
        assert world.published["index.html"] == b"old"
        world.site.calls.clear()
        second = world.update(progress=first.progress)
        assert second == Deployed("site-bucket", "", 5, 0, 0, WHOLE)
        assert set(world.site.asked("put")) == {"about/index.html", "index.html", key_of("")}
        assert world.published == SITE

    def test_deletions_too(self, world: World) -> None:
        world.site.objects.update({f"old/{n}": b"" for n in range(PAGE + 1)})
        first = world.update(delete=True, left=ticking(8))
        assert first == Unfinished(Progress(5, WHOLE, PAGE), 5)
        assert world.update(delete=True, progress=first.progress) == Deployed("site-bucket", "", 5, 0, PAGE + 1, WHOLE)

    def test_an_invocation_that_achieves_nothing_is_the_last(self, world: World) -> None:
        with pytest.raises(Rejected, match="before anything could be published"):
            world.update(left=lambda: 0.0)
        world.update()
        world.site.objects["old"] = b""
        with pytest.raises(Rejected, match="before anything could be published"):
            world.update(delete=True, progress=Progress(5, WHOLE), left=ticking(1))

    def test_what_is_said_meanwhile(self) -> None:
        unfinished = Unfinished(Progress(1200, 5), 5000)
        assert (unfinished.summary, unfinished.percent) == ("1,200 of at most 5,000 objects uploaded so far", 24)
        assert Unfinished(Progress(5, 5), 5).percent == 99


def ticking(times: int) -> Callable[[], float]:
    """Time that lasts for so many looks at it."""
    left = iter([1.0] * times)
    return lambda: next(left, 0.0)


class TestInvalidation:
    @pytest.mark.parametrize(
        ("given", "paths"),
        [
            pytest.param({}, ("/*",), id="everything"),
            pytest.param({"prefix": "docs"}, ("/*",), id="everything-whatever-the-origins-path-is"),
            pytest.param({"invalidate": Invalidation(CDN, ("/a", "/b*"))}, ("/a", "/b*"), id="what-the-pipeline-says"),
        ],
    )
    def test_it_is_asked_for_once(self, world: World, given: dict[str, Any], paths: Sequence[str]) -> None:
        found = world.update(distribution=CDN, **given)
        assert isinstance(found, Deployed)
        assert found.invalidated == CDN
        assert world.told == [(CDN, paths, "job-1")]

    def test_not_if_nothing_changed(self, world: World) -> None:
        world.update(distribution=CDN)
        again = world.update(distribution=CDN)
        assert isinstance(again, Deployed)
        assert again.invalidated == ""
        assert len(world.told) == 1

    def test_a_deletion_alone_is_a_change(self, world: World) -> None:
        world.update(distribution=CDN, delete=True)
        world.site.objects["old"] = b""
        world.update(distribution=CDN, delete=True)
        assert [reference for _, _, reference in world.told] == ["job-1", "job-1-deleted"]

    def test_the_pages_are_told_before_anything_is_removed_and_a_refusal_does_not_hold_that_up(
        self, world: World
    ) -> None:
        world.site.objects["old"] = b""
        world.site.broken = "old"
        for times in (1, 2):
            with pytest.raises(Broken):
                world.update(distribution=CDN, delete=True)
            assert len(world.told) == times
        world.site.broken = ""
        world.update(distribution=CDN, delete=True)
        assert world.told[-1][2] == "job-1-deleted"

    def test_one_that_fails_is_owed(self, world: World) -> None:
        world.problem = Transient("TooManyInvalidationsInProgress")
        with pytest.raises(Transient):
            world.update(distribution=CDN)
        world.problem = None
        found = world.update(distribution=CDN)
        assert isinstance(found, Deployed)
        assert (found.uploaded, found.invalidated) == (0, CDN)
        assert len(world.told) == 2
        world.update(distribution=CDN)
        assert len(world.told) == 2

    def test_one_of_a_job_that_went_on_is_told_at_its_end(self, world: World) -> None:
        first = world.update(distribution=CDN, left=ticking(3))
        assert isinstance(first, Unfinished)
        assert world.told == []
        second = world.update(distribution=CDN, progress=first.progress)
        assert isinstance(second, Deployed)
        assert (second.invalidated, len(world.told)) == (CDN, 1)

    @pytest.mark.parametrize("before", ["", "E2OTHER1234567"], ids=["none-before", "another-before"])
    def test_a_distribution_that_is_named_later_is_told_what_it_missed(self, world: World, before: str) -> None:
        world.update(distribution=before)
        world.update({**SITE, "app.js": b"2"})
        world.told.clear()
        found = world.update({**SITE, "app.js": b"2"}, distribution=CDN)
        assert isinstance(found, Deployed)
        assert (found.uploaded, found.invalidated) == (0, CDN)
        assert [distribution for distribution, _, _ in world.told] == [CDN]


def test_a_rule_that_was_wrong_and_taken_back_leaves_nothing(world: World) -> None:
    """The same bytes have the same ETag: only the receipt knows of their headers, so it must not outlive them."""
    world.update()
    world.site.broken = "index.html"
    with pytest.raises(Broken):
        world.update(cache_control=(("*", "max-age=31536000"),))
    world.site.broken = ""
    found = world.update()
    assert isinstance(found, Deployed)
    assert found.uploaded == 5
    assert {headers["Cache-Control"] for key, headers in world.site.headers.items() if key in SITE} == {"no-cache"}


@pytest.mark.parametrize("after", [False, True], ids=["before-it", "after-it"])
@pytest.mark.parametrize("call", range(1, 13))
def test_a_kill_at_any_call_leaves_nothing_stale(call: int, after: bool) -> None:
    """Killed at its nth call, made or not; then what was planned is taken back, then done after all."""
    world = World()
    world.update(distribution=CDN, delete=True)
    wrong = {"cache_control": (("*.js", "max-age=60"),)}
    changes = {**SITE, "index.html": b"other"}
    world.site.objects["old.js"] = b""
    killed = Killed(world, call, after=after)
    with suppress(_Kill):
        killed.update(changes, distribution=CDN, delete=True, **wrong)
    assert (killed.left > 0) == (call > Killed.CALLS)
    world.told.clear()
    before = dict(world.site.objects), dict(world.site.headers)
    world.update(distribution=CDN, delete=True)
    assert world.published == SITE
    assert world.site.headers["app.js"]["Cache-Control"] == "no-cache"
    moved = before[0] | {key_of(""): b""} != world.site.objects | {key_of(""): b""} or before[1] != world.site.headers
    assert bool(world.told) >= moved
    assert Receipt.decode(world.site.objects[key_of("")]).told == mark(CDN)


class _Kill(BaseException):
    """The end of a process: nothing catches it."""


class Killed(World):
    """The same world; the nth call to S3 or CloudFront is the process's last, made (``after``) or not."""

    # receipt, listing, receipt, app.js, index.html, receipt, invalidation, receipt; then
    # receipt, deletion, invalidation, receipt
    CALLS = 12

    def __init__(self, real: World, left: int, *, after: bool) -> None:
        super().__init__(told=real.told)
        self.left, self._after = left, after
        self.site = Dying(real.site, self._call)

    def _call(self, act: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self._after:
            raise _Kill
        done = act()
        if self.left == 0:
            raise _Kill
        return done

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        self._call(lambda: super(Killed, self).invalidate(distribution, paths, reference))


class Dying(FakeSite):
    """A site each of whose calls goes through ``call``."""

    def __init__(self, real: FakeSite, call: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._real, self._call = real, call

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
        return str(self._call(lambda: self._real.put(key, body, headers)))

    def read(self, key: str) -> bytes | None:
        found = self._call(lambda: self._real.read(key))
        assert isinstance(found, bytes)
        return found

    def pages(self, prefix: str) -> Iterator[Mapping[str, str]]:
        yield from self._call(lambda: list(self._real.pages(prefix)))

    def delete(self, keys: Sequence[str]) -> None:
        self._call(lambda: self._real.delete(keys))


@pytest.mark.parametrize(
    ("deployed", "summary"),
    [
        (
            Deployed("site-bucket", "", 1200, 3, 0, 45000),
            "1,200 uploaded (45,000 bytes), 3 unchanged, 0 deleted in site-bucket",
        ),
        (
            Deployed("site-bucket", "docs", 0, 3, 1, 0, CDN),
            f"0 uploaded (0 bytes), 3 unchanged, 1 deleted in site-bucket/docs; {CDN} invalidated",
        ),
    ],
    ids=["plain", "prefix-and-distribution"],
)
def test_what_is_said(deployed: Deployed, summary: str) -> None:
    assert deployed.summary == summary
