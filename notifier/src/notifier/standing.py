"""What still stands in one of GitHub's environments, and its end.

What somebody else deployed there is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployer.contexts import describe
from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.observability import logger
from deployer.ports import Deployment, Deployments
from deployer.states import DeploymentState

log = logger("notifier")
# A deployment that nothing was said of yet has no state.
STANDING: frozenset[DeploymentState | None] = frozenset(
    {*DeploymentState, None} - {DeploymentState.INACTIVE, DeploymentState.FAILURE, DeploymentState.ERROR}
)
# Whoever looks for what stands has seen it all after so many, one after another, that do not: what ends there ends with
# all that is older. More than one, since late events have runs deployed in another order than they began.
ENOUGH = 5


def payload_of(place: str, generation: int, run: str, began: int) -> dict[str, object]:
    """By what a deployment of ours is known.

    ``place``: of which environment, or part of one; ``began``: when its run did, in milliseconds.
    """
    return {"environment": place, "generation": generation, "run": run, "began": began}


def number_in(deployment: Deployment, name: str) -> int:
    """A number of its payload; 0 where there is none."""
    found = deployment.payload.get(name)
    return found if isinstance(found, int) else 0


@dataclass(frozen=True)
class Standing:
    """One environment of a repository, or one part of it."""

    github: Deployments
    repository: RepositoryName
    environment: EnvironmentId
    place: str

    def ours(self, there: Iterable[Deployment]) -> Iterator[Deployment]:
        """Those that were made for it, in the same order."""
        return (each for each in there if each.payload.get("environment") == self.place)

    def left(self, deployments: Iterable[Deployment]) -> list[tuple[Deployment, DeploymentState | None]]:
        """Which of these (newest first) have not ended, or stand, with how they do."""
        found: list[tuple[Deployment, DeploymentState | None]] = []
        over = 0
        for each in deployments:
            said = self.github.deployment_states(self.repository, each.id)
            state = said[0].state if said else None
            if state in STANDING:
                found.append((each, state))
                over = 0
            else:
                over += 1
            if over == ENOUGH:
                break
        return found

    def end(self, deployments: Sequence[Deployment], text: str) -> None:
        """Make them inactive; ``text`` says why."""
        words = describe(self.environment, "", text)
        for each in reversed(deployments):  # whoever is killed in between finds the rest again
            try:
                self.github.post_deployment(self.repository, each.id, DeploymentState.INACTIVE, description=words)
            except Rejected as error:
                log.error("GitHub does not take that a deployment is over", deployment=each.id, reason=str(error))
