"""Grants against uses: what is never used, what is not granted, and exceptions that are none.

Each use is also put to the policies by an evaluation of our own (`tests.iam`), so that two have to agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tests.iam import Request, allowed
from tests.permissions.grants import Grant, Use


@dataclass(frozen=True)
class Exempt:
    """Grants that no test is seen to use, and why they stay.

    ``function``: "*" for all that have such a statement. ``sometimes``: whether a test may use it all the same.
    """

    function: str
    sid: str
    actions: tuple[str, ...]
    reason: str
    sometimes: bool = False

    def covers(self, grant: Grant) -> bool:
        """Whether it is about that grant."""
        return self.function in ("*", grant.function) and self.sid == grant.sid and grant.action in self.actions


def problems(grants: Collection[Grant], uses: Collection[Use], exempt: Collection[Exempt]) -> list[str]:
    """What is wrong, one line each; nothing where every grant is used or exempt, and every use granted."""
    return [*_unused(grants, uses, exempt), *_wrong(grants, uses), *_idle(grants, uses, exempt)]


def _unused(grants: Collection[Grant], uses: Collection[Use], exempt: Collection[Exempt]) -> Iterator[str]:
    seen = {grant for use in uses for grant in use.grants()}
    for grant in sorted(set(grants) - seen):
        if not any(each.covers(grant) for each in exempt):
            yield f"never used: {grant}"


def _wrong(grants: Collection[Grant], uses: Collection[Use]) -> Iterator[str]:
    for use in uses:
        if not use.allowed:
            yield f"not granted: {use}"
        if not use.resources:
            yield f"not known: {use}"
        elif use.allowed and not use.grants() <= set(grants):
            yield f"granted by another tree, run all tests again: {use}"
        if use.resources and use.allowed is not _by_our_own(use):
            yield f"evaluated differently by tests/iam.py: {use}"


def _by_our_own(use: Use) -> bool:
    return any(allowed(Request(use.action, each, use.context), use.policies) for each in use.resources)


def _idle(grants: Collection[Grant], uses: Collection[Use], exempt: Collection[Exempt]) -> Iterator[str]:
    seen = {grant for use in uses for grant in use.grants()}
    for each in exempt:
        covered = {grant for grant in grants if each.covers(grant)}
        if {grant.action for grant in covered} != set(each.actions):
            yield f"an exception for what is not granted: {each.function}: {each.sid}"
        if covered and not each.sometimes:
            yield from (f"an exception that is none: {grant}" for grant in sorted(covered & seen))
