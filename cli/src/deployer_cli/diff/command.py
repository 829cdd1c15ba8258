"""``deployer diff``: parse what is asked for, gather, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deployer.refs import HEADS
from deployer_cli.checkout import Checkout, repository
from deployer_cli.commands import FAILED, placed
from deployer_cli.diff.outlook import Kind
from deployer_cli.diff.prospect import Gatherer, Prospect
from deployer_cli.diff.report import as_json, show
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_cli.validate.brought import Committed, Folder, top_of


@placed
def diff(
    place: Place,
    output: Output,
    branch: Annotated[str | None, typer.Argument(help="Branch, or refs/tags/vX.Y.Z; the one checked out here.")] = None,
    *,
    repo: Annotated[str | None, typer.Option(help="The repository, as OWNER/NAME.")] = None,
    committed: Annotated[bool, typer.Option("--committed", help="Compare HEAD, not the working tree.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where a stack would change.")] = False,
) -> None:
    """Say what a push of this checkout would change, and what would be lost with it."""
    found = examine(place, Path.cwd(), branch, repo, committed=committed)
    if output.json:
        output.emit(as_json(found))
    else:
        show(output, found)
    if found.outlook.kind is Kind.REFUSED or (exit_code and found.changed):
        raise typer.Exit(FAILED)


def examine(place: Place, folder: Path, branch: str | None, repo: str | None, *, committed: bool) -> Prospect:
    """What a push would come to. Raises ``Rejected`` where there is no checkout, no branch or no such repository."""
    checkout = Checkout(top_of(folder))
    named = branch or checkout.branch()
    ref = named if named.startswith("refs/") else HEADS + named
    files: Any = Committed.at(checkout.folder) if committed else Folder.at(checkout.folder)
    gatherer = Gatherer(place, checkout, files, uncommitted=not committed and checkout.dirty("deploy"))
    return gatherer.prospect(repository(repo, checkout.folder), ref)
