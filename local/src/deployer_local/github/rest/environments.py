"""The environments that deployments go to.

Making and removing one by hand takes a right that a token for deployments may lack. Protection rules are not served:
whoever asks for one is told so by its name.

https://docs.github.com/rest/deployments/environments
"""

from urllib.parse import quote

from deployer_local.github.deployments import Environment
from deployer_local.github.names import node_id
from deployer_local.github.repositories import iso
from deployer_local.github.shapes import Json

from .deployments import check_environment
from .exchange import Answer, Call, RefusalError, links, not_found, one_page, route


def listed(call: Call) -> Answer:
    """GET .../environments."""
    found = call.forge.deployments.environments(call.repository)
    shown = [_environment(call, each) for each in one_page(call, found)]
    return Answer({"total_count": len(found), "environments": shown}, headers=links(call, len(found)))


def put(call: Call) -> Answer:
    """PUT .../environments/{environment_name}."""
    _refuse_without_right(call)
    name = call.params["environment_name"]
    check_environment(name)
    for setting, value in call.data().items():
        if value not in (None, 0, False, []):
            raise RefusalError(422, f"not served by the local GitHub: {setting}")
    return Answer(_environment(call, call.forge.deployments.ensure(call.repository, name)))


def remove(call: Call) -> Answer:
    """DELETE .../environments/{environment_name}: its deployments stay."""
    _refuse_without_right(call)
    if not call.forge.deployments.remove_environment(call.repository, call.params["environment_name"]):
        not_found()
    return Answer(status=204)


def _refuse_without_right(call: Call) -> None:
    """https://github.com/strumwolf/delete-deployment-environment/issues/10 has GitHub's answer."""
    if not call.forge.rights.administration:
        raise RefusalError(403, "Resource not accessible by personal access token")


def _environment(call: Call, each: Environment) -> Json:
    html = call.urls.html(call.repository)
    return {
        "id": each.id,
        "node_id": node_id("Environment", each.id),
        "name": each.name,
        "url": f"{call.urls.repo(call.repository)}/environments/{quote(each.name, safe='')}",
        "html_url": f"{html}/deployments/activity_log?environments_filter={quote(each.name, safe='')}",
        "created_at": iso(each.created_at),
        "updated_at": iso(each.updated_at),
        "protection_rules": [],
        "deployment_branch_policy": None,
    }


ROUTES = (
    route("GET", "/environments", listed),
    route("PUT", "/environments/{environment_name}", put),
    route("DELETE", "/environments/{environment_name}", remove),
)
