"""Memory: the in-memory twin and DynamoDB, held to one contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import boto3
import pytest
from moto import mock_aws

from deployer.environments import EnvironmentId
from deployer.errors import Transient
from deployer.events import RepositoryName
from deployer.memory import Table
from deployer.ports import Baseline, Baselines, Environment, Memory, Operation, Outcome
from deployer.refs import Stage
from deployer.testing import Shelf

NAME = RepositoryName(42, "acme", "site")
STAGING, OTHER = EnvironmentId(42, Stage.STAGING), EnvironmentId(42, Stage.DEVELOPMENT, "feature/ü")


class Both(Memory, Baselines, Protocol):
    """What the table is to the builder."""


@pytest.fixture(params=["in-memory", "dynamodb"])
def memory(request: pytest.FixtureRequest) -> Iterator[Both]:
    if request.param == "in-memory":
        yield Shelf()
        return
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="environments",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        yield Table(client, "environments")


def environment(identity: EnvironmentId = STAGING, **changes: object) -> Environment:
    made = Environment(identity, NAME, "refs/heads/main", "site-staging", 1_700_000_000_000)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_what_is_saved_is_read_back_whole(memory: Both) -> None:
    whole = environment(
        OTHER,
        commit="a" * 40,
        present=False,
        digest="d",
        applied="e",
        source="v",
        source_at=5,
        operation=Operation.UPDATE,
        attempt=2,
        accepted=True,
        outcome=Outcome.FAILURE,
        pipelines=("one", "two"),
    )
    saved = memory.save(whole)
    assert saved == replace(whole, version=1)
    assert memory.environment(OTHER) == saved
    assert memory.environment(STAGING) is None


def test_who_has_not_seen_the_latest_cannot_write(memory: Both) -> None:
    first = memory.save(environment())
    memory.save(replace(first, commit="a" * 40))
    with pytest.raises(Transient):
        memory.save(replace(first, commit="b" * 40))
    with pytest.raises(Transient):
        memory.save(environment())
    kept = memory.environment(STAGING)
    assert kept
    assert (kept.commit, kept.version) == ("a" * 40, 2)


def test_the_first_to_claim_a_name_holds_it(memory: Both) -> None:
    assert memory.holder("stack", "site-staging") is None
    assert memory.claim("stack", "site-staging", STAGING) == STAGING
    assert memory.claim("stack", "site-staging", OTHER) == STAGING
    assert memory.claim("stack", "site-staging", STAGING) == STAGING
    assert memory.claim("pipeline", "site-staging", OTHER) == OTHER
    assert memory.holder("stack", "site-staging") == STAGING


def test_forgetting_takes_its_own_pointers_and_nobody_elses(memory: Both) -> None:
    saved = memory.save(environment(pipelines=("one", "two")))
    memory.claim("stack", "site-staging", STAGING)
    memory.claim("pipeline", "one", STAGING)
    memory.claim("pipeline", "two", OTHER)
    memory.forget(saved)
    memory.forget(saved)
    assert memory.environment(STAGING) is None
    assert memory.holder("stack", "site-staging") is None
    assert memory.holder("pipeline", "one") is None
    assert memory.holder("pipeline", "two") == OTHER


def test_a_repositorys_first_baseline_stays(memory: Both) -> None:
    assert memory.baseline(42) is None
    first = Baseline(NAME, "main", 5, frozenset({b"12345678", b"abcdefgh"}))
    assert memory.record(first) == first
    assert memory.record(Baseline(NAME, "trunk", 9, frozenset())) == first
    assert memory.baseline(42) == first


def test_a_repository_without_refs_has_a_baseline_too(memory: Both) -> None:
    empty = Baseline(NAME, "main", 0, frozenset())
    memory.record(empty)
    assert memory.baseline(42) == empty
