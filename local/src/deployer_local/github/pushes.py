"""From moved refs to webhooks: what happened to a repository since it was last looked at.

The refs that were announced are kept beside the deliveries and change in the same transaction: a process killed between
git's update and ours announces the push when it starts again, and announces none twice. Never sends anything itself.

https://docs.github.com/webhooks/webhook-events-and-payloads#push
"""

import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from . import shapes
from .git import Commit, GitRepository
from .names import ZERO
from .pulls import Pulls
from .repositories import Clock, Repositories, Repository
from .shapes import Json, Urls
from .store import Store
from .webhooks import Webhooks

log = logging.getLogger(__name__)

MOST_COMMITS = 2048
"""GitHub lists no more in one push."""
MOST_TAGS = 3
"""With more tags than this in one push, GitHub sends no event for any of them."""
MOST_BRANCHES = 5000
"""Likewise for branches."""


@dataclass(frozen=True)
class Moved:
    """A ref that changed. `before` or `after` is forty zeros where it did not or does not exist."""

    ref: str
    before: str
    after: str

    @property
    def branch(self) -> bool:
        """Whether this is a branch (else a tag)."""
        return self.ref.startswith("refs/heads/")


def moved(old: dict[str, str], new: dict[str, str]) -> list[Moved]:
    """What differs between two sets of refs, by name."""
    changes = [Moved(ref, old.get(ref, ZERO), new.get(ref, ZERO)) for ref in sorted(old.keys() | new.keys())]
    return [change for change in changes if change.before != change.after]


def announced(changes: list[Moved]) -> list[Moved]:
    """Those of one push for which GitHub sends events."""
    tags = [change for change in changes if not change.branch]
    branches = [change for change in changes if change.branch]
    return (branches if len(branches) <= MOST_BRANCHES else []) + (tags if len(tags) <= MOST_TAGS else [])


@dataclass(frozen=True)
class Look:
    """A repository before and after: its refs as announced, and as they are now."""

    repository: Repository
    git: GitRepository
    urls: Urls
    old: dict[str, str]
    new: dict[str, str]


class Pushes:
    """Looks for moved refs and records the deliveries they cause."""

    def __init__(
        self, store: Store, repositories: Repositories, webhooks: Webhooks, urls: Callable[[], Urls], clock: Clock
    ) -> None:
        """`urls` is asked at each push: the port may not be known earlier."""
        self._store = store
        self._repositories = repositories
        self._webhooks = webhooks
        self._urls = urls
        self._clock = clock
        self._pulls = Pulls(store, clock)
        self._lock = threading.Lock()

    def look(self, identity: int, pusher: str | None = None) -> list[Moved]:
        """Records every ref that moved since the last look, and its deliveries. `pusher`: a login; else the owner."""
        with self._lock:
            repository = self._repositories.numbered(identity)
            if repository is None:
                raise KeyError(identity)
            git = self._repositories.git(repository)
            rows = self._store.read("select ref, sha from seen_refs where repository_id = ?", identity)
            old, new = {row["ref"]: row["sha"] for row in rows}, git.refs()
            changes = moved(old, new)
            if not changes:
                return []
            sayable = announced(changes)
            if len(sayable) < len(changes):
                log.info(
                    "%s: too many refs at once, as on GitHub %d go unannounced", repository.full_name, len(changes)
                )
            now = int(self._clock())
            repository = dataclasses.replace(repository, pushed_at=now, updated_at=now)
            look = Look(repository, git, self._urls(), old, new)
            told = [event for change in sayable for event in self._events(look, change, pusher or repository.owner)]
            with self._store.change() as connection:
                connection.execute(
                    "update repositories set pushed_at = ?, updated_at = ? where id = ?", (now, now, identity)
                )
                connection.execute("delete from seen_refs where repository_id = ?", (identity,))
                connection.executemany(
                    "insert into seen_refs values (?, ?, ?)", [(identity, ref, sha) for ref, sha in new.items()]
                )
                self._pulls.follow(repository, new)
                for event, payload in told:
                    self._webhooks.record(repository, event, payload)
            return changes

    def _events(self, look: Look, change: Moved, login: str) -> list[tuple[str, Json]]:
        urls, repository = look.urls, look.repository
        identity = self._repositories.user_id(login)
        sender = shapes.user(urls, login, identity)
        push = _push(look, change) | {
            "repository": shapes.pushed_repository(urls, repository),
            "pusher": {"name": login, "email": shapes.email(login, identity)},
            "sender": sender,
        }
        if ZERO not in {change.before, change.after}:
            return [("push", push)]
        kind, _, name = change.ref.removeprefix("refs/").partition("/")
        named: Json = {"ref": name, "ref_type": "branch" if kind == "heads" else "tag"}
        if change.before == ZERO:
            named |= {"master_branch": repository.default_branch, "description": None}
        named |= {"pusher_type": "user", "repository": shapes.repository(urls, repository), "sender": sender}
        return [("push", push), ("create" if change.before == ZERO else "delete", named)]


def _push(look: Look, change: Moved) -> Json:
    git, urls, repository = look.git, look.urls, look.repository
    head = git.peel(change.after) if change.after != ZERO else None
    base = git.peel(change.before) if change.before != ZERO else None
    known = sorted({sha for ref, sha in look.old.items() if ref.startswith("refs/heads/")})
    listed: list[Commit] = []
    fresh: set[str] = set()
    if head is not None and change.branch:
        listed = git.commits(head, [base] if base else known, MOST_COMMITS)
        fresh = git.reachable(head, known, MOST_COMMITS)
    forced = bool(change.branch and head and base and not git.is_ancestor(base, head))
    first = listed[0].sha if listed else None
    return {
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "created": change.before == ZERO,
        "deleted": change.after == ZERO,
        "forced": forced or (not change.branch and ZERO not in {change.before, change.after}),
        "base_ref": _base_ref(look, change, head) if change.before == ZERO else None,
        "compare": shapes.compare(urls.html(repository), change.ref, change.before, change.after, first),
        "commits": [shapes.pushed_commit(urls, repository, each, distinct=each.sha in fresh) for each in listed],
        "head_commit": shapes.pushed_commit(urls, repository, git.commit(head), distinct=True) if head else None,
    }


def _base_ref(look: Look, change: Moved, head: str | None) -> str | None:
    """The branch whose tip a new ref also names, the default branch first."""
    default = f"refs/heads/{look.repository.default_branch}"
    same = [ref for ref, sha in look.new.items() if sha == head and ref.startswith("refs/heads/") and ref != change.ref]
    return default if default in same else next(iter(same), None)
