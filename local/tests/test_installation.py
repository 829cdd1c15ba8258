"""The secret of the webhooks: made once for a data directory, and kept."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer_local.codepipeline.testing import error
from deployer_local.installation import HMAC, webhook_secret


class Parameters:
    """SSM with one parameter, or none, or a refusal."""

    def __init__(self, value: str = "", refusal: str = "ParameterNotFound") -> None:
        self._value, self._refusal = value, refusal

    def client(self, _service: str) -> Any:
        return self

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        if (Name, WithDecryption) != (HMAC, True) or not self._value:
            raise error(self._refusal, Name)
        return {"Parameter": {"Value": self._value}}


def secret(engine: Any) -> str:
    return webhook_secret(engine)


def test_the_secret_of_an_earlier_installation_is_kept() -> None:
    assert secret(Parameters("kept")) == "kept"


def test_a_first_installation_makes_one_of_its_own() -> None:
    first, second = secret(Parameters()), secret(Parameters())
    assert first != second
    assert (len(bytes.fromhex(first)), len(bytes.fromhex(second))) == (32, 32)


def test_a_secret_that_cannot_be_read_is_not_replaced() -> None:
    with pytest.raises(ClientError, match="InternalServerError"):
        secret(Parameters(refusal="InternalServerError"))
