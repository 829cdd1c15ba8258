"""CodePipeline's contract: botocore's ``codepipeline`` 2015-07-09 service model."""

from __future__ import annotations

from typing import Any

from deployer_local.contract import Contract

CONTRACT = Contract("codepipeline")


def model() -> Any:
    """The service model, read once."""
    return CONTRACT.model
