"""What is watched: metrics that are measured, alarms that are explained, a dashboard that shows both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.iam import filled
from tests.small_site import SmallSite

from deployer.metrics import METRICS, PIPELINES_USED
from deployer_deploy.manifest import read
from deployer_deploy.tree import CORE, PARTS, Tree
from deployer_local.engine import Engine

TREE = Tree.here()
PREFIX = "opolis-deployer-prod"
METRIC_NAMES = {metric.name for metric in METRICS}
DOCUMENTS = {part: read(TREE.manifest(part)).document for part in PARTS}
OPERATIONS = (TREE.root / "docs" / "operations.md").read_text()


def of_type(part: str, kind: str) -> dict[str, dict[str, Any]]:
    found = DOCUMENTS[part]["Resources"].items()
    return {name: each["Properties"] for name, each in found if each["Type"] == kind}


def known() -> dict[str, str]:
    """What the templates' substitutions stand for."""
    queues = {
        f"{name}.QueueName": str(filled(queue["QueueName"], {"DeployerPrefix": PREFIX}))
        for name, queue in of_type(CORE, "AWS::SQS::Queue").items()
    }
    return {
        "DeployerPrefix": PREFIX,
        "PipelinesQuota": "1000",
        "AWS::Region": "eu-central-1",
        "AWS::AccountId": "123456789012",
        "AWS::Partition": "aws",
        **queues,
    }


ALARMS = sorted(
    str(filled(alarm["AlarmName"], known()))
    for part in PARTS
    for alarm in of_type(part, "AWS::CloudWatch::Alarm").values()
)
FROM_LOGS = {
    transformation["MetricName"]
    for part in PARTS
    for each in of_type(part, "AWS::Logs::MetricFilter").values()
    for transformation in each["MetricTransformations"]
}


def dashboard() -> dict[str, Any]:
    [properties] = of_type(CORE, "AWS::CloudWatch::Dashboard").values()
    found: dict[str, Any] = json.loads(filled(properties["DashboardBody"], known()))
    return found


def shown() -> list[tuple[str, str, tuple[str, ...]]]:
    """(namespace, metric, names of its dimensions) of everything on the dashboard."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for widget in dashboard()["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                search = re.fullmatch(
                    r"""SEARCH\('\{"([^"]+)",([\w,]+)\} MetricName="(\w+)"', 'Sum'\)""", metric[0]["expression"]
                )
                assert search, metric
                found.append((search[1], search[3], tuple(search[2].split(","))))
            else:
                words = [word for word in metric if isinstance(word, str)]
                found.append((words[0], words[1], tuple(words[2::2])))
    return found


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_is_explained_and_on_the_dashboard(alarm: str) -> None:
    short = alarm.removeprefix(PREFIX).removesuffix(".fifo")
    assert f"…{short}" in OPERATIONS, "docs/operations.md does not say what to do"
    [widget] = [widget for widget in dashboard()["widgets"] if widget["type"] == "alarm"]
    assert f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{alarm}" in widget["properties"]["alarms"]


def test_no_alarm_is_shown_or_explained_that_there_is_not() -> None:
    [widget] = [widget for widget in dashboard()["widgets"] if widget["type"] == "alarm"]
    assert sorted(arn.rpartition(":")[2] for arn in widget["properties"]["alarms"]) == ALARMS
    rows = re.findall(r"^\| (`…[^|]+) \|", OPERATIONS, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`…(-[a-z0-9.-]+)`", row)}
    assert explained == {alarm.removeprefix(PREFIX) for alarm in ALARMS}


def test_the_dashboard_shows_what_is_measured() -> None:
    ours = {(metric.name, metric.dimensions) for metric in METRICS} | {(name, ()) for name in FROM_LOGS}
    for namespace, name, dimensions in shown():
        assert namespace in (PREFIX, "AWS/SQS", "AWS/Lambda")
        if namespace == PREFIX:
            assert (name, dimensions) in ours
    assert {metric.name for metric in METRICS} <= {name for _, name, _ in shown()}


def test_the_dashboards_widgets_do_not_overlap_and_fill_their_rows() -> None:
    """A row has 24 units; without coordinates, CloudWatch puts widgets one after the other."""
    assert all(widget["width"] in (12, 24) for widget in dashboard()["widgets"])
    assert sum(widget["width"] for widget in dashboard()["widgets"]) % 24 == 0


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_explained(metric: Any) -> None:
    [row] = re.findall(rf"^\| `{metric.name}` \|([^|]*)\|", OPERATIONS, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(metric.dimensions)


def test_the_pipelines_alarm_asks_for_what_is_measured() -> None:
    alarm = of_type(CORE, "AWS::CloudWatch::Alarm")["PipelinesAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ({"Ref": "DeployerPrefix"}, PIPELINES_USED.name)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (80, "GreaterThanThreshold")
    # The sweep's tick counts them every five minutes.
    assert alarm["Period"] >= 300


def test_what_is_installed_has_its_dashboard_and_alarms(installed: Engine) -> None:
    cloudwatch = installed.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=PREFIX)["DashboardBody"])
    assert len(body["widgets"]) == len(dashboard()["widgets"])
    names = [
        alarm["AlarmName"]
        for page in cloudwatch.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
    ]
    assert sorted(names) == ALARMS


def logged(engine: Engine, function: str) -> list[dict[str, Any]]:
    """What a function has logged, as its log group has it."""
    pages = (
        engine.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/aws/lambda/{PREFIX}-{function}")
    )
    lines = [event["message"] for page in pages for event in page["events"]]
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_push_is_measured_on_its_way_and_its_delivery_can_be_followed(installed: Engine, tmp_path: Path) -> None:
    site = SmallSite(installed, tmp_path, "watched")
    commit = site.commit("one")
    site.push(commit)
    site.green(commit)
    site.quiet()
    installed.fire(f"{PREFIX}-sweep")
    site.quiet()
    listened, built = logged(installed, "listener"), logged(installed, "builder")
    measured = {name for line in (*listened, *built) for name in METRIC_NAMES if "_aws" in line and name in line}
    assert {"Pushes", "Preparations", "PushToPipeline", "Runs", "Pipelines", "PipelinesUsed"} <= measured
    [delivery] = {line["delivery"] for line in listened if line["message"] == "look queued"}
    about = [line for line in built if line.get("delivery") == delivery]
    assert about
    assert all((line["environment"], line["commit"]) == (str(site.id()), commit) for line in about)
    told = [line for line in logged(installed, "notifier") if line["message"] == "status posted"]
    assert told
    assert all((line["environment"], line["commit"]) == (str(site.id()), commit) for line in told)
