"""Which refs get no environment, whatever they bring: those that say so, and those that the installation leaves out.

Pure. A ref that is left out wishes nothing: it gets no environment, and one that it has stays as it is until the
branch is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from deployer.refs import HEADS, Stage

# As in opolis/deployer: a ref with this in its name is nobody's business.
NO_BUILD = "NOBUILD"


def patterns_of(text: str) -> tuple[str, ...]:
    """A comma list of patterns for branch names: ``main, feature/*, dependabot/**``; ``*`` stands for slashes too."""
    return tuple(pattern.strip() for pattern in text.split(",") if pattern.strip())


@dataclass(frozen=True)
class Admission:
    """What the installation says of branches. Staging and production are not asked: their refs are chosen already."""

    included: tuple[str, ...] = ("*",)
    excluded: tuple[str, ...] = ()

    def skips(self, ref: str, stage: Stage) -> str:
        """Why a ref gets no environment, or empty."""
        if NO_BUILD in ref:
            return f"{ref} has {NO_BUILD} in its name"
        if stage is not Stage.DEVELOPMENT:
            return ""
        branch = ref.removeprefix(HEADS)
        if not any(fnmatchcase(branch, pattern) for pattern in self.included):
            return f"{ref} is none of the branches that this installation builds"
        if any(fnmatchcase(branch, pattern) for pattern in self.excluded):
            return f"{ref} is one of the branches that this installation leaves out"
        return ""
