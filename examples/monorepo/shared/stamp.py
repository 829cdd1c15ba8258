"""Which commit this is: the source archive says it, and each build takes it along."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent
ARCHIVE, STAMP = HERE.parent / ".deployer" / "commit.json", HERE / "commit.json"


def commit() -> str:
    """The commit that was built, or that is being built."""
    found = next((file for file in (STAMP, ARCHIVE) if file.exists()), None)
    return str(json.loads(found.read_text())["commit"]) if found else "a working copy"


if __name__ == "__main__":
    STAMP.write_bytes(ARCHIVE.read_bytes())
