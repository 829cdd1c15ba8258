"""The JSON schemas of the files that a repository brings; editors may use them too.

Pure but for the schemas' own files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from deployer_cli.validate.document import Document
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.rules import found

PARAMETERS = "pipeline.parameters"
BUILDSPEC = "buildspec"


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema by its name."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def violations(name: str, document: Document, rule: str) -> Iterator[Finding]:
    """Where a file is not as its schema says; ``rule`` is the finding's."""
    # Imported here: it takes longer than most of what a command does.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    validator = Draft202012Validator(schema(name))
    for error in validator.iter_errors(document.value):
        yield found(rule, document.at(tuple(error.absolute_path)), _words(error))


def _words(error: Any) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the file"
    said = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    match error.validator:
        case "additionalProperties":
            known = ", ".join(error.schema.get("properties", {}))
            unknown = ", ".join(sorted(map(str, error.instance.keys() - error.schema.get("properties", {}).keys())))
            return f"{where}: {unknown} is none of {known}"
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"{where}: {', '.join(missing)} is missing"
        case "type":
            kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
            return f"{where}: expected {' or '.join(kinds)}{f' ({said})' if said else ''}"
        case "const" | "enum":
            return f"{where}: {error.instance} is not {error.validator_value}{f' ({said})' if said else ''}"
    return f"{where}: {error.message}"
