"""DynamoDB through the adapter, against a stub of botocore: what it refuses, and what changes between two calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.stub import Stubber

from deployer.environments import EnvironmentId
from deployer.errors import Broken, Transient
from deployer.events import RepositoryName
from deployer.memory import Table
from deployer.ports import Baseline, Environment, Repository
from deployer.refs import Stage

NAME = RepositoryName(42, "acme", "site")
STAGING = EnvironmentId(42, Stage.STAGING)
TAKEN = "ConditionalCheckFailedException"


@pytest.fixture
def aws() -> Iterator[tuple[Table, Stubber]]:
    client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield Table(client, "environments"), stub
        stub.assert_no_pending_responses()


def save(table: Table) -> object:
    return table.save(Environment(STAGING, NAME, "refs/heads/main", "site-staging", 1))


def claim(table: Table) -> object:
    return table.claim("stack", "site-staging", STAGING)


def record(table: Table) -> object:
    return table.record(Baseline(NAME, "main", 5, frozenset()))


@pytest.mark.parametrize(("operation", "write"), [("update_item", save), ("put_item", claim), ("put_item", record)])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param("ProvisionedThroughputExceededException", Transient, id="F46-throttled"),
        pytest.param("AccessDeniedException", Broken, id="no-permission"),
    ],
)
def test_a_write_that_is_refused_is_not_taken_for_somebody_elses(
    aws: tuple[Table, Stubber], operation: str, write: Callable[[Table], object], code: str, kind: type[Exception]
) -> None:
    table, stub = aws
    stub.add_client_error(operation, code)
    with pytest.raises(kind):
        write(table)


KNOWN = {
    "id": {"S": "repository/42"},
    "owner": {"S": "acme"},
    "name": {"S": "site"},
    "default_branch": {"S": "main"},
    "since": {"N": "5"},
    "parked": {"B": b"12345678abcd"},
}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param(TAKEN, Transient, id="F44-somebody-else-wrote"),
        pytest.param("AccessDeniedException", Broken, id="no-permission"),
    ],
)
def test_a_ref_is_woken_by_one_at_a_time(aws: tuple[Table, Stubber], code: str, kind: type[Exception]) -> None:
    table, stub = aws
    stub.add_response("get_item", {"Item": KNOWN})
    stub.add_client_error("update_item", code)
    with pytest.raises(kind):
        table.wake(42, b"12345678")


def test_what_a_sweep_saw_is_not_noted_without_permission(aws: tuple[Table, Stubber]) -> None:
    table, stub = aws
    stub.add_client_error("update_item", "AccessDeniedException")
    with pytest.raises(Broken):
        table.swept(Repository(NAME, "main"), {})


def test_F44_a_name_that_is_given_up_between_two_calls_is_asked_for_again(aws: tuple[Table, Stubber]) -> None:
    table, stub = aws
    stub.add_client_error("put_item", TAKEN)
    stub.add_response("get_item", {})
    with pytest.raises(Transient, match="stack site-staging was given up meanwhile"):
        claim(table)
