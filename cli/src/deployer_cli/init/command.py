"""``deployer init``: ask which example, copy it, say what comes next."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.prompt import Prompt

from deployer.errors import Rejected
from deployer_cli.init.examples import Example, Start, examples, named
from deployer_cli.output import Output
from deployer_deploy.tree import Tree


def init(
    folder: Annotated[Path, typer.Argument(help="The repository to begin in.")] = Path(),
    example: Annotated[str | None, typer.Option(help="The example to begin with.")] = None,
) -> None:
    """Begin with a working deploy/ out of an example; nothing that is there is overwritten."""
    output = Output()
    known = examples(Tree.here())
    chosen = named(example, known) if example else ask(output, known)
    start = Start.of(chosen, folder)
    if start.conflicts:
        raise Rejected(
            f"nothing was written, for these are there already and differ: {', '.join(start.conflicts)}; "
            "begin in an empty folder, or move them away"
        )
    start.write()
    for path in start.new:
        output.say(f"+ {path}")
    if not start.new:
        output.note("everything is there already")
    output.note(next_steps(folder))


def next_steps(folder: Path) -> str:
    """What to do once the files are there."""
    where = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    steps = [
        *where,
        "deployer validate                      what would fail after a push",
        "deployer validate --hook install       the same before each push",
        "git add --all && git commit            then push the branch: it gets its environment",
    ]
    return "\n".join(["", "Next:", *(f"  {step}" for step in steps)])


def ask(output: Output, known: tuple[Example, ...]) -> Example:
    """Have somebody choose. Raises ``Rejected`` where nobody is there."""
    if not sys.stdin.isatty():
        listed = "; ".join(f"{each.name}: {each.says}" for each in known)
        raise Rejected(f"say which with --example ({listed})")
    for each in known:
        output.say(f"{each.name}  {each.says}")
    names = [each.name for each in known]
    return named(Prompt.ask("Which", console=output.console, choices=names, default=names[0]), known)
