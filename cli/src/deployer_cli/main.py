"""The ``deployer`` command: its parts put together. Each part is a module or a folder beside this one.

A part is imported only where it is asked for: a hook that validates has no use for the laptop engine, nor for boto3.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

from deployer_cli.commands import Commands

# Command -> where it is: a function, or a group of commands.
PARTS = {
    "deploy": "deployer_cli.install.deploy:deploy",
    "remove": "deployer_cli.install.remove:remove",
    "config": "deployer_cli.config.command:config",
    "webhook": "deployer_cli.webhooks.command:webhook",
    "doctor": "deployer_cli.doctor.command:doctor",
    "init": "deployer_cli.init.command:init",
    "validate": "deployer_cli.validate.command:validate",
    "diff": "deployer_cli.diff.command:diff",
    "ls": "deployer_cli.everyday.reading:ls",
    "status": "deployer_cli.everyday.reading:status",
    "watch": "deployer_cli.everyday.reading:watch",
    "logs": "deployer_cli.everyday.logs:logs",
    "open": "deployer_cli.everyday.reading:open_",
    "redeploy": "deployer_cli.everyday.asking:redeploy",
    "rm": "deployer_cli.everyday.asking:rm",
    "prune": "deployer_cli.everyday.asking:prune",
    "sweep": "deployer_cli.everyday.asking:sweep",
    "redrive": "deployer_cli.everyday.redrive:redrive",
    "local": "deployer_cli.laptop:local",
}


class Parts(Commands):
    """The commands that are declared here, and those that are found by their place."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All of them."""
        return [*PARTS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them, imported by now."""
        if cmd_name not in PARTS:
            return super().get_command(ctx, cmd_name)
        module, _, name = PARTS[cmd_name].partition(":")
        part = getattr(import_module(module), name)
        if not isinstance(part, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
            alone.command(cmd_name)(part)
            part = alone
        command = typer.main.get_command(part)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Parts,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # a secret may be among them
    help="An environment of its own for every branch, on AWS.",
)


@app.callback()
def root() -> None:
    """An environment of its own for every branch, on AWS."""


if __name__ == "__main__":
    app()
