"""``deployer deploy``: check, show what will change, change it, and say where webhooks go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from deployer_cli.commands import FAILED
from deployer_cli.config.names import APP_ID, APP_KEY, GITHUB_HMAC, GITHUB_TOKEN, SLACK_TOKEN
from deployer_cli.install import shown
from deployer_cli.install.options import installing
from deployer_cli.install.progress import Progress
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_deploy.changes import Change
from deployer_deploy.checks import Findings, look, wrong_values
from deployer_deploy.install import Installer
from deployer_deploy.manifest import read
from deployer_deploy.progress import Event, StackFinished
from deployer_deploy.stacks import StacksFailed
from deployer_deploy.tree import FUNCTIONS, PARTS, Tree

Functions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FUNCTION]...", help=f"Only these: {', '.join(FUNCTIONS)}; or core, layer."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


@installing(choices=True)
def deploy(place: Place, output: Output, functions: Functions = None, dry_run: DryRun = False) -> None:
    """Install the deployer, or update what changed.

    What is not chosen here stays as it is installed. It can be interrupted anywhere and run again.
    """
    parts = parts_of(functions or [])
    tree = Tree.here()
    with output.errors.status("Looking at what is there"):
        findings = _check(place, tree)
        goes_on = findings.reachable and (dry_run or not findings.problems)
        changes = Installer(place.target, tree, place.configuration).preview(parts) if goes_on else ()
    told = {
        "installation": place.configuration.prefix,
        **shown.findings_json(findings),
        "stacks": [shown.change_json(each) for each in changes],
    }
    _show(place, output, findings, changes)
    if findings.problems:
        end(output, told, shown.problems(findings))
    if dry_run:
        output.note("Nothing was changed: it was a dry run.")
    else:
        told |= {"outcomes": _apply(place, output, tree, parts, told), "endpoint": place.endpoint}
    if output.json:
        output.emit(told)
    elif not dry_run:
        output.say(f"POST - {place.endpoint}")
        output.note("Next: `deployer webhook add OWNER/REPO`, and GitHub sends its pushes there.")


def parts_of(functions: Sequence[str]) -> tuple[str, ...]:
    """The parts that are named, in the order in which they are installed; all where none is.

    Raises ``typer.BadParameter`` for what is none.
    """
    named = [each.replace("_", "-") for each in functions]
    if unknown := [each for each in named if each not in PARTS]:
        raise typer.BadParameter(f"no such function: {', '.join(unknown)} (there are {', '.join(PARTS)})")
    return tuple(part for part in PARTS if part in named) if named else PARTS


def _check(place: Place, tree: Tree) -> Findings:
    """Everything that has to hold; Slack's token where Slack is to be told anything."""
    slack = place.configuration.slack_channel or place.configuration.slack_channels
    secrets = [GITHUB_HMAC, GITHUB_TOKEN, *([SLACK_TOKEN] if slack else [])]
    manifests = [read(tree.manifest(part)) for part in PARTS]
    wrong = wrong_values(manifests, place.configuration)
    return look(place.target, secrets, wrong, {GITHUB_TOKEN: (APP_ID, APP_KEY)})


def _show(place: Place, output: Output, findings: Findings, changes: Sequence[Change]) -> None:
    if output.json:
        return
    if findings.reachable:
        output.say(f"{place.configuration.prefix} {place.where}, account {findings.account}")
    if changes:
        output.table(shown.CHANGES, [shown.change_row(each) for each in changes], "")
        output.say(shown.summary(changes))
    for line in shown.hints(findings):
        output.note(line, "yellow")


def _apply(place: Place, output: Output, tree: Tree, parts: Sequence[str], told: dict[str, Any]) -> dict[str, str]:
    """Install; answers with each stack's outcome. A stack that fails ends the command with what to do about it."""
    outcomes: dict[str, str] = {}
    try:
        with Progress(output.errors) as progress:

            def follow(event: Event) -> None:
                progress(event)
                if isinstance(event, StackFinished):
                    outcomes[event.part] = event.outcome

            Installer(place.target, tree, place.configuration, follow).install(parts)
    except StacksFailed as error:
        failed(output, {**told, "outcomes": outcomes}, error)
    return outcomes


def failed(output: Output, told: dict[str, Any], error: StacksFailed) -> NoReturn:
    """End the command with each stack's first failed resource, why, and what to do."""
    told = {**told, "failures": [shown.failure_json(each) for each in error.failures]}
    end(output, told, shown.failures(error.failures))


def end(output: Output, told: dict[str, Any], lines: Sequence[str]) -> NoReturn:
    """End the command with what stood in its way."""
    if output.json:
        output.emit(told)
    else:
        for line in lines:
            output.note(line, "red")
    raise typer.Exit(FAILED)
