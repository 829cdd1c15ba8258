"""The ``deployer`` command: its parts put together. Each part is a module or a folder beside this one."""

from __future__ import annotations

from deployer_cli.commands import commands
from deployer_cli.install.deploy import deploy
from deployer_cli.install.remove import remove
from deployer_cli.laptop import local

app = commands("An environment of its own for every branch, on AWS.")
app.add_typer(local, name="local")
app.command()(deploy)
app.command()(remove)


@app.callback()
def root() -> None:
    """An environment of its own for every branch, on AWS."""


if __name__ == "__main__":
    app()
