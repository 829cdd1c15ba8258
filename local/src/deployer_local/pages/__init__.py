"""Pages to look at: what the local Slack and GitHub hold, what a run did, what a build printed.

Served beside the services themselves, and changing nothing, but for an approval that somebody answers. HTML is made on
the server, no script runs.
"""

from .web import Pages

__all__ = ["Pages"]
