"""What people do to their repositories meanwhile, and the webhooks that GitHub makes of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.commits import Kind, Made, make

from deployer.events import RepositoryName
from deployer.refs import HEADS, TAGS
from deployer.testing.forge import Repo

ZEROS = "0" * 40
NAMES = (RepositoryName(42, "acme", "site"), RepositoryName(43, "beta", "site"), RepositoryName(44, "acme", "api"))
BRANCHES = ("dev", "feature/login", "staging", "feature/a#b", "release", "NOBUILD/dev")
RARE = (Kind.INVALID, Kind.BARE, Kind.FAILS, Kind.STUCK, Kind.BUILD_FAILS, Kind.BUILD_FAILS, Kind.SKIPPED)
KINDS = (Kind.GOOD,) * 14 + RARE
HALTING = (Kind.GOOD, Kind.GOOD, Kind.FAILS)
TROUBLED = (Kind.GOOD, Kind.GOOD, Kind.FAILS, Kind.FAILS, Kind.STUCK, Kind.BUILD_FAILS, Kind.INVALID)
TITLES = ("one", "two", "three")


@dataclass
class Team:
    """One repository and what has been done to it. ``was``: ref -> (when, peeled commit or None), oldest first."""

    repo: Repo
    version: int
    was: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    releases: int = 0

    @property
    def name(self) -> RepositoryName:
        """What it is called."""
        return self.repo.name

    def commit_at(self, ref: str) -> str | None:
        """The commit that a ref leads to now."""
        target = self.repo.refs.get(ref)
        return None if target is None else self.repo.tags.get(target, target)

    def held(self, ref: str, since: int) -> set[str]:
        """The commits that a ref has led to since then."""
        history = self.was.get(ref, [])
        found = {commit for when, commit in history if when >= since and commit}
        before = [commit for when, commit in history if when < since]
        return found | {before[-1]} if before and before[-1] else found


class People:
    """All who push. ``deliver`` takes a webhook's payload, ``ask`` what is to be built again, ``renamed`` a repository.

    ``note`` takes a line of the trace. ``kinds``: what their commits are; ``renames``: whether they rename
    repositories; ``steady``: they do nothing but to push to the default branch.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        clock: Callable[[], int],
        deliver: Callable[[dict[str, Any]], None],
        ask: Callable[[Team, str], None],
        renamed: Callable[[Repo], None],
        note: Callable[[str], None],
    ) -> None:
        self.rng, self.clock, self.deliver, self.ask, self.renamed, self.note = rng, clock, deliver, ask, renamed, note
        self.kinds = rng.choice((KINDS, KINDS, TROUBLED))
        self.steady, self.renames = False, True
        self.teams: list[Team] = []
        self.commits: dict[str, Made] = {}
        self.pushes = 0

    # --- what they have

    def commit(self, team: Team, kind: Kind | None = None) -> Made:
        """A new commit."""
        made = make(len(self.commits) + 1, kind or self.rng.choice(self.kinds), self.rng.choice(TITLES), team.version)
        self.commits[made.sha] = made
        team.made.append(made)
        team.repo.commits[made.sha] = made.files
        if made.kind is Kind.SKIPPED:
            team.repo.messages[made.sha] = "Mend a comma [skip ci]"
        return made

    def move(self, team: Team, ref: str, target: str | None, *, told: bool = True) -> None:
        """Let a ref point somewhere, or remove it; ``told``: whether GitHub sends a webhook."""
        if target is None:
            team.repo.refs.pop(ref, None)
        else:
            team.repo.refs[ref] = target
        self.pushes += 1
        peeled = team.commit_at(ref)
        team.was.setdefault(ref, []).append((self.clock(), peeled))
        kind = f" ({self.commits[peeled].kind})" if peeled else ""
        self.note(f"{team.name.full_name} {ref} -> {target and target[:8]}{kind}")
        if told:
            self.deliver(self.payload(team, ref, target or ZEROS))

    def payload(self, team: Team, ref: str, after: str) -> dict[str, Any]:
        """A push's payload, as far as anybody reads it."""
        name = team.name
        repository = {
            "id": name.id,
            "name": name.name,
            "full_name": name.full_name,
            "owner": {"login": name.owner},
            "default_branch": team.repo.default_branch,
            "pushed_at": self.clock() // 1000,
        }
        commit = self.commits.get(team.repo.tags.get(after, after))
        head = {"id": commit.sha, "message": f"Subject of {commit.sha[:7]}"} if commit else None
        deleted = after == ZEROS
        return {"ref": ref, "after": after, "deleted": deleted, "head_commit": head, "repository": repository}

    # --- what they do

    def act(self) -> None:
        """Somebody does something."""
        team = self.rng.choice(self.teams)
        acts = (self._push, self._push, self._push, self._push, self._twice, self._back, self._back, self._remove)
        rare = (self._remove, self._default, self._release, self._release, self._release, self._tags, self._rename)
        rare += (self._redeploy,)
        self.rng.choice((self._push,) if self.steady else acts + rare)(team)

    def _branch(self, team: Team) -> str:
        default = HEADS + team.repo.default_branch
        if self.steady:
            return default
        return self.rng.choice((default, default, *(HEADS + branch for branch in BRANCHES)))

    def _push(self, team: Team) -> None:
        self.move(team, self._branch(team), self.commit(team).sha)

    def _twice(self, team: Team) -> None:
        ref = self._branch(team)
        for _ in range(2):
            self.move(team, ref, self.commit(team).sha)

    def _back(self, team: Team) -> None:
        if team.made:
            self.move(team, self._branch(team), self.rng.choice(team.made).sha)

    def _remove(self, team: Team) -> None:
        there = [ref for ref in sorted(team.repo.refs) if ref.startswith(HEADS)]
        if there:
            self.move(team, self.rng.choice(there), None)

    def _default(self, team: Team) -> None:
        there = [ref.removeprefix(HEADS) for ref in sorted(team.repo.refs) if ref.startswith(HEADS)]
        if there:
            team.repo.default_branch = self.rng.choice(there)
            self.note(f"{team.name.full_name} has {team.repo.default_branch} for its default branch")

    def _redeploy(self, team: Team) -> None:
        there = [ref for ref in sorted(team.repo.refs) if ref.startswith(HEADS)]
        if there:
            ref = self.rng.choice(there)
            self.note(f"{team.name.full_name} {ref} is to be built again")
            self.ask(team, ref)

    def _rename(self, team: Team) -> None:
        """What it was called still leads there."""
        name = team.name
        if not self.renames:
            return
        team.repo.name = RepositoryName(name.id, name.owner, f"{name.name}-{len(self.commits)}")
        self.renamed(team.repo)
        self.note(f"{name.full_name} is called {team.name.full_name}")

    def _release(self, team: Team) -> None:
        tags = [ref for ref in sorted(team.repo.refs) if ref.startswith(TAGS)]
        chance = self.rng.random()
        if tags and chance < 0.2:
            self.move(team, self.rng.choice(tags), None)
        elif tags and chance < 0.3:
            self.move(team, self.rng.choice(tags), self._target(team))
        else:
            self.move(team, self._next_tag(team), self._target(team))

    def _tags(self, team: Team) -> None:
        """Of more than three tags at once GitHub tells nobody."""
        for _ in range(4):
            self.move(team, self._next_tag(team), self._target(team), told=False)

    def _next_tag(self, team: Team) -> str:
        team.releases += 1
        # Now and then one that is older than what is there.
        major = self.rng.choice((1, 1, 1, 0))
        return f"{TAGS}v{major}.0.{team.releases}"

    def _target(self, team: Team) -> str:
        made = self.rng.choice(team.made) if team.made and self.rng.random() < 0.5 else self.commit(team)
        if self.rng.random() < 0.5:
            return made.sha
        annotated = f"{len(team.repo.tags):08x}{'a' * 32}"
        team.repo.tags[annotated] = made.sha
        return annotated


def body_of(payload: dict[str, Any]) -> bytes:
    """A payload as it travels."""
    return json.dumps(payload).encode()
