"""How the command is put together: a part costs nothing until it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deployer_cli.commands import DEFAULT_INSTALLATION
from deployer_cli.main import PARTS, app
from deployer_deploy.configuration import Configuration


def test_help_names_every_part() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert all(name in done.stdout for name in PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_where_it_is_said_to_be(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_what_is_no_part_is_no_command() -> None:
    assert CliRunner().invoke(app, ["nothing"]).exit_code == 2


def test_the_installation_is_the_installers_own() -> None:
    assert Configuration().prefix == DEFAULT_INSTALLATION


def test_what_validates_waits_for_neither_engine_nor_boto3() -> None:
    script = (
        "import sys\n"
        "import deployer_cli.main, deployer_cli.validate.command\n"
        "print(sorted({'boto3', 'botocore', 'ministack', 'cfnlint', 'deployer_local'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
