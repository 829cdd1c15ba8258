"""What went wrong, said as what the caller should do about it.

Adapters translate the errors of boto3, GitHub and Slack into one of these three, chained with ``from``.
Nothing here knows of any vendor.
"""

from __future__ import annotations


class DeployerError(Exception):
    """The root of every error that this project raises on purpose."""


class Transient(DeployerError):  # noqa: N818 - named for what the caller does
    """Try again: throttling, a timeout, a conflicting write.

    ``retry_after``: seconds that the other side asked us to wait, where it said so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(DeployerError):  # noqa: N818
    """Tell the user: what they pushed, configured or asked for can't be done; trying again changes nothing."""


class Broken(DeployerError):  # noqa: N818
    """Raise an alarm: our own configuration, permissions or code are at fault."""
