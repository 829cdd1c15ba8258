"""What GitHub sends: its own example payloads, and the pushes that are made of them.

A made push changes only what GitHub would change; `test_github_webhooks.py` of the local GitHub compares their fields
with those that a real `git push` makes it send.
Source: https://docs.github.com/webhooks/webhook-events-and-payloads#push
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Payload = dict[str, Any]

ZERO = "0" * 40
EXAMPLES: dict[str, list[Payload]] = json.loads(
    (Path(__file__).parents[1] / "data" / "github-webhooks.json").read_text("utf-8")
)
MASTER: Payload = next(each for each in EXAMPLES["push"] if each["ref"] == "refs/heads/master")
MOST_COMMITS = 2048
# Bytes; GitHub sends no larger payload.
# Source: https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap
LARGEST_PAYLOAD = 25 * 1024 * 1024


@dataclass(frozen=True)
class Push:
    """A push, and what has to come of it.

    ``environment``: the looked-at one, after the repository's number; empty where the push is to be ignored.
    """

    name: str
    payload: Payload
    environment: str = ""

    @property
    def after(self) -> str:
        """What the look says of the new commit: nothing where the ref is gone."""
        return "" if self.payload["after"] == ZERO else str(self.payload["after"])


def push(ref: str = "refs/heads/master", **changes: Any) -> Payload:
    """GitHub's own example of a push to ``master``, with another ref or other fields."""
    return {**MASTER, "ref": ref, **changes}


def sha(text: str) -> str:
    """An object's name, always the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def commit(text: str) -> Payload:
    """The example's commit under another id and message, with every field that GitHub gives one."""
    url = f"{MASTER['repository']['html_url']}/commit/{sha(text)}"
    return {**MASTER["commits"][0], "id": sha(text), "tree_id": sha(f"tree of {text}"), "message": text, "url": url}


def updated(ref: str = "refs/heads/master", commits: Iterable[str] = ("second",), **changes: Any) -> Payload:
    """A branch that moves forward from the example's commit."""
    new = [commit(text) for text in commits]
    before, after = MASTER["after"], new[-1]["id"]
    return push(
        ref,
        before=before,
        after=after,
        created=False,
        compare=_compare(f"{before[:12]}...{after[:12]}"),
        commits=new,
        head_commit=new[-1],
        **changes,
    )


def forced(ref: str) -> Payload:
    """A branch moved to a commit that doesn't descend from where it was."""
    return updated(ref, ["amended"], forced=True)


def created(ref: str) -> Payload:
    """A new ref at a commit that a branch has already: no commits, and the branch as its base."""
    short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return push(ref, created=True, base_ref="refs/heads/master", compare=_compare(short), commits=[])


def annotated(ref: str) -> Payload:
    """A new annotated tag: ``after`` names the tag's object, ``head_commit`` what it leads to."""
    return {**created(ref), "after": sha(f"tag {ref}")}


def deleted(ref: str) -> Payload:
    """A ref that is gone."""
    compare = _compare(f"{MASTER['after'][:12]}^...{ZERO[:12]}")
    return push(
        ref,
        before=MASTER["after"],
        after=ZERO,
        created=False,
        deleted=True,
        compare=compare,
        commits=[],
        head_commit=None,
    )


def long(ref: str = "refs/heads/master", commits: int = MOST_COMMITS) -> Payload:
    """A push of as many commits as GitHub lists at most, each with a message and files of the usual length."""
    payload = updated(ref, (f"Change number {number}\n\n" + "Because it has to be. " * 12 for number in range(commits)))
    for number, each in enumerate(payload["commits"]):
        each["modified"] = [f"src/component-{number}/part-{part}/index.ts" for part in range(8)]
    return payload


def renamed(payload: Payload, default_branch: str) -> Payload:
    """The same push after the repository's default branch was renamed: its number stays."""
    names = {"default_branch": default_branch, "master_branch": default_branch}
    return {**payload, "repository": {**payload["repository"], **names}}


def _compare(what: str) -> str:
    return f"{MASTER['repository']['html_url']}/compare/{what}"


def _branch(name: str, ref: str) -> Push:
    return Push(name, updated(ref), ref)


MADE = [
    Push("default-branch-updated", updated(), "staging"),
    Push("default-branch-forced", forced("refs/heads/master"), "staging"),
    Push("default-branch-deleted", deleted("refs/heads/master"), "staging"),
    Push("default-branch-renamed", renamed(updated("refs/heads/main"), "main"), "staging"),
    Push("old-name-of-the-default-branch", renamed(updated(), "main"), "refs/heads/master"),
    Push("branch-created", created("refs/heads/feature/login"), "refs/heads/feature/login"),
    Push("branch-forced", forced("refs/heads/feature/login"), "refs/heads/feature/login"),
    Push("branch-deleted", deleted("refs/heads/feature/login"), "refs/heads/feature/login"),
    _branch("branch-composed", "refs/heads/caf\u00e9"),
    _branch("branch-decomposed", "refs/heads/cafe\u0301"),
    _branch("branch-emoji", "refs/heads/\U0001f680/\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    _branch("branch-right-to-left", "refs/heads/\u05e9\u05dc\u05d5\u05dd-\u0645\u0631\u062d\u0628\u0627"),
    _branch("branch-of-250-characters", "refs/heads/" + "x" * 250),
    Push("annotated-release", annotated("refs/tags/v1.2.3"), "production"),
    Push("lightweight-release", created("refs/tags/v1.2.3"), "production"),
    Push("release-deleted", deleted("refs/tags/v1.2.3"), "production"),
    Push("annotated-tag-of-no-release", annotated("refs/tags/nightly")),
    *(Push(f"three-tags-at-once-{n}", created(f"refs/tags/v2.0.{n}"), "production") for n in range(3)),
    Push("push-of-2048-commits", long(), "staging"),
]
