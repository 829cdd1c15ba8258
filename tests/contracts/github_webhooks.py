"""A webhook as GitHub sends it, held to GitHub's description of it and to the payloads that were recorded.

The description (tests/data/github-webhook-openapi.json) says which headers and fields there are, and of which types; a
field that it has not is an error. The recorded payloads (tests/data/github-webhooks.json) say which fields are always
there, though the description would let them go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol
from urllib.parse import parse_qs

from openapi_core import Config, OpenAPI

from .github import Request, objections
from .github_description import DATA, as_meant

RECEIVER = "https://receiver.example"
NOT_ALWAYS = {
    # The account behind an author's address, where there is one: nobody is known by an address here.
    "push": {"/commits/0/author/username", "/commits/0/committer/username"}
    | {"/head_commit/author/username", "/head_commit/committer/username"},
    # Of a hook for every repository.
    "ping": {"/repository"},
}
"""Fields that every recorded payload has, and that GitHub leaves out at times."""


class Delivery(Protocol):
    """A delivery as the local GitHub keeps it."""

    @property
    def event(self) -> str: ...
    @property
    def request_headers(self) -> dict[str, str]: ...
    @property
    def request_body(self) -> bytes: ...


@cache
def _api() -> OpenAPI:
    described = json.loads((DATA / "github-webhook-openapi.json").read_text(), object_hook=as_meant)
    settings = Config(spec_validator_cls=None, additional_properties_default_policy="forbid")
    return OpenAPI.from_dict(described, config=settings)


@cache
def recorded(event: str) -> list[Any]:
    """The recorded payloads of an event."""
    found: dict[str, list[Any]] = json.loads((DATA / "github-webhooks.json").read_text())
    return found[event]


def wrong_delivery(event: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """What GitHub would not send so; each a sentence."""
    kinds = {name.lower(): value for name, value in headers.items()}
    if kinds.get("content-type") == "application/x-www-form-urlencoded":  # the same payload in another envelope
        body = parse_qs(body.decode())["payload"][0].encode()
        headers = {**headers, "Content-Type": "application/json"}
    request = Request(RECEIVER, "post", f"/{event}", headers, body)
    found = list(objections(lambda: _api().validate_request(request)))
    found += [f"header {name} is missing" for name in _headers(event) if not request.headers.get(name)]
    found += _missing("", json.loads(body), recorded(event), NOT_ALWAYS.get(event, set()))
    return [f"webhook {event}: {each}" for each in found]


def wrong_deliveries(tried: Iterable[Delivery]) -> list[str]:
    """Likewise, of all that were sent."""
    sent = [each for each in tried if each.request_body]
    return [wrong for each in sent for wrong in wrong_delivery(each.event, each.request_headers, each.request_body)]


@cache
def _headers(event: str) -> list[str]:
    described = json.loads((DATA / "github-webhook-openapi.json").read_text())["paths"][f"/{event}"]["post"]
    # A hook without a secret signs nothing.
    return [each["name"] for each in described["parameters"] if each["name"] != "X-Hub-Signature-256"]


def _missing(place: str, ours: Any, theirs: list[Any], excused: set[str]) -> Iterator[str]:
    """Fields that all of theirs have and ours has not. Of a list, the first item stands for all of ours."""
    if isinstance(ours, dict) and (maps := [each for each in theirs if isinstance(each, dict)]):
        always = set.intersection(*(set(each) for each in maps))
        wanted = {name for name in always if f"{place}/{name}" not in excused}
        yield from (f"{place}/{name} is missing" for name in sorted(wanted - ours.keys()))
        for name in ours.keys() & wanted:
            yield from _missing(f"{place}/{name}", ours[name], [each[name] for each in maps], excused)
    elif isinstance(ours, list) and ours:
        items = [item for each in theirs if isinstance(each, list) for item in each]
        yield from _missing(f"{place}/0", ours[0], items, excused)
