"""Which stacks are deleted, and that each look takes one step towards an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.cleanups import Unfinished
from deployer.custom_resource import Done, Failed, Request, RequestType
from deployer.environments import OWNER_TAG, ancestors
from deployer.errors import Rejected, Transient
from deployer.ports import Stack, StackResource
from stack_cleaner.cleaning import (
    ROLE_TYPE,
    Delete,
    Sight,
    StackCleaner,
    Wait,
    decide,
    refusal,
    token,
)

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack"
ROLE = "arn:aws:iam::123456789012:role/app/site-staging-DeployRole-1ABC"
PARENT = Stack(f"{ARN}/site-staging/01", "site-staging", "DELETE_IN_PROGRESS")
CHILD = Stack(f"{ARN}/site-staging-app/02", "site-staging-app", "CREATE_COMPLETE")

# Every one that there is, from the service's own description.
STATUSES = sorted(botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum)
# A stack whose only change set was never executed is waiting for nobody.
BUSY = [status for status in STATUSES if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"]
IDLE = [status for status in STATUSES if status not in (*BUSY, "DELETE_COMPLETE")]
LIVING = sorted({*BUSY, *IDLE} - {"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


def left() -> float:
    return 600.0


def request(type_: RequestType = RequestType.DELETE, **properties: object) -> Request:
    return Request(
        type=type_,
        stack_id=PARENT.id,
        response_url="https://example.invalid/answer",
        request_id="request-1",
        logical_id="Cleaner",
        resource_type="Custom::StackCleaner",
        physical_id="" if type_ is RequestType.CREATE else "opolis-deployer/Cleaner/01",
        properties=properties or {"StackName": "site-staging-app"},
    )


@dataclass
class FakeCloudFormation:
    """Stacks by ARN, found by name among those that are not deleted; a deletion is accepted and ends when told."""

    stacks: dict[str, Stack] = field(default_factory=dict)
    owned: dict[str, tuple[StackResource, ...]] = field(default_factory=dict)
    deletions: list[tuple[str, str]] = field(default_factory=list)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    throttled: bool = False

    def describe(self, name: str) -> Stack | None:
        if self.throttled:
            raise Transient("describe stack: Rate exceeded")
        return next((stack for stack in self.stacks.values() if name in (stack.id, stack.name)), None)

    def delete(self, stack_id: str, token: str) -> None:
        self.deletions.append((stack_id, token))
        self.become(stack_id, "DELETE_IN_PROGRESS")

    def failure(self, stack_id: str, token: str = "") -> str:
        return self.failures.get((stack_id, token), "")

    def resources(self, stack_id: str) -> tuple[StackResource, ...]:
        return self.owned.get(stack_id, ())

    def become(self, stack_id: str, status: str) -> None:
        self.stacks[stack_id] = replace(self.stacks[stack_id], status=status)


@dataclass
class FakeMemory:
    """The pointers that the builder wrote."""

    stacks: frozenset[str] = frozenset({"site-staging"})

    def holder(self, kind: str, name: str) -> object | None:
        assert kind == "stack"
        return name if name in self.stacks else None


def world(*stacks: Stack) -> FakeCloudFormation:
    return FakeCloudFormation({stack.id: stack for stack in (stacks or (PARENT, CHILD))})


def look(
    cloudformation: FakeCloudFormation,
    state: Mapping[str, str] | None = None,
    asked: Request | None = None,
    memory: FakeMemory | None = None,
) -> object:
    step = StackCleaner(cloudformation, cloudformation, memory or FakeMemory())
    return step(asked or request(), state or {}, left)


def state_of(outcome: object) -> Mapping[str, str]:
    assert isinstance(outcome, Unfinished)
    return outcome.state


class TestDecide:
    @pytest.mark.parametrize("status", IDLE)
    def test_a_child_at_rest_is_deleted(self, status: str) -> None:
        assert decide(Sight(PARENT, replace(CHILD, status=status))) == Delete(CHILD.id)

    @pytest.mark.parametrize("status", BUSY)
    def test_a_busy_child_is_waited_for(self, status: str) -> None:
        assert isinstance(decide(Sight(PARENT, replace(CHILD, status=status))), Wait)

    @pytest.mark.parametrize("parent", [*STATUSES, ""], ids=lambda status: status or "no-parent")
    @pytest.mark.parametrize("asked", [False, True], ids=["not-asked", "asked"])
    def test_every_status_of_child_and_parent(self, parent: str, asked: bool) -> None:
        assert len(STATUSES) >= 23
        above = replace(PARENT, status=parent) if parent else None
        for status in STATUSES:
            decision = decide(Sight(above, replace(CHILD, status=status), asked=asked))
            if status == "DELETE_COMPLETE":
                expected: type = Done
            elif asked:
                expected = Wait  # until it is gone, or an event of this very deletion says why not
            elif parent not in ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
                expected = Done
            else:
                expected = Wait if status in BUSY else Delete
            assert type(decision) is expected, status

    @pytest.mark.parametrize("status", STATUSES)
    def test_protection_is_said_at_once_in_any_status(self, status: str) -> None:
        decision = decide(Sight(PARENT, replace(CHILD, status=status, protected=True)))
        assert type(decision) is (Done if status == "DELETE_COMPLETE" else Failed)

    @pytest.mark.parametrize("asked", [False, True])
    @pytest.mark.parametrize("child", [None, replace(CHILD, status="DELETE_COMPLETE")], ids=["F78-none", "deleted"])
    def test_a_child_that_is_gone_is_success(self, child: Stack | None, asked: bool) -> None:
        assert isinstance(decide(Sight(PARENT, child, asked=asked)), Done)

    @pytest.mark.parametrize("status", LIVING, ids=[f"F80-{status}" for status in LIVING])
    def test_a_living_parent_keeps_its_child(self, status: str) -> None:
        assert isinstance(decide(Sight(replace(PARENT, status=status), CHILD)), Done)

    def test_F80_a_parent_that_rolls_back_its_creation_does_not(self) -> None:
        assert decide(Sight(replace(PARENT, status="ROLLBACK_IN_PROGRESS"), CHILD)) == Delete(CHILD.id)

    @pytest.mark.parametrize("status", [*BUSY, *IDLE], ids=lambda status: f"F79-{status}")
    def test_a_foreign_stack_is_refused_in_any_status(self, status: str) -> None:
        decision = decide(Sight(PARENT, replace(CHILD, status=status), refusal="it is not yours"))
        assert decision == Failed("stack site-staging-app is not deleted: it is not yours")

    def test_termination_protection_is_said(self) -> None:
        decision = decide(Sight(PARENT, replace(CHILD, protected=True)))
        assert isinstance(decision, Failed)
        assert "termination protection" in decision.reason

    @pytest.mark.parametrize("status", sorted({*BUSY, *IDLE} - {"DELETE_FAILED"}))
    def test_once_asked_only_the_end_counts(self, status: str) -> None:
        assert isinstance(decide(Sight(None, replace(CHILD, status=status), asked=True)), Wait)

    @pytest.mark.parametrize("status", ["DELETE_FAILED", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
    def test_a_failed_deletion_says_what_failed(self, status: str) -> None:
        failed = replace(CHILD, status=status)
        assert decide(Sight(None, failed, asked=True, failure="Site (AWS::S3::Bucket): not empty")) == Failed(
            "stack site-staging-app could not be deleted: Site (AWS::S3::Bucket): not empty"
        )


class TestRefusal:
    @pytest.mark.parametrize(
        ("child", "environments"),
        [
            pytest.param(CHILD, {"site-staging"}, id="named-under-it"),
            pytest.param(replace(CHILD, name="site-staging-web-app"), {"site-staging"}, id="two-levels-down"),
            pytest.param(replace(CHILD, name="elsewhere", role=ROLE), {"site-staging"}, id="carries-its-role"),
            pytest.param(CHILD, set(), id="without-any-memory"),
        ],
    )
    def test_its_own(self, child: Stack, environments: set[str]) -> None:
        cloudformation = FakeCloudFormation(
            owned={PARENT.id: (StackResource(ROLE_TYPE, "DeployRole", "site-staging-DeployRole-1ABC"),)}
        )
        assert refusal(PARENT, child, cloudformation, FakeMemory(frozenset(environments))) == ""

    @pytest.mark.parametrize(
        ("child", "environments", "why"),
        [
            pytest.param(replace(CHILD, name="other-app"), set(), "neither", id="F79-another-name"),
            pytest.param(replace(CHILD, name="site-stagingapp"), set(), "neither", id="F79-only-begins-alike"),
            pytest.param(replace(CHILD, name="site"), set(), "neither", id="F79-its-own-ancestor"),
            pytest.param(replace(CHILD, name="x", role=ROLE), set(), "neither", id="F79-a-role-of-somebody-else"),
            pytest.param(PARENT, set(), "itself", id="F79-itself"),
            pytest.param(
                replace(CHILD, name="site-staging-app-Web-1ABC", parent=CHILD.id),
                set(),
                "nested in site-staging-app, which deletes it",
                id="F79-nested-in-another",
            ),
            pytest.param(CHILD, {"site-staging-app"}, "environment's own", id="F79-an-environment-in-memory"),
            pytest.param(replace(CHILD, tags={OWNER_TAG: "1/staging"}), set(), "environment's own", id="F79-tagged"),
            pytest.param(
                replace(CHILD, name="site-staging-web-app"), {"site-staging-web"}, "site-staging-web", id="F79-nearer"
            ),
        ],
    )
    def test_not_its_own(self, child: Stack, environments: set[str], why: str) -> None:
        assert why in refusal(PARENT, child, FakeCloudFormation(), FakeMemory(frozenset(environments)))

    @given(st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True))
    def test_ancestors_are_prefixes_at_dashes(self, name: str) -> None:
        found = ancestors(name)
        assert found[0] == name
        assert all(name == other or name.startswith(f"{other}-") for other in found)


class TestLooks:
    def test_from_the_request_to_the_end(self) -> None:
        cloudformation = world()
        first = look(cloudformation)
        asked = token(request(), CHILD.id)
        assert first == Unfinished("stack site-staging-app is being deleted", {"child": CHILD.id, "asked": asked})
        second = look(cloudformation, state_of(first))
        assert second == Unfinished("stack site-staging-app is DELETE_IN_PROGRESS", state_of(first))
        del cloudformation.stacks[CHILD.id]
        assert look(cloudformation, state_of(second)) == Done("the stack is gone")
        assert cloudformation.deletions == [(CHILD.id, asked)]

    def test_a_busy_child_is_waited_for_then_deleted(self) -> None:
        cloudformation = world(PARENT, replace(CHILD, status="UPDATE_IN_PROGRESS"))
        first = look(cloudformation)
        assert state_of(first) == {"child": CHILD.id}
        assert cloudformation.deletions == []
        cloudformation.become(CHILD.id, "UPDATE_COMPLETE")
        assert "asked" in state_of(look(cloudformation, state_of(first)))
        assert len(cloudformation.deletions) == 1

    @pytest.mark.parametrize("status", sorted({*STATUSES} - {"DELETE_COMPLETE"}))
    def test_from_any_status_to_the_end_with_one_deletion_at_most(self, status: str) -> None:
        """A busy child comes to rest some time; nothing is asked for twice, and what is known stays known."""
        cloudformation = world(PARENT, replace(CHILD, status=status))
        state: Mapping[str, str] = {}
        outcomes = []
        for _ in range(4):
            outcome = look(cloudformation, state)
            outcomes.append(type(outcome))
            if not isinstance(outcome, Unfinished):
                break
            assert outcome.state.items() >= state.items()
            state = outcome.state
            if state.get("asked") or status == "DELETE_IN_PROGRESS":
                cloudformation.stacks.pop(CHILD.id, None)
            else:
                cloudformation.become(CHILD.id, status.replace("_IN_PROGRESS", "_COMPLETE"))
        assert outcomes[-1] is Done
        assert len(cloudformation.deletions) == (status != "DELETE_IN_PROGRESS")

    def test_F90_a_stack_that_takes_the_name_later_is_not_touched(self) -> None:
        cloudformation = world()
        first = look(cloudformation)
        del cloudformation.stacks[CHILD.id]
        namesake = replace(CHILD, id=f"{ARN}/site-staging-app/03")
        cloudformation.stacks[namesake.id] = namesake
        assert look(cloudformation, state_of(first)) == Done("the stack is gone")
        assert [stack for stack, _ in cloudformation.deletions] == [CHILD.id]

    @pytest.mark.parametrize("state", [{}, {"child": CHILD.id}, {"child": CHILD.id, "asked": "t"}])
    def test_F88_throttling_is_never_gone(self, state: dict[str, str]) -> None:
        cloudformation = world()
        cloudformation.throttled = True
        with pytest.raises(Transient):
            look(cloudformation, state)
        assert cloudformation.deletions == []

    def test_an_older_failed_deletion_is_tried_again(self) -> None:
        cloudformation = world(PARENT, replace(CHILD, status="DELETE_FAILED"))
        cloudformation.failures[(CHILD.id, "somebody-elses-token")] = "Site (AWS::S3::Bucket): not empty"
        assert "asked" in state_of(look(cloudformation))

    @pytest.mark.parametrize("kept", [True, False], ids=["state-kept", "state-lost"])
    def test_our_failed_deletion_is_reported_once(self, kept: bool) -> None:
        cloudformation = world()
        first = look(cloudformation)
        cloudformation.become(CHILD.id, "DELETE_FAILED")
        cloudformation.failures[(CHILD.id, token(request(), CHILD.id))] = "Site (AWS::S3::Bucket): not empty"
        outcome = look(cloudformation, state_of(first) if kept else {})
        assert outcome == Failed("stack site-staging-app could not be deleted: Site (AWS::S3::Bucket): not empty")
        assert len(cloudformation.deletions) == 1

    def test_a_child_whose_export_is_in_use_is_said_to_be(self) -> None:
        """CloudFormation takes the deletion and gives it up at once: the stack is again what it was."""
        cloudformation = world(PARENT, replace(CHILD, status="UPDATE_COMPLETE"))
        first = look(cloudformation)
        cloudformation.become(CHILD.id, "UPDATE_COMPLETE")
        waits = look(cloudformation, state_of(first))
        assert waits == Unfinished("stack site-staging-app is UPDATE_COMPLETE", state_of(first))
        cloudformation.failures[(CHILD.id, token(request(), CHILD.id))] = (
            "Export site-url cannot be deleted as it is in use"
        )
        assert look(cloudformation, state_of(first)) == Failed(
            "stack site-staging-app could not be deleted: Export site-url cannot be deleted as it is in use"
        )
        assert len(cloudformation.deletions) == 1

    @pytest.mark.parametrize("type_", [RequestType.CREATE, RequestType.UPDATE])
    def test_create_and_update_do_nothing(self, type_: RequestType) -> None:
        cloudformation = world()
        cloudformation.throttled = True
        assert look(cloudformation, asked=request(type_)) == Done()

    def test_a_missing_property_is_said(self) -> None:
        with pytest.raises(Rejected, match="StackName"):
            look(world(), asked=request(RequestType.CREATE, ServiceToken="arn"))

    def test_F79_a_request_from_a_stack_that_is_not_there(self) -> None:
        assert isinstance(look(world(CHILD)), Failed)


def test_the_token_is_legal_and_the_same_for_one_request() -> None:
    first = token(request(), CHILD.id)
    assert re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]{0,127}", first)
    assert first == token(request(), CHILD.id)
    assert first != token(replace(request(), request_id="request-2"), CHILD.id)
