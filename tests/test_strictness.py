"""Every strictness of the engine that its page promises has a test that says so, and the other way round."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| (?!what an emulator|---)(.+?) \| .+ \|$", re.MULTILINE)


def promised() -> list[str]:
    """The first column of the page's table."""
    page = (ROOT / "docs" / "local.md").read_text(encoding="utf-8")
    return ROW.findall(page.partition("## Where it is strict")[2].partition("\n## ")[0])


def proven() -> list[str]:
    """What the tests say of themselves: `Strict: an undeclared parameter.`"""
    return [
        said.removeprefix("Strict: ").removesuffix(".")
        for file in sorted((ROOT / "local" / "tests").glob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if (said := (ast.get_docstring(node) or "").partition("\n")[0]).startswith("Strict: ")
    ]


def test_each_has_its_test() -> None:
    assert len(promised()) > 25
    assert sorted(proven()) == sorted(promised())
