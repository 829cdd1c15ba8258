"""What every environment of this installation gets, and what it may not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.admission import Admission
from deployer.refs import Stage


@dataclass(frozen=True)
class Installation:
    """What every environment of this installation gets. ``roles``: stage -> CloudFormation service role.

    ``limit``: how many development environments a repository may have, 0: any number. ``idle_days``: after how many
    days without activity one is removed, 0: never.
    """

    prefix: str
    artifact_store: str
    roles: dict[Stage, str]
    boundary: str
    token: Callable[[], str]
    connection: str = ""
    admission: Admission = field(default_factory=Admission)
    limit: int = 0
    idle_days: int = 0
