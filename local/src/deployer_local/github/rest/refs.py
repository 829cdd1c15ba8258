"""Repositories, refs, branches and commits.

Read only. A ref that a path names is looked up among the refs, exactly; annotated
tags are peeled where GitHub peels them.

https://docs.github.com/rest/git/refs and https://docs.github.com/rest/commits/commits#get-a-commit
"""

from deployer_local.github import shapes
from deployer_local.github.names import is_sha, node_id
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, RefusalError, links, not_found, one_page, paged, route

_STATUS = {"A": "added", "D": "removed"}


def repository(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}."""
    return Answer(shapes.full_repository(call.urls, call.repository))


def ref(call: Call) -> Answer:
    """GET .../git/ref/{ref}: exact; the object is the tag object where the tag is annotated."""
    refs = call.git.refs()
    _refuse_empty(refs)
    name = f"refs/{call.params['ref']}"
    if name not in refs:
        not_found()
    return Answer(_ref(call, name, refs[name]))


def matching_refs(call: Call) -> Answer:
    """GET .../git/matching-refs/{ref}: every ref that starts with it, in one answer.

    GitHub does not page this list, whatever per_page says: https://github.com/github/docs/issues/3863
    """
    refs = call.git.refs()
    _refuse_empty(refs)
    found = [item for item in refs.items() if item[0].startswith(f"refs/{call.params.get('ref', '')}")]
    return Answer([_ref(call, *item) for item in found])


def branches(call: Call) -> Answer:
    """GET .../branches."""
    found = [(name, sha) for name, sha in call.git.refs().items() if name.startswith("refs/heads/")]
    here = call.urls.repo(call.repository)

    def shape(item: tuple[str, str]) -> Json:
        commit = {"sha": item[1], "url": f"{here}/commits/{item[1]}"}
        return {"name": item[0].removeprefix("refs/heads/"), "commit": commit, "protected": False}

    return paged(call, [] if call.query.get("protected") == "true" else found, shape)


def commit(call: Call) -> Answer:
    """GET .../commits/{ref}: a SHA, a branch, a tag, heads/x or tags/x."""
    git, given = call.git, call.params["ref"]
    refs = git.refs()
    if not refs:
        raise RefusalError(409, "Git Repository is empty.")
    sha = git.resolve(given, call.repository.default_branch)
    if sha is None:
        raise RefusalError(422, f"No commit found for SHA: {given}")
    if media := call.accepts("sha"):
        return Answer(sha.encode(), media=f"{media}; charset=utf-8")
    found = git.commit(sha)
    counts = git.line_counts(sha)
    changed = []
    for letter, path in one_page(call, found.changes) if "per_page" in call.query else found.changes[:300]:
        added, removed = counts.get(path, (0, 0))
        at = found.parents[0] if letter == "D" and found.parents else sha
        entry = git.entry(at, path)
        where = f"{shapes.escape(path)}"
        changed.append(
            {
                "sha": entry.sha if entry else None,
                "filename": path,
                "status": _STATUS.get(letter, "modified"),
                "additions": added,
                "deletions": removed,
                "changes": added + removed,
                "blob_url": f"{call.urls.html(call.repository)}/blob/{at}/{where}",
                "raw_url": f"{call.urls.html(call.repository)}/raw/{at}/{where}",
                "contents_url": f"{call.urls.repo(call.repository)}/contents/{where}?ref={at}",
            }
        )
    plus, minus = sum(each[0] for each in counts.values()), sum(each[1] for each in counts.values())
    body = shapes.commit(call.urls, call.repository, found) | {
        "stats": {"total": plus + minus, "additions": plus, "deletions": minus},
        "files": changed,
    }
    return Answer(body, headers=links(call, len(found.changes)) if "per_page" in call.query else {})


def _refuse_empty(refs: dict[str, str]) -> None:
    if not refs:
        raise RefusalError(409, "Git Repository is empty.")


def _ref(call: Call, name: str, sha: str) -> Json:
    here = call.urls.repo(call.repository)
    kind = call.git.kind(sha) if is_sha(sha) else None
    return {
        "ref": name,
        "node_id": node_id("Ref", f"{call.repository.id}:{name}"),
        "url": f"{here}/git/{shapes.escape(name)}",
        "object": {"sha": sha, "type": kind or "commit", "url": f"{here}/git/{kind or 'commit'}s/{sha}"},
    }


ROUTES = (
    route("GET", "", repository),
    route("GET", "/branches", branches),
    route("GET", "/git/ref/{+ref}", ref),
    route("GET", "/git/matching-refs/{+ref}", matching_refs),
    route("GET", "/git/matching-refs/", matching_refs),
)
LATE_ROUTES = (route("GET", "/commits/{+ref}", commit),)
"""Matched last: a ref may hold slashes, so `commits/{ref}/status` must have had its turn."""
