"""Which release production is to have: never an older one after a newer one, never another commit under the same tag.

Pure. Whoever asks by hand gets what they ask for.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployer.events import Look
from deployer.ports import Environment, Parked, Tip
from deployer.refs import TAGS, Version, release_of


def highest_of(item: Environment) -> Version | None:
    """The highest version that was ever wanted of production."""
    versions = (release_of(item.ref), release_of(TAGS + item.highest))
    return max((version for version in versions if version), default=None)


def newest_of(refs: Iterable[str]) -> Version | None:
    """The highest version among refs."""
    return max((version for ref in refs if (version := release_of(ref))), default=None)


def retired_release(place: Parked | None) -> Version | None:
    """The highest version that was ever wanted of production, which somebody had removed: none up to it comes back."""
    return release_of(place.ref) if place and place.retired else None


def is_retired(place: Parked | None, ref: str) -> bool:
    """Whether a ref is a release that was taken out of production, or one no newer than that."""
    wanted, was = release_of(ref), retired_release(place)
    return wanted is not None and was is not None and wanted <= was


def objection(item: Environment, look: Look, ref: str, tip: Tip) -> str:
    """Why production is not to be given the release that a ref names, or empty."""
    wanted, highest = release_of(ref), highest_of(item)
    if ref == item.ref:
        moved = tip.commit != item.commit and look.after
        return f"{ref.removeprefix(TAGS)} was moved; production keeps its commit" if moved else ""
    if wanted and highest and wanted < highest:
        where = "is" if highest == release_of(item.ref) else "was"
        return f"{wanted} is older than {highest}, which {where} in production"
    if wanted == highest:
        return f"{wanted} was in production, and {item.ref.removeprefix(TAGS)} was put in its place"
    return ""
