"""Which refs wish nothing although they are there: parked ones, those left out, commits that say so.

Pure. A ref that sleeps gets no environment; one that it has stays at the commit it has. It wakes when it leaves the
object that it was parked at, when it is pushed again, or when somebody asks by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from builder.baseline import pushed
from builder.releases import is_retired
from deployer.events import Look
from deployer.ports import Parked, Tip


@dataclass(frozen=True)
class Sleep:
    """Why a ref wishes nothing. ``park``: where it is to be parked, None where that is remembered already."""

    reason: str
    park: Parked | None = None
    retired: bool = False


def told_to_skip(look: Look, tip: Tip) -> str | None:
    """What a push told of the message of the commit that the ref is at; None where GitHub has to be asked.

    A commit's message can't change: what was true of it when it was pushed is true however late the look comes, and
    however often. Which commit is to be deployed is read from the ref all the same.
    """
    return look.skips if look.after == tip.object else None


def still_parked(place: Parked | None, ref: str, tip: Tip, look: Look) -> Sleep | None:
    """Whether a ref is where it was parked, and has not been pushed since.

    Where production was taken away, every release that is no newer is.
    """
    if place is None or pushed(look, ref, tip.object, place.since):
        return None
    if not (is_retired(place, ref) or place.holds(ref, tip.object)):
        return None
    return Sleep(place.reason, retired=place.retired)
