"""Deployments and their statuses.

Unless told otherwise, a deployment first merges the default branch into the branch that is deployed, and asks that all
statuses of the commit are green; whoever reports on a run of its own says that it wants neither.

https://docs.github.com/rest/deployments/deployments and https://docs.github.com/rest/deployments/statuses
"""

import json
from typing import Any, NoReturn

from deployer_local.addresses import is_web_address
from deployer_local.github import shapes
from deployer_local.github.deployments import STATES, Deployment, DeploymentStatus
from deployer_local.github.names import node_id
from deployer_local.github.repositories import iso
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, RefusalError, invalid, not_found, number, paged, route, text_field
from .statuses import LONGEST_DESCRIPTION, newest

LONGEST_ENVIRONMENT = 255
"""https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments"""
_DOCUMENTATION = "https://docs.github.com/rest/deployments/deployments#create-a-deployment"
_ACTIVE = "We cannot delete an active deployment unless it is the only deployment in a given repository."


def listed(call: Call) -> Answer:
    """GET .../deployments: newest first; `sha`, `ref`, `task` and `environment` narrow them down."""
    wanted = {name: call.query[name] for name in ("sha", "ref", "task", "environment") if name in call.query}

    def fits(deployment: Deployment) -> bool:
        has = {name: str(getattr(deployment, name)) for name in wanted}
        if "environment" in has and has["environment"].lower() == wanted["environment"].lower():
            has["environment"] = wanted["environment"]
        return all(value in {"none", has[name]} for name, value in wanted.items())

    found = [each for each in call.forge.deployments.listed(call.repository) if fits(each)]
    return paged(call, found, lambda each: _deployment(call, each))


def create(call: Call) -> Answer:
    """POST .../deployments: 201; 202 where the default branch was merged instead; 409 where that or a status fails."""
    data = call.data()
    ref = text_field(data, "ref", "Deployment", required=True) or ""
    environment = text_field(data, "environment", "Deployment") or "production"
    check_environment(environment)
    wanted: Json = {
        "ref": ref,
        "task": text_field(data, "task", "Deployment") or "deploy",
        "environment": environment,
        "description": text_field(data, "description", "Deployment") or "",
        "payload": _payload(data),
        "production": _flag(data, "production_environment", default=environment == "production"),
        "transient": _flag(data, "transient_environment", default=False),
    }
    sha = call.git.resolve(ref, call.repository.default_branch)
    if sha is None:
        raise RefusalError(422, f"No ref found for: {ref}")
    if _flag(data, "auto_merge", default=True) and (merged := _merged(call, ref, sha)):
        return merged
    _refuse_unless_green(call, ref, sha, data.get("required_contexts"))
    made = call.forge.deployments.create(call.repository, sha, call.forge.login, wanted)
    body = _deployment(call, made)
    return Answer(body, 201, {"Location": body["url"]})


def shown(call: Call) -> Answer:
    """GET .../deployments/{deployment_id}."""
    return Answer(_deployment(call, _known(call)))


def remove(call: Call) -> Answer:
    """DELETE .../deployments/{deployment_id}: 422 for an active one, unless it is the only one."""
    if not call.forge.deployments.remove(call.repository, _known(call).id):
        raise RefusalError(422, _ACTIVE)
    return Answer(status=204)


def statuses(call: Call) -> Answer:
    """GET .../deployments/{deployment_id}/statuses: newest first."""
    return paged(call, _known(call).statuses[::-1], lambda each: _status(call, each))


def post(call: Call) -> Answer:
    """POST .../deployments/{deployment_id}/statuses."""
    found, data = _known(call), call.data()
    state = text_field(data, "state", "DeploymentStatus", required=True) or ""
    if state not in STATES:
        invalid("DeploymentStatus", "state", "custom", "state is not included in the list")
    description = text_field(data, "description", "DeploymentStatus") or ""
    if len(description) > LONGEST_DESCRIPTION:
        message = f"description is too long (maximum is {LONGEST_DESCRIPTION} characters)"
        invalid("DeploymentStatus", "description", "custom", message)
    urls = {name: _address(data, name) for name in ("log_url", "target_url", "environment_url")}
    environment = text_field(data, "environment", "DeploymentStatus") or found.environment
    check_environment(environment)
    said = {
        "state": state,
        "description": description,
        "log_url": urls["log_url"] or urls["target_url"],
        "environment_url": urls["environment_url"],
        "environment": environment,
    }
    auto = _flag(data, "auto_inactive", default=True)
    made = call.forge.deployments.post(call.repository, found.id, call.forge.login, said, auto_inactive=auto)
    body = _status(call, made)
    return Answer(body, 201, {"Location": body["url"]})


def check_environment(name: str) -> None:
    """422 for what GitHub does not take as an environment's name."""
    if not name.strip() or len(name) > LONGEST_ENVIRONMENT:
        invalid("Environment", "name", "invalid")


def _merged(call: Call, ref: str, sha: str) -> Answer | None:
    """What comes of merging the default branch into a ref that is behind it; None where it is not.

    Only a branch can take a merge: https://github.com/simplytestme/website/issues/130 has GitHub's answer for a commit.
    """
    git, default = call.git, call.repository.default_branch
    tip = git.resolve(f"heads/{default}", default)
    if tip is None or git.is_ancestor(tip, sha):
        return None
    name = ref.removeprefix("refs/").removeprefix("heads/")
    branch = f"refs/heads/{name}"
    made = None
    if branch in git.refs():
        made = git.merge(branch, sha, tip, f"Merge {default} into {name}", call.forge.login)
    if made is None:
        _conflict(f"Conflict merging {default} into {ref}.")
    call.forge.moved(call.repository)
    return Answer({"message": f"Auto-merged {default} into {name} on deployment."}, 202)


def _refuse_unless_green(call: Call, ref: str, sha: str, required: object) -> None:
    """https://github.com/drevops/vortex/issues/1903 has GitHub's answer where a status is not a success."""
    if required is not None and (not isinstance(required, list) or not all(isinstance(one, str) for one in required)):
        invalid("Deployment", "required_contexts", "invalid")
    states = {context: row["state"] for context, row in newest(call, sha).items()}
    wanted = list(states) if required is None else [str(one) for one in required]
    if all(states.get(context) == "success" for context in wanted):
        return
    found = [{"context": context, "state": states.get(context, "pending")} for context in wanted]
    error = {"contexts": found, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}
    _conflict(f"Conflict: Commit status checks failed for {ref}.", error)


def _conflict(message: str, *errors: Json) -> NoReturn:
    raise RefusalError(409, message, errors, documentation=_DOCUMENTATION)


def _known(call: Call) -> Deployment:
    try:
        return call.forge.deployments.known(call.repository, number(call.params["deployment_id"]))
    except KeyError:
        not_found()


def _payload(data: Json) -> Any:
    """An object, or a text; a text that is an object in JSON becomes one."""
    payload = data.get("payload", "")
    if isinstance(payload, str):
        try:
            read = json.loads(payload)
        except ValueError:
            return payload
        return read if isinstance(read, dict) else payload
    if not isinstance(payload, dict):
        invalid("Deployment", "payload", "invalid")
    return payload


def _flag(data: Json, name: str, *, default: bool) -> bool:
    value = data.get(name, default)
    if not isinstance(value, bool):
        invalid("Deployment", name, "invalid")
    return value


def _address(data: Json, name: str) -> str:
    text = text_field(data, name, "DeploymentStatus") or ""
    if text and not is_web_address(text):
        invalid("DeploymentStatus", name, "custom", f"{name} must use http(s) scheme")
    return text


def _creator(call: Call, login: str) -> Json:
    return shapes.user(call.urls, login, call.forge.repositories.user_id(login))


def _deployment(call: Call, each: Deployment) -> Json:
    here = call.urls.repo(call.repository)
    return {
        "url": f"{here}/deployments/{each.id}",
        "id": each.id,
        "node_id": node_id("Deployment", each.id),
        "task": each.task,
        "original_environment": each.original_environment,
        "environment": each.environment,
        "description": each.description,
        "created_at": iso(each.created_at),
        "updated_at": iso(each.updated_at),
        "statuses_url": f"{here}/deployments/{each.id}/statuses",
        "repository_url": here,
        "creator": _creator(call, each.creator),
        "sha": each.sha,
        "ref": each.ref,
        "payload": each.payload,
        "transient_environment": each.transient,
        "production_environment": each.production,
        "performed_via_github_app": None,
    }


def _status(call: Call, each: DeploymentStatus) -> Json:
    here = call.urls.repo(call.repository)
    deployment = f"{here}/deployments/{each.deployment_id}"
    return {
        "url": f"{deployment}/statuses/{each.id}",
        "id": each.id,
        "node_id": node_id("DeploymentStatus", each.id),
        "state": each.state,
        "creator": _creator(call, each.creator),
        "description": each.description,
        "environment": each.environment,
        "target_url": each.log_url,
        "created_at": iso(each.created_at),
        "updated_at": iso(each.created_at),
        "deployment_url": deployment,
        "repository_url": here,
        "environment_url": each.environment_url,
        "log_url": each.log_url,
        "performed_via_github_app": None,
    }


ROUTES = (
    route("GET", "/deployments", listed),
    route("POST", "/deployments", create),
    route("GET", "/deployments/{deployment_id}", shown),
    route("DELETE", "/deployments/{deployment_id}", remove),
    route("GET", "/deployments/{deployment_id}/statuses", statuses),
    route("POST", "/deployments/{deployment_id}/statuses", post),
)
