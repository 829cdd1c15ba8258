"""Statuses of stacks: every one that AWS names has its phase, and none is guessed."""

from __future__ import annotations

import botocore.session
import pytest

from deployer.states import GOING, StackPhase, stack_phase

STATUSES = (
    botocore.session.Session().get_service_model("cloudformation").shape_for("StackStatus").enum  # type: ignore[no-untyped-call]
)


@pytest.mark.parametrize("status", STATUSES)
def test_a_stack_that_something_is_done_with_is_busy(status: str) -> None:
    # A change set that was never executed: nothing goes on, whatever its name says.
    busy = status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
    assert (stack_phase(status) is StackPhase.BUSY) is busy


def test_what_goes_is_busy() -> None:
    assert {stack_phase(status) for status in GOING} == {StackPhase.BUSY}


@pytest.mark.parametrize("status", ["", "PAUSED", "create_complete"])
def test_a_status_of_tomorrow_is_not_guessed(status: str) -> None:
    with pytest.raises(ValueError, match=f"unknown stack status '{status}'"):
        stack_phase(status)
