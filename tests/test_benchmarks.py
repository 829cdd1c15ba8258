"""The benchmarks run, and what they count is true; what they measure is looked at by people."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest
from benchmarks import s3
from benchmarks.account import time_of
from benchmarks.cost import at, cost, polled, pushed, swept
from benchmarks.racing import Contestant, ours, track
from benchmarks.stand_in.store import md5


def test_a_push_costs_what_it_is_billed_for_and_its_stack_is_asked_for_twice() -> None:
    found = cost(pushed("two", "a"), at("main", "a"))
    assert found.describes == 2
    assert found.wall > 60
    assert found.billed < 3
    waiting = polled(found, 60)
    assert (waiting.describes, waiting.billed) == (61, found.billed + 60)


def test_three_pushes_at_once_take_as_long_as_one() -> None:
    one = cost(pushed("two", "a"), at("main", "a", "b", "c"))
    three = cost(pushed("two", "a", "b", "c"), at("main", "a", "b", "c"))
    assert three.wall <= 1.2 * one.wall
    assert three.billed == pytest.approx(3 * one.billed, rel=0.01)


def test_a_sweep_costs_nothing_for_what_is_at_rest_and_a_look_for_what_is_not() -> None:
    few, many, behind = swept(20), swept(200), swept(200, behind=3)
    assert (few.calls, few.looks, many.looks, behind.looks) == (many.calls, 0, 0, 3)


def test_a_call_without_a_stated_time_is_an_error() -> None:
    assert time_of("github.tip") < time_of("github.archive")
    with pytest.raises(KeyError):
        time_of("elsewhere.call")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with track(folder) as stand_in:
        yield s3.Bench(stand_in, folder, s3.Scale(objects=30, keys=24, megabytes=40, rounds=1, slow=0.5))


@pytest.mark.parametrize(
    ("part", "contestants"),
    [
        ("upload", ["s3deployer", "boto3, one by one", "aws s3 sync", "s5cmd, 2 workers", "s5cmd"]),
        ("memory", ["s3deployer", "the same, idle", "boto3 with four clients", "import boto3"]),
        ("keys", ["s3cleaner", "boto3, one by one", "s5cmd rm"]),
        ("versions", ["s3cleaner", "boto3, one by one", "s5cmd rm"]),
    ],
)
def test_all_contestants_leave_what_they_should(
    bench: s3.Bench, capsys: pytest.CaptureFixture[str], part: str, contestants: list[str]
) -> None:
    """Each part looks into the bucket after each run."""
    goals = s3.PARTS[part](bench)
    printed = capsys.readouterr().out.splitlines()
    assert [row[2:40].strip() for row in printed if row.startswith("  ") and row[2] != " "] == contestants
    assert goals


def test_the_same_archive_again_writes_nothing(bench: s3.Bench) -> None:
    assert [goal.held for goal in s3.again(bench)] == [True]


def test_a_bucket_with_other_content_is_noticed(bench: s3.Bench) -> None:
    site = bench.whole
    with zipfile.ZipFile(site.archive) as archive:
        right = [(info.filename, info.file_size, md5(archive.read(info)), "", []) for info in archive.infolist()]
    assert site.differs(right) == ""
    assert "keys are missing or too many" in site.differs(right[1:])
    assert "keys are missing or too many" in site.differs([*right, ("more", 1, md5(b"1"), "", [])])
    key, size, *_ = right[3]
    assert site.differs([*right[:3], (key, size, md5(b"other"), "", []), *right[4:]]) == f"{key} has other content"


def test_a_contestant_that_fails_stops_the_race(bench: s3.Bench) -> None:
    missing = Contestant("s3deployer", 1, ours("s3deployer", "missing.zip"), own=True)
    with pytest.raises(AssertionError, match="s3deployer ended with 1"):
        bench.track.run(missing, bench.onto_nothing(missing))
