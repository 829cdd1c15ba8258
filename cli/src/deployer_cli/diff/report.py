"""A prospect for people, or as JSON."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from deployer_cli.diff.compare import Action, ParameterChange
from deployer_cli.diff.outlook import Kind
from deployer_cli.diff.prospect import Prospect, StackDiff
from deployer_cli.output import Output, plain

_SIGNS = {
    Action.ADD: ("+", "green"),
    Action.CHANGE: ("~", "yellow"),
    Action.MAYBE: ("~", "yellow"),
    Action.REPLACE: ("±", "red"),
    Action.REMOVE: ("-", "red"),
}


def show(output: Output, prospect: Prospect) -> None:
    """One line of what happens, then each stack that changes."""
    look = prospect.outlook
    what = f"environment {prospect.environment} " if prospect.environment else ""
    style = "bold red" if look.kind is Kind.REFUSED else "bold"
    reason = f": {look.reason}" if look.reason else ""
    output.say(plain(f"{prospect.repository} {prospect.ref}: {what}{look.kind}{reason}"), style)
    for stack in prospect.stacks:
        if stack.changed:
            _stack(output, stack)
    for note in prospect.notes:
        output.note(plain(note), "dim")


def _stack(output: Output, stack: StackDiff) -> None:
    output.say("")
    output.console.print(
        Text.assemble((f"stack {plain(stack.name)}", "bold"), (f"  ({plain(stack.how)})", "dim")), soft_wrap=True
    )
    for each in stack.parameters:
        output.say(plain(_told(each)))
    for resource in stack.resources:
        sign, colour = _SIGNS[resource.action]
        line = Text.assemble((f"  {sign} {resource.action} ", colour), plain(f"{resource.name}  {resource.type}"))
        if resource.warning:
            line.append(f"  ! {resource.warning}", "bold red")
        output.console.print(line, soft_wrap=True)
    if stack.otherwise and not stack.parameters and not stack.resources:
        output.say("  outputs, conditions or the like")


def _told(change: ParameterChange) -> str:
    if change.old is None:
        return f"  + {change.name}: {change.new}"
    return (
        f"  - {change.name}: {change.old}" if change.new is None else f"  ~ {change.name}: {change.old} → {change.new}"
    )


def as_json(prospect: Prospect) -> dict[str, Any]:
    """As docs/cli.md says."""
    return {
        "repository": prospect.repository,
        "ref": prospect.ref,
        "environment": prospect.environment,
        "stack": prospect.stack,
        "outlook": prospect.outlook.kind.name.lower(),
        "reason": prospect.outlook.reason,
        "changed": prospect.changed,
        "stacks": [
            {
                "stack": stack.name,
                "changed": stack.changed,
                "how": stack.how,
                "parameters": [{"name": it.name, "old": it.old, "new": it.new} for it in stack.parameters],
                "resources": [
                    {"action": str(it.action), "name": it.name, "type": it.type, "warning": it.warning}
                    for it in stack.resources
                ],
            }
            for stack in prospect.stacks
        ],
        "notes": list(prospect.notes),
    }
