"""Questions to one bare repository, asked of git itself.

The only module that runs git's plumbing for the REST side. Takes full object ids and exact ref names only: text from a
URL is looked up among the refs, never handed to git as a revision expression or an option.
"""

import os
import re
import subprocess
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .names import is_sha

_SHORT = re.compile(r"[0-9a-f]{4,40}", re.ASCII)
_FIELDS = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00"
_SETTINGS = {
    "http.receivepack": "true",  # no credentials: the server only listens on loopback
    "receive.denyDeleteCurrent": "refuse",  # as GitHub: the default branch cannot be deleted
    "receive.fsckObjects": "true",
    "receive.autogc": "false",  # GitHub keeps commits that no ref reaches: statuses and force pushes name them
    "gc.auto": "0",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "core.logAllRefUpdates": "false",
}


class GitFailedError(RuntimeError):
    """git answered with an error where none was expected."""


@dataclass(frozen=True)
class Person:
    """An author or committer line; `date` is ISO 8601 with its offset."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class Commit:
    """One commit, with the paths that it changed against its first parent (where these were asked for)."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    changes: tuple[tuple[str, str], ...] = ()
    """(status letter, path): A added, D removed, M and T modified."""


@dataclass(frozen=True)
class Entry:
    """One line of a tree. `kind` is blob, tree or commit (a submodule); `size` in bytes, blobs only."""

    mode: str
    kind: str
    sha: str
    size: int
    name: str


def clean_environment() -> dict[str, str]:
    """The environment that every git process gets: nobody's configuration, no prompt, no inherited GIT_ variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") and key != "XDG_CONFIG_HOME"}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C.UTF-8",
    }


class GitRepository:
    """A bare repository on disk."""

    def __init__(self, path: Path) -> None:
        """`path` is the repository's own folder (it ends in .git)."""
        self.path = path

    def ensure(self, default_branch: str) -> None:
        """Creates the repository, or completes one whose creation was interrupted. Safe to repeat."""
        if not (self.path / "deployer-ready").exists():
            self.path.mkdir(parents=True, exist_ok=True)
            self._run("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(self.path))
            for key, value in _SETTINGS.items():
                self._run("config", key, value)
            (self.path / "deployer-ready").touch()

    def set_head(self, branch: str) -> None:
        """Makes `branch` the one that HEAD names."""
        self._run("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def refs(self) -> dict[str, str]:
        """Every branch and tag, by full ref name: its object id (the tag object, for an annotated tag)."""
        out = self._run("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags").decode()
        # Lines end in \n alone: a ref's name may hold what Unicode calls a line break.
        return {ref: sha for sha, _, ref in (line.partition(" ") for line in out.split("\n") if line)}

    def kind(self, sha: str) -> str | None:
        """commit, tag, tree or blob; None when there is no such object."""
        if not is_sha(sha):
            return None
        code, out = self._try("cat-file", "-t", sha)
        return out.decode().strip() if code == 0 else None

    def peel(self, sha: str) -> str | None:
        """The commit that an object (full or abbreviated id) is or, for an annotated tag, finally names."""
        if not _SHORT.fullmatch(sha):
            return None
        code, out = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{sha}^{{commit}}")
        return out.decode().strip() if code == 0 else None

    def resolve(self, text: str, default_branch: str) -> str | None:
        """The commit that `heads/x`, `tags/x`, a branch, a tag, HEAD or an object id names; None when nothing does."""
        refs = self.refs()
        named = f"heads/{default_branch}" if text == "HEAD" else text.removeprefix("refs/")
        candidates = [f"refs/{named}"] if named.startswith(("heads/", "tags/")) else []
        for ref in [*candidates, f"refs/heads/{text}", f"refs/tags/{text}"]:
            if ref in refs:
                return self.peel(refs[ref])
        return self.peel(text)

    def commit(self, sha: str) -> Commit:
        """The commit with this full id, its changes included."""
        return self._log("--no-walk", sha)[0]

    def commits(self, after: str, without: list[str], most: int) -> list[Commit]:
        """The newest `most` commits that `after` reaches and none of `without` does, oldest first."""
        return self._log(f"--max-count={most}", "--topo-order", after, *(f"^{sha}" for sha in without))[::-1]

    def history(self, tips: list[str], most: int) -> list[Commit]:
        """The newest `most` commits that any of these reach, newest first."""
        return self._log(f"--max-count={most}", "--date-order", *tips) if tips else []

    def reachable(self, after: str, without: list[str], most: int) -> set[str]:
        """Ids of the commits that `after` reaches and none of `without` does."""
        lines = [after, *(f"^{sha}" for sha in without)]
        out = self._run("rev-list", f"--max-count={most}", "--stdin", stdin="\n".join(lines).encode() + b"\n")
        return set(out.decode().split())

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` contains `old`."""
        code, _ = self._try("merge-base", "--is-ancestor", old, new)
        return code == 0

    def difference(self, base: str, head: str) -> tuple[int, int, int]:
        """(lines added, lines removed, files changed) since `head` left `base`; binary files have no lines."""
        out = self._run("diff", "--numstat", "-z", "--no-renames", f"{base}...{head}").decode("utf-8", "replace")
        counts = [record.split("\t")[:2] for record in out.split("\0") if record]
        added, removed = (sum(int(pair[at]) for pair in counts if pair[at] != "-") for at in (0, 1))
        return added, removed, len(counts)

    def merge(self, ref: str, ours: str, theirs: str, message: str, login: str) -> str | None:
        """Merges the commit `theirs` into `ref`, which is at `ours`; None where they conflict or the ref has moved."""
        code, out = self._try("merge-tree", "--write-tree", ours, theirs)
        if code != 0:
            return None
        tree, who = out.decode().strip(), (f"user.name={login}", f"user.email={login}@users.noreply.github.invalid")
        settings = [word for setting in who for word in ("-c", setting)]
        made = self._run(*settings, "commit-tree", tree, "-p", ours, "-p", theirs, "-m", message).decode().strip()
        code, _ = self._try("update-ref", ref, made, ours)
        return made if code == 0 else None

    def line_counts(self, sha: str) -> dict[str, tuple[int, int]]:
        """Path -> (lines added, lines removed) of a commit against its first parent; 0, 0 for binary files."""
        out = self._run(
            *("log", "--no-walk", "--format=", "--numstat", "-z", "--no-renames", "--diff-merges=first-parent", sha)
        )
        counts = {}
        for record in out.decode("utf-8", "replace").strip("\0\n").split("\0"):
            added, _, rest = record.partition("\t")
            removed, _, path = rest.partition("\t")
            if path:
                counts[path] = (int(added), int(removed)) if added != "-" else (0, 0)
        return counts

    def entry(self, commit: str, path: str) -> Entry | None:
        """What stands at `path` (no leading slash) in a commit; the root for an empty path."""
        if not path:
            tree = self._run("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()
            return Entry("040000", "tree", tree, 0, "")
        if {"", ".", ".."} & set(path.split("/")):
            return None
        found = self._tree(commit, path)
        return found[0] if found and found[0].name == path else None

    def listing(self, tree: str) -> list[Entry]:
        """The entries of a tree object, as git sorts them."""
        return self._tree(tree)

    def blob(self, sha: str) -> bytes:
        """A blob's bytes."""
        return self._run("cat-file", "blob", sha)

    def submodule_url(self, commit: str, path: str) -> str | None:
        """The address that `.gitmodules` gives to the submodule at `path`."""
        code, out = self._try(
            *("config", "--blob", f"{commit}:.gitmodules", "--null", "--get-regexp", r"^submodule\..*\.(path|url)$")
        )
        pairs = dict(record.partition("\n")[::2] for record in out.decode("utf-8", "replace").split("\0") if record)
        sections = [key[: -len(".path")] for key, value in pairs.items() if key.endswith(".path") and value == path]
        return pairs.get(f"{sections[0]}.url") if code == 0 and sections else None

    def _tree(self, tree: str, *paths: str) -> list[Entry]:
        out = self._run("ls-tree", "-z", "-l", "--full-tree", tree, *(["--", *paths] if paths else []))
        entries = []
        for record in out.decode("utf-8", "surrogateescape").split("\0"):
            if record:
                meta, _, name = record.partition("\t")
                mode, kind, sha, size = meta.split()
                entries.append(Entry(mode, kind, sha, 0 if size == "-" else int(size), name))
        return entries

    def _log(self, *arguments: str) -> list[Commit]:
        boundary = uuid.uuid4().hex  # a message may hold any separator that is known beforehand
        out = self._run(
            *(
                "log",
                f"--format={boundary}{_FIELDS}",
                "--name-status",
                "-z",
                "--no-renames",
                "--diff-merges=first-parent",
            ),
            "--stdin",
            *(word for word in arguments if word.startswith("--")),
            stdin="\n".join(word for word in arguments if not word.startswith("--")).encode() + b"\n",
        )
        return [_commit(record) for record in out.decode("utf-8", "replace").split(boundary)[1:]]

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        code, out = self._try(*arguments, stdin=stdin)
        if code != 0:
            msg = f"git {arguments[0]} ended with {code} in {self.path.name}"
            raise GitFailedError(msg)
        return out

    def _try(self, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes]:
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            env=clean_environment(),
            check=False,
        )
        return done.returncode, done.stdout


def _commit(record: str) -> Commit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message, *rest = record.split("\0")
    words = [word.strip("\n") for word in rest if word.strip("\n")]
    changes = tuple(zip(words[::2], words[1::2], strict=True))
    return Commit(
        *(sha, tree, tuple(parents.split()), Person(an, ae, ad), Person(cn, ce, cd), message.rstrip("\n"), changes)
    )


def in_utc(date: str) -> str:
    """An ISO 8601 date with any offset, as REST writes it: `2011-01-26T19:01:12Z`."""
    return datetime.fromisoformat(date).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
