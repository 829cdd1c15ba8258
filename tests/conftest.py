"""What the tests that span packages share: an engine with the deployer installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contracts import aws_events

from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import install


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine into which the deployer is installed; in the end, every event on its bus was one of AWS's."""
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        install(engine, Tree.here())
        yield engine
        aws_events.check(engine.events)
