"""What an App does as itself: it finds its installation at a repository, and asks for a token of it.

https://docs.github.com/rest/apps/apps
"""

from deployer_local.github import shapes
from deployer_local.github.apps import App, Apps, Installation, reaches
from deployer_local.github.repositories import Repository, iso
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, RefusalError, not_found, number, route
from .identity import covers


def installation(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/installation."""
    found = _apps(call).installed_at(_app(call), call.repository)
    if found is None:
        not_found()
    return Answer(_shaped(call, found))


def access_token(call: Call) -> Answer:
    """POST /app/installations/{installation_id}/access_tokens."""
    found = _apps(call).installation(_app(call), number(call.params["installation_id"]))
    if found is None:
        not_found()
    if found.suspended_at is not None:
        raise RefusalError(403, "This installation has been suspended")
    data = call.data()
    permissions = _permissions(data, found)
    chosen = _chosen(call, data, found)
    token, ends = _apps(call).issue(found, permissions, None if chosen is None else [each.id for each in chosen])
    selection = "all" if chosen is None and found.repositories is None else "selected"
    body: Json = {
        "token": token,
        "expires_at": iso(ends),
        "permissions": dict(permissions),
        "repository_selection": selection,
    }
    if chosen is not None:
        body["repositories"] = [_repository(call, each) for each in chosen]
    return Answer(body, 201)


def _app(call: Call) -> App:
    assert call.identity.app  # noqa: S101 - nobody else is admitted
    return call.identity.app


def _apps(call: Call) -> Apps:
    return call.forge.apps


def _permissions(data: Json, found: Installation) -> Json:
    asked = data.get("permissions")
    if asked is None:
        return dict(found.permissions)
    known = isinstance(asked, dict) and all(level in ("read", "write", "admin") for level in asked.values())
    if not known:
        raise RefusalError(422, "Invalid permissions")
    if not all(covers(found.permissions, name, level) for name, level in asked.items()):
        raise RefusalError(422, "The permissions requested are not granted to this installation.")
    return {**asked, "metadata": "read"}


def _chosen(call: Call, data: Json, found: Installation) -> list[Repository] | None:
    """The repositories that a token is asked for; None for all of the installation's."""
    repositories = call.forge.repositories
    wanted: list[Repository | None]
    if data.get("repository_ids"):
        wanted = [repositories.numbered(int(each)) for each in data["repository_ids"]]
    elif data.get("repositories"):
        wanted = [repositories.named(f"{found.owner}/{each}") for each in data["repositories"]]
    else:
        return None
    chosen = [each for each in wanted if each and not each.hidden and reaches(found, each)]
    if len(chosen) < len(wanted):
        raise RefusalError(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    return chosen


def _repository(call: Call, found: Repository) -> Json:
    """`repository`: the full one but for two counts."""
    whole = shapes.full_repository(call.urls, found)
    return {name: value for name, value in whole.items() if name not in {"network_count", "subscribers_count"}}


def _shaped(call: Call, found: Installation) -> Json:
    """`installation`."""
    urls, owner = call.urls, found.owner
    account = shapes.user(urls, owner, call.forge.repositories.user_id(owner))
    here = f"{urls.api}/app/installations/{found.id}"
    suspended = None if found.suspended_at is None else iso(found.suspended_at)
    return {
        "id": found.id,
        "account": account,
        "access_tokens_url": f"{here}/access_tokens",
        "repositories_url": f"{urls.api}/installation/repositories",
        "html_url": f"{urls.base}/settings/installations/{found.id}",
        "app_id": found.app.id,
        "app_slug": found.app.slug,
        "target_id": account["id"],
        "target_type": "User",
        "permissions": dict(found.permissions),
        "events": [],
        "single_file_name": None,
        "repository_selection": "all" if found.repositories is None else "selected",
        "created_at": iso(found.created_at),
        "updated_at": iso(found.created_at),
        "suspended_by": None if suspended is None else account,
        "suspended_at": suspended,
    }


ROUTES = (route("GET", "/installation", installation),)
OF_NO_REPOSITORY = (route("POST", "/app/installations/{installation_id}/access_tokens", access_token),)
