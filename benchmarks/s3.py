"""What s3deployer and s3cleaner cost beside boto3, the AWS CLI and s5cmd, against an S3 on loopback.

Each part prints its table and answers with its goals. Costs are compared within a round, where the machine was in the
same mood for all, and the median of these ratios counts; all figures are for the number of objects in the heading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from benchmarks.printing import Goal, line, say
from benchmarks.racing import Contestant, Run, Track, aws, ours, race, s5cmd
from benchmarks.site import MB, Site, large, small
from benchmarks.stand_in.store import ARTIFACTS

LATENCY = 0.025  # seconds, as from a function to S3 of its region on a slow day
BUCKET = "site"
RECEIPT = ".deployer/published"  # s3deployer's own note of what it wrote
WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


@dataclass(frozen=True)
class Scale:
    """How much of it. The slow do a part, ``slow``, of what ours does; their cost grows with the number of objects."""

    objects: int = 5_000
    keys: int = 20_000
    megabytes: int = 500
    rounds: int = 9
    slow: float = 0.1

    def part(self, objects: int, of: float = 1.0) -> int:
        """What a slow contestant does of so many."""
        return max(1, round(objects * min(1.0, self.slow * of)))


@dataclass
class Bench:
    """The stand-in, sites to publish, and how much of it."""

    track: Track
    folder: Path
    scale: Scale

    @cached_property
    def whole(self) -> Site:
        """The site that ours publishes."""
        return self._offered("whole.zip", small(self.folder / "whole", self.scale.objects))

    @cached_property
    def part(self) -> Site:
        """The site that the slow publish."""
        return self._offered("part.zip", small(self.folder / "part", self.scale.part(self.scale.objects)))

    @cached_property
    def sliver(self) -> Site:
        """The site that the slow publish where each call takes its time."""
        return self._offered("sliver.zip", small(self.folder / "sliver", self.scale.part(self.scale.objects, 0.1)))

    @cached_property
    def large(self) -> Site:
        """The site that does not fit into memory."""
        return self._offered("large.zip", large(self.folder / "large", self.scale.megabytes))

    def _offered(self, key: str, site: Site) -> Site:
        self.track.tell("file", bucket=ARTIFACTS, key=key, file=str(site.archive))
        return site

    def onto_nothing(self, contestant: Contestant) -> str:
        """An empty bucket."""
        self.track.tell("bucket", name=BUCKET)
        return BUCKET

    def published(self, sites: Mapping[str, Site]) -> Callable[[Contestant, str], None]:
        """See that a contestant published its site."""

        def seen(contestant: Contestant, bucket: str) -> None:
            content = self.track.tell("content", bucket=bucket)
            content = [found for found in content if found[0] != RECEIPT]
            if wrong := sites[contestant.name].differs(content):
                raise AssertionError(f"{contestant.name}: {wrong}")

        return seen


def upload(bench: Bench) -> list[Goal]:
    """Many small objects."""
    whole, part, rounds = bench.whole, bench.part, bench.scale.rounds
    empty = bench.folder / "empty"
    empty.mkdir(exist_ok=True)
    contestants = [
        Contestant("s3deployer", whole.objects, ours("s3deployer", "whole.zip"), own=True),
        Contestant("boto3, one by one", part.objects, ours("boto3-put", "part.zip"), own=True),
        bench.track.started(_sync(part), lambda bucket: aws("sync", str(empty), f"s3://{bucket}"), rounds),
        bench.track.started(_cp("s5cmd, 2 workers", whole, "--numworkers", "2"), _nothing, rounds),
        bench.track.started(_cp("s5cmd", part), _nothing, rounds),
    ]
    seen = bench.published(
        {contestant.name: whole if contestant.objects == whole.objects else part for contestant in contestants}
    )
    runs = race(contestants, rounds, bench.onto_nothing, bench.track.run, seen)
    return processor(
        f"Publishing {whole.objects:,} objects of 10 kB",
        contestants,
        runs,
        {"boto3, one by one": 0.18, "aws s3 sync": 0.15, "s5cmd, 2 workers": 0.75},
    )


def _nothing(bucket: str) -> Sequence[str]:
    return s5cmd("version")


def _sync(site: Site) -> Contestant:
    return Contestant("aws s3 sync", site.objects, lambda bucket: aws("sync", str(site.folder), f"s3://{bucket}"))


def _cp(name: str, site: Site, *options: str) -> Contestant:
    """s5cmd keeps two connections and opens new ones for its other 254 workers; with two it costs the least."""
    return Contestant(name, site.objects, lambda bucket: s5cmd(*options, "cp", f"{site.folder}/*", f"s3://{bucket}/"))


def _rm(count: int, *options: str) -> Contestant:
    return Contestant("s5cmd rm", count, lambda bucket: s5cmd("rm", *options, f"s3://{bucket}/*"))


def latency(bench: Bench) -> list[Goal]:
    """The same where every call takes its time."""
    whole, part = bench.whole, bench.sliver
    contestants = [
        Contestant("s3deployer", whole.objects, ours("s3deployer", "whole.zip"), own=True),
        Contestant("boto3, one by one", part.objects, ours("boto3-put", "sliver.zip"), own=True),
    ]
    bench.track.tell("latency", seconds=LATENCY)
    try:
        seen = bench.published({"s3deployer": whole, "boto3, one by one": part})
        runs = race(contestants, bench.scale.rounds, bench.onto_nothing, bench.track.run, seen)
    finally:
        bench.track.tell("latency", seconds=0)
    say(f"\nPublishing {whole.objects:,} objects of 10 kB, {LATENCY * 1000:g} ms added to each call\n")
    say(line("", "measured", "takes", "ratio", "goal"))
    first, other = contestants
    ratio = _ratio(first, other, runs, lambda contestant, run: run.wall / contestant.objects)
    for contestant, rest in ((first, ()), (other, (f"{ratio:.3f}", "0.03"))):
        took = median(run.wall for run in runs[contestant.name]) * whole.objects / contestant.objects
        say(line(contestant.name, f"{contestant.objects:,}", f"{took:.1f} s", *rest))
    return [Goal(f"time to publish: {ratio:.3f} of boto3's one by one, at most 0.03", ratio <= 0.03)]


def memory(bench: Bench) -> list[Goal]:
    """One archive that is larger than the function's memory."""
    site = bench.large
    contestants = [
        Contestant("s3deployer", 1, ours("s3deployer", "large.zip"), own=True),
        Contestant("the same, idle", 1, ours("s3deployer-idle"), own=True),
        Contestant("boto3 with four clients", 1, ours("boto3-clients"), own=True),
        Contestant("import boto3", 1, ours("boto3-import"), own=True),
    ]

    def seen(contestant: Contestant, bucket: str) -> None:
        if contestant is contestants[0]:
            bench.published({"s3deployer": site})(contestant, bucket)

    runs = race(contestants, min(3, bench.scale.rounds), bench.onto_nothing, bench.track.run, seen)
    say(f"\nPublishing {bench.scale.megabytes:,} MB in {site.objects:,} objects: the most memory in use\n")
    say(line("", "memory", "ratio", "goal"))
    mine, idle, *others = (median(run.peak for run in runs[contestant.name]) for contestant in contestants)
    say(line("s3deployer", f"{mine / MB:.0f} MB"))
    say(line("the same, idle", f"{idle / MB:.0f} MB", f"{mine / idle:.2f}", "1.3"))
    for contestant, other in zip(contestants[2:], others, strict=True):
        say(line(contestant.name, f"{other / MB:.0f} MB", f"{mine / other:.2f}"))
    return [Goal(f"memory: {mine / idle:.2f} of the function with its clients made, at most 1.3", mine <= 1.3 * idle)]


def again(bench: Bench) -> list[Goal]:
    """The same once more."""
    site = bench.whole
    twice = [
        Contestant("s3deployer", site.objects, ours("s3deployer", "whole.zip"), own=True),
        _sync(site),
        Contestant("s5cmd sync", site.objects, lambda bucket: s5cmd("sync", f"{site.folder}/*", f"s3://{bucket}/")),
    ]
    say(f"\nPublishing the same {site.objects:,} objects again\n")
    say(line("", "PUTs", "calls", "CPU s", "with start"))
    puts = {}
    for contestant in twice:
        bucket = bench.onto_nothing(contestant)
        bench.track.run(contestant, bucket)
        bench.track.tell("calls")
        run = bench.track.run(contestant, bucket)
        calls = bench.track.tell("calls")
        bench.published({contestant.name: site})(contestant, bucket)
        puts[contestant.name] = sum(calls.get(name, 0) for name in WRITES)
        work = f"{run.work:.2f}" if contestant.own else ""
        say(line(contestant.name, f"{puts[contestant.name]:,}", f"{sum(calls.values()):,}", work, f"{run.whole:.2f}"))
    return [Goal(f"the same archive again: {puts['s3deployer']:,} PUTs, none", puts["s3deployer"] == 0)]


def keys(bench: Bench) -> list[Goal]:
    """A bucket without versions."""
    return _emptied(bench, "keys", 1, (), {"boto3, one by one": 0.02, "s5cmd rm": 1.0})


def versions(bench: Bench) -> list[Goal]:
    """A bucket with versions, half of which are delete markers."""
    return _emptied(bench, "versions and markers", 4, ("--all-versions",), {"boto3, one by one": 0.12, "s5cmd rm": 2.5})


def _emptied(bench: Bench, what: str, each: int, options: Sequence[str], limits: Mapping[str, float]) -> list[Goal]:
    track, count, slow = bench.track, bench.scale.keys // each * each, bench.scale.part(bench.scale.keys, 0.5)
    contestants = [
        Contestant("s3cleaner", count, ours("s3cleaner"), own=True),
        Contestant("boto3, one by one", max(1, slow // each) * each, ours("boto3-delete"), own=True),
        track.started(_rm(count, *options), _nothing, bench.scale.rounds),
    ]

    def filled(contestant: Contestant) -> str:
        track.tell("bucket", name=BUCKET, keys=contestant.objects // each, versions=each, versioned=each > 1)
        return BUCKET

    def seen(contestant: Contestant, bucket: str) -> None:
        if left := track.tell("left", bucket=bucket):
            raise AssertionError(f"{contestant.name} left {left}")

    runs = race(contestants, bench.scale.rounds, filled, track.run, seen)
    return processor(f"Emptying a bucket of {count:,} {what}", contestants, runs, limits)


def processor(
    title: str, contestants: Sequence[Contestant], runs: Mapping[str, list[Run]], limits: Mapping[str, float]
) -> list[Goal]:
    """Print what it costs in processor seconds, ours first; answer with the goals."""
    first, total, goals = contestants[0], contestants[0].objects, []

    def work(contestant: Contestant, run: Run) -> float:
        return run.work * total / contestant.objects

    def whole(contestant: Contestant, run: Run) -> float:
        return run.whole - run.work + work(contestant, run)

    say(f"\n{title}: processor seconds, medians of {len(runs[first.name])} rounds\n")
    say(line("", "measured", "CPU s", "ratio", "goal", "with start", "ratio"))
    for contestant in contestants:
        mine, started = (median(cost(contestant, run) for run in runs[contestant.name]) for cost in (work, whole))
        cells = [f"{contestant.objects:,}", f"{mine:.3f}", "", "", f"{started:.3f}", ""]
        if contestant is not first:
            ratio, limit = _ratio(first, contestant, runs, work), limits.get(contestant.name)
            cells[2], cells[5] = f"{ratio:.3f}", f"{_ratio(first, contestant, runs, whole):.3f}"
            if limit is not None:
                cells[3] = f"{limit:g}"
                goals.append(Goal(f"{title}: {ratio:.3f} of {contestant.name}, at most {limit:g}", ratio <= limit))
        say(line(contestant.name, *cells))
    return goals


def _ratio(
    first: Contestant, other: Contestant, runs: Mapping[str, list[Run]], cost: Callable[[Contestant, Run], float]
) -> float:
    pairs = zip(runs[first.name], runs[other.name], strict=True)
    return median(cost(first, mine) / cost(other, theirs) for mine, theirs in pairs)


Part = Callable[[Bench], list[Goal]]
PARTS: Mapping[str, Part] = {
    "upload": upload,
    "latency": latency,
    "memory": memory,
    "again": again,
    "keys": keys,
    "versions": versions,
}
