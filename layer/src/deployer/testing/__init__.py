"""In-memory ports: small, stateful, honest. They fail where the real ones would, and record every call.

For tests of the functions' cores. The same suites hold them and the adapters to one contract.
"""

from deployer.testing.cloud import Cloud
from deployer.testing.forge import Forge
from deployer.testing.inturn import InTurn
from deployer.testing.shelf import Shelf
from deployer.testing.tape import Killed, Tape

__all__ = ["Cloud", "Forge", "InTurn", "Killed", "Shelf", "Tape"]
