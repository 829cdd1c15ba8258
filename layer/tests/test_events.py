"""What travels: looks as they are written and read, events of the bus as AWS documents them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.events import (
    Look,
    Malformed,
    RepositoryName,
    RunChange,
    StackChange,
    decode,
    is_bus_event,
    parse_bus_event,
    parse_look,
    stack_name_of,
)

TEXT, NUMBERS = st.text(min_size=1), st.integers(0, 2**63)


@given(st.builds(Look, TEXT, st.builds(RepositoryName, NUMBERS, TEXT, TEXT), st.text(), st.text(), st.text(), NUMBERS))
def test_a_look_comes_back_as_it_was(look: Look) -> None:
    body = look.to_json()
    assert parse_look(decode(body)) == look
    assert body.isascii()
    assert not is_bus_event(decode(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_F19_what_is_no_object_is_malformed(value: Any) -> None:
    body = json.dumps(value)
    if isinstance(value, dict):
        assert decode(body) == value
    else:
        with pytest.raises(Malformed):
            decode(body)


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "\x00", "NaN,"], ids=lambda body: repr(body[:4]))
def test_F19_what_is_no_json_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        decode(body)


LOOK = json.loads(Look("7/staging", RepositoryName(7, "acme", "site"), "push").to_json())


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": None},
        {"environment": ""},
        {"environment": 7},
        {"repository": None},
        {"repository": []},
        {"repository": {"id": "7", "owner": "a", "name": "b"}},
        {"repository": {"id": True, "owner": "a", "name": "b"}},
        {"repository": {"id": 7, "owner": "", "name": "b"}},
        {"reason": 5},
        {"after": []},
        {"pushed_at": "now"},
        {"pushed_at": -1},
        {"pushed_at": True},
    ],
    ids=json.dumps,
)
def test_F19_a_look_that_nobody_of_ours_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_look(LOOK | changes)


def test_a_look_of_an_older_version_lacks_what_came_later() -> None:
    old = {name: value for name, value in LOOK.items() if name in ("environment", "repository")}
    assert parse_look(old) == Look("7/staging", RepositoryName(7, "acme", "site"), "")


STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/site-staging/9b0a"


def stack_event(**detail: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-details.html"""
    given = {
        "stack-id": STACK,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "token-1",
    }
    return {
        "version": "0",
        "source": "aws.cloudformation",
        "detail-type": "CloudFormation Stack Status Change",
        "resources": [STACK],
        "detail": given | detail,
    }


def run_event(kind: str, **detail: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html"""
    given = {"pipeline": "site", "execution-id": "run-1", "state": "STARTED", "version": 3.0}
    return {
        "version": "0",
        "source": "aws.codepipeline",
        "detail-type": f"CodePipeline {kind} Execution State Change",
        "detail": given | detail,
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(stack_event(), StackChange(STACK, "site-staging", "CREATE_COMPLETE", "token-1"), id="stack"),
        pytest.param(
            stack_event(**{"client-request-token": None}),
            StackChange(STACK, "site-staging", "CREATE_COMPLETE"),
            id="stack-without-a-token",
        ),
        pytest.param(run_event("Pipeline"), RunChange("site", "run-1", "STARTED"), id="run"),
        pytest.param(run_event("Stage", stage="Build"), RunChange("site", "run-1", "STARTED", "Build"), id="stage"),
        pytest.param(run_event("Action", stage="Build", action="x"), None, id="action"),
        pytest.param({**stack_event(), "source": "somebody"}, None, id="another-source"),
        pytest.param({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, None, id="another-kind"),
        pytest.param({"source": [], "detail-type": {}, "detail": {}}, None, id="types-that-are-none"),
    ],
)
def test_events_of_the_bus(event: dict[str, Any], expected: Any) -> None:
    assert is_bus_event(event)
    assert parse_bus_event(event) == expected


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"detail-type": "x"}, id="no-detail"),
        pytest.param(stack_event(**{"stack-id": None}), id="no-stack"),
        pytest.param(stack_event(**{"stack-id": "site"}), id="no-arn"),
        pytest.param(stack_event(**{"status-details": "CREATE_COMPLETE"}), id="status-of-another-shape"),
        pytest.param(stack_event(**{"client-request-token": 5}), id="token-a-number"),
        pytest.param(run_event("Pipeline", pipeline=""), id="no-pipeline"),
        pytest.param(run_event("Pipeline", state=None), id="no-state"),
        pytest.param(run_event("Stage"), id="a-stage-without-its-name"),
    ],
)
def test_F19_events_that_aws_did_not_send(event: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_bus_event(event)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["source", "detail-type", "detail"]), JSON))
def test_F19_nothing_but_malformed_is_raised(message: dict[str, Any]) -> None:
    try:
        parse_bus_event(message)
        parse_look(message)
    except Malformed:
        return


@pytest.mark.parametrize("text", ["", "x", "arn:aws:s3:::bucket/a/b", f"{STACK}/more", "arn:aws:x:stack//id"])
def test_what_is_no_stacks_arn(text: str) -> None:
    with pytest.raises(Malformed):
        stack_name_of(text)
