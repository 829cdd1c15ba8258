"""``deployer ls``, ``status``, ``watch`` and ``open``: how environments stand, and where they are."""

from __future__ import annotations

import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from deployer.addresses import address
from deployer.errors import Rejected
from deployer_cli.checkout import FullName
from deployer_cli.commands import placed
from deployer_cli.everyday.choosing import Branch, Choice, Env, Repo, choose, known
from deployer_cli.everyday.following import follow
from deployer_cli.everyday.gather import Gatherer
from deployer_cli.everyday.judge import Line, Report, State, judge
from deployer_cli.everyday.shown import (
    COLUMNS,
    LIST_COLUMNS,
    Link,
    as_json,
    duration,
    heading,
    links,
    list_row,
    rows,
)
from deployer_cli.output import Output, grid, plain
from deployer_cli.place import Place

# Milliseconds for which `watch` waits for an environment that is not there yet.
PATIENCE = 60_000


@placed
def ls(
    place: Place,
    output: Output,
    *,
    repo: Annotated[
        str | None, typer.Option("--repo", metavar="OWNER/NAME", help="Only those of this repository.")
    ] = None,
) -> None:
    """List the environments: what each has, how it stands, where it is."""
    if repo:
        numbers = [known(place, FullName.parse(repo)).name.id]
    else:
        numbers = [each.repository.id for each in place.memory.repositories()]
    gatherer = Gatherer.of(place)
    reports = [judge(seen) for seen in gatherer.many(gatherer.everything(numbers))]
    if output.json:
        output.emit({"environments": [as_json(report, place.link) for report in reports]})
        return
    output.table(LIST_COLUMNS, [list_row(report) for report in reports], "No environments. A push makes the first.")


@placed
def status(place: Place, output: Output, *, branch: Branch = None, repo: Repo = None, env: Env = None) -> None:
    """Say how an environment stands. Exits with 0 where all is well, 1 where something failed, 8 while pending."""
    report = looking(place, choose(place, branch, repo, env, Path.cwd()))()
    if report.seen.unasked:
        output.note(plain(report.seen.unasked), "yellow")
    if output.json:
        output.emit(as_json(report, place.link))
    else:
        _print(report, place.link, output)
    raise typer.Exit(report.exit_code)


@placed
def watch(
    place: Place,
    output: Output,
    *,
    branch: Branch = None,
    repo: Repo = None,
    env: Env = None,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="Exit with 1 where it failed, as `status` does.")
    ] = False,
) -> None:
    """Follow an environment until the run of the commit that is wanted has ended."""
    look = awaited(looking(place, choose(place, branch, repo, env, Path.cwd())))
    if output.json or not output.console.is_terminal:
        show: Callable[[Report], None] = (lambda _: None) if output.json else Appended(output)
        report = follow(look, show, time.sleep, output.note, fingerprint)
    else:
        with Live(console=output.console, auto_refresh=False) as live:
            report = follow(
                look,
                lambda seen: live.update(_live(seen, place.link), refresh=True),
                time.sleep,
                output.note,
                fingerprint,
            )
    if output.json:
        output.emit(as_json(report, place.link))
    elif not output.console.is_terminal:
        _print_links(report, place.link, output)
    raise typer.Exit(report.exit_code if exit_status else 0)


@placed
def open_(
    place: Place,
    output: Output,
    *,
    branch: Branch = None,
    repo: Repo = None,
    env: Env = None,
    pipeline: Annotated[bool, typer.Option("--pipeline", help="Open the pipeline's run instead.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Open the commit on GitHub instead.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the address, open nothing.")] = False,
) -> None:
    """Open an environment in the browser; its address is printed where there is none."""
    if pipeline and commit:
        raise Rejected("--pipeline and --commit are two addresses: name one")
    choice = choose(place, branch, repo, env, Path.cwd())
    report = looking(place, choice)()
    kind = "pipeline" if pipeline else "commit" if commit else "environment"
    url = address(target(report, kind, place.link, place.github_url))
    if not url:
        raise Rejected(f"{choice.label} has no address of its {kind} yet: {report.reason}")
    if output.json:
        output.emit({"url": url})
    elif only_print or not (has_browser(sys.platform, place.variables) and webbrowser.open(url)):
        output.say(url)


# --- what they share


def looking(place: Place, choice: Choice) -> Callable[[], Report]:
    """Looks at the environment that was chosen, as often as it is called."""
    gatherer = Gatherer.of(place)
    return lambda: judge(gatherer.one(choice))


def awaited(look: Callable[[], Report], patience: int = PATIENCE) -> Callable[[], Report]:
    """A look to which an environment that is not there yet is one that is coming: a push may be on its way.

    ``patience``: milliseconds.
    """
    first: list[int] = []

    def again() -> Report:
        report = look()
        first.append(report.seen.now)
        coming = report.state is State.NONE and report.seen.tip is not None and report.seen.place is None
        if coming and report.seen.now < first[0] + patience:
            return replace(report, state=State.PENDING)
        return report

    return again


def target(report: Report, kind: str, link: Link, github: str) -> str:
    """The address of an environment, its pipeline's run or its commit; empty where there is none."""
    seen = report.seen
    match kind:
        case "pipeline":
            return next((link(flow.url) for flow in report.flows), "")
        case "commit":
            return f"{github}/{seen.repository.full_name}/commit/{report.commit}" if report.commit else ""
    return seen.served


def has_browser(platform: str, variables: Mapping[str, str]) -> bool:
    """Whether a window can be opened: a text browser would take the terminal that the command is run in."""
    return platform in ("darwin", "win32") or any(
        variables.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )


class Appended:
    """Prints what is new since the last time, a line each: for where nobody looks, and for logs."""

    def __init__(self, output: Output) -> None:
        self._output, self._said = output, dict[str, tuple[str, str]]()

    def __call__(self, report: Report) -> None:
        """Print what is new."""
        lines = [("", str(report.state), report.reason, ""), *(_told(line) for line in report.lines)]
        for name, state, text, took in lines:
            if self._said.get(name) != (state, text):
                self._said[name] = (state, text)
                self._output.say("\t".join(filter(None, map(plain, (name, state, text, took)))))


def _told(line: Line) -> tuple[str, str, str, str]:
    return line.name, str(line.state), line.text, duration(line.seconds) if line.state is not State.PENDING else ""


def fingerprint(report: Report) -> object:
    """What of a report counts as something new: not the seconds that pass."""
    return report.state, report.reason, [(line.name, line.state, line.text) for line in report.lines]


def _print(report: Report, link: Link, output: Output) -> None:
    output.say(heading(report), "bold" if output.console.is_terminal else "")
    if report.lines:
        output.table(COLUMNS, rows(report), "")
    _print_links(report, link, output)


def _print_links(report: Report, link: Link, output: Output) -> None:
    for name, url in links(report, link):
        output.say(f"{name:<10} {url}" if output.console.is_terminal else f"{name}\t{url}")


def _live(report: Report, link: Link) -> Group:
    told = [Text(f"{name:<10} {url}") for name, url in links(report, link)]
    table = [grid(COLUMNS, rows(report))] if report.lines else []
    return Group(Text(heading(report), "bold"), *table, *told)
