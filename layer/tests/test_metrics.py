"""Measurements are lines that CloudWatch takes metrics out of."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from deployer.metrics import FAILURES, METRICS, PUSH_TO_PIPELINE, PUSHES, Metric, Unit, embedded
from deployer.observability import logger, traced

# As AWS publishes it with the specification, but that the root may have further members of any type.
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": ["Seconds", "Milliseconds", "Bytes", "Percent", "Count"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_measurement_is_as_aws_specifies_it(metric: Metric) -> None:
    line = embedded("opolis-deployer-prod", metric, 3, dict.fromkeys(metric.dimensions, "x"), 1_700_000_000_000)
    jsonschema.validate(line, SCHEMA)
    directive = line["_aws"]["CloudWatchMetrics"][0]
    named = [*directive["Dimensions"][0], *(each["Name"] for each in directive["Metrics"])]
    assert all(name in line for name in named), "what a directive names has to be in the root"


def test_a_measurement_without_its_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="Failures is measured by"):
        embedded("x", FAILURES, 1, {"Class": "Broken"}, 0)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def invoke(capsys: pytest.CaptureFixture[str], function: str, **measured: Any) -> dict[str, Any]:
    @traced(function)
    def handler(event: Any, context: Any) -> None:
        logger("x").measure(**measured)

    name = f"opolis-deployer-prod-{function.replace('_', '-')}"
    handler({}, SimpleNamespace(aws_request_id="r-1", function_name=name))
    found: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return found


@pytest.fixture
def _plain_logging() -> Any:
    import logging

    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    root.handlers.clear()
    yield
    root.handlers[:] = kept
    root.setLevel(level)


@pytest.mark.usefixtures("_plain_logging")
@pytest.mark.parametrize("function", ["builder", "stack_cleaner"])
def test_a_function_measures_in_its_installations_namespace(capsys: pytest.CaptureFixture[str], function: str) -> None:
    line = invoke(capsys, function, metric=PUSH_TO_PIPELINE, value=1234)
    jsonschema.validate(line, SCHEMA)
    directive = line["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "opolis-deployer-prod"
    assert directive["Metrics"] == [{"Name": "PushToPipeline", "Unit": str(Unit.MILLISECONDS)}]
    assert (line["PushToPipeline"], line["message"], line["request"]) == (1234, "measured", "r-1")


@pytest.mark.usefixtures("_plain_logging")
def test_which_function_measures_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    line = invoke(capsys, "builder", metric=FAILURES, Class="Transient")
    assert (line["Function"], line["Class"], line["Failures"]) == ("builder", "Transient", 1)


@pytest.mark.usefixtures("_plain_logging")
def test_outside_a_function_there_is_no_namespace_to_measure_in(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts and tests use the same code."""
    from deployer.observability import configure

    configure()
    logger("x").measure(PUSHES)
    line = json.loads(capsys.readouterr().err)
    assert "_aws" not in line
    assert line["Pushes"] == 1
