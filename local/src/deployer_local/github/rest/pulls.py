"""Pull requests, to be read.

https://docs.github.com/rest/pulls/pulls and
https://docs.github.com/rest/commits/commits#list-pull-requests-associated-with-a-commit
"""

from deployer_local.github import shapes
from deployer_local.github.names import node_id
from deployer_local.github.pulls import PullRequest
from deployer_local.github.repositories import iso
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, RefusalError, not_found, number, paged, route


def listed(call: Call) -> Answer:
    """GET .../pulls: open ones, newest first, unless asked otherwise. `head` is `owner:branch`."""
    query, found = call.query, call.forge.pulls.listed(call.repository)
    state = query.get("state", "open")
    if state != "all":
        found = [each for each in found if each.state == state]
    if "head" in query:
        found = [each for each in found if f"{call.repository.owner}:{each.head}" == query["head"]]
    if "base" in query:
        found = [each for each in found if each.base == query["base"]]
    if query.get("sort") == "updated":
        found.sort(key=lambda each: each.updated_at, reverse=True)
    # Newest first by default where nothing, or the creation, is asked for; https://docs.github.com/rest/pulls/pulls
    if query.get("direction", "desc" if query.get("sort", "created") == "created" else "asc") == "asc":
        found.reverse()
    return paged(call, found, lambda each: _simple(call, each))


def shown(call: Call) -> Answer:
    """GET .../pulls/{pull_number}. Whether it can be merged is left open, as GitHub does while it is finding out."""
    wanted = number(call.params["pull_number"])
    found = [each for each in call.forge.pulls.listed(call.repository) if each.number == wanted]
    if not found:
        not_found()
    pull, git = found[0], call.git
    added, removed, files = git.difference(pull.base_sha, pull.head_sha)
    return Answer(
        _simple(call, pull)
        | {
            "merged": False,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": None,
            "comments": 0,
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": len(git.reachable(pull.head_sha, [pull.base_sha], 250)),
            "additions": added,
            "deletions": removed,
            "changed_files": files,
        }
    )


def of_commit(call: Call) -> Answer:
    """GET .../commits/{commit_sha}/pulls: open ones that would bring a commit, or a branch's tip, into their base."""
    git, default = call.git, call.repository.default_branch
    if not git.refs():
        raise RefusalError(409, "Git Repository is empty.")
    sha = git.resolve(call.params["commit_sha"], default)
    if sha is None:
        raise RefusalError(422, f"No commit found for SHA: {call.params['commit_sha']}")

    def brings(pull: PullRequest) -> bool:
        return git.is_ancestor(sha, pull.head_sha) and not git.is_ancestor(sha, pull.base_sha)

    listed = [each for each in call.forge.pulls.listed(call.repository) if each.state == "open"]
    return paged(call, [each for each in listed if brings(each)], lambda each: _simple(call, each))


def _simple(call: Call, pull: PullRequest) -> Json:
    api, html = call.urls.repo(call.repository), call.urls.html(call.repository)
    here, page, issue = f"{api}/pulls/{pull.number}", f"{html}/pull/{pull.number}", f"{api}/issues/{pull.number}"
    related = {
        "html": page,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{here}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{here}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    return {
        "url": here,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        **{f"{name}_url": address for name, address in related.items()},
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": shapes.user(call.urls, pull.creator, call.forge.repositories.user_id(pull.creator)),
        "body": None,
        "labels": [],
        "milestone": None,
        "created_at": iso(pull.created_at),
        "updated_at": iso(pull.updated_at),
        "closed_at": iso(pull.closed_at) if pull.closed_at is not None else None,
        "merged_at": None,
        "merge_commit_sha": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": False,
        "head": _side(call, pull.head, pull.head_sha),
        "base": _side(call, pull.base, pull.base_sha),
        "_links": {name: {"href": address} for name, address in ({"self": here} | related).items()},
        "author_association": "OWNER",
        "auto_merge": None,
        "active_lock_reason": None,
    }


def _side(call: Call, branch: str, sha: str) -> Json:
    repository = call.repository
    return {
        "label": f"{repository.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shapes.user(call.urls, repository.owner, repository.owner_id),
        "repo": shapes.repository(call.urls, repository),
    }


ROUTES = (
    route("GET", "/pulls", listed),
    route("GET", "/pulls/{pull_number}", shown),
    route("GET", "/commits/{+commit_sha}/pulls", of_commit),
)
