"""git over HTTP against the local GitHub: real git, real sockets, hostile paths, a kill in between."""

import io
import os
import socket
import subprocess
import tarfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployer_local.github import GitHub

from .conftest import TOKEN, Forge, Receiver, Work


def test_push_clone_and_fetch(forge: Forge, site: Work, tmp_path: Path) -> None:
    other = Work(tmp_path / "other")
    other.git("fetch", "-q", f"{forge.url}/acme/site", "main")
    assert other.git("rev-parse", "FETCH_HEAD") == site.git("rev-parse", "HEAD")
    other.git("clone", "-q", f"{forge.url}/acme/site.git", "cloned")
    assert (tmp_path / "other/cloned/README.md").read_text() == "hello\n"


def test_large_pack_goes_through_in_both_directions(forge: Forge, site: Work, tmp_path: Path) -> None:
    (site.path / "large").write_bytes(bytes(range(256)) * 12_000 + os.urandom(3_000_000))
    site.commit("large")
    site.git("push", "-q", "origin", "main")
    Work(tmp_path / "other").git("clone", "-q", f"{forge.url}/acme/site.git", "cloned")
    assert (tmp_path / "other/cloned/large").read_bytes() == (site.path / "large").read_bytes()


def test_fetch_by_commit_of_a_deleted_branch(forge: Forge, site: Work, tmp_path: Path) -> None:
    site.git("switch", "-q", "-c", "gone")
    sha = site.commit("on a branch that goes")
    site.git("push", "-q", "origin", "gone")
    site.git("push", "-q", "origin", ":gone")
    other = Work(tmp_path / "other")
    other.git("fetch", "-q", f"{forge.url}/acme/site.git", sha)
    assert other.git("rev-parse", "FETCH_HEAD") == sha


def test_F32_default_branch_cannot_be_deleted(forge: Forge, site: Work) -> None:
    assert "refusing to delete the current branch" in site.git("push", "origin", ":main", fails=True)
    site.git("push", "-q", "origin", "main:trunk")
    forge.github.set_default_branch("acme/site", "trunk")
    site.git("push", "-q", "origin", ":main")
    assert set(forge.github.refs("acme/site")) == {"refs/heads/trunk"}


def test_pushed_at_moves_with_a_push(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    github = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1", clock=lambda: now[0])
    assert github.create_repository("acme/site").pushed_at == 1_700_000_000
    work = Work(tmp_path / "work")
    work.commit("first")
    now[0] += 60
    work.git("push", "-q", str(tmp_path / "repositories/1.git"), "main")  # git moved refs, nobody announced it yet
    github.resume()
    assert github.repository("acme/site").pushed_at == 1_700_000_060
    github.close()


def test_F41_old_name_leads_to_the_new_one(forge: Forge, site: Work) -> None:
    before = forge.github.repository("acme/site").id
    assert forge.github.rename("acme/site", "umbrella/shop").id == before
    site.commit("after the rename")
    site.git("push", "-q", "origin", "main")
    assert forge.github.refs("umbrella/shop")["refs/heads/main"] == site.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/acme/site.git/../../github.sqlite",
        "/acme/site.git/HEAD",
        "/acme/site.git/config",
        "/acme/site.git/objects/info/packs",
        "/acme/site.git/info/refs",
        "/acme/site.git/info/refs?service=git-upload-archive",
        "/../repositories/1.git/info/refs?service=git-upload-pack",
        "/repositories/1.git/info/refs?service=git-upload-pack",
        "/acme/..%2f..%2frepositories%2f1.git/info/refs?service=git-upload-pack",
        "/acme/%2e%2e/info/refs?service=git-upload-pack",
        "/%2e%2e/1/info/refs?service=git-upload-pack",
        "/acme/site%00.git/info/refs?service=git-upload-pack",
        "/acme/site%0a/info/refs?service=git-upload-pack",
        "/--upload-pack=id/site/info/refs?service=git-upload-pack",
        "//etc/passwd",
        "/codeload/acme/site/legacy.tar.gz/main",
        "/codeload/acme/site/legacy.tar.gz/main?token=9999999999.00",
        "/codeload/acme/site/legacy.tar.gz/main?token=%C3%A9.x",
    ],
)
def test_F99_hostile_paths_are_not_found(forge: Forge, site: Work, path: str) -> None:
    host = urlsplit(forge.url)
    with socket.create_connection((host.hostname or "", host.port or 0)) as raw:  # a client would tidy the path up
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]


@pytest.mark.parametrize("target", ["outside", "absolute", "into-the-forge"])
def test_F99_a_link_in_a_repository_leads_nowhere_outside_of_it(
    forge: Forge, site: Work, tmp_path: Path, target: str
) -> None:
    (tmp_path / "secret").write_text("canary")
    links = {
        "outside": "../" * 30 + str(tmp_path / "secret").lstrip("/"),
        "absolute": str(tmp_path / "secret"),
        "into-the-forge": "../../HEAD",
    }
    (site.path / "link").symlink_to(links[target])
    site.commit("a link")
    site.git("push", "-q", "origin", "main")

    described = forge.call("GET", "/repos/acme/site/contents/link").json()
    raw = forge.call("GET", "/repos/acme/site/contents/link", headers={"Accept": "application/vnd.github.raw+json"})
    moved = forge.call("GET", "/repos/acme/site/tarball/main").headers["Location"]
    with tarfile.open(fileobj=io.BytesIO(forge.http.request("GET", moved).data)) as archive:
        packed = {member.name.partition("/")[2]: member for member in archive.getmembers()}

    assert (described["type"], described["target"]) == ("symlink", links[target])
    assert b"canary" not in raw.data
    assert b"ref: refs/heads" not in raw.data
    assert (packed["link"].issym(), packed["link"].linkname) == (True, links[target])


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT"])
def test_F99_a_tree_that_would_leave_its_folder_is_not_taken(forge: Forge, site: Work, name: str) -> None:
    before = forge.github.refs("acme/site")
    tree, blob = site.git("rev-parse", "HEAD^{tree}"), site.git("rev-parse", "HEAD:README.md")
    for kind, content in ((f"040000 tree {tree}", "folder"), (f"100644 blob {blob}", "file")):
        listed = subprocess.run(
            ["git", "mktree", "-z"], cwd=site.path, input=f"{kind}\t{name}\0".encode(), capture_output=True, check=True
        )
        commit = site.git("commit-tree", listed.stdout.decode().strip(), "-m", content)
        assert "remote rejected" in site.git("push", "origin", f"{commit}:refs/heads/{content}", fails=True)
    assert forge.github.refs("acme/site") == before


@pytest.mark.parametrize(
    "name",
    [
        *("", "acme", "acme/", "/site", "acme/..", "acme/.", "../site", "a/b/c", "acme/site.git", "-acme/site"),
        *("acme/s te", "acme/site\n", "acme/é", "api/v3", "slack/api", "sites/x", "codeload/x", "acme/" + "x" * 101),
    ],
)
def test_F99_names_that_github_would_not_take(tmp_path: Path, name: str) -> None:
    github = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
    with pytest.raises(ValueError, match="repository name"):
        github.create_repository(name)
    github.close()


def test_upload_that_breaks_off_changes_nothing(forge: Forge, site: Work) -> None:
    before = forge.github.refs("acme/site")
    host = urlsplit(forge.url)
    with socket.create_connection((host.hostname or "", host.port or 0)) as raw:
        head = "POST /acme/site.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        raw.sendall(f"{head}Content-Type: application/x-git-receive-pack-request\r\n\r\n0094".encode())
    site.commit("the next push does not wait for it")
    site.git("push", "-q", "origin", "main")
    assert forge.github.refs("acme/site").keys() == before.keys()


def test_pushes_at_once_are_each_announced(forge: Forge, site: Work, receiver: Receiver, tmp_path: Path) -> None:
    forge.github.add_hook("acme/site", receiver.url, "secret")
    works = []
    for number in range(4):
        site.git("clone", "-q", f"{forge.url}/acme/site.git", str(tmp_path / f"clone{number}"))
        works.append(Work(tmp_path / f"clone{number}"))
        works[-1].commit(f"change {number}", file=str(number))
    pushes = [
        threading.Thread(target=work.git, args=("push", "-q", "origin", f"HEAD:refs/heads/branch-{number}"))
        for number, work in enumerate(works)
    ]
    for push in pushes:
        push.start()
    for push in pushes:
        push.join()
    refs = [each.payload["ref"] for each in forge.github.deliveries() if each.event == "push"]
    assert sorted(refs) == [f"refs/heads/branch-{number}" for number in range(4)]


def test_F98_push_cut_off_before_its_announcement_is_announced_once(tmp_path: Path, receiver: Receiver) -> None:
    first = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
    first.create_repository("acme/site")
    first.add_hook(None, receiver.url, "secret")
    assert first.settle()
    work = Work(tmp_path / "work")
    sha = work.commit("first")
    work.git("push", "-q", str(tmp_path / "repositories/1.git"), "main")  # and there the process was killed
    for _ in range(2):
        again = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
        again.resume()
        assert again.settle()
        pushes = [each for each in again.deliveries() if each.event == "push"]
        assert [(each.payload["after"], each.status_code) for each in pushes] == [(sha, 202)]
        again.close()
    first.close()
