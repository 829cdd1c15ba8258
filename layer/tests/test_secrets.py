"""Secrets in Parameter Store: against moto, and a stub of botocore for what moto never does."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from deployer.errors import Broken, Transient
from deployer.secrets import TTL, Secrets

NAME = "opolis.github.token"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ssm", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def put(ssm: Any, value: str) -> None:
    ssm.put_parameter(Name=NAME, Value=value, Type="SecureString", Overwrite=True)


def test_a_secret_is_decrypted_and_kept_for_a_while(ssm: Any, clock: Clock) -> None:
    put(ssm, "one")
    secrets = Secrets(ssm, clock=clock)
    assert secrets.get(NAME) == "one"
    put(ssm, "two")
    clock.now = TTL - 1
    assert secrets.get(NAME) == "one"
    clock.now = TTL
    assert secrets.get(NAME) == "two"


def test_F18_how_old_it_is(ssm: Any) -> None:
    put(ssm, "one")
    written = ssm.get_parameter(Name=NAME)["Parameter"]["LastModifiedDate"].timestamp()
    assert Secrets(ssm, now=lambda: written + 7.0).age(NAME) == pytest.approx(7.0)


def test_F18_one_that_nobody_knows_the_age_of_is_old() -> None:
    class Undated:
        def get_parameter(self, **_: object) -> Any:
            return {"Parameter": {"Value": "x"}}

    assert Secrets(Undated(), now=lambda: 1e9).age(NAME) == 1e9


def test_F18_a_forgotten_one_is_read_anew(ssm: Any, clock: Clock) -> None:
    put(ssm, "one")
    secrets = Secrets(ssm, clock=clock)
    secrets.get(NAME)
    put(ssm, "two")
    secrets.forget(NAME)
    secrets.forget("never.read")
    assert secrets.get(NAME) == "two"


def test_the_line_end_of_an_editor_is_no_part_of_it(ssm: Any) -> None:
    put(ssm, "\n one\r\n")
    assert Secrets(ssm).get(NAME) == "one"


@pytest.mark.parametrize("value", [" ", "\n", "one\ntwo", "one\x00", "one\r\nX-Header: two"], ids=repr)
def test_F2_what_is_no_secret(ssm: Any, value: str) -> None:
    put(ssm, value)
    with pytest.raises(Broken) as refusal:
        Secrets(ssm).get(NAME)
    assert NAME in str(refusal.value)
    assert "one" not in str(refusal.value).replace("is not one line", "")


def test_F2_one_that_is_not_there(ssm: Any) -> None:
    with pytest.raises(Broken, match="deployer config set"):
        Secrets(ssm).get(NAME)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDeniedException", Broken), ("ThrottlingException", Transient), ("InternalServerError", Transient)],
)
def test_refusals(code: str, kind: type[Exception]) -> None:
    client = boto3.client("ssm", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("get_parameter", code)
        with pytest.raises(kind):
            Secrets(client).get(NAME)


def test_no_answer() -> None:
    class Silent:
        def get_parameter(self, **_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://ssm")

    with pytest.raises(Transient, match="did not answer"):
        Secrets(Silent()).get(NAME)


def test_F91_an_error_does_not_hold_the_value(ssm: Any) -> None:
    put(ssm, "canary\ncanary")
    with pytest.raises(Broken) as refusal:
        Secrets(ssm).get(NAME)
    assert "canary" not in "".join(traceback.format_exception(refusal.value, limit=0))
