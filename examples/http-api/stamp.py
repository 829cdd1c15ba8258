"""Write into the package which commit of which branch it is: run by the build."""

from __future__ import annotations

import json
import os
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """The commit is what the source archive says of itself; CodeBuild knows only the archive's version."""
    commit = json.loads((HERE / ".deployer" / "commit.json").read_text())["commit"]
    build = {"branch": os.environ["BRANCH"], "commit": commit}
    (HERE / "api" / "build.json").write_text(json.dumps(build))


if __name__ == "__main__":
    main()
