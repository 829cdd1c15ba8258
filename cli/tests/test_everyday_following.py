"""Looking again until it is over: how often, what is shown, and what becomes of looks that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from cli.tests.environments import NOW, parked, seen

from deployer.errors import Transient
from deployer_cli.everyday.following import follow, pace
from deployer_cli.everyday.judge import Report, State, judge
from deployer_cli.everyday.reading import PATIENCE, awaited


@dataclass(frozen=True)
class Thing:
    text: str
    over: bool = False


@dataclass
class Life:
    """What each look finds; an error is raised."""

    looks: list[Thing | Transient]
    shown: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def look(self) -> Thing:
        found = self.looks.pop(0)
        if isinstance(found, Transient):
            raise found
        return found

    def follow(self) -> Thing:
        return follow(
            self.look,
            lambda thing: self.shown.append(thing.text),
            self.pauses.append,
            self.notes.append,
            lambda thing: thing.text,
        )


def test_it_ends_with_what_is_over() -> None:
    life = Life([Thing("a"), Thing("b"), Thing("c", over=True), Thing("never seen")])
    assert life.follow() == Thing("c", over=True)
    assert life.shown == ["a", "b", "c"]
    assert len(life.pauses) == 2


def test_where_nothing_moves_looks_grow_rare_and_anything_new_makes_them_frequent() -> None:
    life = Life([*[Thing("a")] * 9, Thing("b"), Thing("b", over=True)])
    life.follow()
    assert life.pauses[:3] == [1.0, 1.5, 2.25]
    assert life.pauses[7:10] == [10.0, 10.0, 1.0]
    assert pace(100) == 10.0


def test_F46_a_look_that_fails_for_a_while_is_taken_again_when_it_is_asked_for() -> None:
    life = Life([Thing("a"), Transient("busy", 7.0), Transient("busy"), Thing("a", over=True)])
    life.follow()
    assert life.pauses == [1.0, 7.0, pace(2)]
    assert life.notes == ["looking again: busy"] * 2


def test_one_that_keeps_failing_ends_it() -> None:
    life = Life([Transient("busy")] * 5)
    with pytest.raises(Transient):
        life.follow()
    assert len(life.pauses) == 4


def looks(*reports: Report) -> Callable[[], Report]:
    left = list(reports)
    return lambda: left.pop(0)


def test_an_environment_that_is_not_there_yet_is_waited_for_a_while() -> None:
    none = judge(replace(seen(), item=None))
    later = replace(none, seen=replace(none.seen, now=NOW + PATIENCE))
    look = awaited(looks(none, none, judge(seen()), later))
    assert [look().state for _ in range(4)] == [State.PENDING, State.PENDING, State.SUCCESS, State.NONE]


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(judge(replace(seen(), item=None, tip=None)), id="no-branch"),
        pytest.param(judge(replace(seen(), item=None, place=parked())), id="it-sleeps"),
    ],
)
def test_what_will_not_come_is_not_waited_for(report: Report) -> None:
    assert awaited(looks(report))().over
