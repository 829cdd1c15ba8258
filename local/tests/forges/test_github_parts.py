"""The local GitHub without a server around it: what it answers to what is not there, and git's ends under it."""

import asyncio
import base64
import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from deployer_local.github import GitHub
from deployer_local.github.apps import Apps
from deployer_local.github.deployments import Deployments
from deployer_local.github.git import GitFailedError, GitRepository
from deployer_local.github.pulls import Pulls
from deployer_local.github.pushes import Pushes
from deployer_local.github.repositories import Repositories
from deployer_local.github.rest.exchange import Call, Forge, RefusalError
from deployer_local.github.rest.identity import Identity
from deployer_local.github.shapes import Urls
from deployer_local.github.store import Store
from deployer_local.github.webhooks import LARGEST_PAYLOAD, Webhooks

from .conftest import TOKEN, Receiver, Work

NOW = 1_700_000_000.0


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """One with the repositories acme/site (main is pushed) and acme/shop (empty), which nobody serves."""
    made = GitHub(tmp_path / "forge", token=TOKEN, base_url="http://127.0.0.1:1", clock=lambda: NOW)
    made.create_repository("acme/site")
    made.create_repository("acme/shop")
    work = Work(tmp_path / "work")
    work.commit("first")
    work.git("push", "-q", str(tmp_path / "forge/repositories/1.git"), "main")
    made.resume()
    yield made
    made.close()


@dataclass
class Parts:
    """What a GitHub is made of."""

    store: Store
    repositories: Repositories
    webhooks: Webhooks

    def urls(self) -> Urls:
        """Where it would be."""
        return Urls("http://127.0.0.1:1")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """Those of an empty one."""
    store = Store(tmp_path / "github.sqlite")
    parts = Parts(store, Repositories(store, tmp_path, lambda: NOW), Webhooks(store, lambda: NOW))
    yield parts
    parts.webhooks.close()
    store.close()


def test_repositories_are_made_once(github: GitHub) -> None:
    assert github.create_repository("Acme/Site", "trunk") == github.repository("acme/site")
    assert [each.full_name for each in github.repositories()] == ["acme/site", "acme/shop"]


def test_what_is_not_there_is_a_key_error(github: GitHub, parts: Parts) -> None:
    pushes = Pushes(parts.store, parts.repositories, parts.webhooks, parts.urls, lambda: NOW)
    for ask, key in (
        (lambda: github.repository("acme/none"), "'acme/none'"),
        (lambda: github.remove_hook(99), "99"),
        (lambda: github.redeliver("no-guid"), "'no-guid'"),
        (lambda: parts.webhooks.redeliver(99), "99"),
        (lambda: parts.webhooks.delivery(99), "99"),
        (lambda: pushes.look(99), "99"),
    ):
        with pytest.raises(KeyError, match=f"^{key}$"):
            ask()


def test_a_name_that_is_taken_and_a_branch_that_is_not_there(github: GitHub) -> None:
    with pytest.raises(ValueError, match="acme/shop exists"):
        github.rename("acme/site", "acme/shop")
    with pytest.raises(ValueError, match="acme/site has no branch 'trunk'"):
        github.set_default_branch("acme/site", "trunk")
    assert [each.full_name for each in github.repositories()] == ["acme/site", "acme/shop"]
    assert github.repository("acme/site").default_branch == "main"


def test_a_call_about_no_repository_has_none(parts: Parts) -> None:
    told = (Deployments(parts.store, lambda: NOW), Pulls(parts.store, lambda: NOW), Apps(parts.store, lambda: NOW))
    forge = Forge(
        parts.store, parts.repositories, parts.webhooks, parts.urls, lambda: NOW, "mona", *told, lambda _: None
    )
    call = Call(forge, "GET", "/user", {}, {}, {}, b"", None, lambda path: path, Identity())
    with pytest.raises(RefusalError, match="Not Found"):
        _ = call.repository


def test_git_that_fails_where_it_should_not(github: GitHub, tmp_path: Path) -> None:
    with pytest.raises(GitFailedError, match=r"^git cat-file ended with 128 in 1\.git$"):
        GitRepository(tmp_path / "forge/repositories/1.git").blob("0" * 40)


def test_a_removed_hook_is_heard_of_no_more(github: GitHub, receiver: Receiver) -> None:
    hook = github.add_hook("acme/site", receiver.url, "secret")
    assert github.settle()
    github.remove_hook(hook.id)
    assert github.hooks() == []
    again = github.redeliver(github.deliveries()[0].guid)
    assert github.settle()
    assert [(each.id, each.status, each.status_code) for each in github.deliveries()][1:] == [
        (again.id, "hook removed", 0)
    ]
    assert len(receiver.got) == 1


def test_a_setting_that_hooks_do_not_have(parts: Parts) -> None:
    hook = parts.webhooks.add(None, "http://127.0.0.1:1/x", "secret", ("push",))
    with pytest.raises(ValueError, match="no such setting of a hook: id, owner"):
        parts.webhooks.change(hook.id, owner="acme", url="http://127.0.0.1:1/y", id=7)
    assert parts.webhooks.hooks() == [hook]


def test_a_payload_over_githubs_limit_is_not_sent(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap"""
    parts.webhooks.add(None, "http://127.0.0.1:1/x", "secret", ("push",))
    empty = len('{"text":""}')
    parts.webhooks.record(None, "push", {"text": "x" * (LARGEST_PAYLOAD - empty + 1)})
    assert (parts.webhooks.deliveries(), "over GitHub's limit" in caplog.text) == ([], True)
    parts.webhooks.record(None, "push", {"text": "x" * (LARGEST_PAYLOAD - empty)})
    assert len(parts.webhooks.deliveries()) == 1


def test_deliveries_that_take_too_long_are_not_settled(parts: Parts) -> None:
    parts.webhooks.record(None, "ping", {}, only=parts.webhooks.add(None, "http://127.0.0.1:1/x", "", ()))
    assert parts.webhooks.settle(0) is False
    assert parts.webhooks.settle(30) is True


def test_F98_a_delivery_whose_end_was_not_recorded_is_sent_again(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def closing(_: object) -> bool:
        first.close()
        return False

    first = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
    first.drop_delivery(closing)  # between the delivery's record and its sending
    first.add_hook(None, receiver.url, "secret")
    for thread in threading.enumerate():
        if thread.name.startswith("github-hookshot"):
            thread.join(10)
    assert "delivery 1 could not be recorded" in caplog.text
    caplog.clear()
    again = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
    again.resume()
    assert again.settle()
    assert [(each.status_code, each.redelivery) for each in again.deliveries()] == [(202, False)]
    assert len({headers["x-github-delivery"] for headers, _ in receiver.got}) == 1
    again.close()


@dataclass
class Client:
    """Speaks ASGI to the application; `leaves`: is gone when the answer begins, as ASGI says an OSError."""

    github: GitHub
    leaves: bool = False

    async def ask(self, path: str, body: bytes = b"", *, method: str = "POST", **headers: str) -> list[Message]:
        """What was answered."""
        asked = [{"type": "http.request", "body": body, "more_body": self.leaves}]
        answered: list[Message] = []

        async def receive() -> Message:
            if not asked:
                await asyncio.Event().wait()
            return asked.pop()

        async def send(message: Message) -> None:
            if self.leaves:
                raise OSError
            answered.append(message)

        where, _, query = path.partition("?")
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope: dict[str, Any] = {"type": "http", "method": method, "path": where, "raw_path": where.encode()}
        scope |= {
            "root_path": "",
            "query_string": query.encode(),
            "headers": named,
            "server": ("127.0.0.1", 1),
            "scheme": "http",
        }
        async with asyncio.timeout(30):
            await self.github.app(scope, receive, send)
        return answered

    def status(self, path: str, body: bytes = b"", *, method: str = "POST", **headers: str) -> int:
        """How it was answered."""
        return int(asyncio.run(self.ask(path, body, method=method, **headers))[0]["status"])


RECEIVE: dict[str, Any] = {"content_type": "application/x-git-receive-pack-request"}


def naming(branch: str, sha: str) -> bytes:
    """A push of a new branch for a commit that is there: its pack is empty.

    https://git-scm.com/docs/gitprotocol-pack#_reference_update_request_and_packfile_transfer
    """
    line = f"{'0' * 40} {sha} refs/heads/{branch}\0report-status".encode()
    pack = b"PACK" + (2).to_bytes(4, "big") + bytes(4)
    return f"{len(line) + 4:04x}".encode() + line + b"0000" + pack + hashlib.sha1(pack, usedforsecurity=False).digest()


@pytest.fixture
def hooked(github: GitHub, receiver: Receiver) -> GitHub:
    """One whose pushes are heard of."""
    github.add_hook(None, receiver.url, "secret")
    return github


def told(github: GitHub) -> list[tuple[str, str]]:
    """The refs of all pushes that were announced, with the pushers."""
    found = [each.payload for each in github.deliveries() if each.event == "push"]
    return [(each["ref"].removeprefix("refs/heads/"), each["pusher"]["name"]) for each in found]


def basic(text: bytes) -> str:
    """An Authorization header."""
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("authorization", "pusher"),
    [
        (basic(b"mona:secret"), "mona"),
        (basic(b"mona"), "mona"),
        (basic(b"mona lisa:x"), "acme"),
        (basic(b":x"), "acme"),
        (basic(b"\xff:x"), "acme"),
        ("Basic !", "acme"),
        ("Bearer mona", "acme"),
    ],
    ids=["name", "no-password", "no-login", "no-name", "not-text", "not-base64", "other-scheme"],
)
def test_pusher_is_who_the_client_says(hooked: GitHub, authorization: str, pusher: str) -> None:
    body = naming("new", hooked.refs("acme/site")["refs/heads/main"])
    path = "/acme/site.git/git-receive-pack"
    assert Client(hooked).status(path, body, **RECEIVE, authorization=authorization) == 200
    assert told(hooked) == [("new", pusher)]


def test_F98_a_push_whose_client_left_is_announced(hooked: GitHub) -> None:
    sha = hooked.refs("acme/site")["refs/heads/main"]
    with pytest.raises(OSError, match=r"^$"):
        asyncio.run(Client(hooked, leaves=True).ask("/acme/site.git/git-receive-pack", naming("new", sha), **RECEIVE))
    assert (hooked.refs("acme/site")["refs/heads/new"], told(hooked)) == (sha, [("new", "acme")])


def test_no_such_repository(github: GitHub) -> None:
    path = "/acme/none.git/info/refs?service=git-upload-pack"
    answer = asyncio.run(Client(github).ask(path, method="GET"))
    assert (answer[0]["status"], answer[1]["body"]) == (404, b"Repository not found.")


def test_what_git_refuses_has_gits_status(github: GitHub) -> None:
    assert Client(github).status("/acme/site.git/git-receive-pack", b"", content_type="text/plain") == 415


def backend(folder: Path, script: str) -> str:
    """A PATH on which `git http-backend` is this script, and git itself all else."""
    folder.mkdir()
    real = shutil.which("git")
    (folder / "git").write_text(
        f'#!/bin/sh\nif [ "$1" != http-backend ]; then exec {real} "$@"; fi\necho $$ > {folder}/pid\n{script}\n'
    )
    (folder / "git").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    "script",
    ["exit 1", "printf 'Content-Type: text/plain'", "head -c 40000 /dev/zero"],
    ids=["dies", "torn", "endless"],
)
def test_git_without_a_head_is_an_error_of_the_server(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setenv("PATH", backend(tmp_path / "bin", script))
    assert Client(github).status("/acme/site.git/info/refs?service=git-upload-pack", method="GET") == 500


def test_a_fetch_whose_client_left_ends_at_once(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "printf 'Content-Type: text/plain\\r\\n\\r\\n'; exec sleep 1000"
    monkeypatch.setenv("PATH", backend(tmp_path / "bin", script))
    with pytest.raises(OSError, match=r"^$"):
        asyncio.run(Client(github, leaves=True).ask("/acme/site.git/git-upload-pack"))
    assert not Path("/proc", (tmp_path / "bin/pid").read_text().strip()).exists()
