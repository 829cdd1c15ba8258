"""Ask before something is done that can't be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deployer.errors import Rejected
from deployer_cli.output import Output, plain

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def attended() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def confirm(output: Output, text: str, *, yes: bool, typed: str = "") -> None:
    """Go on where somebody says so. ``typed``: what has to be typed for it; else a yes will do.

    Raises:
        Rejected: where it is not wanted, or nobody is there to say so.
    """
    if yes:
        return
    if not attended():
        raise Rejected(f"{plain(text)}: nobody is here to be asked; say --yes where that is what you want")
    output.note(plain(text), "yellow")
    wanted = typed or "yes"
    answer = typer.prompt(f"Type {wanted} to go on", default="", show_default=False, err=True)
    if answer.strip() != wanted:
        raise Rejected("nothing was done")
