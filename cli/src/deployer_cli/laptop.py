"""``deployer local``: the laptop engine, and the demo that is played on it."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deployer.errors import DeployerError
from deployer_cli.commands import DEFAULT_DATA, Data, commands
from deployer_cli.narrator import ConsoleNarrator
from deployer_deploy.tree import Tree
from deployer_local.kept import Kept
from deployer_local.lock import Busy, locked

if TYPE_CHECKING:
    from deployer_cli.demo.scenario import Demo
    from deployer_local.engine import Engine

# The engine is imported by what runs it alone: it takes as long as most other commands take altogether.
local = commands("The whole lifecycle on this machine: no account, no Docker.")


def _refusal(console: Console, text: str) -> typer.Exit:
    """Say why a command ends; raise what this answers with."""
    console.print(f"deployer: {text}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(1)


@local.command()
def up(
    data: Data = DEFAULT_DATA,
    repository: Annotated[str, typer.Option(help="The repository to make, as OWNER/NAME.")] = "acme/site",
    traces: Annotated[
        str, typer.Option(help="Send traces to the X-Ray daemon at HOST:PORT.", envvar="AWS_XRAY_DAEMON_ADDRESS")
    ] = "",
) -> None:
    """Run the engine with the deployer installed, until interrupted."""
    from deployer_local.aws.serving import ServingError  # noqa: PLC0415
    from deployer_local.aws.tracing import address  # noqa: PLC0415
    from deployer_local.engine import Engine  # noqa: PLC0415
    from deployer_local.github.names import parse_full_name  # noqa: PLC0415
    from deployer_local.installation import install  # noqa: PLC0415

    console = Console()
    try:
        parse_full_name(repository)
    except ValueError as error:
        raise _refusal(console, f"--repository: {error}; it is OWNER/NAME") from error
    try:
        address(traces or "127.0.0.1:2000")
    except ValueError as error:
        raise _refusal(console, f"--traces: {error}") from error
    narrator = ConsoleNarrator(console)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with locked(data), Engine(data, traces=traces) as engine:
            with narrator.step("Install the deployer into the engine"):
                endpoint = install(engine, Tree.here(), narrator.installed)
            engine.github.create_repository(repository)
            console.print(f"\nGit remote   {engine.git_url(repository)}", highlight=False, soft_wrap=True)
            console.print(f"Webhook      {endpoint}", highlight=False, soft_wrap=True)
            console.print(f"Sites        {engine.site_url('BUCKET')}", highlight=False, soft_wrap=True)
            console.print(f"AWS          {engine.aws_url}", highlight=False, soft_wrap=True)
            console.print(f"GitHub       {engine.web_url}/github", highlight=False, soft_wrap=True)
            console.print(f"Slack        {engine.web_url}/slack", highlight=False, soft_wrap=True)
            console.print(
                f"\nNext: git push {engine.git_url(repository)} HEAD:main   (Ctrl-C ends)",
                highlight=False,
                soft_wrap=True,
            )
            stop.wait()
    except (Busy, DeployerError, ServingError, OSError) as error:
        raise _refusal(console, str(error)) from error


@local.command()
def demo(
    json: Annotated[Path | None, typer.Option(help="Write the outcome to this file.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for each thing that has to hold.")] = 60.0,
) -> None:
    """Push, break, mend, release and delete, and check from the outside what has to hold."""
    console = Console()
    if json and not json.resolve().parent.is_dir():
        raise _refusal(console, f"--json {json}: there is no such folder")
    # What it keeps goes with it, also where it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="deployer-demo-") as folder:
        raise typer.Exit(run_demo(Path(folder), Tree.here(), console, patience, json=json))


def run_demo(
    folder: Path,
    tree: Tree,
    console: Console,
    patience: float,
    *,
    json: Path | None = None,
    prepare: Callable[[Engine], None] = lambda _: None,
) -> int:
    """Run the demo with everything it keeps under ``folder``; answers with the exit code.

    ``prepare``: called once the deployer is installed, before the first push.
    """
    from deployer_cli.demo import report  # noqa: PLC0415
    from deployer_cli.demo.expect import Unmet  # noqa: PLC0415
    from deployer_cli.demo.scenario import Demo  # noqa: PLC0415
    from deployer_local.engine import Engine  # noqa: PLC0415
    from deployer_local.installation import install  # noqa: PLC0415

    def keep(seconds: float, engine: Engine, scenario: Demo) -> None:
        if json:
            report.write(json, report.as_json(scenario.results.values(), engine.events, seconds))

    narrator = ConsoleNarrator(console)
    started = time.monotonic()
    try:
        with Engine(folder / "engine") as engine:
            with narrator.step("Install the deployer into the engine"):
                install(engine, tree, narrator.installed)
            prepare(engine)
            watch = f"{engine.web_url}/github?follow and {engine.web_url}/slack?follow"
            console.print(f"\nWatch it, as long as it runs: {watch}", highlight=False, soft_wrap=True)
            scenario = Demo(engine, tree.root / "examples" / "static-site", folder / "site", narrator, patience)
            try:
                scenario.run()
            finally:
                keep(time.monotonic() - started, engine, scenario)
            report.show(console, scenario.results.values(), time.monotonic() - started)
            console.print("Next: `deployer local up`, and push a repository of your own to it.", highlight=False)
    except Unmet as unmet:
        console.print(f"\n✗ Did not hold: {unmet.what}", style="bold red", markup=False, highlight=False)
        console.print(f"  Instead: {unmet.seen}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except DeployerError as error:
        console.print(f"\n✗ {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


@local.command()
def reset(data: Data = DEFAULT_DATA) -> None:
    """Forget everything the engine keeps."""
    console = Console()
    if not data.exists():
        console.print(f"Nothing to forget: {data} does not exist.", highlight=False)
        return
    if not Kept.read(data):
        raise _refusal(console, f"{data} is no engine's folder; nothing was removed")
    try:
        with locked(data):
            shutil.rmtree(data)
    except Busy as error:
        raise _refusal(console, str(error)) from error
    console.print(f"Forgotten: {data}", highlight=False)
