"""`deployer local`, as a person runs it: in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import urllib3
from rich.console import Console

from deployer_cli.laptop import run_demo
from deployer_deploy.tree import Tree

COMMAND = [sys.executable, "-m", "deployer_cli.main", "local"]
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
PATIENCE = 90.0


def deployer(*arguments: str, patience: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=patience
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the process has printed once ``text`` is in it; it is killed where that takes too long."""
    assert process.stdout
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            if text in line:
                return said
    finally:
        watchdog.cancel()
    raise AssertionError(f"never printed {text!r}, but: {said}")


def test_up_says_where_everything_is_until_it_is_interrupted_and_reset_forgets_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [*COMMAND, "up", "--data", str(data)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = read_until(process, "Next: git push")
        found = {line.split()[0]: line.split()[-1] for line in said.splitlines() if "http://" in line}
        assert found["Git"].startswith("http://127.0.0.1:")
        assert found["Git"].endswith("/acme/site.git")
        assert urllib3.request("POST", found["Webhook"], body=b"{}", retries=False, timeout=PATIENCE).status == 401
        refs = urllib3.request(
            "GET", f"{found['Git']}/info/refs?service=git-upload-pack", retries=False, timeout=PATIENCE
        )
        assert refs.status == 200

        for page in ("GitHub", "Slack"):
            assert urllib3.request("GET", found[page], retries=False, timeout=PATIENCE).status == 200

        second = deployer("up", "--data", str(data))
        assert second.returncode == 1
        assert "another engine runs on" in second.stdout
        busy = deployer("reset", "--data", str(data))
        assert busy.returncode == 1
        assert data.exists()

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
    done = deployer("reset", "--data", str(data))
    assert done.returncode == 0, done.stdout
    assert not data.exists()


def test_the_demo_holds_and_says_so_to_people_and_programs(tmp_path: Path) -> None:
    done = deployer("demo", "--json", str(tmp_path / "demo.json"), "--patience", str(PATIENCE), patience=4 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything held" in done.stdout
    assert re.search(r"Watch it, as long as it runs: http://127.0.0.1:\d+/github\?follow and http://", done.stdout)
    assert "/slack" not in done.stdout.partition("Everything held")[2]
    environments = {each["name"]: each for each in json.loads((tmp_path / "demo.json").read_text())["environments"]}
    assert set(environments) == {"staging", "production", "feature/hello"}
    assert environments["feature/hello"]["stack"] is None
    assert set(environments["production"]["statuses"].values()) == {"success"}


def test_a_demo_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "demo"],
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        read_until(process, "Install the deployer into the engine")
        assert [path.name[:14] for path in tmp_path.iterdir()] == ["deployer-demo-"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_an_installation_that_fails_ends_the_demo_with_its_reason(tmp_path: Path) -> None:
    said = io.StringIO()
    tree = Tree.here().with_source("layer", tmp_path / "nowhere")
    assert run_demo(tmp_path / "demo", tree, Console(file=said, width=200), PATIENCE) == 1
    [line] = [line for line in said.getvalue().splitlines() if line.startswith("✗")]
    assert "nowhere" in line


def test_reset_leaves_a_folder_alone_that_is_no_engines(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    done = deployer("reset", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "is no engine's folder" in done.stdout
    assert (tmp_path / "precious").exists()


def test_reset_of_nothing_is_fine(tmp_path: Path) -> None:
    done = deployer("reset", "--data", str(tmp_path / "none"))
    assert done.returncode == 0
    assert "Nothing to forget" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["up", "--repository", "bad"], "it is OWNER/NAME", id="repository"),
        pytest.param(["up", "--traces", "2000"], "'2000' is not HOST:PORT", id="traces"),
        pytest.param(["demo", "--json", "/nonexistent/folder/x.json"], "there is no such folder", id="json"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_started(arguments: list[str], said: str, tmp_path: Path) -> None:
    where = ["--data", str(tmp_path / "data")] if arguments[0] == "up" else []
    done = deployer(*arguments, *where)
    assert done.returncode == 1
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_file_where_the_data_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = deployer("up", "--data", str(tmp_path / "file"))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
