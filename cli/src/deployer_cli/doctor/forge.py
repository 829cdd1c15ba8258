"""GitHub, with the token that the deployer itself has: is it good, may it do what is needed, is the repository ready.

https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.errors import Broken
from deployer.github_wire import Wire, encode, path_of
from deployer.patterns import allowed, patterns_of
from deployer.templates import TEMPLATE_FILES
from deployer_cli.checkout import FullName
from deployer_cli.findings import Finding, right, unknown, wrong

SET = "deployer config set opolis.github.token"
SCOPE = "repo"
SOON = timedelta(days=7)


def token(wire: Wire, now: datetime) -> Iterator[Finding]:
    """GET /user: whose it is, how long it is good, and what it may."""
    try:
        answer = wire.get("user")
        login = str(answer.object()["login"])
    except Broken as error:
        yield wrong("token", str(error).partition("; set it")[0], SET)
        return
    yield right("token", f"GitHub knows it, as {login}'s")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    yield of_scopes(headers.get("x-oauth-scopes"))
    if ends := headers.get("github-authentication-token-expiration"):
        yield of_end(ends, now)


def of_scopes(scopes: str | None) -> Finding:
    """What a classic token may; of a fine-grained one (None) GitHub does not tell."""
    if scopes is None:
        return unknown(
            "token's scopes",
            "GitHub tells nothing of this kind; it needs Contents: read, Commit statuses and Deployments: write",
        )
    given = {scope.strip() for scope in scopes.split(",") if scope.strip()}
    if SCOPE in given:
        return right("token's scopes", ", ".join(sorted(given)))
    return wrong(
        "token's scopes", f"it lacks {SCOPE}, it has {', '.join(sorted(given)) or 'none'}", f"{SET}, to one with it"
    )


def of_end(ends: str, now: datetime) -> Finding:
    """When it stops being good, as GitHub writes it: ``2026-12-01 09:00:00 UTC`` (or with an offset)."""
    text = ends.replace(" UTC", " +0000")
    try:
        end = datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return unknown("token's end", f"GitHub says {ends}")
    said = f"it is good until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return right("token's end", said) if end - now > SOON else wrong("token's end", said, f"{SET}, to a new one")


def repository(wire: Wire, name: FullName) -> Iterator[Finding]:
    """Whether it can be read and written to, and brings a pipeline on its default branch."""
    path = path_of(name.owner, name.name)
    answer = wire.get(path)
    if answer.status == 404:
        yield wrong(
            "repository",
            f"{name} is not there, or not for the deployer's token",
            "check its name; give the token access",
        )
        return
    found = answer.object()
    yield of_repository(name, found)
    branch = str(found["default_branch"])
    listed = wire.get(f"{path}/contents/deploy?ref={encode(branch)}")
    names = [] if listed.status == 404 else [str(each["name"]) for each in listed.list()]
    yield of_template(name, branch, names)


def of_repository(name: FullName, found: Mapping[str, Any]) -> Finding:
    """What GitHub says of a repository."""
    if found.get("archived"):
        return wrong(
            "repository", f"{name} is archived: nothing can be written there", "unarchive it, or remove its webhook"
        )
    # Of the user; what the token itself may is no more.
    if (found.get("permissions") or {"push": True}).get("push") is False:
        return wrong("repository", f"the token's owner may not write to {name}: no statuses", "give them write access")
    return right("repository", f"{name} can be read; its default branch is {found['default_branch']}")


def of_template(name: FullName, branch: str, names: list[str]) -> Finding:
    """``names``: what is in the folder ``deploy``."""
    if found := [each for each in TEMPLATE_FILES if each in names]:
        return right("template", f"deploy/{found[0]} is on {branch}")
    return wrong(
        "template",
        f"{name} has no deploy/pipeline.json on {branch}",
        "deployer init; docs/adding-a-repo.md says what it is",
    )


def admission(name: FullName, environments: Mapping[str, Mapping[str, str]]) -> Finding:
    """Whether the allow-list takes it. ``environments``: function -> the variables that it has."""
    for function, variables in environments.items():
        patterns = variables.get("ALLOWED_REPOSITORIES", "")
        if not allowed(str(name), patterns_of(patterns)):
            return wrong(
                "admission",
                f"the {function} does not take {name}, only {patterns or 'nobody'}",
                "deploy with AllowedRepositories",
            )
    return right("admission", f"{name} is on the allow-list")
