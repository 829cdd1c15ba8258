"""What is said in Slack. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Post:
    """A message in Slack's own notation (``mrkdwn``), with what comes from outside escaped.

    ``text``: what it says; ``details``: more of it, each a section of its own; ``context``: small print below.
    """

    text: str
    details: tuple[str, ...] = ()
    context: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """What is read where there is no room for sections, as in a notification."""
        return "\n".join((self.text, *self.details))
