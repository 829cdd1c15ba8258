"""Which refs get no environment, whatever they bring: those that say so, and those that the installation leaves out.

Pure. A ref that is left out wishes nothing: it gets no environment, and one that it has stays as it is until the
branch is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.patterns import allowed, matches
from deployer.refs import HEADS, Stage

# As in opolis/deployer: a ref with this in its name is nobody's business.
NO_BUILD = "NOBUILD"


@dataclass(frozen=True)
class Admission:
    """What the installation says of repositories and branches, in patterns.

    Staging and production are not asked for their branches: their refs are chosen already.
    """

    included: tuple[str, ...] = ("*",)
    excluded: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ("*",)

    def takes(self, full_name: str) -> bool:
        """Whether a repository (``owner/name``) may have environments at all."""
        return allowed(full_name, self.repositories)

    def skips(self, ref: str, stage: Stage) -> str:
        """Why a ref gets no environment, or empty."""
        if NO_BUILD in ref:
            return f"{ref} has {NO_BUILD} in its name"
        if stage is not Stage.DEVELOPMENT:
            return ""
        branch = ref.removeprefix(HEADS)
        if not matches(branch, self.included):
            return f"{ref} is none of the branches that this installation builds"
        if matches(branch, self.excluded):
            return f"{ref} is one of the branches that this installation leaves out"
        return ""
