"""``deployer remove``: take an installation away with the environments that it made; production only where named."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployer.errors import Rejected
from deployer_cli.install import shown
from deployer_cli.install.deploy import DryRun, failed
from deployer_cli.install.options import installing
from deployer_cli.install.progress import Progress
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_deploy.removal import Removal, Remover
from deployer_deploy.stacks import StacksFailed
from deployer_deploy.tree import Tree

Production = Annotated[
    list[str] | None,
    typer.Option(metavar="OWNER/REPO", help="Remove this production environment too; again for each further one."),
]
Secrets = Annotated[bool, typer.Option("--secrets", help="Remove the secrets too.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@installing(choices=False)
def remove(
    place: Place,
    output: Output,
    *,
    production: Production = None,
    secrets: Secrets = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Remove the deployer with its development and staging environments.

    Production stays unless it is named, and with it what it needs: the core, the layer and the functions that its
    templates call. It can be interrupted anywhere and run again.
    """
    progress = Progress(output.errors)
    remover = Remover(place.target, Tree.here(), place.configuration, progress)
    with output.errors.status("Looking at what is there"):
        removal = remover.decide(production or [], secrets=secrets)
    told = {"installation": place.configuration.prefix, "region": place.region, **shown.removal_json(removal)}
    if not output.json:
        _show(place, output, removal)
    if not dry_run:
        if removal.goes and not yes:
            _ask(place.configuration.prefix, output)
        carry_out(remover, removal, progress, output, told)
    if output.json:
        output.emit(told)
    elif dry_run:
        output.note("Nothing was changed: it was a dry run.")
    else:
        output.say(shown.removed(removal, place.configuration.prefix))


def carry_out(remover: Remover, removal: Removal, progress: Progress, output: Output, told: dict[str, Any]) -> None:
    """Remove; a stack that stays ends the command with why, and what to do."""
    try:
        with progress:
            remover.remove(removal)
    except StacksFailed as error:
        failed(output, told, error)


def _show(place: Place, output: Output, removal: Removal) -> None:
    output.say(f"{place.configuration.prefix} {place.where}")
    output.table(shown.REMOVAL, shown.removal_rows(removal), "")
    if removal.kept:
        output.note(shown.KEPT, "yellow")
    if removal.sharing:
        output.note(f"The secrets stay: {', '.join(removal.sharing)} uses them too.", "yellow")


def _ask(prefix: str, output: Output) -> None:
    """Let the installation's name be typed. Raises ``Rejected`` where it is not, or where nobody can be asked."""
    if output.json:
        raise Rejected("nothing was removed: with --json nobody is asked, so say --yes")
    if typer.prompt(f"Type {prefix} to remove it", default="", show_default=False, err=True) != prefix:
        raise Rejected(f"nothing was removed: that was not {prefix}")
