"""Compare what the functions may do with what they did in all tests: ``python -m tests.permissions FOLDER ...``.

The folders are where the engines of the test runs wrote it (DEPLOYER_USED_PERMISSIONS). Ends with 1 where a permission
was never used, or a call was made without one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.permissions.comparison import problems
from tests.permissions.exceptions import EXEMPT
from tests.permissions.grants import all_granted, used

from deployer_deploy.tree import Tree


def main(folders: list[Path]) -> int:
    """The exit code."""
    grants, uses = all_granted(Tree.here()), [use for folder in folders for use in used(folder)]
    found = problems(grants, uses, EXEMPT)
    print("\n".join(found) if found else f"{len(grants)} permissions, each used or with a reason; {len(uses)} uses")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main([Path(folder) for folder in sys.argv[1:]]))
