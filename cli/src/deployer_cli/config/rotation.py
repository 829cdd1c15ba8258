"""Another webhook secret, without a delivery that is refused.

The listener takes what was signed with the current secret or with the former one, of which the latter ends by itself
(see ``deployer.rotation``). The former is kept before the current one is written, so that whatever a listener reads in
between, what GitHub signs with is among it; and GitHub signs with the new one only when every listener takes it. Each
step can be done again: a rotation that broke off is gone on with, never begun anew over one that GitHub still uses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from deployer.errors import Rejected
from deployer.rotation import FORMER_FOR, SETTLED_AFTER
from deployer_cli.config.names import FORMER_HMAC, GITHUB_HMAC
from deployer_cli.config.parameters import Description


class Vault(Protocol):
    """Where secrets are kept; ``Parameters`` is one."""

    def get(self, name: str) -> str: ...

    def put(self, name: str, value: str, key: str = "") -> None: ...

    def describe(self, name: str) -> Description | None: ...


@dataclass(frozen=True)
class Begun:
    """The secret that GitHub is to sign with, and in how many seconds every listener takes it.

    ``until``: when the former one ends. ``anew``: whether it was made now, not by a rotation that was under way.
    """

    secret: str
    settles_in: float
    until: datetime
    anew: bool


def replace(vault: Vault, secret: str, now: datetime, key: str = "") -> None:
    """Make ``secret`` the current one; the one before it becomes the former.

    ``key``: the KMS key, empty for the one that it has.

    Raises:
        Rejected: while a rotation is under way: the former one, which GitHub may still use, would be lost.
    """
    if found := vault.describe(GITHUB_HMAC):
        current = vault.get(GITHUB_HMAC).strip()
        if current == secret:
            return
        if until := under_way(vault, current, now):
            raise Rejected(
                f"GitHub may still sign with the secret before the current one, which is valid until {until:%H:%M %Z}: "
                "`deployer config rotate` gives it the current one, `deployer config rotate --finish` ends the former"
            )
        vault.put(FORMER_HMAC, current, key or found.key)
    vault.put(GITHUB_HMAC, secret, key)


def begin(vault: Vault, now: datetime, random: Callable[[], str] = lambda: secrets.token_hex(32)) -> Begun:
    """Make a new secret the current one; or go on with the one of a rotation that is under way.

    Raises:
        Rejected: where there is no secret yet.
    """
    found = vault.describe(GITHUB_HMAC)
    if found is None:
        raise Rejected(f"{GITHUB_HMAC} was never set; `deployer config set hmac` sets it")
    current = vault.get(GITHUB_HMAC).strip()
    if until := under_way(vault, current, now):
        return Begun(current, settles_in(found, now), until, anew=False)
    secret = random()
    replace(vault, secret, now)
    return Begun(secret, SETTLED_AFTER, now + timedelta(seconds=FORMER_FOR), anew=True)


def under_way(vault: Vault, current: str, now: datetime) -> datetime | None:
    """Until when GitHub may sign with another secret than the current one; None where it may not."""
    until = ends(vault.describe(FORMER_HMAC), now)
    # The same one twice: it was kept, and then the current one was not written.
    return until if until and vault.get(FORMER_HMAC).strip() != current else None


def ends(former: Description | None, now: datetime) -> datetime | None:
    """Until when the former secret is valid; None where it is not any more."""
    end = former.modified + timedelta(seconds=FORMER_FOR) if former else None
    return end if end and end > now else None


def settles_in(current: Description, now: datetime) -> float:
    """In how many seconds every listener takes the current secret, 0 where all do."""
    return min(SETTLED_AFTER, max(0.0, SETTLED_AFTER - (now - current.modified).total_seconds()))
