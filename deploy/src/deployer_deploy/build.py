"""``python -m deployer_deploy.build [PART ...]``: what deploying would upload, built for Lambda and left in ``build/``.

Nobody has to: deploying builds by itself what is not built yet. Calls no AWS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from deployer.errors import DeployerError
from deployer_deploy import wheels
from deployer_deploy.packaging import lambda_platform, package
from deployer_deploy.tree import CORE, PARTS, Tree

_BUILT = tuple(part for part in PARTS if part != CORE)


def main(arguments: Sequence[str], tree: Tree | None = None) -> int:
    """Build from ``tree``, else from this checkout; 0 when all is there, 1 with the reason on stderr when not."""
    parser = argparse.ArgumentParser(prog="deployer_deploy.build", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to build: {', '.join(_BUILT)}; all by default")
    parser.add_argument("--deps", action="store_true", help="only the layer's third-party packages")
    options = parser.parse_args(arguments)
    parts = [each.replace("_", "-") for each in options.parts]
    if unknown := [each for each in parts if each not in _BUILT]:
        parser.error(f"no such part: {', '.join(unknown)} (there are {', '.join(_BUILT)})")
    try:
        tree = tree or Tree.here()
        if options.deps:
            print(wheels.install(tree.lock, lambda_platform(tree), tree.build))
            return 0
        for part in parts or _BUILT:
            built = package(tree, part, None)
            print(f"{part}: {built.path}, {built.path.stat().st_size:,} bytes")
    except DeployerError as error:
        print(f"deployer_deploy.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
