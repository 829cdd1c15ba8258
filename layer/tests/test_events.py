"""What travels: looks as they are written and read, events of the bus as AWS documents them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import botocore.loaders
import botocore.session
import pytest
from botocore.model import ServiceModel
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts.aws_events import ACTION_STATES, KINDS, RUN_STATES, STACK_STATUSES, STAGE_STATES, examples, faults
from tests.contracts.generated import documented

from deployer.events import (
    Look,
    Malformed,
    RepositoryName,
    RunChange,
    StackChange,
    StackSeen,
    Sweep,
    Tick,
    decode,
    is_bus_event,
    parse_bus_event,
    parse_look,
    parse_sweep,
    stack_name_of,
)
from deployer.notices import Announcement, Notice, Removal, RunNotice, parse_notice
from deployer.states import ACTION_EVENTS, RUN_EVENTS, STAGE_EVENTS, stack_phase

TEXT, NUMBERS = st.text(min_size=1), st.integers(0, 2**63)


@given(st.builds(Look, TEXT, st.builds(RepositoryName, NUMBERS, TEXT, TEXT), st.text(), st.text(), st.text(), NUMBERS))
def test_a_look_comes_back_as_it_was(look: Look) -> None:
    body = look.to_json()
    assert parse_look(decode(body)) == look
    assert body.isascii()
    assert not is_bus_event(decode(body))


NAMES = st.builds(RepositoryName, NUMBERS, TEXT, TEXT)
STACKS = st.none() | st.lists(st.builds(StackSeen, TEXT, TEXT, TEXT), max_size=3).map(tuple)


@given(st.builds(Sweep, NAMES, STACKS, st.booleans()))
def test_a_sweep_comes_back_as_it_was(sweep: Sweep) -> None:
    message = decode(sweep.to_json())
    assert parse_sweep(message) == sweep
    assert not is_bus_event(message)


@given(
    st.builds(RunNotice, TEXT, TEXT, st.booleans())
    | st.builds(Announcement, TEXT, TEXT, TEXT, TEXT | st.just(""), NUMBERS, TEXT | st.just(""))
    | st.builds(Removal, TEXT, NAMES, NUMBERS, st.lists(TEXT, max_size=2).map(tuple))
)
def test_a_notice_comes_back_as_it_was(notice: Notice) -> None:
    message = decode(notice.to_json())
    assert parse_notice(message) == notice
    assert not is_bus_event(message)


def test_a_removal_that_an_earlier_version_sent_has_no_parts() -> None:
    sent = Removal("7/refs/heads/x", RepositoryName(7, "acme", "site"), 3)
    message = json.loads(sent.to_json())
    del message["removal"]["parts"]
    assert parse_notice(message) == sent


def test_one_message_is_not_taken_for_another() -> None:
    look = decode(Look("7/staging", RepositoryName(7, "acme", "site"), "push").to_json())
    assert (parse_sweep(look), parse_notice(look)) == (None, None)


@pytest.mark.parametrize(
    "message",
    [
        {"sweep": None},
        {"sweep": {"repository": {"id": 7, "owner": "", "name": "b"}}},
        {"sweep": {"repository": {"id": 7, "owner": "a", "name": "b"}, "stacks": "all"}},
        {"sweep": {"repository": {"id": 7, "owner": "a", "name": "b"}, "stacks": [{"name": "s"}]}},
        {"run": {"pipeline": "p"}},
        {"announcement": {"environment": "7/staging", "key": 5, "text": "x"}},
        {"removal": {"environment": "7/staging", "repository": None, "generation": 1}},
        {"removal": {"environment": "7/staging", "repository": {"id": 7, "owner": "a", "name": "b"}}},
        {
            "removal": {
                "environment": "7/x",
                "repository": {"id": 7, "owner": "a", "name": "b"},
                "generation": 1,
                "parts": 1,
            }
        },
        {
            "removal": {
                "environment": "7/x",
                "repository": {"id": 7, "owner": "a", "name": "b"},
                "generation": 1,
                "parts": [1],
            }
        },
    ],
    ids=json.dumps,
)
def test_F19_a_message_that_nobody_of_ours_sent(message: dict[str, Any]) -> None:
    parse = parse_sweep if "sweep" in message else parse_notice
    with pytest.raises(Malformed):
        parse(message)


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
        {"skips": False},
    ],
    ids=json.dumps,
)
def test_F19_a_look_that_nobody_of_ours_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_look(LOOK | changes)


def test_a_look_of_an_older_version_lacks_what_came_later() -> None:
    old = {name: value for name, value in LOOK.items() if name in ("environment", "repository")}
    assert parse_look(old) == Look("7/staging", RepositoryName(7, "acme", "site"), "")


RUN, STAGE, ACTION, STACK_STATUS, TICK = KINDS
STACK = "arn:aws:cloudformation:us-west-1:111122223333:stack/teststack"
MISSING = object()


def change_of(event: Mapping[str, Any]) -> StackChange | RunChange | Tick | None:
    """What an event of a documented kind says."""
    detail = event["detail"]
    match event["detail-type"]:
        case kind if kind == STACK_STATUS:
            arn = detail["stack-id"]
            return StackChange(arn, arn.split("/")[1], detail["status-details"]["status"])
        case kind if kind in (RUN, STAGE):
            return RunChange(detail["pipeline"], detail["execution-id"], detail["state"], detail.get("stage", ""))
        case kind if kind == ACTION:
            names = (detail[name] for name in ("pipeline", "execution-id", "state", "stage", "action"))
            return RunChange(*names)
        case kind if kind == TICK:
            return Tick(event["id"])
    return None


@pytest.mark.parametrize(("name", "event"), examples().items(), ids=list(examples()))
def test_the_examples_on_awss_pages_are_understood(name: str, event: Mapping[str, Any]) -> None:
    assert faults(event) == []
    assert is_bus_event(event)
    assert parse_bus_event(event) == change_of(event)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_aws_documents_is_understood(kind: str, data: st.DataObject) -> None:
    event = data.draw(documented(kind))
    assert faults(event) == []
    assert parse_bus_event(decode(json.dumps(event))) == change_of(event)


_RUN_FIELDS = [("account",), ("region",), ("detail",)]
_RUN_FIELDS += [("detail", name) for name in ("pipeline", "execution-id", "state")]
READ = {
    RUN: _RUN_FIELDS,
    STAGE: [*_RUN_FIELDS, ("detail", "stage")],
    ACTION: [*_RUN_FIELDS, ("detail", "stage"), ("detail", "action")],
    STACK_STATUS: [
        *(("account",), ("region",), ("detail",), ("detail", "stack-id")),
        *(("detail", "status-details"), ("detail", "status-details", "status")),
    ],
    TICK: [("id",)],
}
"""What is read of each kind."""
OF_KIND = {kind: [event for event in examples().values() if event["detail-type"] == kind] for kind in READ}
NEARLY = st.sampled_from(
    [
        *("", " ", "started", "STARTED", "SUPERSEDED", "Superseded", "SKIPPED", "ABANDONED", "CREATE_STARTED"),
        *(
            f"{STACK}/more/parts",
            STACK.replace("stack/", "stack//"),
            STACK.replace("cloudformation", "s3"),
            f"{STACK}\n",
        ),
        *("arn:aws:cloudformation:us-west-1:1:stack/a/b", "teststack", "run-1", "12345678-1234-5678-ABCD-12345678ABCD"),
        *("a b", "../x", "x" * 101, "0", "12345678901", "us-west-1\n", "nowhere"),
    ]
)


def changed(event: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The event with another value, or none, at one place."""
    name, *rest = path
    if rest:
        return {**event, name: changed(event[name], tuple(rest), value)}
    left = {each: kept for each, kept in event.items() if each != name}
    return left if value is MISSING else {**left, name: value}


@pytest.mark.parametrize(
    ("kind", "path"),
    [(kind, path) for kind, paths in READ.items() for path in paths],
    ids=lambda value: value.split(" ")[1] if isinstance(value, str) else ".".join(value),
)
@settings(max_examples=40)
@given(data=st.data())
def test_F19_what_is_read_is_taken_where_it_is_as_documented_and_only_there(
    kind: str, path: tuple[str, ...], data: st.DataObject
) -> None:
    event = changed(data.draw(st.sampled_from(OF_KIND[kind])), path, data.draw(st.just(MISSING) | NEARLY | JSON))
    if faults(event) or misplaced(event):
        with pytest.raises(Malformed):
            parse_bus_event(event)
    else:
        assert parse_bus_event(event) == change_of(event)


def misplaced(event: Mapping[str, Any]) -> bool:
    """Whether a stack's event comes from where the stack is not."""
    if event["detail-type"] != STACK_STATUS:
        return False
    return str(event["detail"]["stack-id"]).split(":")[3:5] != [event["region"], event["account"]]


STARTED, STATUS = examples()["stage-started"], examples()["stack-status"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        pytest.param({"detail-type": "x"}, "detail", id="no-detail"),
        pytest.param(
            changed(STATUS, ("account",), "123456789012"), "not from where its stack is", id="another-account"
        ),
        pytest.param(changed(STATUS, ("region",), "eu-west-1"), "not from where its stack is", id="another-region"),
        pytest.param(changed(STATUS, ("detail", "stack-id"), "teststack"), "not a stack ARN", id="no-arn"),
        pytest.param(
            changed(STATUS, ("detail", "status-details", "status"), "CREATE_MAYBE"), "unknown stack status", id="status"
        ),
        pytest.param(changed(STARTED, ("detail", "state"), "SUPERSEDED"), "documents no 'SUPERSEDED'", id="no-stages"),
        pytest.param(changed(STARTED, ("detail", "execution-id"), "run-1"), "execution-id", id="no-runs-id"),
        pytest.param(changed(STARTED, ("detail", "stage"), MISSING), "stage", id="a-stage-without-its-name"),
        pytest.param(changed(STARTED, ("account",), 123456789012), "account", id="account-a-number"),
    ],
)
def test_F19_what_aws_did_not_send_is_named(event: Mapping[str, Any], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        parse_bus_event(event)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({**STATUS, "source": "somebody"}, id="another-source"),
        pytest.param({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, id="another-kind"),
        pytest.param({**STATUS, "detail-type": "CloudFormation Resource Status Change"}, id="of-a-resource"),
        pytest.param({"source": [], "detail-type": {}, "detail": {}}, id="types-that-are-none"),
    ],
)
def test_events_of_other_kinds_are_nobodys(event: Mapping[str, Any]) -> None:
    assert is_bus_event(event)
    assert parse_bus_event(event) is None


def test_the_states_that_are_understood_are_those_that_aws_documents() -> None:
    assert (set(RUN_STATES), set(STAGE_STATES), set(ACTION_STATES)) == (RUN_EVENTS, STAGE_EVENTS, ACTION_EVENTS)
    assert set(STACK_STATUSES) == set(ServiceModel(_model("cloudformation")).shape_for("StackStatus").enum)
    assert [status for status in STACK_STATUSES if not stack_phase(status)] == []


def _model(service: str) -> Any:
    return botocore.loaders.Loader().load_service_model(service, "service-2")


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["source", "detail-type", "detail"]), JSON))
def test_F19_nothing_but_malformed_is_raised(message: dict[str, Any]) -> None:
    try:
        parse_bus_event(message)
        parse_look(message)
    except Malformed:
        return


def test_the_name_of_a_stack_is_in_its_arn() -> None:
    assert stack_name_of(f"{STACK}/9b0a") == "teststack"


@pytest.mark.parametrize("text", ["", "x", "arn:aws:s3:::bucket/a/b", f"{STACK}/9b0a/more", "arn:aws:x:stack//id"])
def test_what_is_no_stacks_arn(text: str) -> None:
    with pytest.raises(Malformed):
        stack_name_of(text)


def regions() -> list[tuple[str, str]]:
    """Each (partition, region) that botocore knows CloudFormation in."""
    session = botocore.session.Session()  # type: ignore[no-untyped-call]
    return [
        (partition, region)
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudformation", partition)
    ]


def test_events_of_every_region_are_read() -> None:
    found = regions()
    assert ("aws-eusc", "eusc-de-east-1") in found, "a region whose name begins as no other's"
    for partition, region in found:
        arn = f"arn:{partition}:cloudformation:{region}:123456789012:stack/site-staging/1"
        event = changed(changed(STATUS, ("region",), region), ("detail", "stack-id"), arn)
        event = changed(event, ("account",), "123456789012")
        assert parse_bus_event(event) == StackChange(arn, "site-staging", event["detail"]["status-details"]["status"])
