"""Answers as GitHub gives them, to script a server with: its own examples, and exchanges that were recorded."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

from .github import Exchange
from .github_description import DATA

DOCUMENTATION = "https://docs.github.com/rest"


def example(name: str, /, **changes: Any) -> Any:
    """GitHub's example of an answer (see tests/data/github-answers.json), with some of its fields replaced."""
    found = deepcopy(_examples()[name])
    if unknown := changes.keys() - (found.keys() if isinstance(found, dict) else {}):
        raise KeyError(f"{name} has no {sorted(unknown)}")
    return found | changes if changes else found


def error(status: int, message: str) -> dict[str, str]:
    """GitHub's body of a refusal. https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api"""
    return {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}


def moved(url: str) -> dict[str, str]:
    """GitHub's body of a redirect, for 301 and 307 alike."""
    return {"message": "Moved Permanently", "url": url, "documentation_url": f"{DOCUMENTATION}#http-redirects"}


def recorded(scenario: str) -> list[Exchange]:
    """The exchanges of one of tests/data/github-recorded.json's scenarios."""
    return [_exchange(each) for each in _recorded() if each["scenario"] == scenario]


@cache
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "github-answers.json").read_text())
    return found


@cache
def _recorded() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / "github-recorded.json").read_text())
    return found


def _exchange(told: dict[str, Any]) -> Exchange:
    body = told.get("body", "")
    asked = {"User-Agent": "octokit", "Authorization": "token 0", "Accept": told["accept"]}
    return Exchange(
        told["method"],
        told["target"],
        asked | ({"Content-Type": "application/json; charset=utf-8"} if told["sent"] else {}),
        json.dumps(told["sent"]).encode() if told["sent"] else b"",
        told["status"],
        told["headers"],
        body.encode() if isinstance(body, str) else json.dumps(body).encode(),
    )
