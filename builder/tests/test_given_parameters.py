"""What is wrong with a branch's parameters is said on its commit before CloudFormation is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

PARAMETERS_FILE = "deploy/pipeline.parameters.json"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        pytest.param(
            {"Mine": "x", "Stage": "y"}, "set by the deployer, not by the repository: Stage", id="F53-reserved"
        ),
        pytest.param({"Mine": "x", "Other": "y"}, "not declared in the template: Other", id="undeclared"),
        pytest.param({}, "without a value: Mine", id="missing"),
    ],
)
def test_parameters_are_named_before_cloudformation_is_asked(world: Any, parameters: dict[str, str], said: str) -> None:
    given = {"staging": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]}
    template = world.template(parameters={"Mine": {"Type": "String"}})
    sha = world.commit({"deploy/pipeline.json": template, PARAMETERS_FILE: json.dumps(given).encode()})
    world.look(world.push("refs/heads/main", sha))
    assert world.prep(sha) == f"failure: staging: parameters {said}"
    assert world.cloud.operations == []
    assert "s3.put" not in world.tape.calls
