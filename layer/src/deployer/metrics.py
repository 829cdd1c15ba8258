"""Metrics inside log lines: CloudWatch takes them out of the log, so that no role needs a permission to put any.

Pure. Every name, unit and set of dimensions that a function measures is here; templates and dashboard name them again,
and a test compares.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# The root's member that says what else in it is a metric.
_ROOT = "_aws"


class Unit(StrEnum):
    """CloudWatch's units, as far as we measure in them.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
    """

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    PERCENT = "Percent"


@dataclass(frozen=True)
class Metric:
    """What is measured. ``dimensions``: their names; every measurement gives each a value."""

    name: str
    unit: Unit = Unit.COUNT
    dimensions: tuple[str, ...] = ()


PUSHES = Metric("Pushes")
"""Pushes that were verified, admitted and queued."""
WEBHOOKS_REFUSED = Metric("WebhooksRefused", dimensions=("Status",))
"""Webhooks that were answered with a refusal, by its HTTP status."""
PUSH_TO_PIPELINE = Metric("PushToPipeline", Unit.MILLISECONDS)
"""From the push, by GitHub's clock and so to the second, until its pipeline was seen to run."""
PREPARATIONS = Metric("Preparations", dimensions=("Outcome",))
"""Generations whose preparation ended: ``success``, ``failure``."""
RUNS = Metric("Runs", dimensions=("Outcome",))
"""Runs of environments' pipelines that ended, by CodePipeline's word. An event that comes twice counts twice."""
FAILURES = Metric("Failures", dimensions=("Function", "Class"))
"""Messages that failed: ``Transient`` (tried again), ``Rejected``, ``Broken``, ``Malformed``, ``Unexpected``."""
SWEEP_REPAIRS = Metric("SweepRepairs")
"""Environments that a sweep found out of place: what was lost, or changed by others."""
PIPELINES = Metric("Pipelines")
"""Pipelines in the region, whosever they are."""
PIPELINES_USED = Metric("PipelinesUsed", Unit.PERCENT)
"""... of those that AWS's quota allows the region."""

METRICS = (
    PUSHES,
    WEBHOOKS_REFUSED,
    PUSH_TO_PIPELINE,
    PREPARATIONS,
    RUNS,
    FAILURES,
    SWEEP_REPAIRS,
    PIPELINES,
    PIPELINES_USED,
)


def embedded(
    namespace: str, metric: Metric, value: float, dimensions: Mapping[str, str], timestamp: int
) -> dict[str, Any]:
    """The members of a log line that are one measurement. ``timestamp``: milliseconds since the epoch.

    Without a namespace, outside an installation, they are but members.

    Raises:
        ValueError: where the dimensions are not the metric's.
    """
    if set(dimensions) != set(metric.dimensions):
        raise ValueError(f"{metric.name} is measured by {metric.dimensions}, not by {tuple(dimensions)}")
    measured: dict[str, Any] = {metric.name: value, **dimensions}
    if not namespace:
        return measured
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(metric.dimensions)],
        "Metrics": [{"Name": metric.name, "Unit": str(metric.unit)}],
    }
    return {_ROOT: {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}, **measured}
