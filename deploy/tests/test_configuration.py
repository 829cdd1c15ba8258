"""Which installation is meant: by how its names begin."""

from __future__ import annotations

import pytest

from deployer.errors import Rejected
from deployer_deploy.configuration import Configuration


@pytest.mark.parametrize(
    ("prefix", "name", "stage"),
    [
        ("opolis-deployer-prod", "opolis-deployer", "prod"),
        ("opolis-deployer-dev", "opolis-deployer", "dev"),
        ("a-b", "a", "b"),
    ],
)
def test_an_installation_goes_by_its_prefix(prefix: str, name: str, stage: str) -> None:
    found = Configuration.of(prefix)
    assert (found.name, found.stage, found.prefix) == (name, stage, prefix)
    assert found.stack("core") == f"{prefix}-core"
    assert found.parameters() == {"DeployerPrefix": prefix, "DeployerStage": stage}


@pytest.mark.parametrize("prefix", ["", "deployer", "-prod", "deployer-", "-"])
def test_what_is_no_name_and_stage_is_refused(prefix: str) -> None:
    with pytest.raises(Rejected, match="it is NAME-STAGE, as opolis-deployer-prod"):
        Configuration.of(prefix)
