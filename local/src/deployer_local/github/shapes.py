"""GitHub's JSON for users, repositories and commits, shared by REST answers and webhook payloads.

Pure: data in, dictionaries out. Every field that GitHub's OpenAPI description requires is there; what a laptop has not
(stars, forks, issues) is said in GitHub's own terms: zero, false or null.
"""

from typing import Any
from urllib.parse import quote

from .git import Commit, Person, in_utc
from .names import ZERO, node_id
from .repositories import Repository, iso

Json = dict[str, Any]


class Urls:
    """Where things are. `base` is the server's root without a slash at its end."""

    def __init__(self, base: str) -> None:
        """REST is under `{base}/api/v3`, git and pages under `{base}/{owner}/{name}`."""
        self.base = base.rstrip("/")
        self.api = f"{self.base}/api/v3"

    def html(self, repository: Repository) -> str:
        """The repository's page (nothing is served there: GitHub's address, on this host)."""
        return f"{self.base}/{repository.full_name}"

    def repo(self, repository: Repository) -> str:
        """The repository's REST address."""
        return f"{self.api}/repos/{repository.full_name}"


def escape(text: str) -> str:
    """A path or ref within a URL; slashes stay."""
    return quote(text, safe="/")


def user(urls: Urls, login: str, identity: int) -> Json:
    """`simple-user`."""
    here = f"{urls.api}/users/{login}"
    return {
        "login": login,
        "id": identity,
        "node_id": node_id("User", identity),
        "avatar_url": f"{urls.base}/avatars/u/{identity}",
        "gravatar_id": "",
        "url": here,
        "html_url": f"{urls.base}/{login}",
        "followers_url": f"{here}/followers",
        "following_url": f"{here}/following{{/other_user}}",
        "gists_url": f"{here}/gists{{/gist_id}}",
        "starred_url": f"{here}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{here}/subscriptions",
        "organizations_url": f"{here}/orgs",
        "repos_url": f"{here}/repos",
        "events_url": f"{here}/events{{/privacy}}",
        "received_events_url": f"{here}/received_events",
        "type": "User",
        "user_view_type": "public",
        "site_admin": False,
    }


_LINKS = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}


def minimal_repository(urls: Urls, repository: Repository) -> Json:
    """`minimal-repository`: who and where."""
    here = urls.repo(repository)
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": True,
        "owner": user(urls, repository.owner, repository.owner_id),
        "html_url": urls.html(repository),
        "description": None,
        "fork": False,
        "url": here,
    } | {key: here + tail for key, tail in _LINKS.items()}


def repository(urls: Urls, repo: Repository) -> Json:
    """A repository as webhooks of the REST kind (create, delete, ping) carry it; `full_repository` adds to it."""
    here = urls.html(repo)
    return minimal_repository(urls, repo) | {
        "created_at": iso(repo.created_at),
        "updated_at": iso(repo.updated_at),
        "pushed_at": iso(repo.pushed_at),
        "git_url": f"git:{here.partition(':')[2]}.git",
        "ssh_url": f"{here}.git",
        "clone_url": f"{here}.git",
        "svn_url": here,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": False,
        "has_projects": False,
        "has_downloads": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": 0,
        "license": None,
        "allow_forking": False,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private",
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": repo.default_branch,
    }


def full_repository(urls: Urls, repo: Repository) -> Json:
    """`full-repository`: the answer to GET /repos/{owner}/{repo}."""
    return repository(urls, repo) | {
        "permissions": {"admin": True, "maintain": True, "push": True, "triage": True, "pull": True},
        "network_count": 0,
        "subscribers_count": 0,
    }


def pushed_repository(urls: Urls, repo: Repository) -> Json:
    """The repository within a push: two dates are numbers, the owner has a name, master_branch is the default's."""
    owner = {"name": repo.owner, "email": email(repo.owner, repo.owner_id)}
    return repository(urls, repo) | {
        "owner": owner | user(urls, repo.owner, repo.owner_id),
        "url": urls.html(repo),
        "created_at": repo.created_at,
        "pushed_at": repo.pushed_at,
        "stargazers": 0,
        "master_branch": repo.default_branch,
    }


def email(login: str, identity: int) -> str:
    """The address that stands for a user who shows none."""
    return f"{identity}+{login}@users.noreply.github.invalid"


def commit(urls: Urls, repo: Repository, found: Commit) -> Json:
    """`commit`, without `stats` and `files`. Nobody is known by email here: author and committer are null."""
    api, html = urls.repo(repo), urls.html(repo)
    return {
        "sha": found.sha,
        "node_id": node_id("Commit", f"{repo.id}:{found.sha}"),
        "commit": {
            "author": _person(found.author),
            "committer": _person(found.committer),
            "message": found.message,
            "tree": {"sha": found.tree, "url": f"{api}/git/trees/{found.tree}"},
            "url": f"{api}/git/commits/{found.sha}",
            "comment_count": 0,
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "url": f"{api}/commits/{found.sha}",
        "html_url": f"{html}/commit/{found.sha}",
        "comments_url": f"{api}/commits/{found.sha}/comments",
        "author": None,
        "committer": None,
        "parents": [
            {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{html}/commit/{sha}"} for sha in found.parents
        ],
    }


def pushed_commit(urls: Urls, repo: Repository, found: Commit, *, distinct: bool) -> Json:
    """One of a push's `commits`, and its `head_commit`."""
    letters = {"A": "added", "D": "removed"}
    paths: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for letter, path in found.changes:
        paths[letters.get(letter, "modified")].append(path)
    return {
        "id": found.sha,
        "tree_id": found.tree,
        "distinct": distinct,
        "message": found.message,
        "timestamp": found.committer.date,
        "url": f"{urls.html(repo)}/commit/{found.sha}",
        "author": {"name": found.author.name, "email": found.author.email},
        "committer": {"name": found.committer.name, "email": found.committer.email},
        **paths,
    }


def compare(here: str, ref: str, before: str, after: str, first: str | None) -> str:
    """A push's `compare` address. `first` is the oldest new commit of a branch that was just created, if it has any."""
    short = escape(ref.split("/", 2)[2])
    if before == ZERO:
        if first is None:
            return f"{here}/compare/{short}"
        return f"{here}/commit/{after[:12]}" if first == after else f"{here}/compare/{first[:12]}^...{after[:12]}"
    return f"{here}/compare/{before[:12]}{'^' if after == ZERO else ''}...{after[:12]}"


def _person(person: Person) -> Json:
    return {"name": person.name, "email": person.email, "date": in_utc(person.date)}
