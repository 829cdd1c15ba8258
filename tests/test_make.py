"""The targets that people know from the original's Makefile: they are there, and do something of use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def venv(folder: Path) -> Path:
    """A virtual environment that is set up as far as make can tell; its Python is the tests' own."""
    commands = {
        "uv": "exit 1",
        "python": f'exec "{sys.executable}" "$@"',
        "deployer": f'exec "{sys.executable}" -m deployer_cli.main "$@"',
        "opolis-deployer-config": "echo configured",
    }
    (folder / "bin").mkdir(parents=True)
    for name, line in commands.items():
        command = folder / "bin" / name
        command.write_text(f"#!/bin/sh\n{line}\n")
        command.chmod(0o755)
    (folder / "ready").touch()
    return folder


def make(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run make with that virtual environment; a relative one would be the tree's own."""
    return subprocess.run(
        ["make", "--no-print-directory", f"VENV={folder}", *arguments],
        cwd=ROOT,
        env={**os.environ, "SHELL": "/bin/sh", "MAKEFLAGS": ""},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    return venv(tmp_path / "venv")


@pytest.mark.parametrize(
    ("target", "command"),
    [
        pytest.param("deps", "bin/python -m deployer_deploy.build --deps", id="deps"),
        pytest.param("build", "bin/python -m deployer_deploy.build", id="build"),
        pytest.param("deploy", "bin/deployer deploy --stage prod --idle-days 3", id="deploy"),
        pytest.param("deploy-dev", "bin/deployer deploy --stage dev --idle-days 3", id="deploy-dev"),
    ],
)
def test_what_takes_long_calls_the_command_that_does_it(ready: Path, target: str, command: str) -> None:
    done = make(ready, "--dry-run", target, "ARGS=--idle-days 3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{ready}/{command}"


def test_an_image_is_not_needed_and_it_says_why(ready: Path) -> None:
    done = make(ready, "image")
    assert done.returncode == 0
    assert "No image is needed" in done.stdout
    assert "Docker" in done.stdout


def test_one_function_is_built(ready: Path) -> None:
    done = make(ready, "build-func", "FUNC=stack_cleaner")
    assert done.returncode == 0, done.stderr
    name, _, rest = done.stdout.partition(": ")
    assert name == "stack-cleaner"
    assert Path(rest.partition(", ")[0]).read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("func", "reason"),
    [pytest.param("", "Which one?", id="none"), pytest.param("shop", "no such part: shop", id="no-such")],
)
def test_a_function_that_there_is_not_is_not_built(ready: Path, func: str, reason: str) -> None:
    done = make(ready, "build-func", f"FUNC={func}")
    assert done.returncode != 0
    assert reason in done.stdout + done.stderr


def test_a_shell_has_the_commands_on_its_path(ready: Path) -> None:
    done = make(ready, "shell", given="opolis-deployer-config\ncommand -v deployer\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["configured", f"{ready}/bin/deployer"]


def test_the_configuring_command_is_put_where_it_is_wanted(ready: Path, tmp_path: Path) -> None:
    said = make(ready, "config-cli")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[0] == f"It is {ready}/bin/opolis-deployer-config"
    assert "`make shell` has it on its PATH" in said.stdout
    assert make(ready, "config-cli", f"INTO={tmp_path}").returncode == 0
    done = subprocess.run([tmp_path / "opolis-deployer-config"], capture_output=True, text=True, check=True)
    assert done.stdout == "configured\n"
    (ready / "bin" / "opolis-deployer-config").unlink()
    assert make(ready, "config-cli").returncode != 0


def test_help_names_every_target(ready: Path) -> None:
    said = make(ready, "help").stdout
    for target in ("image", "deps", "build", "build-func", "config-cli", "deploy", "deploy-dev", "shell"):
        assert f"make {target} " in said, target
