"""A repository's webhooks on GitHub, with the token of whoever runs the command.

https://docs.github.com/rest/repos/webhooks
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from deployer.errors import Broken, Rejected
from deployer.github_wire import Answer, Wire, path_of
from deployer_cli.checkout import FullName
from deployer_cli.webhooks.settings import CONTENT_TYPE, EVENTS, VERIFIED, Delivery, Hook

# Seconds: GitHub lists a delivery soon after it was answered, which takes ten at most.
PATIENCE, PAUSE = 20.0, 1.0
_NOTHING = frozenset({204})
NEEDED = "it needs admin:repo_hook (fine-grained: Webhooks, read and write), of somebody who administers the repository"


class Hooks:
    """``wire``: GitHub with the caller's own token."""

    def __init__(self, wire: Wire, repository: FullName, sleep: Callable[[float], None] = time.sleep) -> None:
        self._wire, self._repository, self._sleep = wire, repository, sleep
        self._path = f"{path_of(repository.owner, repository.name)}/hooks"

    def all(self) -> list[Hook]:
        """GET /repos/{owner}/{repo}/hooks, all pages."""
        with self._told():
            pages = [page for _, page in self._wire.pages(self._path)]
            return [_hook(each) for page in pages for each in self._found(page).list()]

    def create(self, url: str, secret: str) -> Hook:
        """POST /repos/{owner}/{repo}/hooks."""
        with self._told():
            return _hook(self._found(self._wire.post(self._path, {"name": "web", **_settings(url, secret)})).object())

    def set(self, hook: Hook, url: str, secret: str) -> Hook:
        """PATCH /repos/{owner}/{repo}/hooks/{hook_id}: all that matters, the secret too, which can't be compared."""
        with self._told():
            return _hook(self._found(self._wire.patch(f"{self._path}/{hook.id}", _settings(url, secret))).object())

    def deliveries(self, hook: Hook, most: int = 10) -> list[Delivery]:
        """GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries: the last ones, newest first."""
        with self._told():
            return [
                _delivery(each)
                for each in self._found(self._wire.get(f"{self._path}/{hook.id}/deliveries?per_page={most}")).list()
            ]

    def ping(self, hook: Hook) -> Delivery | None:
        """POST /repos/{owner}/{repo}/hooks/{hook_id}/pings, and how it was answered; None where that is not seen."""
        before = {each.id for each in self.deliveries(hook)}
        with self._told():
            self._found(self._wire.post(f"{self._path}/{hook.id}/pings", None, also=_NOTHING)).content()
        for _ in range(int(PATIENCE / PAUSE)):
            for each in self.deliveries(hook):
                if each.event == "ping" and each.id not in before:
                    return each
            self._sleep(PAUSE)
        return None

    def _found(self, answer: Answer) -> Answer:
        if answer.status == 404:
            raise Rejected(f"{self._repository} or its webhooks are not there for your token: {NEEDED}")
        return answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A refusal of the caller's own token has nothing to do with the one that the deployer has."""
        try:
            yield
        except Broken as error:
            why = str(error).partition("; set it with")[0]
            raise Rejected(f"the webhooks of {self._repository}: {why}; the token in GH_TOKEN: {NEEDED}") from error


def _settings(url: str, secret: str) -> dict[str, Any]:
    config = {"url": url, "content_type": CONTENT_TYPE, "secret": secret, "insecure_ssl": VERIFIED}
    return {"active": True, "events": list(EVENTS), "config": config}


def _hook(found: Mapping[str, Any]) -> Hook:
    config = found.get("config") or {}
    return Hook(
        int(found["id"]),
        str(config.get("url", "")),
        str(config.get("content_type", "")),
        str(config.get("insecure_ssl", "")),
        bool(config.get("secret")),
        bool(found.get("active")),
        tuple(map(str, found.get("events", ()))),
    )


def _delivery(found: Mapping[str, Any]) -> Delivery:
    return Delivery(
        int(found["id"]),
        str(found["delivered_at"]),
        str(found["event"]),
        int(found["status_code"]),
        str(found["status"]),
    )
