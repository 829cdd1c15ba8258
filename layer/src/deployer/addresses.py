"""Where an environment is served: what the stacks of its app say, else what is configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from deployer.contexts import environment_name
from deployer.environments import ancestors
from deployer.errors import Broken, Rejected
from deployer.observability import logger
from deployer.ports import Environment, Stack

log = logger("addresses")
OUTPUTS = ("Url", "URL", "WebsiteURL")
# A `Location` of CloudFront or S3 is far shorter; what is longer is no address of a site.
LONGEST = 2_000


class Described(Protocol):
    """A stack with its outputs; ``deployer.stacks.CloudFormation`` is one."""

    def describe(self, name: str) -> Stack | None: ...


@dataclass(frozen=True)
class Addresses:
    """Knows where.

    ``configured``: an address for environments whose stacks have none, with ``{stack}``, ``{environment}`` and
    ``{repository}`` in it; or empty.
    """

    stacks: Described
    configured: str = ""

    def of(self, environment: Environment, deployed: Sequence[str] = (), part: str = "") -> str:
        """The address of an environment, or empty.

        ``deployed``: the stacks that a run of it made, the latest first; ``part``: which of its pipelines' run.

        Raises:
            Transient: where CloudFormation is to be asked again.
        """
        own = environment.stack
        # Nobody else's: an app's stack is named under its environment's, as stack_cleaner wants it too.
        under = [name for name in deployed if own in ancestors(name)]
        for name in dict.fromkeys((*under, f"{own}-app", own)):
            if found := self._said_by(name):
                return found
        name = environment_name(environment.id, part)
        given = self.configured.replace("{stack}", own).replace("{environment}", name)
        return address(given.replace("{repository}", environment.repository.name))

    def _said_by(self, name: str) -> str:
        try:
            stack = self.stacks.describe(name)
        except (Rejected, Broken) as error:
            log.warning("where the environment is served can't be read", stack=name, reason=str(error))
            return ""
        outputs = stack.outputs if stack else {}
        return next((found for key in OUTPUTS if (found := address(outputs.get(key, "")))), "")


def address(text: str) -> str:
    """What is an address that a browser takes, else nothing: GitHub refuses the whole status for one that is none."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return ""
    return text if fits and len(text) <= LONGEST and text.isprintable() and " " not in text else ""
