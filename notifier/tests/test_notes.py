"""What has been said already, against DynamoDB (moto): claims rise, are leased, and none undoes a later one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from deployer.errors import Transient
from notifier.notes import LEASE, Notes

RUN, TOPIC = "11111111-2222-3333-4444-555555555555", "github/Build"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_table(
            TableName="environments",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def notes(table: Any, clock: Clock) -> Notes:
    return Notes(table, "environments", clock)


def test_once_said_it_is_not_said_again(notes: Notes) -> None:
    assert notes.claim(RUN, TOPIC, 2)
    assert notes.confirm(RUN, TOPIC, 2)
    assert [notes.claim(RUN, TOPIC, rank) for rank in (0, 1, 2)] == [False] * 3


def test_what_is_later_is_said(notes: Notes) -> None:
    for rank in (2, 3, 7):
        assert notes.claim(RUN, TOPIC, rank)
        assert notes.confirm(RUN, TOPIC, rank)


def test_runs_and_topics_do_not_touch_each_other(notes: Notes) -> None:
    assert notes.claim(RUN, TOPIC, 5)
    assert notes.claim(RUN, "github/Build:2", 1)
    assert notes.claim(RUN, "slack/Build", 1)
    assert notes.claim("another", TOPIC, 1)


@pytest.mark.parametrize("rank", [2, 3], ids=["the-same", "a-later-one"])
def test_one_speaks_at_a_time(notes: Notes, rank: int) -> None:
    assert notes.claim(RUN, TOPIC, 2)
    with pytest.raises(Transient) as refusal:
        notes.claim(RUN, TOPIC, rank)
    assert refusal.value.retry_after is None, "F21: every 2 s, twenty receives are over before a dead one's lease"
    assert not notes.claim(RUN, TOPIC, 1), "an earlier one has nothing to add"
    assert notes.confirm(RUN, TOPIC, 2)
    assert notes.claim(RUN, TOPIC, rank) is (rank > 2)


def test_what_could_not_be_said_may_be_tried_at_once(notes: Notes) -> None:
    assert notes.claim(RUN, TOPIC, 2)
    notes.release(RUN, TOPIC, 2)
    assert notes.claim(RUN, TOPIC, 2)
    assert notes.confirm(RUN, TOPIC, 2)
    notes.release(RUN, TOPIC, 2)
    assert not notes.claim(RUN, TOPIC, 2), "what has been said stays said"


def test_F45_killed_between_claim_and_confirmation(notes: Notes, clock: Clock) -> None:
    assert notes.claim(RUN, TOPIC, 2)
    clock.now += LEASE
    assert notes.claim(RUN, TOPIC, 2)


def test_F63_overtaken_the_later_one_is_said_again(notes: Notes, clock: Clock) -> None:
    assert notes.claim(RUN, TOPIC, 2)
    clock.now += LEASE
    assert notes.claim(RUN, TOPIC, 3), "the first seemed to be dead"
    assert notes.confirm(RUN, TOPIC, 3)
    assert not notes.confirm(RUN, TOPIC, 2), "and spoke after all"
    assert notes.claim(RUN, TOPIC, 3)
    assert not notes.claim(RUN, TOPIC, 2)


def test_where_the_runs_message_is(notes: Notes) -> None:
    assert notes.message(RUN) is None
    assert notes.claim(RUN, "slack/message", 1)
    assert notes.message(RUN) is None
    notes.posted(RUN, "C1", "123.456")
    assert notes.message(RUN) == ("C1", "123.456")


def test_what_was_said_is_kept(notes: Notes) -> None:
    assert notes.claim(RUN, TOPIC, 1)
    assert notes.noted(RUN, TOPIC) == ""
    notes.note(RUN, TOPIC, "success")
    notes.note(RUN, "deployment", "7")
    assert (notes.noted(RUN, TOPIC), notes.noted(RUN, "deployment"), notes.noted("another", TOPIC)) == (
        "success",
        "7",
        "",
    )
    assert not notes.message(RUN)


def test_how_an_environment_stands_is_noted_by_who_knew_how_it_stood(notes: Notes) -> None:
    assert notes.health("7/staging") == ""
    assert notes.note_health("7/staging", "", "one")
    assert [notes.note_health("7/staging", before, "two") for before in ("", "zero")] == [False, False]
    assert notes.health("7/staging") == "one"
    assert notes.note_health("7/staging", "one", "two")
    assert (notes.health("7/staging"), notes.health("7/production")) == ("two", "")


def test_what_is_noted_of_an_environment_goes_by_itself_too(notes: Notes, table: Any, clock: Clock) -> None:
    notes.note_health("7/staging", "", "one")
    [item] = table.scan(TableName="environments")["Items"]
    assert item["id"] == {"S": "run/health/7/staging"}
    assert int(item["expires"]["N"]) > clock.now + 80 * 24 * 3600


def test_an_item_goes_by_itself_and_is_no_environments(notes: Notes, table: Any, clock: Clock) -> None:
    notes.claim(RUN, TOPIC, 1)
    [item] = table.scan(TableName="environments")["Items"]
    assert item["id"] == {"S": f"run/{RUN}"}
    assert int(item["expires"]["N"]) > clock.now + 80 * 24 * 3600


def test_F46_throttling_is_no_answer() -> None:
    client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", "ThrottlingException", http_status_code=400)
        with pytest.raises(Transient):
            Notes(client, "environments").claim(RUN, TOPIC, 1)
