"""What no test runs says why: every line that coverage leaves out has its reason beside it.

`make test` ends with the coverage of all packages together and asks for 100 %, so that a line without a test is
either tested or marked; this asks that a mark is more than a way around.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for source in ROOT.glob("*/src") for path in source.rglob("*.py"))
MARK = re.compile(r"#\s*pragma:\s*no\s*(?:cover|branch)\b(?P<reason>.*)")
REASON = re.compile(r" - \w.{9,}")


def unexplained(source: str) -> list[str]:
    """The lines whose mark has no reason."""
    found = ((line, MARK.search(line)) for line in source.splitlines())
    return [line.strip() for line, mark in found if mark and not REASON.fullmatch(mark["reason"])]


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("x = 1", True),
        ("x = 1  # pragma: no cover - only where the kernel has no pidfd", True),
        ("x = 1  # pragma: no branch - the loop always ends by return", True),
        ("x = 1  # pragma: no cover", False),
        ("x = 1  # pragma: no cover - why", False),
        ("x = 1  #pragma:no cover", False),
    ],
)
def test_a_mark_without_a_reason_is_found(line: str, fine: bool) -> None:
    assert (unexplained(f"a\n{line}\nb") == []) is fine


def test_every_line_that_coverage_leaves_out_has_a_reason() -> None:
    assert len(SOURCES) > 100
    without = {str(path.relative_to(ROOT)): found for path in SOURCES if (found := unexplained(path.read_text()))}
    assert without == {}
