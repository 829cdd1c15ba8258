"""``deployer redrive``: what nobody could handle, and once more to whoever is to handle it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deployer.errors import Rejected
from deployer_cli.commands import placed
from deployer_cli.confirming import DryRun, Yes, confirm
from deployer_cli.everyday.dead_letters import DeadLetters, DeadQueue, Letter
from deployer_cli.everyday.gather import milliseconds
from deployer_cli.everyday.shown import age, moment
from deployer_cli.output import Output, plain
from deployer_cli.place import Place


@placed
def redrive(
    place: Place,
    output: Output,
    *,
    queue: Annotated[
        str | None, typer.Argument(metavar="QUEUE", help="One of them: looks, changes, notices, …; by default all.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Show what is in the dead-letter queues, and move it back to be tried again."""
    letters = DeadLetters(place.client("sqs"), time.sleep)
    queues = chosen(letters.queues(place.outputs), queue, place.configuration.prefix)
    found = [(each, letters.letters(each)) for each in queues]
    if not output.json:
        _print(output, found)
    filled = [each for each in queues if each.count]
    moved: dict[str, int] = {}
    if filled and not dry_run:
        listed = ", ".join(f"{each.count} of {each.name}" for each in filled)
        confirm(output, f"try again: {listed}", yes=yes)
        for each in filled:
            moved[each.name] = letters.redrive(each)
            output.note(plain(f"moved back {moved[each.name]} from {each.name} to {each.source}"))
    if output.json:
        output.emit({"queues": [as_json(each, told, moved.get(each.name)) for each, told in found]})


def chosen(queues: Sequence[DeadQueue], named: str | None, prefix: str) -> tuple[DeadQueue, ...]:
    """Those that are meant: by its name, that of the queue it belongs to, or either without the prefix. Pure.

    Raises:
        Rejected: where there is none such.
    """
    if named is None:
        return tuple(queues)
    for each in queues:
        if _short(named, prefix) in (_short(each.name, prefix), _short(each.source, prefix)):
            return (each,)
    listed = ", ".join(_short(each.source, prefix) for each in queues)
    raise Rejected(f"there is no queue {plain(named)}; there are {listed}")


def _short(name: str, prefix: str) -> str:
    return name.removesuffix(".fifo").removeprefix(f"{prefix}-")


def as_json(queue: DeadQueue, letters: Sequence[Letter], moved: int | None) -> dict[str, Any]:
    """The shape that docs/cli.md documents. ``moved``: how many, None where nothing was to be."""
    return {
        "name": queue.name,
        "source": queue.source,
        "messages": queue.count,
        "moved": moved,
        "letters": [{"what": each.what, "sent": moment(each.sent), "receives": each.receives} for each in letters],
    }


def _print(output: Output, found: Sequence[tuple[DeadQueue, Sequence[Letter]]]) -> None:
    now = milliseconds()
    output.table(("queue", "messages"), [[queue.name, str(queue.count)] for queue, _ in found], "No queues.")
    rows = [[queue.name, age(now, letter.sent), letter.what] for queue, letters in found for letter in letters]
    if rows:
        output.table(("queue", "age", "what"), rows, "")
