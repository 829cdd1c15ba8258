"""How a command is declared: with the options that say where it works, and with errors that end it in words.

A command is a function of a ``Place``, an ``Output`` and options of its own; `placed` gives it the options for the
first two, so that they are the same everywhere.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from deployer.errors import DeployerError
from deployer_cli.output import Output, printable

if TYPE_CHECKING:
    from deployer_cli.place import Place
    from deployer_deploy.configuration import Configuration

# Documented in docs/cli.md.
FAILED = 1
USAGE = 2
PENDING = 8

DEFAULT_DATA = Path(".deployer")
# As Configuration has it.
DEFAULT_INSTALLATION = "opolis-deployer-prod"
Data = Annotated[Path, typer.Option(help="Where the laptop engine keeps everything.", envvar="DEPLOYER_DATA")]
Local = Annotated[bool, typer.Option("--local", help="Work on the laptop engine that runs here.")]
Installation = Annotated[
    str, typer.Option(help="Which installation: its name and stage.", envvar="DEPLOYER_INSTALLATION")
]
Profile = Annotated[str | None, typer.Option(help="The AWS profile.")]
Region = Annotated[str | None, typer.Option(help="The AWS region.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Commands(TyperGroup):
    """A group of commands in which an error that we raise ends the command in words, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except DeployerError as error:
            Console(stderr=True).print(Text(printable(f"deployer: {error}"), "red"), soft_wrap=True)
            raise typer.Exit(FAILED) from error


def commands(help: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,  # a secret may be among them
        help=help,
    )


_PLACE = {
    "local": (Local, False),
    "data": (Data, DEFAULT_DATA),
    "installation": (Installation, DEFAULT_INSTALLATION),
    "profile": (Profile, None),
    "region": (Region, None),
    "json": (Json, False),
}


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command(place, output, …)`` the options that say where it works and how it prints."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name not in ("place", "output")]

    @functools.wraps(command)
    def run(**options: Any) -> None:
        from deployer_deploy.configuration import Configuration  # noqa: PLC0415 - it brings what needs boto3

        given = {name: options.pop(name) for name in _PLACE}
        place = place_of(
            Configuration.of(given["installation"]),
            local=given["local"],
            data=given["data"],
            profile=given["profile"],
            region=given["region"],
        )
        command(place=place, output=Output(json=given["json"]), **options)

    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _PLACE.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *common)}
    return run


def place_of(
    configuration: Configuration, *, local: bool, data: Path, profile: str | None, region: str | None
) -> Place:
    """The place that the options name. Raises ``Rejected`` for what can't be."""
    from deployer_cli.place import Place  # noqa: PLC0415 - commands that work nowhere do not wait for boto3

    if local:
        return Place.local(configuration, os.environ, data)
    return Place.aws(configuration, os.environ, region, profile)
