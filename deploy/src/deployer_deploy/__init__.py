"""Package the functions and install them, stack by stack; into AWS and into the laptop engine alike.

    Installer(Target.aws(), Tree.here(), Configuration()).install()

Imports `deployer` for its errors alone, never `deployer_local`, never a function.
"""

from deployer_deploy.configuration import Configuration
from deployer_deploy.install import Installer
from deployer_deploy.stacks import Failure, StacksFailed
from deployer_deploy.target import Target
from deployer_deploy.tree import FUNCTIONS, PARTS, Tree

__all__ = ["FUNCTIONS", "PARTS", "Configuration", "Failure", "Installer", "StacksFailed", "Target", "Tree"]
