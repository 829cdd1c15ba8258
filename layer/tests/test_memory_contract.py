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
from deployer.ports import (
    Baseline,
    Baselines,
    Environment,
    Memory,
    Operation,
    Outcome,
    Parked,
    Parking,
    Repository,
)
from deployer.refs import Stage
from deployer.testing import Shelf

NAME = RepositoryName(42, "acme", "site")
STAGING, OTHER = EnvironmentId(42, Stage.STAGING), EnvironmentId(42, Stage.DEVELOPMENT, "feature/ü")


class Both(Memory, Parking, Baselines, Protocol):
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
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "kind")],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "kinds",
                    "KeySchema": [
                        {"AttributeName": "kind", "KeyType": "HASH"},
                        {"AttributeName": "id", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        yield Table(client, "environments", lambda: 1_700_000_000)


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
        said="prepared",
        warnings=("it polls", "ü"),
        superseded=("b" * 40, "c" * 40),
        touched=6,
        announced=7,
        starting=8,
        request="by hand",
        highest="v1.2.3",
        slot="42/3",
        checked=9,
        settled=True,
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
    saved = memory.save(environment(pipelines=("one", "two"), slot="42/7"))
    memory.claim("stack", "site-staging", STAGING)
    memory.claim("slot", "42/7", STAGING)
    memory.claim("pipeline", "one", STAGING)
    memory.claim("pipeline", "two", OTHER)
    memory.forget(saved)
    memory.forget(saved)
    assert memory.environment(STAGING) is None
    assert memory.holder("stack", "site-staging") is None
    assert memory.holder("pipeline", "one") is None
    assert memory.holder("pipeline", "two") == OTHER
    assert memory.holder("slot", "42/7") is None


def test_the_environments_of_a_repository_are_listed(memory: Both) -> None:
    elsewhere = EnvironmentId(43, Stage.STAGING)
    for identity in (STAGING, OTHER, elsewhere):
        memory.save(environment(identity))
    memory.claim("stack", "site-staging", STAGING)
    assert {each.id for each in memory.environments(42)} == {STAGING, OTHER}
    assert memory.environments(44) == ()


def test_a_ref_is_parked_until_it_is_taken_away(memory: Both) -> None:
    first = Parked(OTHER, "refs/heads/feature/ü", "a" * 40, 5, "idle", retired=True)
    memory.park(first)
    assert memory.parked(OTHER) == first
    later = replace(first, object="b" * 40, retired=False)
    memory.park(later)
    memory.park(Parked(EnvironmentId(43, Stage.STAGING), "refs/heads/main", "c" * 40, 5, "skipped"))
    assert (memory.parked(OTHER), memory.all_parked(42)) == (later, (later,))
    assert memory.environment(OTHER) is None
    memory.unpark(OTHER)
    memory.unpark(OTHER)
    assert (memory.parked(OTHER), memory.all_parked(42)) == (None, ())


def test_what_a_sweep_saw_is_kept_with_the_repository(memory: Both) -> None:
    first = Baseline(NAME, "main", 5, frozenset({b"12345678abcd"}))
    memory.record(first)
    renamed = Repository(RepositoryName(42, "acme", "page"), "trunk")
    memory.swept(renamed, {"refs": "etag"})
    memory.swept(Repository(RepositoryName(43, "acme", "other"), "main"), {"refs": "etag"})
    expected = Baseline(renamed.name, "trunk", 5, frozenset({b"12345678abcd"}), {"refs": "etag"})
    assert memory.baseline(42) == expected
    assert memory.repositories() == (expected,)


def test_a_repositorys_first_baseline_stays(memory: Both) -> None:
    assert memory.baseline(42) is None
    first = Baseline(NAME, "main", 5, frozenset({b"12345678abcd", b"abcdefgh1234"}))
    assert memory.record(first) == first
    assert memory.record(Baseline(NAME, "trunk", 9, frozenset())) == first
    assert memory.baseline(42) == first


def test_who_holds_a_name_can_give_it_up(memory: Both) -> None:
    memory.claim("slot", "42/1", STAGING)
    memory.release("slot", "42/1", OTHER)
    assert memory.holder("slot", "42/1") == STAGING
    memory.release("slot", "42/1", STAGING)
    assert memory.holder("slot", "42/1") is None


def test_a_ref_that_woke_is_taken_out_of_the_baseline(memory: Both) -> None:
    memory.wake(42, b"12345678")
    memory.record(Baseline(NAME, "main", 5, frozenset({b"12345678abcd", b"abcdefgh1234"})))
    for sleeper, left in [(b"99999999", 2), (b"12345678", 1), (b"abcdefgh", 0)]:
        memory.wake(42, sleeper)
        kept = memory.baseline(42)
        assert kept
        assert len(kept.parked) == left


def test_a_repository_without_refs_has_a_baseline_too(memory: Both) -> None:
    empty = Baseline(NAME, "main", 0, frozenset())
    memory.record(empty)
    assert memory.baseline(42) == empty


def test_an_environment_without_a_slot_is_forgotten_too(memory: Both) -> None:
    saved = memory.save(environment())
    memory.claim("commit", f"42/{'a' * 40}", STAGING)
    memory.forget(saved)
    assert memory.environment(STAGING) is None
    assert memory.holder("commit", f"42/{'a' * 40}") == STAGING, "it goes by itself, after 90 days"
