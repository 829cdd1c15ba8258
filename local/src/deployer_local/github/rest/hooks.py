"""A repository's webhooks, and the deliveries that they made.

Secrets go in and never come out. Hooks that were added for every repository are not listed here: they are no
repository's own.

https://docs.github.com/rest/repos/webhooks
"""

import re
from typing import Any

from deployer_local.addresses import is_web_address
from deployer_local.github import shapes
from deployer_local.github.repositories import Repository, iso
from deployer_local.github.shapes import Json, Urls
from deployer_local.github.webhooks import Delivery, Hook, Webhooks

from .exchange import Answer, Call, invalid, linked, not_found, number, paged, route, window

ZEN = "Keep it logically awesome."


def ping(webhooks: Webhooks, urls: Urls, hook: Hook, repository: Repository | None, sender: Json) -> None:
    """Records the ping that GitHub sends to a new hook; the caller has it sent."""
    where: Json = {"repository": shapes.repository(urls, repository)} if repository else {}
    said: Json = {"zen": ZEN, "hook_id": hook.id, "hook": shaped(webhooks, urls, hook, repository), "sender": sender}
    payload = said | where
    webhooks.record(repository, "ping", payload, only=hook)


def shaped(webhooks: Webhooks, urls: Urls, hook: Hook, repository: Repository | None) -> Json:
    """`hook`."""
    here = f"{urls.repo(repository) if repository else urls.api}/hooks/{hook.id}"
    tried = [each for each in webhooks.deliveries(hook.id) if each.status_code is not None]
    last: Json = {"code": None, "status": "unused", "message": None}
    if tried:
        word = "active" if 0 < (tried[-1].status_code or 0) < 400 else "misconfigured"
        last = {"code": tried[-1].status_code, "status": word, "message": tried[-1].status}
    secret = {"secret": "********"} if hook.secret else {}
    return {
        "type": "Repository" if repository else "Organization",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": list(hook.events),
        "config": {"content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl, "url": hook.url} | secret,
        "updated_at": iso(hook.updated_at),
        "created_at": iso(hook.created_at),
        "url": here,
        "test_url": f"{here}/test",
        "ping_url": f"{here}/pings",
        "deliveries_url": f"{here}/deliveries",
        "last_response": last,
    }


def listed(call: Call) -> Answer:
    """GET .../hooks."""
    return paged(call, _own(call), lambda hook: _shaped(call, hook))


def shown(call: Call) -> Answer:
    """GET .../hooks/{hook_id}."""
    return Answer(_shaped(call, _hook(call)))


def create(call: Call) -> Answer:
    """POST .../hooks: 422 where the repository has one for that address already."""
    data = call.data()
    if data.get("name", "web") != "web":
        invalid("Hook", "name", "invalid")
    config, active = _config(data), _active(data)
    events, url = _events(data, "events") or ("push",), config.pop("url")
    if any(hook.url == url for hook in _own(call)):
        invalid("Hook", "url", "custom", "Hook already exists on this repository")
    webhooks = call.forge.webhooks
    hook = webhooks.add(call.repository, url, config.pop("secret", ""), events, **config)
    if active is False:
        hook = webhooks.change(hook.id, active=False)
    _ping(call, hook)
    body = _shaped(call, hook)
    return Answer(body, 201, {"Location": body["url"]})


def change(call: Call) -> Answer:
    """PATCH .../hooks/{hook_id}. A `config` without a secret removes the secret, as on GitHub."""
    hook, data = _hook(call), call.data()
    columns: dict[str, Any] = {}
    if "config" in data:
        columns |= {"secret": "", "content_type": "form", "insecure_ssl": "0"} | _config(data)
    events = _events(data, "events") or hook.events
    events += tuple(each for each in _events(data, "add_events") if each not in events)
    columns["events"] = tuple(each for each in events if each not in _events(data, "remove_events"))
    if (active := _active(data)) is not None:
        columns["active"] = active
    return Answer(_shaped(call, call.forge.webhooks.change(hook.id, **columns)))


def remove(call: Call) -> Answer:
    """DELETE .../hooks/{hook_id}."""
    call.forge.webhooks.remove(_hook(call).id)
    return Answer(status=204)


def pinged(call: Call) -> Answer:
    """POST .../hooks/{hook_id}/pings."""
    _ping(call, _hook(call))
    return Answer(status=204)


def deliveries(call: Call) -> Answer:
    """GET .../hooks/{hook_id}/deliveries: newest first, a page from the delivery that the cursor names."""
    hook, wanted, size = _hook(call), _outcome(call), window(call)[1]
    tried = [each for each in call.forge.webhooks.deliveries(hook.id)[::-1] if each.delivered_at is not None]
    found = [each for each in tried if wanted is None or (each.status_code or 0) in wanted]
    begin = next((at for at, each in enumerate(found) if each.id <= _cursor(call)), len(found))
    starts = {"prev": max(0, begin - size) if begin else None, "next": begin + size}
    cursors = {
        rel: {"cursor": f"v1_{found[at].id}"} for rel, at in starts.items() if at is not None and at < len(found)
    }
    return Answer([_delivery(each) for each in found[begin : begin + size]], headers=linked(call, cursors))


def attempt(call: Call) -> Answer:
    """POST .../hooks/{hook_id}/deliveries/{delivery_id}/attempts."""
    wanted, hook = number(call.params["delivery_id"]), _hook(call)
    if not any(each.id == wanted for each in call.forge.webhooks.deliveries(hook.id)):
        not_found()
    call.forge.webhooks.redeliver(wanted)
    return Answer({}, 202)


def _own(call: Call) -> list[Hook]:
    return [hook for hook in call.forge.webhooks.hooks() if hook.repository_id == call.repository.id]


def _hook(call: Call) -> Hook:
    wanted = number(call.params["hook_id"])
    found = next((hook for hook in _own(call) if hook.id == wanted), None)
    if found is None:
        not_found()
    return found


def _shaped(call: Call, hook: Hook) -> Json:
    return shaped(call.forge.webhooks, call.urls, hook, call.repository)


def _ping(call: Call, hook: Hook) -> None:
    login = call.forge.login
    sender = shapes.user(call.urls, login, call.forge.repositories.user_id(login))
    ping(call.forge.webhooks, call.urls, hook, call.repository, sender)
    call.forge.webhooks.send_pending()


def _outcome(call: Call) -> range | None:
    """The codes that `status` asks for; None for all."""
    asked = call.query.get("status")
    if asked not in {None, "success", "failure"}:
        invalid("Hook", "status", "invalid")
    return {"success": range(200, 400), "failure": range(400, 600)}.get(asked or "")


def _cursor(call: Call) -> float:
    """The number of the delivery that a page begins with; above all of them without a cursor."""
    given = call.query.get("cursor")
    if given is None:
        return float("inf")
    if not re.fullmatch(r"v1_[0-9]{1,18}", given, re.ASCII):
        invalid("Hook", "cursor", "invalid")
    return int(given.removeprefix("v1_"))


def _active(data: Json) -> bool | None:
    active = data.get("active")
    if active is not None and not isinstance(active, bool):
        invalid("Hook", "active", "invalid")
    return active


def _events(data: Json, name: str) -> tuple[str, ...]:
    events = data.get(name, [])
    if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
        invalid("Hook", name, "invalid")
    return tuple(events)


def _config(data: Json) -> dict[str, str]:
    config = data.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("url"), str):
        invalid("Hook", "config", "missing_field", "Config must contain URL for webhooks")
    if not is_web_address(config["url"]):
        invalid("Hook", "url", "custom", "url is invalid")
    kind = config.get("content_type", "form")
    if kind not in {"json", "form"}:
        invalid("Hook", "content_type", "invalid")
    secret = {"secret": str(config["secret"])} if config.get("secret") else {}
    return {"url": config["url"], "content_type": kind, "insecure_ssl": str(config.get("insecure_ssl", "0"))} | secret


def _delivery(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": iso(delivery.delivered_at or 0),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration or 0.0,
        "status": delivery.status,
        "status_code": delivery.status_code or 0,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": None,
        "repository_id": delivery.repository_id,
    }


ROUTES = (
    route("GET", "/hooks", listed),
    route("POST", "/hooks", create),
    route("GET", "/hooks/{hook_id}", shown),
    route("PATCH", "/hooks/{hook_id}", change),
    route("DELETE", "/hooks/{hook_id}", remove),
    route("POST", "/hooks/{hook_id}/pings", pinged),
    route("GET", "/hooks/{hook_id}/deliveries", deliveries),
    route("POST", "/hooks/{hook_id}/deliveries/{delivery_id}/attempts", attempt),
)
