"""The whole life of a push where the deployer is a GitHub App, and has no token at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.small_site import SmallSite
from typer.testing import CliRunner

from deployer_cli.main import app
from deployer_local.engine import Engine

GRANTED = {"contents": "read", "statuses": "write", "metadata": "read", "deployments": "write"}
NAMES = ("opolis.github.app.id", "opolis.github.app.key")


@pytest.fixture(scope="module")
def engine(installed: Engine) -> Engine:
    """An App is registered, its id and key are in SSM, and the token is gone from there."""
    where = ["--local", "--data", str(installed.data)]
    number, key = installed.github.register_app("deployer")
    for name, value in zip(NAMES, (str(number), key), strict=True):
        done = CliRunner().invoke(app, ["config", "set", name, *where], input=value)
        assert done.exit_code == 0, done.output
    installed.client("ssm").delete_parameter(Name="opolis.github.token")
    installed.github.install_app(number, "acme", GRANTED, [])
    return installed


def findings(engine: Engine, name: str) -> dict[str, dict[str, str]]:
    done = CliRunner().invoke(app, ["doctor", name, "--json", "--local", "--data", str(engine.data)])
    return {each["subject"]: each for each in json.loads(done.stdout)["findings"]}


def test_a_push_is_built_and_told_with_tokens_of_the_one_repository(engine: Engine, tmp_path: Path) -> None:
    site = SmallSite(engine, tmp_path, "apped")
    number = int(engine.client("ssm").get_parameter(Name=NAMES[0], WithDecryption=True)["Parameter"]["Value"])
    missing = findings(engine, "acme/apped")
    assert "the GitHub App is not installed on it" in missing["repository"]["said"]
    assert "token" not in missing
    engine.github.install_app(number, "acme", GRANTED, ["acme/apped"])
    one = site.commit("one")
    site.push(one)
    site.green(one)
    assert site.word() == "one"

    engine.github.end_app_tokens()  # before their hour is over: they are renewed
    two = site.commit("two")
    site.push(two)
    site.green(two)
    site.quiet()
    assert [each.environment for each in engine.github.deployments("acme/apped")]
    found = findings(engine, "acme/apped")
    assert found["GitHub App"]["verdict"] == "right"
    assert found["repository"]["verdict"] == "right"


def test_F91_neither_key_nor_token_is_told(engine: Engine) -> None:
    key = engine.client("ssm").get_parameter(Name=NAMES[1], WithDecryption=True)["Parameter"]["Value"]
    logs = engine.client("logs")
    said = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for stream in logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]
        for event in logs.get_log_events(logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"])[
            "events"
        ]
    ]
    assert said
    for canary in (key.splitlines()[1], "ghs_", "PRIVATE KEY"):
        assert not [line for line in said if canary in line]
