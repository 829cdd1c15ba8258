"""Findings for people: a line each that editors and terminals take for a link, with the fix below; or as JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.text import Text

from deployer_cli.output import Output, plain
from deployer_cli.validate.findings import Finding, Severity

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


def show(output: Output, findings: Sequence[Finding], root: Path, seconds: float) -> None:
    """All findings, grouped by file, and one line that sums them up."""
    errors, warnings = count(findings)
    if output.json:
        output.emit({"errors": errors, "warnings": warnings, "findings": [as_json(it) for it in findings]})
        return
    for at, (file, group) in enumerate(groupby(findings, key=lambda it: it.place.file)):
        if at:
            output.say("")
        for finding in group:
            place = f"{os.path.relpath(root / file)}:{finding.place.line}:{finding.place.column}"
            line = Text.assemble(
                (f"{plain(place)}: ", "bold"),
                (f"{finding.severity} {finding.rule} ", _COLOURS[finding.severity]),
                plain(finding.message),
            )
            output.console.print(line, soft_wrap=True)
            if finding.fix:
                output.say(f"    fix: {finding.fix}", "dim")
    if findings:
        output.note(f"\n{_number(errors, 'error')}, {_number(warnings, 'warning')} in {seconds:.1f} s")
    else:
        output.note(f"nothing found in {seconds:.1f} s", "green")


def count(findings: Sequence[Finding]) -> tuple[int, int]:
    """How many errors, how many warnings."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    return errors, len(findings) - errors


def as_json(finding: Finding) -> dict[str, Any]:
    """One finding, as docs/validate.md says."""
    return {
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "severity": str(finding.severity),
        "rule": finding.rule,
        "message": finding.message,
        "fix": finding.fix,
    }


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
