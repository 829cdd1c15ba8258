"""What a request to GitHub is authorised by: one token for everything, or one for each repository.

Says nothing of how a token is got.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable

from deployer.events import RepositoryName

_SUBJECT = re.compile(r"(?:^|/)(?:repos/(?P<name>[^/?]+/[^/?]+)|repositories/(?P<id>[0-9]+))(?=[/?]|$)")


class Credentials(ABC):
    """Gives the token of each request. A path is as it is asked for: ``repos/acme/site/git/ref/heads/x``."""

    @abstractmethod
    def of(self, path: str) -> str:
        """The token for this request."""

    def know(self, repository: RepositoryName) -> None:
        """What is asked next is about this repository; of its pages, GitHub names it by its number alone."""
        del repository

    @abstractmethod
    def refused(self, path: str) -> bool:
        """GitHub does not know the token (401). Whether there may be another one now."""


class OneToken(Credentials):
    """The same for every repository. ``token``: called for each request, so that a rotated one is used.

    ``forget``: has it read anew, where it may be kept for a while.
    """

    def __init__(self, token: Callable[[], str], forget: Callable[[], None] | None = None) -> None:
        self._token, self._forget = token, forget

    def of(self, path: str) -> str:
        """The token."""
        del path
        return self._token()

    def refused(self, path: str) -> bool:
        """Whether it was rotated since it was read."""
        if self._forget is None:
            return False
        before = self._token()
        self._forget()
        return self._token() != before


def subject_of(path: str) -> tuple[str, int]:
    """The repository that a path is about, by name (``acme/site``, encoded) or by number; empty and 0 for none."""
    found = _SUBJECT.search(path)
    return (found["name"] or "", int(found["id"] or 0)) if found else ("", 0)
