"""The branch stacks of an installation, told by their tags: pure.

A stack nested in one inherits its tags and goes with it, so it is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.environments import INSTALLATION_TAG, OWNER_TAG, REPOSITORY_TAG, owner_of
from deployer.refs import Stage
from deployer_deploy.plan import Stack
from deployer_deploy.tree import CORE

_HASHED = re.compile(r"[0-9]+/sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class BranchStack:
    """An environment's stack. ``repository``: ``owner/name``, as it was called when the stack was last changed.

    ``branch``: empty for staging and production, and for one whose name is too long for a tag.
    """

    name: str
    id: str
    stage: Stage
    repository: str
    branch: str = ""

    def __str__(self) -> str:
        where = self.branch or (self.name if self.stage is Stage.DEVELOPMENT else self.stage.value)
        return f"{self.repository} {where}".lstrip()


def standing(stacks: Iterable[Stack], prefix: str) -> tuple[BranchStack, ...]:
    """Those of the installation ``prefix``: production last, by repository and name."""
    found = [
        _branch(stack)
        for stack in stacks
        if OWNER_TAG in stack.tags and stack.tags.get(INSTALLATION_TAG) == prefix and not stack.parent
    ]
    return tuple(sorted(found, key=lambda each: (each.stage is Stage.PRODUCTION, each.repository, each.name)))


def installations(stacks: Iterable[Stack]) -> frozenset[str]:
    """Every installation whose core is among the stacks."""
    prefixes = {stack.name.removesuffix(f"-{CORE}"): stack for stack in stacks if stack.name.endswith(f"-{CORE}")}
    return frozenset(prefix for prefix, stack in prefixes.items() if stack.parameters.get("DeployerPrefix") == prefix)


def _branch(stack: Stack) -> BranchStack:
    repository = stack.tags.get(REPOSITORY_TAG, "")
    owner = stack.tags[OWNER_TAG]
    environment = owner_of(owner)
    if environment is None:
        # Only a branch's id is ever too long for a tag. What says nothing that we understand is kept like production.
        hashed = _HASHED.fullmatch(owner) is not None
        return BranchStack(stack.name, stack.id, Stage.DEVELOPMENT if hashed else Stage.PRODUCTION, repository)
    return BranchStack(stack.name, stack.id, environment.stage, repository, environment.branch)
