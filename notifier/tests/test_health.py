"""What a run has mended, in whatever order the ends of runs are heard of."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.health import Health, Setback, health_of

# When it began, and whether it failed.
End = tuple[int, bool]


def setback(began: int) -> Setback:
    return Setback(began, f"run-{began}", "Build", "ab" * 20)


def after(health: Health, end: End) -> Health:
    began, failed = end
    return health.failed(setback(began)) if failed else health.succeeded(began, f"run-{began}")


def stand(*ends: End) -> Health:
    return reduce(after, ends, Health())


FAILS, WORKS = True, False


@pytest.mark.parametrize(
    ("ends", "run", "mended"),
    [
        pytest.param([(1, WORKS)], 1, None, id="nothing-had-failed"),
        pytest.param([(1, FAILS), (2, WORKS)], 2, 1, id="what-had-failed"),
        pytest.param([(1, FAILS), (1, FAILS), (2, WORKS), (2, WORKS)], 2, 1, id="F23-doubled"),
        pytest.param([(1, FAILS), (2, FAILS), (3, WORKS)], 3, 2, id="the-last-failure"),
        pytest.param([(1, FAILS), (2, WORKS), (3, WORKS)], 3, None, id="once"),
        pytest.param([(1, FAILS), (2, WORKS), (3, WORKS)], 2, 1, id="the-first-success"),
        pytest.param([(1, FAILS), (2, WORKS), (3, FAILS), (4, WORKS)], 4, 3, id="another-failure"),
        pytest.param([(1, FAILS), (1, WORKS)], 1, 1, id="the-run-itself-retried"),
        pytest.param([(1, WORKS), (1, FAILS), (2, WORKS)], 2, None, id="F63-the-run-itself-heard-late"),
        pytest.param([(2, WORKS), (1, FAILS), (3, WORKS)], 3, None, id="F63-a-failure-heard-late"),
        pytest.param([(2, FAILS), (1, WORKS), (3, WORKS)], 3, 2, id="F63-an-earlier-success-heard-late"),
        pytest.param([(2, FAILS), (1, WORKS)], 1, None, id="F63-an-earlier-success-mends-nothing"),
        pytest.param([(2, FAILS), (1, FAILS), (3, WORKS)], 3, 2, id="F63-an-earlier-failure-heard-late"),
    ],
)
def test_what_a_run_has_mended(ends: list[End], run: int, mended: int | None) -> None:
    assert stand(*ends).mended_by(f"run-{run}") == (setback(mended) if mended else None)


RUNS = st.lists(st.booleans(), max_size=6).map(lambda fails: list(enumerate(fails)))


@given(RUNS.flatmap(lambda runs: st.tuples(st.just(runs), st.permutations(runs + runs))))
def test_F23_F63_no_order_makes_a_run_mend_what_it_did_not(made: tuple[list[End], list[End]]) -> None:
    """A run that mends something began after it, and no success lies between them; and it is said the same again."""
    runs, heard = made
    health = Health()
    for began, failed in heard:
        health = after(health, (began, failed))
        assert after(health, (began, failed)) == health, "doubled, it changes nothing"
        mended = health.mended_by(f"run-{began}")
        if mended:
            assert not failed
            assert (mended.began, FAILS) in runs
            assert mended.began < began
    ordered = stand(*runs)
    assert health.latest == ordered.latest
    open_setback = None if health.mended else health.setback
    if open_setback and open_setback.began < health.latest:
        raise AssertionError("a failure that a later run has mended is not open any more")


@given(RUNS)
def test_it_is_kept_and_read_back(runs: list[End]) -> None:
    health = stand(*runs)
    assert health_of(health.to_json()) == health


def test_where_nothing_is_kept_nothing_has_failed() -> None:
    assert health_of("") == Health()
