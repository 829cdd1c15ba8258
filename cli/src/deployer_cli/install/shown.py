"""What is said of an installation: what would change, what stands in the way, what failed and what to do. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from deployer_deploy.changes import Change, Parameter
from deployer_deploy.checks import Findings
from deployer_deploy.removal import Removal
from deployer_deploy.stacks import Failure

CHANGES = ("PART", "STACK", "CHANGES")
REMOVAL = ("", "WHAT", "STACK")
KEPT = (
    "Production stays, and what it needs: its pages are served, its pipelines run when they are started by hand, and "
    "nothing of it changes with a push any more. Name it with --production to remove it too."
)
_MOST = 6
_VERBS = {"add": "added", "change": "changed", "replace": "replaced", "remove": "removed"}


def change_row(change: Change) -> tuple[str, Text, str]:
    """A part, what is done to its stack, and what changes in it."""
    style = "dim" if change.operation == "unchanged" else "green" if change.operation == "create" else "yellow"
    return change.part, Text(change.operation, style), "; ".join(_details(change))


def _details(change: Change) -> Iterable[str]:
    if change.operation == "unchanged":
        return
    if change.operation.startswith("create"):
        count = len(change.resources)
        yield f"{count} resource{'s' * (count > 1)}"
    elif change.resources:
        yield _several([f"{each.name} {_VERBS[each.change]}" for each in change.resources])
    yield from (_parameter(each) for each in change.parameters if each.name != "CodeKey")
    if change.code and change.code.fresh:
        yield f"code {change.code.key[: change.code.key.find('/') + 13]}, {change.code.size / 1000:,.0f} kB"


def _several(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST
    return ", ".join(texts if more <= 0 else [*texts[:_MOST], f"{more} more"])


def _parameter(parameter: Parameter) -> str:
    before, after = ("none" if each is None else each or '""' for each in (parameter.before, parameter.after))
    return f"{parameter.name} {before} -> {after}"


def summary(changes: Sequence[Change]) -> str:
    """``1 to create, 2 to update, 5 unchanged``."""
    counted = Counter("update" if each.operation.endswith("update") else each.operation for each in changes)
    words = {"create": "to create", "create anew": "to create anew", "update": "to update", "unchanged": "unchanged"}
    return ", ".join(f"{counted[kind]} {text}" for kind, text in words.items() if counted[kind])


def problems(findings: Findings) -> list[str]:
    """Each problem with its fix, two lines each."""
    return [line for each in findings.problems for line in (f"✗ {each.what}", f"  {each.fix}")]


def hints(findings: Findings) -> list[str]:
    """Each hint, two lines each."""
    return [line for each in findings.hints for line in (f"! {each.what}", f"  {each.fix}")]


def failures(found: Sequence[Failure]) -> list[str]:
    """Each stack's first failed resource and why, and what to do about it."""
    return [line for each in found for line in (f"✗ {each}", f"  {advice(each)}")]


def advice(failure: Failure) -> str:
    """What to do about a stack that failed."""
    reason = failure.reason.lower()
    if "not authorized" in reason or "accessdenied" in reason or "access denied" in reason:
        return (
            "Allow these credentials what is named there (deploy/README.md lists what installing needs); run it again"
        )
    if "already exists" in reason:
        return "It is somebody else's, or an earlier installation's: delete it, or choose another --name; run it again"
    if "limit" in reason or "quota" in reason:
        return "Ask for more in Service Quotas, or make room; run it again"
    match failure.status:
        case "DELETE_FAILED":
            return "Mend the cause, then run it again: the deletion is taken up where it stopped"
        case "UPDATE_ROLLBACK_FAILED":
            return "Mend the cause, then run it again: the rollback is taken up where it stopped"
        case "UPDATE_ROLLBACK_COMPLETE":
            return "The stack is as it was before. Mend the cause, then run it again"
        case None:
            return "CloudFormation did not take it, so nothing changed. Mend the cause, then run it again"
    return "Mend the cause, then run it again: what never came to life is deleted and created anew"


def removal_rows(removal: Removal) -> list[tuple[Text, str, str]]:
    """What goes, and what stays: what happens, to what, with which stack."""
    goes = [(str(each), each.name) for each in removal.environments]
    goes += [(f"the deployer's {part}", "") for part in reversed(removal.parts)]
    goes += [(f"the secret {name}", "") for name in removal.secrets]
    stays = [(str(each), each.name) for each in removal.kept]
    return [
        *((Text("remove", "red"), *each) for each in goes),
        *((Text("keep", "green"), *each) for each in stays),
    ]


def removed(removal: Removal, prefix: str) -> str:
    """What became of it."""
    if not removal.kept:
        return f"{prefix} is removed."
    kept = ", ".join(map(str, removal.kept))
    return f"{prefix} builds nothing any more. Kept: {kept}; `deployer deploy` takes it all up again."


# --- as JSON


def change_json(change: Change) -> dict[str, Any]:
    """A change as the command's ``--json`` has it."""
    return {
        "part": change.part,
        "stack": change.stack,
        "operation": change.operation,
        "resources": [_named(each) for each in change.resources],
        "parameters": [_named(each) for each in change.parameters],
        "code": _named(change.code) if change.code else None,
    }


def findings_json(findings: Findings) -> dict[str, Any]:
    """The checks' findings as the command's ``--json`` has them."""
    return {
        "account": findings.account,
        "region": findings.region,
        "problems": [_named(each) for each in findings.problems],
        "hints": [_named(each) for each in findings.hints],
    }


def failure_json(failure: Failure) -> dict[str, Any]:
    """A failure as the command's ``--json`` has it."""
    return {**_named(failure), "advice": advice(failure)}


def removal_json(removal: Removal) -> dict[str, Any]:
    """A removal as the command's ``--json`` has it."""
    return {
        "environments": [{"name": str(each), "stack": each.name} for each in removal.environments],
        "kept": [{"name": str(each), "stack": each.name} for each in removal.kept],
        "parts": list(removal.parts),
        "secrets": list(removal.secrets),
    }


def _named(value: Any) -> dict[str, Any]:
    return asdict(value)
