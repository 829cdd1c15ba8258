"""``opolis-deployer-config``: the command that opolis/deployer had for its secrets, with its arguments.

``set`` takes pairs of a name, of whatever secret, and a KMS key; ``get`` prints a value a line. Unlike there, ``set``
writes over what is there.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deployer.errors import Rejected
from deployer_cli.commands import Profile, Region, commands
from deployer_cli.config.command import keep, taken
from deployer_cli.config.names import complaint, pairs
from deployer_cli.config.parameters import Parameters
from deployer_cli.place import Place
from deployer_deploy.configuration import Configuration

app = commands("Read and write encrypted values from and to AWS SSM; `deployer config` does more.")


@app.callback()
def root(context: typer.Context, profile: Profile = None, region: Region = None) -> None:
    """Read and write encrypted values from and to AWS SSM; `deployer config` does more."""
    place = Place.aws(Configuration(), os.environ, region, profile)
    context.obj = lambda: Parameters(place.client("ssm"))


@app.command("set")
def set_(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="NAME KMS-KEY-ID …", help="Pairs.")] = None,
) -> None:
    """Ask for each secret, and write it encrypted by its key."""
    wished = pairs(arguments or [])
    for wish, value in zip(wished, taken(wished), strict=True):
        if wrong := complaint(wish.name, value):
            raise Rejected(f"could not write parameter {wish.name} - {wrong}")
        keep(context.obj(), wish, value)


@app.command()
def get(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME …", help="Which.")] = None,
) -> None:
    """Print secrets, a line each, in the order in which they are asked for."""
    if not names:
        raise Rejected("get needs at least one parameter name to fetch")
    parameters: Parameters = context.obj()
    for name in names:
        sys.stdout.write(parameters.get(name) + "\n")


if __name__ == "__main__":
    app()
