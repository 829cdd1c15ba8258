"""Commit statuses.

A status is a new row, never a changed one; GitHub stops at a thousand for each commit and context, and so does this.

https://docs.github.com/rest/commits/statuses
"""

import sqlite3

from deployer_local.addresses import is_web_address
from deployer_local.github import shapes
from deployer_local.github.names import node_id
from deployer_local.github.repositories import iso
from deployer_local.github.shapes import Json

from .exchange import (
    Answer,
    Call,
    RefusalError,
    invalid,
    links,
    not_found,
    one_page,
    paged,
    route,
    text_field,
)

STATES = ("error", "failure", "pending", "success")
LONGEST_DESCRIPTION = 140
MOST = 1000


def create(call: Call) -> Answer:
    """POST .../statuses/{sha}: 422 unless the SHA is a whole commit id of this repository."""
    sha, data = call.params["sha"], call.data()
    if call.git.kind(sha) != "commit":
        raise RefusalError(422, f"No commit found for SHA: {sha}")
    state = text_field(data, "state", "Status", required=True)
    if state not in STATES:
        invalid("Status", "state", "custom", "state is not included in the list")
    description = text_field(data, "description", "Status")
    if description is not None and len(description) > LONGEST_DESCRIPTION:
        invalid("Status", "description", "custom", "description is too long (maximum is 140 characters)")
    context = text_field(data, "context", "Status") or "default"
    for name, text in (("description", description or ""), ("context", context)):
        if any(ord(character) > 0xFFFF for character in text):
            invalid("Status", name, "custom", f"{name} doesn't accept 4-byte Unicode")
    if len(context) > 255:
        invalid("Status", "context", "custom", "context is too long (maximum is 255 characters)")
    target = text_field(data, "target_url", "Status")
    if target and not is_web_address(target):
        invalid("Status", "target_url", "custom", "target_url must use http(s) scheme")
    known = (call.repository.id, sha, context)
    with call.forge.store.change() as rows:
        count = "select count(*) from statuses where repository_id = ? and sha = ? and context = ?"
        if rows.execute(count, known).fetchone()[0] >= MOST:
            message = "This SHA and context has reached the maximum number of statuses."
            raise RefusalError(422, "Validation Failed", [{"resource": "Status", "code": "custom", "message": message}])
        added = rows.execute(
            "insert into statuses (repository_id, sha, context, state, description, target_url, creator, created_at)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (*known, state, description, target or None, call.forge.login, int(call.forge.clock())),
        )
    row = call.forge.store.read("select * from statuses where id = ?", added.lastrowid)[0]
    body = _status(call, row)
    return Answer(body, 201, {"Location": body["url"]})


def listed(call: Call) -> Answer:
    """GET .../commits/{ref}/statuses, and the legacy route .../statuses/{ref}: newest first."""
    return paged(call, _rows(call, _commit(call)), lambda row: _status(call, row))


def combined(call: Call) -> Answer:
    """GET .../commits/{ref}/status: the newest of each context, and what they say together."""
    sha = _commit(call)
    held = newest(call, sha)
    states = {row["state"] for row in held.values()}
    worst = (
        "failure" if states & {"error", "failure"} else "pending" if not states or "pending" in states else "success"
    )
    shown = sorted(held.values(), key=lambda row: int(row["id"]))
    here = f"{call.urls.repo(call.repository)}/commits/{sha}"
    body = {
        "state": worst,
        "statuses": [_simple(call, row) for row in one_page(call, shown)],
        "sha": sha,
        "total_count": len(shown),
        "repository": shapes.minimal_repository(call.urls, call.repository),
        "commit_url": here,
        "url": f"{here}/status",
    }
    return Answer(body, headers=links(call, len(shown)))


def newest(call: Call, sha: str) -> dict[str, sqlite3.Row]:
    """The status of each context that holds for a commit."""
    found: dict[str, sqlite3.Row] = {}
    for row in _rows(call, sha):
        found.setdefault(row["context"], row)
    return found


def _commit(call: Call) -> str:
    sha = call.git.resolve(call.params["ref"], call.repository.default_branch)
    if sha is None:
        not_found()
    return sha


def _rows(call: Call, sha: str) -> list[sqlite3.Row]:
    sql = "select * from statuses where repository_id = ? and sha = ? order by id desc"
    return call.forge.store.read(sql, call.repository.id, sha)


def _simple(call: Call, row: sqlite3.Row) -> Json:
    creator = call.forge.repositories.user_id(row["creator"])
    return {
        "url": f"{call.urls.repo(call.repository)}/statuses/{row['sha']}",
        "avatar_url": f"{call.urls.base}/avatars/u/{creator}",
        "id": row["id"],
        "node_id": node_id("StatusContext", row["id"]),
        "state": row["state"],
        "description": row["description"],
        "target_url": row["target_url"],
        "context": row["context"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["created_at"]),
    }


def _status(call: Call, row: sqlite3.Row) -> Json:
    creator = call.forge.repositories.user_id(row["creator"])
    return _simple(call, row) | {"creator": shapes.user(call.urls, row["creator"], creator)}


ROUTES = (
    route("POST", "/statuses/{sha}", create),
    route("GET", "/commits/{+ref}/status", combined),
    route("GET", "/commits/{+ref}/statuses", listed),
    route("GET", "/statuses/{+ref}", listed),
)
