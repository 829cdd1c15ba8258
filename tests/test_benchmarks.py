"""The benchmarks run, and what they count is true; what they measure is looked at by people."""

from __future__ import annotations

import pytest
from benchmarks.account import time_of
from benchmarks.cost import at, cost, polled, pushed, swept


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
