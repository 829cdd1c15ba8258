"""What the page of the local GitHub shows of a repository, gathered from the local GitHub's own handles.

Reads only. Nothing here is HTML: the template decides how it looks, and escapes all of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from deployer_local.github import Deployment, GitHub, PullRequest, Repository, Status
from deployer_local.github.git import Commit

from . import links, shown

MOST_COMMITS = 20
"""Newest first; older ones are on no page."""


@dataclass(frozen=True)
class Check:
    """A commit's status of one context, the last that was posted. `url`: where its details are, or empty."""

    context: str
    state: str
    description: str
    url: str
    when: float


@dataclass(frozen=True)
class Landing:
    """Where a deployment is, and how it stands. `url`: what was deployed; `log`: how; either may be empty."""

    environment: str
    state: str
    sha: str
    url: str
    log: str
    description: str
    when: float

    @property
    def words(self) -> str:
        """As GitHub shows it: a success is Active until another one takes its place."""
        return {"success": "Active", "inactive": "Inactive", "": "Created"}.get(
            self.state, shown.words(self.state).capitalize()
        )


@dataclass(frozen=True)
class Change:
    """A commit with what is said of it. `refs`: the branches and tags that are at it."""

    sha: str
    subject: str
    author: str
    when: float
    refs: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def state(self) -> str:
        """All checks in one word, as GitHub sums them up; empty where there are none."""
        states = {check.state for check in self.checks}
        for worst in ("failure", "error", "pending", "success"):
            if worst in states:
                return "failure" if worst == "error" else worst
        return ""

    @property
    def tally(self) -> str:
        """`4 of 5 passed`."""
        good = Counter(check.state for check in self.checks)["success"]
        return f"{good} of {len(self.checks)} passed"


@dataclass(frozen=True)
class Ref:
    """A branch or a tag. `change` is the commit that it is at."""

    name: str
    kind: str
    change: Change


@dataclass(frozen=True)
class Pull:
    """An open pull request. `landings`: the newest deployment of its head to each environment."""

    number: int
    title: str
    head: str
    base: str
    author: str
    opened: float
    change: Change
    landings: tuple[Landing, ...]


@dataclass(frozen=True)
class Place:
    """An environment with its deployments, newest first, at least one."""

    name: str
    landings: tuple[Landing, ...]

    @property
    def current(self) -> Landing:
        """What is there now: the newest that succeeded and was not replaced, else the newest."""
        return next((each for each in self.landings if each.state == "success"), self.landings[0])

    @property
    def newest(self) -> Landing:
        """The last one."""
        return self.landings[0]


@dataclass(frozen=True)
class Overview:
    """A repository as its page shows it."""

    repository: Repository
    remote: str
    pulls: tuple[Pull, ...]
    refs: tuple[Ref, ...]
    changes: tuple[Change, ...]
    places: tuple[Place, ...]


def overview(github: GitHub, repository: Repository, remote: str) -> Overview:
    """Everything that the page shows of a repository; `remote` is what `git push` takes."""
    name = repository.full_name
    git = github.git(name)
    tips = {ref: sha for ref, object_id in git.refs().items() if (sha := git.peel(object_id))}
    at: dict[str, list[str]] = {}
    for ref, sha in tips.items():
        at.setdefault(sha, []).append(ref.split("/", 2)[2])

    def change(found: Commit) -> Change:
        subject, written = found.message.split("\n", 1)[0], datetime.fromisoformat(found.committer.date)
        checks = _checks(github.statuses(name, found.sha))
        refs = tuple(at.get(found.sha, ()))
        return Change(found.sha, subject, found.author.name, written.timestamp(), refs, checks)

    changes = tuple(change(each) for each in git.history(sorted(set(tips.values())), MOST_COMMITS))
    landings = [_landing(each) for each in github.deployments(name)]
    known = {each.sha: each for each in changes}

    def at_commit(sha: str) -> Change:
        return known.get(sha) or change(git.commit(sha))

    return Overview(
        repository=repository,
        remote=remote,
        pulls=tuple(_pull(each, at_commit, landings) for each in github.pull_requests(name) if each.state == "open"),
        refs=tuple(sorted((_ref(ref, at_commit(sha)) for ref, sha in tips.items()), key=_order(repository))),
        changes=changes,
        places=_places([each.name for each in github.environments(name)], landings),
    )


def _checks(statuses: Iterable[Status]) -> tuple[Check, ...]:
    last: dict[str, Check] = {}
    for each in statuses:
        url = links.here(each.target_url or "")
        last[each.context] = Check(each.context, each.state, each.description or "", url, each.created_at)
    return tuple(last.values())


def _landing(deployment: Deployment) -> Landing:
    """The last addresses hold where a later status gives none: GitHub keeps showing them."""
    said = deployment.statuses
    return Landing(
        environment=deployment.environment,
        state=deployment.state,
        sha=deployment.sha,
        url=next((links.here(each.environment_url) for each in reversed(said) if each.environment_url), ""),
        log=next((links.here(each.log_url) for each in reversed(said) if each.log_url), ""),
        description=said[-1].description if said else deployment.description,
        when=said[-1].created_at if said else deployment.created_at,
    )


def _pull(pull: PullRequest, at_commit: Callable[[str], Change], landings: Iterable[Landing]) -> Pull:
    newest: dict[str, Landing] = {}
    for each in landings:
        if each.sha == pull.head_sha:
            newest.setdefault(each.environment.lower(), each)
    who = (pull.title, pull.head, pull.base, pull.creator, float(pull.created_at))
    return Pull(pull.number, *who, at_commit(pull.head_sha), tuple(newest.values()))


def _places(names: Iterable[str], landings: Sequence[Landing]) -> tuple[Place, ...]:
    found = [
        Place(name, tuple(each for each in landings if each.environment.lower() == name.lower())) for name in names
    ]
    return tuple(place for place in found if place.landings)


def _ref(ref: str, change: Change) -> Ref:
    _, kind, name = ref.split("/", 2)
    return Ref(name, "branch" if kind == "heads" else "tag", change)


def _order(repository: Repository) -> Callable[[Ref], tuple[bool, bool, float, str]]:
    """The default branch, then branches, then tags, the newest first."""

    def key(ref: Ref) -> tuple[bool, bool, float, str]:
        default = ref.kind == "branch" and ref.name == repository.default_branch
        return not default, ref.kind == "tag", -ref.change.when, ref.name

    return key
