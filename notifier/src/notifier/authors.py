"""Whose commit it is: what GitHub says of it, and who that is in Slack. Asked once for each while the function is warm.

Neither side's trouble is an error here: without GitHub a message has no subject, without Slack's directory a name in
place of a mention.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deployer.errors import DeployerError
from deployer.events import RepositoryName
from deployer.observability import logger
from deployer.ports import Commit, Repositories

log = logger("notifier")
# How many commits, and people, are remembered.
MOST = 500
# Seconds. Where GitHub took so long to say nothing, a commit is not asked for again for a while: each reply would wait
# as long, and what is told in Slack would end with the invocation.
SLOW, PAUSE = 5.0, 60.0
# GitHub hides an address behind one of these, which nobody has in Slack.
_HIDDEN = "@users.noreply.github.com"


class Directory(Protocol):
    """Who has which address; ``deployer.slack.Slack`` is one."""

    def person(self, email: str) -> str: ...


@dataclass(frozen=True)
class Authors:
    """``repositories``: where commits are read; ``clock``: seconds."""

    repositories: Repositories
    clock: Callable[[], float] = time.monotonic
    commits: dict[tuple[int, str], Commit] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    silent: dict[tuple[int, str], float] = field(default_factory=dict)
    """Until when a commit is not asked for."""

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        """A commit; without subject and author where GitHub does not say them now."""
        key, began = (repository.id, sha), self.clock()
        if self.silent.get(key, began) > began:
            return Commit(sha, "", "", "")
        if key not in self.commits:
            try:
                found = self.repositories.commit(repository, sha)
            except Exception as error:  # noqa: BLE001 - Slack is told also while GitHub is down or answers strangely
                reason = str(error) if isinstance(error, DeployerError) else type(error).__name__
                log.warning("the commit's author and subject are left out", reason=reason)
                if (now := self.clock()) - began > SLOW:
                    _make_room(self.silent)
                    self.silent[key] = now + PAUSE
                return Commit(sha, "", "", "")
            _make_room(self.commits)
            self.commits[key] = found
        return self.commits[key]

    def person(self, directory: Directory, commit: Commit) -> str:
        """The id of a commit's author in Slack; empty where nobody is to be mentioned."""
        email = commit.email.strip().lower()
        if "@" not in email or email.endswith(_HIDDEN) or commit.author.endswith("[bot]"):
            return ""
        if email not in self.people:
            try:
                found = directory.person(email)
            except DeployerError as error:
                log.warning("the author is not mentioned", reason=str(error), kind=type(error).__name__)
                return ""
            _make_room(self.people)
            self.people[email] = found
        return self.people[email]


def _make_room(known: dict[tuple[int, str], Commit] | dict[str, str] | dict[tuple[int, str], float]) -> None:
    if len(known) >= MOST:
        known.clear()
