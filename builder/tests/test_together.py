"""Side by side: threads, and their twin that takes one after the other, held to one contract."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from builder.together import Side, Threads
from deployer.errors import Broken, Transient
from deployer.observability import JsonFormatter, bound
from deployer.testing import InTurn

MOST = 30
"""Seconds after which a test gives up waiting for what has to come."""
SIDES = [
    pytest.param(Threads, id="threads"),
    pytest.param(InTurn, id="in-turn-late"),
    pytest.param(lambda: InTurn(early=True), id="in-turn-early"),
]


def failing() -> str:
    raise Transient("throttled", 7)


@pytest.mark.parametrize("make", SIDES)
def test_the_result_is_the_works_however_often_it_is_asked_for(make: Callable[[], Side]) -> None:
    done: list[int] = []

    def work() -> int:
        done.append(1)
        return len(done)

    side = make()
    with side.beside(work) as result:
        assert (result(), result()) == (1, 1)
    with side.beside(work) as result:
        assert result() == 2


@pytest.mark.parametrize("make", SIDES)
def test_what_the_work_raises_is_raised_where_its_result_is_asked_for(make: Callable[[], Side]) -> None:
    with make().beside(failing) as result:
        for _ in range(2):
            with pytest.raises(Transient) as raised:
                result()
            assert raised.value.retry_after == 7


@pytest.mark.parametrize("make", SIDES)
def test_what_the_body_raises_is_not_covered_up_by_what_the_work_raises(make: Callable[[], Side]) -> None:
    with pytest.raises(Broken), make().beside(failing):
        raise Broken("the token was revoked")


@pytest.mark.parametrize("make", SIDES)
def test_a_failure_that_nobody_asks_for_is_none(make: Callable[[], Side]) -> None:
    with make().beside(failing):
        pass


def test_a_failure_that_nobody_asked_for_is_logged(log: Any) -> None:
    with Threads().beside(failing):
        pass
    [line] = log()
    assert (line["error"], line["reason"]) == ("Transient", "throttled")


@pytest.mark.parametrize(
    ("early", "asks", "order"),
    [
        (False, True, ["body", "work", "end"]),
        (False, False, ["body", "end"]),
        (True, True, ["work", "body", "end"]),
        (True, False, ["work", "body", "end"]),
    ],
)
def test_in_turn_one_comes_wholly_before_the_other(early: bool, asks: bool, order: list[str]) -> None:
    went: list[str] = []
    with InTurn(early).beside(lambda: went.append("work")) as result:
        went.append("body")
        if asks:
            result()
        went.append("end")
    assert went == order


def test_threads_do_both_at_once() -> None:
    work_is_there, body_is_there = threading.Event(), threading.Event()

    def work() -> bool:
        work_is_there.set()
        return body_is_there.wait(MOST)

    with Threads().beside(work) as result:
        assert work_is_there.wait(MOST)
        body_is_there.set()
        assert result()


@pytest.mark.parametrize("raises", [False, True], ids=["left", "left-by-an-error"])
def test_when_the_body_is_left_the_work_has_ended(raises: bool) -> None:
    left, ended = threading.Event(), list[bool]()

    def work() -> None:
        left.wait(MOST)
        threading.Event().wait(0.05)  # long enough that who doesn't wait is seen
        ended.append(True)

    try:
        with Threads().beside(work):
            left.set()
            if raises:
                raise Broken("why")
    except Broken:
        assert raises
    assert ended == [True]


def test_there_is_one_worker_for_all_invocations() -> None:
    side, idents = Threads(), set[int]()
    for _ in range(3):
        with side.beside(threading.get_ident) as result:
            idents.add(result())
    assert len(idents) == 1
    assert idents != {threading.get_ident()}


def test_what_is_logged_beside_names_the_environment_too() -> None:
    def line() -> str:
        record = logging.LogRecord("builder", logging.INFO, __file__, 1, "throttled", (), None)
        return JsonFormatter().format(record)

    side = Threads()
    for environment in ("42/staging", "42/production"):
        with bound(environment=environment), side.beside(line) as result:
            assert json.loads(result())["environment"] == environment
