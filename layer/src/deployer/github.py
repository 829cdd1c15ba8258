"""GitHub's REST API over urllib3, as far as the deployer needs it.

Speaks ``application/vnd.github+json``; every ref and path is encoded; a redirect is followed to the same host only,
but for archives, where the token is left behind. Never logs a token or a body.
Source: https://docs.github.com/rest (version 2022-11-28)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast

import urllib3

from deployer.errors import Broken, Rejected, Transient
from deployer.events import RepositoryName
from deployer.github_credentials import Credentials
from deployer.github_wire import Answer, Wire, encode, path_of, path_to
from deployer.lengths import description
from deployer.ports import Commit, CommitStatus, Refs, Repository, Tip
from deployer.states import CommitState

_SPACES = ("heads", "tags")
_STATES = {str(state): state for state in CommitState}


class GitHub:
    """Implements ``Repositories``, ``Files`` and ``Statuses``.

    ``base_url``: ``https://api.github.com`` or an Enterprise ``https://host/api/v3``. ``token``: called for each
    request, so that a rotated one is used; or what has one for each repository.
    """

    def __init__(
        self, base_url: str, token: Callable[[], str] | Credentials, http: urllib3.PoolManager | None = None
    ) -> None:
        self._wire = Wire(base_url, token, http)

    # --- Repositories

    def repository(self, owner: str, name: str) -> Repository | None:
        """GET /repos/{owner}/{repo}: None where it is not there, or not for this token."""
        answer = self._wire.get(path_of(owner, name))
        return None if answer.status == 404 else _repository(answer)

    def tip(self, repository: RepositoryName, ref: str) -> Tip | None:
        """GET /repos/{owner}/{repo}/git/ref/{ref}, then the commit that an annotated tag names.

        That a ref is not there is believed where the repository can be read after it: else a token that was revoked a
        moment ago would have a branch's environment removed.
        """
        short = encode(ref.removeprefix("refs/"))
        answer = self._wire.get(f"{self._wire.to(repository)}/git/ref/{short}")
        if answer.status == 404:
            self._prove(repository)
            return None
        if answer.empty:
            return None
        found = answer.object()
        if found.get("ref") != ref:
            return None
        kind, sha = str(found["object"]["type"]), str(found["object"]["sha"])
        if kind == "commit":
            return Tip(sha, sha)
        if kind != "tag":
            raise Rejected(f"{ref} names a {kind}; only a commit can be deployed")
        # commits/{ref} peels an annotated tag, and answers 404 or 422 where what it names is no commit.
        peeled = self._wire.get(f"{self._wire.to(repository)}/commits/{short}")
        if peeled.status in (404, 409, 422):
            raise Rejected(f"{ref} does not lead to a commit; only a commit can be deployed")
        return Tip(sha, str(peeled.object()["sha"]))

    def tips(self, repository: RepositoryName) -> Iterator[tuple[str, str]]:
        """GET /repos/{owner}/{repo}/git/matching-refs/{heads,tags}; an empty repository (409) has none."""
        for space in _SPACES:
            for _, page in self._wire.pages(_refs_path(repository, space)):
                if page.empty:
                    break
                if page.status == 404:
                    raise Transient(f"{repository.full_name} can't be read any more")
                yield from _tips(page)

    def refs(self, repository: RepositoryName, known: Mapping[str, str]) -> Refs | None:
        """GET /repos/{owner}/{repo} and .../git/matching-refs/{heads,tags}, all pages; None where all answer 304.

        ``known``: path -> ETag, empty where an empty repository refused (409), which is asked for as often as it is
        so. Where one has changed, the others are read whole. That no page has come behind a full last one is said by
        the repository itself, which tells when it was pushed to last.
        """
        start = self._wire.to(repository)
        read: dict[str, Answer] = {}
        if start in known:
            for path, validator in known.items():
                answer = self._wire.get(path, validator=validator)
                if not answer.unchanged and (validator or not answer.empty):
                    read[path] = answer
                    break
            else:
                return None
        return self._all_refs(repository, read)

    def _all_refs(self, repository: RepositoryName, read: Mapping[str, Answer]) -> Refs:
        """``read``: what has been read already."""
        asked = self._wire.to(repository)
        answer = read.get(asked) or self._wire.get(asked)
        _refuse_absence(repository, answer)
        found = _repository(answer)
        if repository.id not in (0, found.name.id):
            raise Rejected(f"{repository.full_name} is another repository now ({found.name.id}, not {repository.id})")
        # Keyed by today's name: whoever asks by an earlier one, which a redirect answers, reads all once more.
        tips, validators = dict[str, str](), {path_to(found.name): answer.validator}
        for space in _SPACES:
            path = _refs_path(found.name, space)
            for here, page in self._wire.pages(path, read.get(path)):
                if page.empty:
                    # A refusal has no validator, and a first push in the second in which the repository was
                    # made leaves what that says of itself as it was.
                    empty = {path_to(found.name): answer.validator, here: ""}
                    return Refs(found, {}, empty if answer.validator else {})
                _refuse_absence(repository, page)
                tips.update(_tips(page))
                validators[here] = page.validator
        return Refs(found, tips, validators if all(validators.values()) else {})

    def commit(self, repository: RepositoryName, sha: str) -> Commit:
        """GET /repos/{owner}/{repo}/commits/{ref}."""
        answer = self._wire.get(f"{self._wire.to(repository)}/commits/{encode(sha)}")
        if answer.status == 404:
            raise Rejected(f"commit {sha} is not in {repository.full_name}")
        found = answer.object()
        inner = found["commit"]
        author = inner.get("author") or {}
        return Commit(
            str(found["sha"]),
            str(inner["message"]),
            str(author.get("name") or ""),
            str(author.get("email") or ""),
            str(found.get("html_url") or ""),
        )

    # --- Files

    def directory(self, repository: RepositoryName, path: str, commit: str) -> Mapping[str, str] | None:
        """GET /repos/{owner}/{repo}/contents/{path}: None where ``path`` is missing or no directory."""
        answer = self._wire.get(_content_path(repository, path, commit))
        if answer.status == 404:
            self._prove(repository)
            return None
        listing = answer.json()
        return {str(entry["name"]): str(entry["type"]) for entry in listing} if isinstance(listing, list) else None

    def read(self, repository: RepositoryName, path: str, commit: str) -> bytes:
        """GET /repos/{owner}/{repo}/contents/{path} as raw bytes (up to 100 MB)."""
        answer = self._wire.get(_content_path(repository, path, commit), accept="application/vnd.github.raw+json")
        if answer.status == 404:
            self._prove(repository)
            raise Rejected(f"{path} is not in {repository.full_name} at {commit[:7]}")
        return answer.content()

    @contextmanager
    def archive(self, repository: RepositoryName, commit: str) -> Iterator[IO[bytes]]:
        """GET /repos/{owner}/{repo}/tarball/{ref}: a stream. It redirects to another host, which gets no token."""
        try:
            with self._wire.stream(f"{self._wire.to(repository)}/tarball/{encode(commit)}") as response:
                yield cast(IO[bytes], response)
        except urllib3.exceptions.HTTPError as error:
            raise Transient(f"the archive of {commit[:7]} broke off: {type(error).__name__}") from error

    def _prove(self, repository: RepositoryName) -> None:
        """That something is not there is believed where its repository can still be read.

        Raises:
            Transient: where it can't; who tries again begins with the repository.
        """
        if self._wire.get(self._wire.to(repository)).status == 404:
            raise Transient(f"{repository.full_name} can't be read any more")

    # --- Statuses

    def post(self, status: CommitStatus) -> None:
        """POST /repos/{owner}/{repo}/statuses/{sha}. The description as GitHub takes it."""
        payload = {
            "state": str(status.state),
            "context": status.context,
            "description": description(status.description),
        }
        if status.url:
            payload["target_url"] = status.url
        answer = self._wire.post(f"{path_to(status.repository)}/statuses/{encode(status.sha)}", payload)
        if answer.status == 404:
            raise Broken(
                f"statuses of {status.repository.full_name} are not ours to write: the token needs `statuses: write`"
            )
        answer.json()

    def states(self, repository: RepositoryName, sha: str) -> Mapping[str, CommitState]:
        """GET /repos/{owner}/{repo}/commits/{ref}/status, all pages: the latest of each context.

        A state that this version does not know is left out: it is not one of ours.
        """
        listed: list[Mapping[str, Any]] = []
        for _, page in self._wire.pages(f"{self._wire.to(repository)}/commits/{encode(sha)}/status?per_page=100"):
            if page.status in (404, 409, 422):
                return {}
            listed += page.object()["statuses"]
        # A status that is posted while pages are read may move another one of its context to a later page.
        latest = {
            str(status["context"]): str(status["state"]) for status in sorted(listed, key=lambda each: each["id"])
        }
        return {context: _STATES[state] for context, state in latest.items() if state in _STATES}


def _repository(answer: Answer) -> Repository:
    found = answer.object()
    login = str(found["owner"]["login"])
    return Repository(RepositoryName(int(found["id"]), login, str(found["name"])), str(found["default_branch"]))


def _refuse_absence(repository: RepositoryName, answer: Answer) -> None:
    """404 is also what a token gets that was revoked: it never says that there are no refs."""
    if answer.status == 404:
        raise Rejected(f"{repository.full_name} is not there, or not for this token: nothing is known of its refs")


def _tips(page: Answer) -> Iterator[tuple[str, str]]:
    return ((str(entry["ref"]), str(entry["object"]["sha"])) for entry in page.list())


def _refs_path(repository: RepositoryName, space: str) -> str:
    return f"{path_to(repository)}/git/matching-refs/{space}"


def _content_path(repository: RepositoryName, path: str, commit: str) -> str:
    return f"{path_to(repository)}/contents/{encode(path)}?ref={encode(commit)}"
