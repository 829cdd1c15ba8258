"""``deployer validate``: parse what is asked for, gather, check, print."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deployer_cli.commands import FAILED, Json
from deployer_cli.output import Output
from deployer_cli.validate import hook as hooks
from deployer_cli.validate.brought import Committed, Folder, top_of
from deployer_cli.validate.checks import check
from deployer_cli.validate.findings import Finding, ordered
from deployer_cli.validate.lint import Kept, lint
from deployer_cli.validate.project import Project
from deployer_cli.validate.report import count, show


class Hook(StrEnum):
    """What can be done about the hook."""

    INSTALL = "install"


def examine(root: Path, *, committed: bool) -> tuple[Finding, ...]:
    """Everything that is wrong with a repository's ``deploy/``. ``committed``: in HEAD, not in the working tree.

    Raises:
        Rejected: where the folder is none, or has no commit.
    """
    project = Project.read(Committed.at(root) if committed else Folder.at(root))
    return ordered([*check(project), *lint(project.templates, Kept.of(os.environ))])


def validate(
    folder: Annotated[Path | None, typer.Argument(help="The repository; the one that this is run in.")] = None,
    *,
    committed: Annotated[bool, typer.Option("--committed", help="Look at HEAD, not at the working tree.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    hook: Annotated[Hook | None, typer.Option(help="Have Git validate before each push.")] = None,
    json: Json = False,
) -> None:
    """Find what would fail after a push: offline, with file and line."""
    started = time.monotonic()
    root = folder or top_of(Path.cwd())
    output = Output(json=json)
    if hook:
        output.note(f"{hooks.install(root)} validates before each push")
        return
    findings = examine(root, committed=committed)
    show(output, findings, root, time.monotonic() - started)
    errors, warnings = count(findings)
    if errors or (strict and warnings):
        raise typer.Exit(FAILED)
