"""What the tests that span packages share: an engine with the deployer installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp
from tests.contracts import aws_events
from tests.contracts.github import check
from tests.contracts.github_tap import Tap
from tests.contracts.github_webhooks import wrong_deliveries

from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import install


def encrypt(engine: Engine) -> None:
    """Put the secrets under a key that the account made, which each function needs a permission for."""
    ssm, key = engine.client("ssm"), engine.client("kms").create_key()["KeyMetadata"]["Arn"]
    for each in ssm.describe_parameters()["Parameters"]:
        value = ssm.get_parameter(Name=each["Name"], WithDecryption=True)["Parameter"]["Value"]
        ssm.put_parameter(Name=each["Name"], Value=value, Type="SecureString", KeyId=key, Overwrite=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine into which the deployer is installed, with its secrets under a key of the account's own.

    At its end, every event on its bus was one of AWS's, and all that flowed between the deployer and GitHub in the
    meantime is held to GitHub's contract.
    """
    taps: list[Tap] = []

    def listen(web: ASGIApp) -> Tap:
        taps.append(Tap(web))
        return taps[0]

    # By a clock that stands still: the sweep comes when a test lets its rule fire.
    with Engine(tmp_path_factory.mktemp("engine"), around=listen, clock=lambda: 0.0) as engine:
        install(engine, Tree.here())
        encrypt(engine)
        yield engine
        aws_events.check(engine.events)
        assert taps[0].exchanges, "nobody asked GitHub anything"
        taps[0].check()
        check(wrong_deliveries(engine.github.deliveries()))
