"""Files and folders at a commit.

Read only. Symbolic links are followed as far as GitHub follows them: one that names a file of the repository gives that
file, any other describes itself.

https://docs.github.com/rest/repos/contents#get-repository-content
"""

import base64
import posixpath
import textwrap
from urllib.parse import quote

from deployer_local.github import shapes
from deployer_local.github.git import Entry
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, RefusalError, not_found, route

MEGABYTE = 1024 * 1024
_TYPES = {"120000": "symlink", "160000": "file", "040000": "dir"}
"""Of a listing's lines; GitHub calls a submodule a file there, for old clients."""


def contents(call: Call) -> Answer:
    """GET .../contents/{path}?ref=."""
    for kind in ("object", "html"):
        if call.accepts(kind):
            raise RefusalError(
                415, "Unsupported 'Accept' header: must accept 'application/json' or the raw media type."
            )
    git, path = call.git, call.params.get("path", "").strip("/")
    if not git.refs():
        raise RefusalError(404, "This repository is empty.")
    asked = call.query.get("ref") or call.repository.default_branch
    commit = git.resolve(asked, call.repository.default_branch)
    if commit is None:
        raise RefusalError(404, f"No commit found for the ref {asked}")
    entry = git.entry(commit, path)
    if entry is None:
        not_found()
    if entry.kind == "tree":
        items = sorted(git.listing(entry.sha), key=lambda each: each.name)
        return Answer([_line(call, asked, posixpath.join(path, each.name), each) for each in items[:1000]])
    if entry.kind == "commit":
        return Answer(_submodule(call, asked, commit, path, entry))
    if entry.mode == "120000":
        target = git.blob(entry.sha).decode("utf-8", "surrogateescape")
        followed = git.entry(commit, posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
        if followed is None or followed.kind != "blob" or followed.mode == "120000":
            return Answer(_described(call, asked, path, entry, "symlink") | {"target": target})
        entry = followed
    return _file(call, asked, path, entry)


def _file(call: Call, asked: str, path: str, entry: Entry) -> Answer:
    if entry.size > 100 * MEGABYTE:
        error = {"resource": "Blob", "field": "data", "code": "too_large"}
        raise RefusalError(403, "This API returns blobs up to 100 MB in size.", [error])
    if media := call.accepts("raw"):
        return Answer(call.git.blob(entry.sha), media=f"{media}; charset=utf-8")
    body = _described(call, asked, path, entry, "file")
    if entry.size > MEGABYTE:
        return Answer(body | {"content": "", "encoding": "none"})
    encoded = base64.b64encode(call.git.blob(entry.sha)).decode("ascii")
    content = "".join(f"{line}\n" for line in textwrap.wrap(encoded, 60))
    return Answer(body | {"content": content, "encoding": "base64"})


def _line(call: Call, asked: str, path: str, entry: Entry) -> Json:
    return _described(call, asked, path, entry, _TYPES.get(entry.mode, "file"))


def _submodule(call: Call, asked: str, commit: str, path: str, entry: Entry) -> Json:
    described = _described(call, asked, path, entry, "submodule")
    return described | {"submodule_git_url": call.git.submodule_url(commit, path) or ""}


def _described(call: Call, asked: str, path: str, entry: Entry, kind: str) -> Json:
    api, html, where = call.urls.repo(call.repository), call.urls.html(call.repository), shapes.escape(path)
    ref = shapes.escape(asked)
    foreign = entry.kind == "commit"
    git_url = None if foreign else f"{api}/git/{entry.kind}s/{entry.sha}"
    page = None if foreign else f"{html}/{entry.kind}/{ref}/{where}"
    here = f"{api}/contents/{where}?ref={quote(asked, safe='')}"
    return {
        "name": posixpath.basename(path),
        "path": path,
        "sha": entry.sha,
        "size": entry.size,
        "url": here,
        "html_url": page,
        "git_url": git_url,
        "download_url": f"{html}/raw/{ref}/{where}" if entry.kind == "blob" else None,
        "type": kind,
        "_links": {"self": here, "git": git_url, "html": page},
    }


ROUTES = (
    route("GET", "/contents/{+path}", contents),
    route("GET", "/contents/", contents),
    route("GET", "/contents", contents),
)
