"""SSM Parameter Store as the command uses it: values are encrypted, go in and out, and are nowhere else.

AWS's own messages may repeat what they were sent; so only their codes are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken, Rejected, Transient

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html#API_PutParameter_Errors
_HINTS = {
    "AccessDeniedException": "these credentials may not; they need ssm:{action}, and the KMS key's use",
    "InvalidKeyId": "there is no such KMS key, or it is not for these credentials to use",
    "ParameterNotFound": "it was never set",
    "TooManyUpdates": "it is being changed by somebody else; try again",
}
_PASSING = frozenset({"ThrottlingException", "InternalServerError", "TooManyUpdates"})


@dataclass(frozen=True)
class Description:
    """A secret without its value. ``key``: the KMS key, empty where it is not encrypted. ``modified``: with zone."""

    name: str
    modified: datetime
    key: str
    version: int


class Parameters:
    """The parameters of one account and region."""

    def __init__(self, ssm: Any) -> None:
        self._ssm = ssm

    def get(self, name: str) -> str:
        """A parameter's value, decrypted. Raises ``Rejected`` where there is none."""
        with _told(name, "GetParameter", "read"):
            return str(self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    def put(self, name: str, value: str, key: str = "") -> None:
        """Write it over the one that may be there, encrypted by ``key``; by the key that it has, where none is named.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html: without a key an update
        would go back to the account's default one.
        """
        key = key or (found.key if (found := self.describe(name)) else "")
        with _told(name, "PutParameter", "written"):
            self._ssm.put_parameter(
                Name=name, Value=value, Type="SecureString", Overwrite=True, **({"KeyId": key} if key else {})
            )

    def delete(self, name: str) -> bool:
        """Remove it; False where there was none."""
        try:
            with _told(name, "DeleteParameter", "removed"):
                self._ssm.delete_parameter(Name=name)
        except Rejected:
            return False
        return True

    def describe(self, name: str) -> Description | None:
        """One of them without its value."""
        return self._described({"Key": "Name", "Option": "Equals", "Values": [name]}).get(name)

    def all(self, prefix: str) -> Mapping[str, Description]:
        """Those whose name begins so, without their values."""
        return self._described({"Key": "Name", "Option": "BeginsWith", "Values": [prefix]})

    def _described(self, condition: Mapping[str, Any]) -> dict[str, Description]:
        with _told("the secrets", "DescribeParameters", "listed"):
            pages = self._ssm.get_paginator("describe_parameters").paginate(ParameterFilters=[condition])
            return {
                str(each["Name"]): Description(
                    str(each["Name"]), each["LastModifiedDate"], str(each.get("KeyId", "")), int(each["Version"])
                )
                for page in pages
                for each in page["Parameters"]
            }


@contextmanager
def _told(name: str, action: str, verb: str) -> Iterator[None]:
    """Turn a refusal into words. ``from None``: the original has the request in it at times, values included."""
    try:
        yield
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        hint = _HINTS.get(code, "AWS refused it").format(action=action)
        kind = Rejected if code == "ParameterNotFound" else Transient if code in _PASSING else Broken
        raise kind(f"{name} can't be {verb} ({code}): {hint}") from None
    except BotoCoreError as error:
        raise Broken(f"{name} can't be {verb}: AWS can't be reached ({type(error).__name__})") from None
