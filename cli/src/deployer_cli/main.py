"""The ``deployer`` command: its parts put together. Each part is a module or a folder beside this one."""

from __future__ import annotations

from deployer_cli.commands import commands
from deployer_cli.config.command import config
from deployer_cli.doctor.command import doctor
from deployer_cli.laptop import local
from deployer_cli.webhooks.command import webhook

app = commands("An environment of its own for every branch, on AWS.")
app.add_typer(local, name="local")
app.add_typer(config, name="config")
app.add_typer(webhook, name="webhook")
app.command("doctor")(doctor)


@app.callback()
def root() -> None:
    """An environment of its own for every branch, on AWS."""


if __name__ == "__main__":
    app()
