"""The repository and the branch of a checkout: of what kind its remote may be, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.errors import Rejected
from deployer_cli.checkout import Checkout, FullName, repository


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/site.git", "acme/site"),
        ("https://github.com/acme/site", "acme/site"),
        ("https://github.com/acme/site/", "acme/site"),
        ("https://user:token@github.com/acme/site.git", "acme/site"),
        ("ssh://git@ssh.github.com:443/acme/site.git", "acme/site"),
        ("git@github.com:acme/site.git", "acme/site"),
        ("git+ssh://git@github.com/acme/my.site_2", "acme/my.site_2"),
        ("https://github.example.com/mona_acme/site", "mona_acme/site"),
        ("http://127.0.0.1:40123/acme/site.git", "acme/site"),
    ],
)
def test_a_remote_on_github_names_the_repository(folder: Path, url: str, name: str) -> None:
    git(folder, "remote", "add", "origin", url)
    assert str(repository(None, folder)) == name
    assert str(repository("other/one", folder)) == "other/one"


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/site.git",
        "../site.git",
        "file:///srv/acme/site.git",
        "https://github.com/site",
        "https://gitlab.com/group/acme/site.git",
        "https://github.com/acme/..",
        "https://github.com/acme/.",
        "https://github.com/acme/site?ref=x",
        "https://github.com/ac me/site",
        "https://github.com/acme/si%2fte",
        "git@github.com:acme/si\x1b[2Jte.git",
        "-oProxyCommand=x",
        "ext::sh -c whoami",
    ],
)
def test_a_hostile_or_foreign_remote_names_none(folder: Path, url: str) -> None:
    git(folder, "config", "remote.origin.url", url)
    with pytest.raises(Rejected, match="names no repository on GitHub; say --repo OWNER/NAME"):
        Checkout(folder).full_name()


def test_origin_counts_else_the_only_remote_there_is(folder: Path) -> None:
    git(folder, "remote", "add", "fork", "git@github.com:me/site.git")
    assert str(Checkout(folder).full_name()) == "me/site"
    git(folder, "remote", "add", "other", "git@github.com:you/site.git")
    with pytest.raises(Rejected):
        Checkout(folder).full_name()
    git(folder, "remote", "add", "origin", "git@github.com:acme/site.git")
    assert str(Checkout(folder).full_name()) == "acme/site"


@pytest.mark.parametrize("name", ["acme", "acme/site/x", "/site", "acme/", "ac me/site", "acme/..", "a/b\n", "ä/b", ""])
def test_what_is_no_full_name_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match="it is OWNER/NAME"):
        FullName.parse(name)


@pytest.mark.parametrize("branch", ["main", "feature/login", "a#b", "a&ref=main", "a%2fb", "a<!channel>", "$(id)", "ü"])
def test_the_branch_is_what_is_checked_out_however_it_is_called(folder: Path, branch: str) -> None:
    git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    assert Checkout(folder).branch() == branch


def test_without_a_branch_one_has_to_be_named(folder: Path) -> None:
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x")
    git(folder, "checkout", "--quiet", "--detach")
    with pytest.raises(Rejected, match="no branch is checked out here; name one"):
        Checkout(folder).branch()


def test_outside_a_checkout_it_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="is no git checkout"):
        Checkout(tmp_path).branch()


def test_without_git_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Rejected, match="git is not installed"):
        Checkout(folder).branch()
