"""The ``deployer`` command: its parts put together. Each part is a module or a folder beside this one."""

from __future__ import annotations

from deployer_cli.commands import commands
from deployer_cli.everyday.asking import prune, redeploy, rm, sweep
from deployer_cli.everyday.logs import logs
from deployer_cli.everyday.reading import ls, open_, status, watch
from deployer_cli.everyday.redrive import redrive
from deployer_cli.laptop import local

app = commands("An environment of its own for every branch, on AWS.")
app.add_typer(local, name="local")
for everyday in (ls, status, watch, logs, redeploy, rm, prune, sweep, redrive):
    app.command()(everyday)
app.command(name="open")(open_)


@app.callback()
def root() -> None:
    """An environment of its own for every branch, on AWS."""


if __name__ == "__main__":
    app()
