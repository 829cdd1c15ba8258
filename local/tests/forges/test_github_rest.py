"""The local GitHub's REST API, call by call. The `forge` fixture holds each exchange to GitHub's description."""

import base64
import dataclasses
import io
import os
import re
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import urllib3
from tests.contracts.github_answers import recorded

from deployer_local.github import GitHub

from .conftest import TOKEN, Forge, Receiver, Work, running, served

REPO = "/repos/acme/site"


@pytest.fixture
def rich(site: Work) -> Work:
    """acme/site with a folder, a symbolic link, a script, a submodule, tags of every kind and difficult branches."""
    (site.path / "deploy").mkdir()
    (site.path / "deploy/pipeline.json").write_text("{}\n")
    (site.path / "link").symlink_to("deploy/pipeline.json")
    (site.path / "dangling").symlink_to("nowhere")
    (site.path / "run.sh").write_text("#!/bin/sh\n")
    (site.path / "run.sh").chmod(0o755)
    (site.path / "secret.txt").write_text("not in archives")
    (site.path / ".gitattributes").write_text("secret.txt export-ignore\n")
    (site.path / "large").write_bytes(os.urandom(1024 * 1024 + 1))
    (site.path / ".gitmodules").write_text('[submodule "m"]\n\tpath = mod\n\turl = https://example.com/m.git\n')
    site.git("add", "-A")
    site.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},mod")
    site.git("commit", "-q", "-m", "More files")
    site.git("tag", "-a", "v1.0.0", "-m", "release")
    site.git("tag", "light")
    site.git("tag", "tree", "HEAD^{tree}")
    for name in BRANCHES:
        site.git("branch", name)
    site.git("push", "-q", "origin", "--all")
    site.git("push", "-q", "origin", "--tags")
    return site


BRANCHES = ["a#b", "a&ref=main", "a%2fb", "a<!channel>", "feature/löwe", "x/status"]


def test_repository(forge: Forge, rich: Work) -> None:
    body = forge.call("GET", REPO).json()
    found = forge.github.repository("acme/site")
    assert (body["id"], body["full_name"], body["default_branch"]) == (found.id, "acme/site", "main")
    assert body["owner"]["login"] == "acme"
    assert body == forge.call("GET", f"/repositories/{found.id}").json() == forge.call("GET", "/repos/ACME/Site").json()


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("safe", ["", "/"], ids=["slash-encoded", "slash-plain"])
def test_F40_ref_names_that_need_encoding(forge: Forge, rich: Work, branch: str, safe: str) -> None:
    encoded = quote(branch, safe=safe)
    answer = forge.call("GET", f"{REPO}/git/ref/heads/{encoded}")
    body = answer.json()
    assert (body["ref"], body["object"]["sha"]) == (f"refs/heads/{branch}", rich.git("rev-parse", branch))
    assert forge.http.request("GET", body["url"].replace("/git/refs/", "/git/ref/"), headers=auth()).json() == body
    assert forge.call("GET", f"{REPO}/contents/README.md?ref={quote(branch, safe='')}").status == 200
    if branch != "x/status" or not safe:  # GET commits/x/status is the status of x, on GitHub too
        assert forge.call("GET", f"{REPO}/commits/heads/{encoded}").json()["sha"] == rich.git("rev-parse", branch)


def auth(token: str = TOKEN) -> dict[str, str]:
    """The headers that name the token."""
    return {"Authorization": f"token {token}", "User-Agent": "tests"}


@pytest.mark.parametrize(
    ("tag", "kind"), [("v1.0.0", "tag"), ("light", "commit"), ("tree", "tree")], ids=["annotated", "light", "of-a-tree"]
)
def test_F37_tags(forge: Forge, rich: Work, tag: str, kind: str) -> None:
    body = forge.call("GET", f"{REPO}/git/ref/tags/{tag}").json()
    assert body["object"]["type"] == kind
    peeled = forge.call("GET", f"{REPO}/commits/tags/{tag}")
    if kind == "tree":
        assert (peeled.status, peeled.json()["message"]) == (422, "No commit found for SHA: tags/tree")
    else:
        assert peeled.json()["sha"] == rich.git("rev-parse", "HEAD")


@pytest.mark.parametrize("ref", ["heads/nothing", "heads/feature", "heads", "main", "tags/v1", "heads/main%20"])
def test_ref_is_exact(forge: Forge, rich: Work, ref: str) -> None:
    assert forge.call("GET", f"{REPO}/git/ref/{ref}").status == 404


def test_matching_refs_is_one_list(forge: Forge, rich: Work) -> None:
    rich.git("push", "-q", "origin", *(f"main:refs/heads/many-{number}" for number in range(40)))
    answer = forge.call("GET", f"{REPO}/git/matching-refs/heads/many?per_page=10", nonsense=True)
    assert len(answer.json()) == 40
    assert forge.call("GET", f"{REPO}/git/matching-refs/heads/none").json() == []
    assert {each["ref"] for each in forge.call("GET", f"{REPO}/git/matching-refs/tags/").json()} == {
        *("refs/tags/v1.0.0", "refs/tags/light", "refs/tags/tree")
    }


def test_pages_are_linked_as_github_links_them(forge: Forge, site: Work) -> None:
    """Thirteen branches in pages of three, against thirteen issues in pages of three as they were recorded."""
    site.git("push", "-q", "origin", *(f"main:refs/heads/many-{number:02}" for number in range(12)))
    names = []
    for page in recorded("paginate-issues"):
        theirs = page.headers["link"].replace("https://api.github.com/repositories/1000/issues", "HERE")
        number = page.target.partition("page=")[2].partition("&page=")[2]
        answer = forge.call("GET", f"{REPO}/branches?per_page=3" + (f"&page={number}" if number else ""))
        assert answer.headers["Link"].replace(f"{forge.url}/api/v3/repositories/1/branches", "HERE") == theirs
        names += [each["name"] for each in answer.json()]
    assert names == ["main", *(f"many-{number:02}" for number in range(12))]


@pytest.mark.parametrize(
    ("query", "count", "links", "nonsense"),
    [
        ("", 30, {"next", "last"}, False),
        ("?per_page=100", 100, {"next", "last"}, False),
        ("?per_page=101", 100, {"next", "last"}, False),
        ("?per_page=0", 30, {"next", "last"}, False),
        ("?per_page=-1", 30, {"next", "last"}, False),
        ("?per_page=many", 30, {"next", "last"}, True),
        ("?page=0", 30, {"next", "last"}, False),
        ("?page=5", 11, {"prev", "first"}, False),
        ("?page=6", 0, {"prev", "first"}, False),
        ("?page=999999999&per_page=100", 0, {"prev", "first"}, False),
    ],
)
def test_sizes_and_numbers_of_pages(many: Forge, query: str, count: int, links: set[str], *, nonsense: bool) -> None:
    answer = many.call("GET", f"{REPO}/branches{query}", nonsense=nonsense)
    assert (answer.status, len(answer.json())) == (200, count)
    assert set(re.findall(r'rel="(\w+)"', answer.headers["Link"])) == links


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """acme/site with 131 branches."""
    with running(tmp_path_factory.mktemp("forge")) as forge:
        forge.github.create_repository("acme/site")
        work = Work(tmp_path_factory.mktemp("work"))
        work.commit()
        work.git("push", "-q", f"{forge.url}/acme/site.git", "main", *(f"main:refs/heads/b{at}" for at in range(130)))
        yield forge


def test_everything_on_one_page_has_no_links(forge: Forge, site: Work) -> None:
    assert "Link" not in forge.call("GET", f"{REPO}/branches").headers


def test_commit(forge: Forge, rich: Work) -> None:
    sha = rich.git("rev-parse", "HEAD")
    body = forge.call("GET", f"{REPO}/commits/main").json()
    assert (body["sha"], body["commit"]["message"]) == (sha, "More files")
    assert {each["filename"] for each in body["files"]} >= {"deploy/pipeline.json", "link", "mod"}
    assert [each["sha"] for each in body["parents"]] == [rich.git("rev-parse", "HEAD^")]
    for ref in (sha, sha[:7], "HEAD", "heads/main", "tags/v1.0.0", rich.git("rev-parse", "v1.0.0")):
        short = forge.call("GET", f"{REPO}/commits/{ref}", headers={"Accept": "application/vnd.github.sha"})
        assert short.data.decode() == sha
        assert short.headers["Content-Type"].startswith("application/vnd.github.sha")


@pytest.mark.parametrize(
    "ref", ["nothing", "0" * 40, "main~1", "--all", "main%5E%7Btree%7D", "HEAD:deploy", "@%7B0%7D"]
)
def test_commit_that_is_not_there(forge: Forge, rich: Work, ref: str) -> None:
    answer = forge.call("GET", f"{REPO}/commits/{ref}")
    assert (answer.status, answer.json()["message"][:20]) == (422, "No commit found for ")


def test_commit_that_changes_nothing(forge: Forge, site: Work) -> None:
    sha = site.commit("nothing")
    site.git("push", "-q", "origin", "main")
    body = forge.call("GET", f"{REPO}/commits/main").json()
    assert (body["sha"], body["files"], body["stats"]) == (sha, [], {"additions": 0, "deletions": 0, "total": 0})


def test_empty_repository(forge: Forge) -> None:
    forge.github.create_repository("acme/empty")
    statuses = {path: forge.call("GET", f"/repos/acme/empty{path}").status for path in EMPTY}
    assert statuses == EMPTY


EMPTY = {
    "": 200,
    "/branches": 200,
    "/commits/main": 409,
    "/git/ref/heads/main": 409,
    "/git/matching-refs/heads/": 409,
    "/contents/README.md": 404,
    "/tarball/main": 404,
}


def test_file(forge: Forge, rich: Work) -> None:
    sha = rich.git("rev-parse", "HEAD")
    answer = forge.call("GET", f"{REPO}/contents/deploy/pipeline.json?ref={sha}")
    body = answer.json()
    assert (body["type"], body["path"], base64.b64decode(body["content"])) == ("file", "deploy/pipeline.json", b"{}\n")
    assert body["sha"] == rich.git("rev-parse", "HEAD:deploy/pipeline.json")
    for accept in ("application/vnd.github.raw+json", "application/vnd.github.raw", "application/vnd.github.v3.raw"):
        assert forge.call("GET", f"{REPO}/contents/deploy%2Fpipeline.json", headers={"Accept": accept}).data == b"{}\n"


def test_file_over_a_megabyte_is_raw_only(forge: Forge, rich: Work) -> None:
    body = forge.call("GET", f"{REPO}/contents/large").json()
    assert (body["content"], body["encoding"], body["size"]) == ("", "none", 1024 * 1024 + 1)
    raw = forge.call("GET", f"{REPO}/contents/large", headers={"Accept": "application/vnd.github.raw+json"})
    assert raw.data == (rich.path / "large").read_bytes()


def test_file_over_a_hundred_megabytes_is_not_told(forge: Forge, site: Work, tmp_path: Path) -> None:
    """The file is its head alone, which says how large it is: no test should need the bytes."""
    bare, sha, size = tmp_path / "forge/repositories/1.git", "ab" + "1" * 38, 100 * 1024 * 1024 + 1
    (bare / "objects/ab").mkdir(exist_ok=True)
    (bare / f"objects/ab/{sha[2:]}").write_bytes(zlib.compress(f"blob {size}\0".encode()))
    site.git("--git-dir", str(bare), "update-index", "--add", "--cacheinfo", f"100644,{sha},huge")
    tree = site.git("--git-dir", str(bare), "write-tree", "--missing-ok")
    commit = site.git("--git-dir", str(bare), "commit-tree", tree, "-m", "huge")
    site.git("--git-dir", str(bare), "update-ref", "refs/heads/huge", commit)
    for accept in ("application/json", "application/vnd.github.raw+json"):
        answer = forge.call("GET", f"{REPO}/contents/huge?ref=huge", headers={"Accept": accept})
        assert (answer.status, [each["code"] for each in answer.json()["errors"]]) == (403, ["too_large"])
    assert [each["size"] for each in forge.call("GET", f"{REPO}/contents/?ref=huge").json()] == [size]


@pytest.mark.parametrize("kind", ["object", "html"])
def test_forms_of_a_file_that_are_not_served(forge: Forge, site: Work, kind: str) -> None:
    accept = f"application/vnd.github.{kind}+json"
    answer = forge.call("GET", f"{REPO}/contents/README.md", headers={"Accept": accept}, nonsense=True)
    assert (answer.status, answer.json()["message"][:27]) == (415, "Unsupported 'Accept' header")


def test_F22_folders_links_and_submodules_say_what_they_are(forge: Forge, rich: Work) -> None:
    def at(path: str) -> Any:
        return forge.call("GET", f"{REPO}/contents/{path}").json()

    kinds = {each["name"]: each["type"] for each in at("?ref=main")}
    assert (kinds["deploy"], kinds["link"], kinds["mod"], kinds["run.sh"]) == ("dir", "symlink", "file", "file")
    assert [each["path"] for each in at("deploy")] == ["deploy/pipeline.json"]
    assert (at("link")["type"], base64.b64decode(at("link")["content"])) == ("file", b"{}\n")
    assert (at("dangling")["type"], at("dangling")["target"]) == ("symlink", "nowhere")
    assert (at("mod")["type"], at("mod")["submodule_git_url"]) == ("submodule", "https://example.com/m.git")


@pytest.mark.parametrize(
    "path", ["nothing", "deploy/nothing", "README.md/x", "link/x", "../x", "deploy*", ":(top)deploy"]
)
def test_file_that_is_not_there(forge: Forge, rich: Work, path: str) -> None:
    assert forge.call("GET", f"{REPO}/contents/{quote(path, safe='')}").status == 404
    assert forge.call("GET", f"{REPO}/contents/README.md?ref=nothing").status == 404


@pytest.mark.parametrize("ref", ["sha", "heads/main", "v1.0.0", "", "a%23b", "a%252fb"])
def test_archive(forge: Forge, rich: Work, ref: str) -> None:
    sha = rich.git("rev-parse", "HEAD")
    answer = forge.call("GET", f"{REPO}/tarball/{sha if ref == 'sha' else ref}")
    assert answer.status == 302
    archive = forge.http.request("GET", answer.headers["Location"])  # without the token, as on another host
    with tarfile.open(fileobj=io.BytesIO(archive.data)) as tar:
        members = {each.name: each for each in tar.getmembers()}
        top = f"acme-site-{sha[:7]}"
        assert {name.split("/")[0] for name in members} == {top}
        assert f"{top}/secret.txt" not in members
        assert members[f"{top}/link"].linkname == "deploy/pipeline.json"
        assert members[f"{top}/run.sh"].mode & 0o111
        assert tar.pax_headers["comment"] == sha
    tampered = answer.headers["Location"].replace("/acme/", "/acmE/")
    assert forge.http.request("GET", tampered).status == 404


@pytest.mark.parametrize("gone", ["branch", "name"])
def test_archive_of_what_went_since_the_redirect(forge: Forge, site: Work, gone: str) -> None:
    site.git("push", "-q", "origin", "main:topic")
    there = forge.call("GET", f"{REPO}/tarball/topic").headers["Location"]
    if gone == "branch":
        site.git("push", "-q", "origin", ":topic")
    else:
        forge.github.rename("acme/site", "acme/shop")
    assert forge.http.request("GET", there).status == 404


def test_torn_archive_is_no_whole_answer(forge: Forge, site: Work, tmp_path: Path) -> None:
    there = forge.call("GET", f"{REPO}/tarball/main").headers["Location"]
    blob = site.git("rev-parse", "HEAD:README.md")
    (tmp_path / f"forge/repositories/1.git/objects/{blob[:2]}/{blob[2:]}").unlink()
    with pytest.raises(urllib3.exceptions.ProtocolError):
        forge.http.request("GET", there, retries=False)


def test_archive_that_nobody_takes_is_not_packed_on(forge: Forge, site: Work, tmp_path: Path) -> None:
    (site.path / "large").write_bytes(os.urandom(30_000_000))
    site.commit("more than the buffers between the two take")
    site.git("push", "-q", "origin", "main")
    there = forge.call("GET", f"{REPO}/tarball/main").headers["Location"]
    packed = f"{tmp_path}/forge/repositories/1.git"

    def packing() -> bool:
        return any(packed in each.info["cmdline"] for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"])

    answer = forge.http.request("GET", there, preload_content=False)
    answer.read(1000)
    assert packing()
    answer.close()
    end = time.monotonic() + 30
    while packing():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_status_is_posted_and_read_back(forge: Forge, rich: Work) -> None:
    sha = rich.git("rev-parse", "HEAD")
    sent = {"state": "pending", "context": "build/0-prep", "description": "d" * 140, "target_url": "https://x.example"}
    posted = forge.call("POST", f"{REPO}/statuses/{sha}", sent)
    body = posted.json()
    assert (posted.status, {key: body[key] for key in sent}) == (201, sent)
    assert forge.call("POST", f"{REPO}/statuses/{sha}", {"state": "success", "context": "build/0-prep"}).status == 201
    assert forge.call("POST", f"{REPO}/statuses/{sha}", {"state": "error", "context": "other"}).status == 201
    combined = forge.call("GET", f"{REPO}/commits/main/status").json()
    assert (combined["state"], combined["total_count"], combined["sha"]) == ("failure", 2, sha)
    listed = forge.call("GET", f"{REPO}/commits/{sha}/statuses").json()
    assert [each["state"] for each in listed] == ["error", "success", "pending"]
    assert [each.state for each in forge.github.statuses("acme/site", sha)] == ["pending", "success", "error"]


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ((), "pending"),
        (("success",), "success"),
        (("success", "pending"), "pending"),
        (("failure", "pending"), "failure"),
    ],
    ids=["none", "success", "one-pending", "one-failed"],
)
def test_combined_status(forge: Forge, site: Work, states: tuple[str, ...], together: str) -> None:
    sha = site.git("rev-parse", "HEAD")
    for number, state in enumerate(states):
        forge.call("POST", f"{REPO}/statuses/{sha}", {"state": state, "context": str(number)})
    assert forge.call("GET", f"{REPO}/commits/{sha}/status").json()["state"] == together


@pytest.mark.parametrize(
    ("data", "field", "nonsense"),
    [
        ({}, "state", True),
        ({"state": "done"}, "state", True),
        ({"state": "success", "description": "d" * 141}, "description", False),
        ({"state": "success", "target_url": "javascript:alert(1)"}, "target_url", False),
        ({"state": "success", "target_url": "http://["}, "target_url", False),
        ({"state": "success", "context": "c" * 256}, "context", False),
        ({"state": "success", "description": "🚀"}, "description", False),
        ({"state": "success", "context": "🚀/Build"}, "context", False),
        ({"state": 1}, "state", True),
    ],
    ids=[
        *("no-state", "unknown-state", "description-141", "target-url", "no-url", "context-256"),
        *("F40-emoji-in-description", "F40-emoji-in-context", "number"),
    ],
)
def test_status_that_github_refuses(
    forge: Forge, site: Work, data: dict[str, object], field: str, *, nonsense: bool
) -> None:
    answer = forge.call("POST", f"{REPO}/statuses/{site.git('rev-parse', 'HEAD')}", data, nonsense=nonsense)
    assert answer.status == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("of", ["v1.0.0", "HEAD^{tree}", "HEAD:README.md"], ids=["F37-tag-object", "tree", "blob"])
def test_status_on_what_is_no_commit(forge: Forge, rich: Work, of: str) -> None:
    sha = rich.git("rev-parse", of)
    answer = forge.call("POST", f"{REPO}/statuses/{sha}", {"state": "success"})
    assert (answer.status, answer.json()["message"]) == (422, f"No commit found for SHA: {sha}")


@pytest.mark.parametrize("sha", ["0" * 40, "1" * 40, "main", "HEAD"], ids=["F68-zeros", "unknown", "branch", "HEAD"])
def test_status_on_what_is_not_there(forge: Forge, site: Work, sha: str) -> None:
    answer = forge.call("POST", f"{REPO}/statuses/{sha}", {"state": "success"})
    assert (answer.status, answer.json()["message"]) == (422, f"No commit found for SHA: {sha}")


def test_F66_a_thousand_statuses_for_each_context(forge: Forge, site: Work) -> None:
    sha = site.git("rev-parse", "HEAD")
    with forge.github._store.change() as rows:  # a thousand calls would only be slower
        rows.executemany(
            "insert into statuses (repository_id, sha, context, state, creator, created_at)"
            " values (1, ?, 'c', ?, 'x', 0)",
            [(sha, "pending")] * 999,
        )

    def post(context: str) -> int:
        sent = {"state": "success", "context": context}
        return forge.call("POST", f"{REPO}/statuses/{sha}", sent).status

    assert [post("c"), post("c"), post("d")] == [201, 422, 201]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Requires authentication"),
        ({"Authorization": "Bearer wrong"}, "Bad credentials"),
        ({"Authorization": "Bearer é"}, "Bad credentials"),
        ({"Authorization": f"Basic {TOKEN}"}, "Bad credentials"),
        ({"Authorization": "Bearer"}, "Requires authentication"),
    ],
    ids=["none", "wrong", "not-ascii", "scheme", "empty"],
)
def test_tokens(forge: Forge, site: Work, headers: dict[str, str], message: str) -> None:
    url = f"{forge.url}/api/v3{REPO}"
    with forge.tap.nonsense() if message == "Requires authentication" or "Basic" in str(headers) else nullcontext():
        answer = forge.http.request("GET", url, headers={"User-Agent": "tests"} | headers)
    assert (answer.status, answer.json()["message"]) == (401, message)


def test_client_without_a_name(forge: Forge, site: Work) -> None:
    """https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api#user-agent"""
    answer = forge.call("GET", REPO, headers={"User-Agent": urllib3.util.SKIP_HEADER}, nonsense=True)
    assert (answer.status, "User-Agent" in answer.json()["message"]) == (403, True)


def test_F42_hidden_repository_is_not_found(forge: Forge, site: Work) -> None:
    forge.github.hide("acme/site")
    answers = [forge.call("GET", f"{REPO}{path}") for path in ("", "/git/ref/heads/main", "/contents/README.md")]
    assert [(each.status, each.json()["message"]) for each in answers] == [(404, "Not Found")] * 3
    forge.github.show("acme/site")
    assert forge.call("GET", REPO).status == 200
    forge.github.rotate_token("other")
    assert (forge.call("GET", REPO).status, forge.call("GET", REPO, token="other").status) == (401, 200)


def test_F41_renamed_repository_redirects_by_number(forge: Forge, site: Work) -> None:
    identity = forge.github.rename("acme/site", "umbrella/shop").id
    answer = forge.call("GET", f"{REPO}/git/ref/heads/main")
    assert answer.status == forge.call("GET", REPO).status == 301
    assert answer.headers["Location"] == f"{forge.url}/api/v3/repositories/{identity}/git/ref/heads/main"
    assert forge.http.request("GET", answer.headers["Location"], headers=auth()).status == 200
    forge.github.create_repository("acme/site")  # the name is free again
    assert forge.call("GET", REPO).json()["id"] != identity


def test_conditional_request_costs_nothing(forge: Forge, site: Work) -> None:
    first = forge.call("GET", REPO)
    again = forge.call("GET", REPO, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.data) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    site.commit("change")
    site.git("push", "-q", "origin", "main:other")
    branches = forge.call("GET", f"{REPO}/branches")
    assert forge.call("GET", f"{REPO}/branches", headers={"If-None-Match": first.headers["ETag"]}).status == 200
    assert branches.headers["ETag"] != first.headers["ETag"]


def test_rate_limit_and_other_headers(forge: Forge, site: Work) -> None:
    answer = forge.call("GET", REPO, headers={"X-GitHub-Api-Version": "2022-11-28"})
    assert answer.headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    assert answer.headers["X-GitHub-Request-Id"]
    before = int(answer.headers["X-RateLimit-Remaining"])
    body = forge.call("GET", "/rate_limit").json()
    assert body["rate"]["remaining"] == before
    assert forge.call("GET", "/user").json()["login"] == "opolis-deployer"


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/repos/acme", "/repos/acme/none", f"{REPO}/nothing", f"{REPO}/hooks/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths(forge: Forge, site: Work, method: str, path: str) -> None:
    described = (method, path) == ("GET", "/repos/acme/none")
    answer = forge.call(method, path, nonsense=not described)
    assert (answer.status, answer.json()["message"], answer.json()["status"]) == (404, "Not Found", "404")


@pytest.mark.parametrize(
    ("body", "message"), [(b"{", "Problems parsing JSON"), (b"[]", "Body should be a JSON object")]
)
def test_bodies_that_are_no_object(forge: Forge, site: Work, body: bytes, message: str) -> None:
    url = f"{forge.url}/api/v3{REPO}/statuses/{site.git('rev-parse', 'HEAD')}"
    with forge.tap.nonsense():
        answer = forge.http.request("POST", url, body=body, headers=auth())
    assert (answer.status, answer.json()["message"]) == (400, message)


def test_body_of_more_than_a_megabyte(tmp_path: Path) -> None:
    """Not of GitHub's description, so that no tap listens."""
    github = GitHub(tmp_path, token=TOKEN, base_url="http://127.0.0.1:1")
    with served(lambda _: github.app) as url:
        answer = urllib3.request("POST", f"{url}/api/v3{REPO}/hooks", body=b" " * 1_048_577, headers=auth())
    github.close()
    assert (answer.status, answer.data) == (413, b"Payload Too Large")


def test_F67_failures_on_demand(forge: Forge, site: Work) -> None:
    forge.github.fail_next(r"/git/ref/", 403, {"Retry-After": "3"}, message="You have exceeded a secondary rate limit.")
    assert forge.call("GET", REPO).status == 200
    refused = forge.call("GET", f"{REPO}/git/ref/heads/main")
    assert (refused.status, refused.headers["Retry-After"]) == (403, "3")
    assert forge.call("GET", f"{REPO}/git/ref/heads/main").status == 200


def test_hooks(forge: Forge, site: Work, receiver: Receiver) -> None:
    sent = {"config": {"url": receiver.url, "content_type": "json", "secret": "s3cret"}, "events": ["push", "delete"]}
    created = forge.call("POST", f"{REPO}/hooks", sent)
    body = created.json()
    assert (body["config"]["secret"], body["events"]) == ("********", ["push", "delete"])
    twice = forge.call("POST", f"{REPO}/hooks", sent)
    assert twice.status == 422
    here = f"{REPO}/hooks/{body['id']}"
    assert forge.github.settle()
    shown = forge.call("GET", here).json()
    assert shown["last_response"]["code"] == 202
    assert len(forge.call("GET", f"{REPO}/hooks").json()) == 1
    patched = forge.call("PATCH", here, {"active": False, "add_events": ["create"]})
    changed = patched.json()
    assert (changed["active"], changed["events"]) == (False, ["push", "delete", "create"])
    site.git("push", "-q", "origin", "main:one")
    assert forge.call("POST", f"{here}/pings").status == 204
    assert forge.github.settle()
    assert [headers["x-github-event"] for headers, _ in receiver.got] == ["ping", "ping"]
    listed = forge.call("GET", f"{here}/deliveries")
    deliveries = listed.json()
    assert forge.call("POST", f"{here}/deliveries/{deliveries[0]['id']}/attempts").status == 202
    assert forge.github.settle()
    assert len(receiver.got) == 3
    assert forge.call("DELETE", here).status == 204
    assert forge.call("GET", here).status == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"active": "yes"}, "active"),
        ({"events": "push"}, "events"),
        ({"add_events": "create"}, "add_events"),
        ({"remove_events": [1]}, "remove_events"),
    ],
)
def test_a_change_of_a_hook_that_github_refuses(
    forge: Forge, site: Work, receiver: Receiver, wrong: dict[str, object], field: str
) -> None:
    hook = forge.github.add_hook("acme/site", receiver.url, "secret")
    answer = forge.call("PATCH", f"{REPO}/hooks/{hook.id}", wrong, nonsense=True)
    assert (answer.status, [each["field"] for each in answer.json()["errors"]]) == (422, [field])
    assert forge.github.hooks() == [hook]


def test_a_change_without_a_body_changes_nothing(forge: Forge, site: Work, receiver: Receiver) -> None:
    hook = forge.github.add_hook("acme/site", receiver.url, "secret")
    assert forge.call("PATCH", f"{REPO}/hooks/{hook.id}", nonsense=True).status == 200
    (after,) = forge.github.hooks()
    assert dataclasses.replace(after, updated_at=hook.updated_at) == hook


@pytest.mark.parametrize(
    ("wrong", "field", "nonsense"),
    [
        ({"name": "email"}, "name", False),
        ({"config": None}, "config", True),
        ({"config": {"content_type": "json"}}, "config", False),
        ({"config": {"url": "ftp://x"}}, "url", False),
        ({"config": {"url": "http://127.0.0.1:1/x", "content_type": "xml"}}, "content_type", False),
    ],
    ids=["no-web-hook", "no-config", "no-address", "address", "content-type"],
)
def test_a_hook_that_github_refuses(
    forge: Forge, site: Work, wrong: dict[str, object], field: str, *, nonsense: bool
) -> None:
    asked = {"config": {"url": "http://127.0.0.1:1/x"}} | wrong
    answer = forge.call("POST", f"{REPO}/hooks", asked, nonsense=nonsense)
    assert (answer.status, [each["field"] for each in answer.json()["errors"]]) == (422, [field])
    assert forge.github.hooks() == []


def test_a_hook_that_does_not_start_active(forge: Forge, site: Work, receiver: Receiver) -> None:
    made = forge.call("POST", f"{REPO}/hooks", {"config": {"url": receiver.url}, "active": False})
    site.git("push", "-q", "origin", "main:one")
    assert forge.github.settle()
    assert (made.json()["active"], [hook.active for hook in forge.github.hooks()]) == (False, [False])
    assert [headers["x-github-event"] for headers, _ in receiver.got] == ["ping"]


def test_deliveries_that_are_not_there(forge: Forge, site: Work, receiver: Receiver) -> None:
    hook, other = (forge.github.add_hook("acme/site", f"{receiver.url}/{name}", "secret") for name in "ab")
    assert forge.github.settle()
    foreign = next(each.id for each in forge.github.deliveries() if each.hook_id == other.id)
    for number in (foreign, 999):
        assert forge.call("POST", f"{REPO}/hooks/{hook.id}/deliveries/{number}/attempts").status == 404
    unknown = forge.call("GET", f"{REPO}/hooks/{hook.id}/deliveries?status=late", nonsense=True)
    assert (unknown.status, [each["field"] for each in unknown.json()["errors"]]) == (422, ["status"])


def test_deliveries_are_read_from_a_cursor_and_by_outcome(forge: Forge, site: Work, receiver: Receiver) -> None:
    hook = forge.github.add_hook("acme/site", receiver.url, "secret")
    for status in (202, 503, 202, 503):
        receiver.status = status
        forge.call("POST", f"{REPO}/hooks/{hook.id}/pings")
        assert forge.github.settle()
    here = f"/repositories/1/hooks/{hook.id}/deliveries"

    def page(target: str) -> tuple[list[int], dict[str, str]]:
        answer = forge.call("GET", target)
        found = re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("Link", ""))
        return [each["status_code"] for each in answer.json()], {rel: url.partition("/api/v3")[2] for url, rel in found}

    codes, links = page(f"{here}?per_page=2")
    assert (codes, set(links)) == ([503, 202], {"next"})
    assert links["next"].startswith(f"{here}?per_page=2&cursor=v1_")
    codes, middle = page(links["next"])
    assert (codes, set(middle)) == ([503, 202], {"prev", "next"})
    assert page(middle["prev"]) == ([503, 202], links)
    assert page(middle["next"])[0] == [202]
    assert page(f"{here}?status=failure") == ([503, 503], {})
    assert page(f"{here}?status=success&per_page=2")[0] == [202, 202]


def test_form_hook(forge: Forge, site: Work, receiver: Receiver) -> None:
    forge.call("POST", f"{REPO}/hooks", {"config": {"url": receiver.url}})
    assert forge.github.settle()
    assert receiver.got[0][0]["content-type"] == "application/x-www-form-urlencoded"
    assert receiver.got[0][1].startswith(b"payload=%7B")
    assert "x-hub-signature-256" not in receiver.got[0][0]


def test_F91_no_secret_in_the_log(
    forge: Forge, site: Work, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    forge.github.add_hook("acme/site", receiver.url, "hook-secret-canary")
    site.git("push", "-q", "origin", "main:one")
    forge.call("GET", REPO)
    assert forge.github.settle()
    assert TOKEN not in caplog.text
    assert "hook-secret-canary" not in caplog.text
