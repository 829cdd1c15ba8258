"""Which refs wish nothing although they are there: parked ones, those left out, commits that say so.

Pure. A ref that sleeps gets no environment; one that it has stays at the commit it has. It wakes when it leaves the
object that it was parked at, when it is pushed again, or when somebody asks by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.baseline import pushed
from deployer.events import Look
from deployer.ports import Parked, Tip

# Those that GitHub Actions honours.
# https://docs.github.com/actions/how-tos/manage-workflow-runs/skip-workflow-runs
_SKIP = re.compile(
    r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|^skip-checks: *true$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class Sleep:
    """Why a ref wishes nothing. ``park``: where it is to be parked, None where that is remembered already."""

    reason: str
    park: Parked | None = None
    retired: bool = False


def skips_ci(message: str) -> str:
    """Why a commit is not to be built, by its own message, or empty."""
    found = _SKIP.search(message)
    return f"the commit says {found.group()}" if found else ""


def still_parked(place: Parked | None, ref: str, tip: Tip, look: Look) -> Sleep | None:
    """Whether a ref is where it was parked, and has not been pushed since."""
    if place is None or (place.ref, place.object) != (ref, tip.object) or pushed(look, ref, tip.object, place.since):
        return None
    return Sleep(place.reason, retired=place.retired)
