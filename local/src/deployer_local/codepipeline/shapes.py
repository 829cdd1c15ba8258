"""CodePipeline's contract: botocore's ``codepipeline`` 2015-07-09 service model."""

from __future__ import annotations

from typing import Any

from deployer_local.contract import Contract, faults_of

CONTRACT = Contract("codepipeline")

__all__ = ["CONTRACT", "check_request", "faults_of", "model"]


def model() -> Any:
    """The service model, read once."""
    return CONTRACT.model


def check_request(action: str, body: Any) -> None:
    """Raise ServiceError: an unknown action, or a ValidationException that names every fault."""
    CONTRACT.check_request(action, body)
