"""Emptying ends with an empty bucket or a reason, goes on where it stopped, and holds a few pages at most."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from s3cleaner.tests.fake_bucket import FakeBucket

from deployer import tracing
from deployer.buckets import Upload, Version
from deployer.cleanups import Outcome, Unfinished
from deployer.custom_resource import Done
from deployer.errors import Rejected, Transient
from s3cleaner.emptying import TOGETHER, Contents, empty

MANY = 7_500


def ticks(looks: int) -> Any:
    """A clock that is looked at ``looks`` times before time is up."""
    left = iter([1.0] * looks)
    return lambda: next(left, 0.0)


def run(bucket: FakeBucket, left: Any = None) -> Outcome:
    """Far more looks at the clock than are needed, so that what never ends fails."""
    return empty(Contents(bucket, bucket.paths), left or ticks(1_000))


def objects(count: int, key: str = "o{:06}") -> list[Version]:
    return [Version(key.format(number), "null") for number in range(count)]


@pytest.mark.parametrize(
    "bucket",
    [
        pytest.param(FakeBucket(), id="empty"),
        pytest.param(FakeBucket(objects(MANY)), id="F76-objects"),
        pytest.param(FakeBucket([Version("same", f"v{n}") for n in range(MANY)], versioned=True), id="F76-versions"),
        pytest.param(FakeBucket([], [Upload("same", f"u{n}") for n in range(2_500)]), id="F76-uploads"),
        pytest.param(FakeBucket([Version("a", "1")], [Upload("b", "2")], versioned=True), id="both"),
        pytest.param(FakeBucket([*objects(3), Version("z//odd", "null")]), id="F76-a-key-that-is-no-path"),
    ],
)
def test_it_is_emptied(bucket: FakeBucket) -> None:
    count = len(bucket.contents) + len(bucket.unfinished)
    assert run(bucket) == Done(f"{count} removed")
    assert (bucket.contents, bucket.unfinished) == ([], [])


@pytest.mark.parametrize(
    ("bucket", "calls"),
    [
        pytest.param(
            FakeBucket(objects(2_500)),
            ["uploads", "versioning", *["paths"] * 3, "delete paths", "versions"],
            id="by-its-paths-where-it-never-had-versions",
        ),
        pytest.param(
            FakeBucket(objects(2_500), versioned=True),
            ["uploads", "versioning", *["versions"] * 4, *["delete"] * 3, "versions"],
            id="version-by-version-else",
        ),
        pytest.param(
            FakeBucket([Version("dir/", "null"), Version("dir/a", "null")]),
            ["uploads", "versioning", "paths", "delete paths", "versions", "delete", *["versions"] * 2],
            id="F76-what-has-no-path-comes-last",
        ),
    ],
)
def test_which_way(bucket: FakeBucket, calls: list[str]) -> None:
    assert isinstance(run(bucket), Done)
    assert sorted(bucket.calls) == sorted(calls)
    assert bucket.contents == []


class TestRefusals:
    @pytest.mark.parametrize("versioned", [False, True], ids=["F77-by-path", "F77-by-version"])
    def test_what_s3_keeps_is_named_and_not_tried_for_ever(self, versioned: bool) -> None:
        bucket = FakeBucket([*objects(2), Version("locked", "null")], kept=frozenset({"locked"}), versioned=versioned)
        with pytest.raises(Rejected, match="'locked': AccessDenied"):
            run(bucket)
        assert sum(call.startswith("delete") for call in bucket.calls) == 1

    def test_F77_the_first_page_that_failed_is_told_and_the_others_have_gone(self) -> None:
        contents = objects(3_000)
        bucket = FakeBucket(contents, kept=frozenset({contents[1_000].key, contents[2_999].key}), versioned=True)
        with pytest.raises(Rejected, match=contents[1_000].key):
            run(bucket)
        assert len(bucket.contents) == 2_000

    @pytest.mark.parametrize("versioned", [False, True], ids=["F77-objects", "F77-versions"])
    @pytest.mark.parametrize("count", [1, 9_000], ids=["one-page", "many-pages"])
    def test_what_stays_listed_is_no_endless_loop(self, count: int, versioned: bool) -> None:
        contents = objects(count)
        bucket = FakeBucket(contents, stubborn=frozenset(each.key for each in contents), versioned=versioned)
        with pytest.raises(Rejected, match="still lists 'o000000'"):
            run(bucket)
        assert bucket.calls.count("delete") == -(-count // 1_000)

    def test_F77_one_of_many_that_stays_listed(self) -> None:
        bucket = FakeBucket(objects(5_000), stubborn=frozenset({"o004321"}), versioned=True)
        with pytest.raises(Rejected, match="still lists 'o004321'"):
            run(bucket)

    def test_F77_uploads_that_stay_listed(self) -> None:
        bucket = FakeBucket([], [Upload("a", "1")], stubborn=frozenset("a"))
        with pytest.raises(Rejected, match="still lists the upload of 'a'"):
            run(bucket)

    @pytest.mark.parametrize("versioned", [False, True], ids=["F88-by-path", "F88-by-version"])
    def test_throttling_is_no_refusal(self, versioned: bool) -> None:
        bucket = FakeBucket(objects(10), busy=1, versioned=versioned)
        with pytest.raises(Transient, match="SlowDown"):
            run(bucket)
        assert run(bucket) == Done("10 removed")


class TestOverSeveralInvocations:
    """One look at the clock before each step: a few pages, or a hundred uploads."""

    @pytest.mark.parametrize("versioned", [False, True], ids=["by-path", "by-version"])
    def test_it_goes_on_where_it_stopped(self, versioned: bool) -> None:
        bucket = FakeBucket(objects(9_500), versioned=versioned)
        assert run(bucket, ticks(2)) == Unfinished("8000 removed so far", after=0)
        assert run(bucket) == Done("1500 removed")

    def test_uploads_too(self) -> None:
        bucket = FakeBucket(objects(1), [Upload("big", f"{number:04}") for number in range(250)])
        assert run(bucket, ticks(2)) == Unfinished("200 removed so far", after=0)
        assert run(bucket) == Done("51 removed")

    def test_without_any_time_nothing_is_asked(self) -> None:
        bucket = FakeBucket(objects(1))
        assert run(bucket, lambda: 0.0) == Unfinished("0 removed so far", after=0)
        assert bucket.calls == []

    def test_every_invocation_gets_further(self) -> None:
        """However little time each has."""
        bucket = FakeBucket([*objects(9_000), Version("z//odd", "null")], [Upload("big", "1")])
        looks = 0
        while isinstance(run(bucket, ticks(1)), Unfinished):
            looks += 1
            assert looks < 10
        assert (bucket.contents, bucket.unfinished) == ([], [])

    def test_F77_somebody_who_goes_on_writing_is_given_up_by_the_clock_alone(self) -> None:
        class Written(FakeBucket):
            written = 0

            def _remove(self, going: set[Version]) -> None:
                super()._remove(going)
                self.written += 1
                assert self.written < 100
                self.contents = [*self.contents, Version(f"log-{self.written}", "null")]

        bucket = Written(objects(1), versioned=True)
        outcome = run(bucket, ticks(50))
        assert isinstance(outcome, Unfinished)


@pytest.mark.parametrize("versioned", [False, True], ids=["by-path", "by-version"])
def test_a_few_pages_are_held_and_never_the_listing(versioned: bool) -> None:
    bucket = FakeBucket(objects(40_000), versioned=versioned)
    run(bucket)
    assert TOGETHER <= bucket.most <= 2 * TOGETHER + 2


def test_pages_go_at_the_same_time() -> None:
    """Each waits for the others: one after the other would never end."""
    together = threading.Barrier(TOGETHER, timeout=30)

    class Slow(FakeBucket):
        def delete(self, versions: Any) -> None:
            together.wait()
            super().delete(versions)

    bucket = Slow(objects(TOGETHER * 1_000), versioned=True)
    assert run(bucket) == Done(f"{TOGETHER * 1_000} removed")


def test_an_empty_iterator_of_pages_is_an_empty_bucket() -> None:
    class Bare(FakeBucket):
        def versions(self) -> Iterator[list[Version]]:
            return iter(())

    assert run(Bare(versioned=True)) == Done("0 removed")


def test_a_trace_goes_along_with_what_other_threads_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        told: ClassVar[list[tuple[str, bool]]] = []

        def get_trace_entity(self) -> str:
            return "this invocation"

        def set_trace_entity(self, entity: str) -> None:
            self.told.append((entity, threading.current_thread() is threading.main_thread()))

    monkeypatch.setattr(tracing, "_recorder", Recorder())
    run(FakeBucket(objects(1), versioned=True))
    assert Recorder.told == [("this invocation", False)]
