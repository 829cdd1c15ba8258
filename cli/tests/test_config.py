"""``deployer config`` and ``opolis-deployer-config`` against the emulated Parameter Store."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from typer.testing import CliRunner, Result

from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer_cli.config import original
from deployer_cli.config.names import FORMER_HMAC, GITHUB_HMAC, GITHUB_TOKEN, SLACK_TOKEN
from deployer_cli.config.parameters import Parameters
from deployer_cli.main import app
from deployer_local.engine import Engine

KEY, OTHER = "adad8b59-c518-40e0-8039-f91fca167833", "bbbbbbbb-c518-40e0-8039-f91fca167833"
TOKEN, HMAC, SLACK = "ghp_" + "canary" * 6, "canary" * 10, "xoxb-canary"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(engine: Engine) -> None:
    ssm = engine.client("ssm")
    for each in ssm.describe_parameters()["Parameters"]:
        ssm.delete_parameter(Name=each["Name"])


def config(engine: Engine, *arguments: str, given: str = "") -> Result:
    command = ["config", *arguments, "--local", "--data", str(engine.data)]
    return CliRunner().invoke(app, command, input=given, env={"COLUMNS": "200"})


def kept(engine: Engine, name: str) -> tuple[str, str]:
    """A parameter's value, and its key."""
    parameters = Parameters(engine.client("ssm"))
    found = parameters.describe(name)
    return parameters.get(name), found.key if found else ""


def test_F94_a_secret_is_set_and_set_anew(engine: Engine) -> None:
    first = config(engine, "set", "github.token", KEY, given=f"{TOKEN}\n")
    assert (first.exit_code, first.stdout) == (0, ""), first.output
    assert kept(engine, GITHUB_TOKEN) == (TOKEN, KEY)
    assert config(engine, "set", "github.token", given=f"{TOKEN}2").exit_code == 0
    assert kept(engine, GITHUB_TOKEN) == (f"{TOKEN}2", KEY), "it keeps its key"
    assert config(engine, "set", "github.token", OTHER, given=TOKEN).exit_code == 0
    assert kept(engine, GITHUB_TOKEN) == (TOKEN, OTHER)
    [parameter] = engine.client("ssm").describe_parameters()["Parameters"]
    assert (parameter["Type"], parameter["Version"]) == ("SecureString", 3)


def test_several_are_set_at_once(engine: Engine) -> None:
    done = config(engine, "set", "hmac", KEY, "slack", "--json", given=f"{HMAC}\n{SLACK}\n")
    assert json.loads(done.stdout) == {"set": [GITHUB_HMAC, SLACK_TOKEN]}
    assert kept(engine, GITHUB_HMAC) == (HMAC, KEY)
    assert kept(engine, SLACK_TOKEN) == (SLACK, "alias/aws/ssm")
    found = config(engine, "get", "slack", "hmac")
    assert found.stdout == f"{SLACK}\n{HMAC}\n"
    assert json.loads(config(engine, "get", "hmac", "--json").stdout) == {GITHUB_HMAC: HMAC}


def test_F18_the_webhook_secret_before_stays_for_a_while(engine: Engine) -> None:
    for secret in (HMAC, HMAC, f"{HMAC}2"):
        assert config(engine, "set", "hmac", given=secret).exit_code == 0
    assert kept(engine, GITHUB_HMAC)[0] == f"{HMAC}2"
    assert kept(engine, FORMER_HMAC)[0] == HMAC


def test_F91_whatever_is_done_no_value_is_said_but_by_get(engine: Engine) -> None:
    said = [
        config(engine, "set", "github.token", "hmac", given=f"{TOKEN}\n{HMAC}").output,
        config(engine, "set", "slack", given="xoxp-canary").output,
        config(engine, "set", "slack", "hmac", given="canary").output,
        config(engine, "list").output,
        config(engine, "list", "--json").output,
    ]
    assert "canary" not in "".join(said)
    assert "opolis.slack.token is not set: it is no bot token" in said[1]
    rows = {line.split("\t")[0]: line.split("\t")[1:3] for line in said[3].splitlines()}
    assert rows[SLACK_TOKEN] == ["not set", ""]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", rows[GITHUB_TOKEN][0])
    assert rows[GITHUB_TOKEN][1] == "alias/aws/ssm"
    listed = {each["name"]: each for each in json.loads(said[4])}
    assert listed[SLACK_TOKEN] == {"name": SLACK_TOKEN, "set": False, "modified": None, "key": None}
    assert listed[GITHUB_HMAC]["set"] is True


def test_what_is_there_beside_is_listed_too(engine: Engine) -> None:
    engine.client("ssm").put_parameter(Name="opolis.mine", Value="x", Type="String")
    engine.client("ssm").put_parameter(Name="other", Value="x", Type="String")
    lines = config(engine, "list").stdout.splitlines()
    assert next(line for line in lines if line.startswith("opolis.mine\t")).endswith("\tnot encrypted\t")
    assert not any(line.startswith("other") for line in lines)


def test_what_was_never_set(engine: Engine) -> None:
    done = config(engine, "get", "hmac")
    assert done.exit_code == 1
    assert "opolis.github.hmac can't be read (ParameterNotFound): it was never set" in done.stderr
    assert not Parameters(engine.client("ssm")).delete(GITHUB_HMAC)


def test_random_is_64_digits_and_another_each_time() -> None:
    said = {CliRunner().invoke(app, ["config", "random"]).stdout for _ in range(2)}
    script = subprocess.run([ROOT / "cli" / "random.sh"], capture_output=True, text=True, check=True)
    assert len(said) == 2
    for each in (*said, script.stdout):
        assert re.fullmatch(r"[0-9a-f]{64}\n", each)


def typed(engine: Engine, command: list[str], keys: str) -> str:
    """What a terminal shows of a command where ``keys`` are typed."""
    terminal, inside = pty.openpty()
    environment = {**os.environ, **AWS, "AWS_ENDPOINT_URL": engine.aws_url, "TERM": "dumb", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdin=inside, stdout=inside, stderr=inside, env=environment, cwd=ROOT
    )
    os.close(inside)
    shown = b""
    for part in keys.splitlines(keepends=True):
        while b": " not in shown.rpartition(b"\n")[2]:
            shown += os.read(terminal, 1024)
        os.write(terminal, part.encode())
        shown += b"\n"
    while True:
        try:
            found = os.read(terminal, 1024)
        except OSError:  # Linux says so that nobody is at the other end any more
            break
        shown += found
    os.close(terminal)
    assert process.wait(60) == 0, shown
    return shown.decode()


AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def test_F91_what_is_typed_is_not_shown(engine: Engine) -> None:
    command = ["deployer_cli.main", "config", "set", "hmac", "slack", "--local", "--data", str(engine.data)]
    shown = typed(engine, command, f"{HMAC}\n{SLACK}\n")
    assert "opolis.github.hmac: " in shown
    assert "canary" not in shown
    assert kept(engine, SLACK_TOKEN)[0] == SLACK
    shown = typed(engine, ["deployer_cli.config.original", "set", "my.own", KEY], "canary\n")
    assert ("my.own: " in shown, "canary" in shown) == (True, False)
    assert kept(engine, "my.own") == ("canary", KEY)


def test_a_key_of_many_lines_is_not_typed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("deployer_cli.config.command.sys.stdin", Terminal())
    with pytest.raises(Rejected, match=r"< key.pem"):
        original.taken(original.pairs(["opolis.github.app.key", KEY]))


# --- the original's command


def opolis(engine: Engine, *arguments: str, given: str = "") -> Result:
    environment = {**AWS, "AWS_ENDPOINT_URL": engine.aws_url, "AWS_PROFILE": None}
    return CliRunner().invoke(original.app, list(arguments), input=given, env=environment)


def test_the_originals_command_sets_pairs_and_gets_in_order(engine: Engine) -> None:
    done = opolis(engine, "set", "my.own", KEY, "opolis.github.hmac", OTHER, given=f"canary\n{HMAC}\n")
    assert (done.exit_code, done.output) == (0, "")
    assert (kept(engine, "my.own"), kept(engine, GITHUB_HMAC)) == (("canary", KEY), (HMAC, OTHER))
    assert opolis(engine, "get", "opolis.github.hmac", "my.own").stdout == f"{HMAC}\ncanary\n"
    assert opolis(engine, "--region", "us-east-1", "set", "my.own", KEY, given="canary2").exit_code == 0
    assert kept(engine, "my.own")[0] == "canary2"


@pytest.mark.parametrize(
    ("arguments", "given", "why"),
    [
        pytest.param(["get"], "", "at least one parameter name", id="get-nothing"),
        pytest.param(["set", "my.own"], "x", "pairs of NAME and KMS-KEY-ID", id="no-key"),
        pytest.param(["get", "my.own"], "", "never set", id="not-there"),
        pytest.param(["set", "my.own", KEY], "", "could not write parameter my.own - it is empty", id="F2-empty"),
        pytest.param(["--profile", "nobody", "get", "a"], "", "nobody", id="no-such-profile"),
    ],
)
def test_the_originals_command_ends_with_1_and_says_why(
    engine: Engine, arguments: list[str], given: str, why: str
) -> None:
    done = opolis(engine, *arguments, given=given)
    assert done.exit_code == 1
    assert why in done.stderr


# --- what AWS refuses


@pytest.mark.parametrize(
    ("code", "kind", "why"),
    [
        ("AccessDeniedException", Broken, "need ssm:PutParameter"),
        ("InvalidKeyId", Broken, "no such KMS key"),
        ("ThrottlingException", Transient, "AWS refused it"),
        ("TooManyUpdates", Transient, "try again"),
    ],
)
def test_F91_a_refusal_does_not_hold_what_was_sent(code: str, kind: type[DeployerError], why: str) -> None:
    client = boto3.client("ssm", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("put_parameter", code, f"Value '{HMAC}' failed to satisfy")
        with pytest.raises(kind, match=why) as refusal:
            Parameters(client).put("a", HMAC, KEY)
    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_no_answer() -> None:
    class Silent:
        def get_parameter(self, **_: Any) -> None:
            raise ConnectTimeoutError(endpoint_url="https://ssm")

    with pytest.raises(Broken, match="can't be reached"):
        Parameters(Silent()).get("a")
