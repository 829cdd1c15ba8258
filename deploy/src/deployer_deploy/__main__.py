"""``python -m deployer_deploy PART``: deploy one part of an installation, as each folder's ``deploy.sh`` does.

Only that part's stack is touched. The ``deployer`` command installs whole; this is the tool beside it, so it prints
plain lines and knows nothing of the laptop engine but its endpoint.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployer.errors import DeployerError
from deployer_deploy.configuration import Configuration
from deployer_deploy.install import Installer
from deployer_deploy.lines import describe
from deployer_deploy.target import Target
from deployer_deploy.tree import PARTS, Tree


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Deploy; 0 when the stack is as wanted, 1 with the reason on stderr when not."""
    parser = argparse.ArgumentParser(prog="deployer_deploy", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "all"], help="what to deploy")
    parser.add_argument("--name", default="opolis-deployer", help="the installation's name")
    parser.add_argument("--stage", default="prod", help="the deployer's own stage")
    parser.add_argument("--tree", type=Path, help="the checkout to deploy from")
    parser.add_argument("--source", type=Path, help="take the one part's package from this folder instead")
    parser.add_argument("--region")
    parser.add_argument("--profile")
    parser.add_argument("--endpoint-url", help="a running laptop engine's; else AWS_ENDPOINT_URL, else AWS")
    options = parser.parse_args(arguments)
    if options.source and (len(options.parts) > 1 or options.parts == ["all"]):
        parser.error("--source goes with one part")
    try:
        endpoint_url = options.endpoint_url or environ.get("AWS_ENDPOINT_URL")
        if endpoint_url:
            target = Target.engine(endpoint_url, region=options.region or environ.get("AWS_REGION", "us-east-1"))
        else:
            target = Target.aws(options.region, options.profile)
        tree = Tree.at(options.tree) if options.tree else Tree.here()
        if options.source:
            tree = tree.with_source(options.parts[0], options.source)
        installer = Installer(
            target, tree, Configuration(options.name, options.stage), lambda event: print(describe(event), flush=True)
        )
        installer.install(PARTS if "all" in options.parts else options.parts)
    except DeployerError as error:
        print(f"deployer_deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
