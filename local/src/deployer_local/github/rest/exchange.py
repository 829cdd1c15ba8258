"""One REST call and its answer, as the endpoints see them: no HTTP server, no sockets.

Endpoints are plain functions from `Call` to `Answer`; a refusal is raised. The server in `server.py` turns HTTP into
these and back.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from deployer_local.github.apps import Apps
from deployer_local.github.deployments import Deployments
from deployer_local.github.git import GitRepository
from deployer_local.github.pulls import Pulls
from deployer_local.github.repositories import Clock, Repositories, Repository
from deployer_local.github.shapes import Json, Urls
from deployer_local.github.store import Store
from deployer_local.github.webhooks import Webhooks

if TYPE_CHECKING:
    from .identity import Identity

DOCUMENTATION = "https://docs.github.com/rest"


@dataclass
class Rights:
    """What the token may do beyond reading and writing. `administration`: make and remove environments."""

    administration: bool = True


@dataclass(frozen=True)
class Forge:
    """What the endpoints work on."""

    store: Store
    repositories: Repositories
    webhooks: Webhooks
    urls: Callable[[], Urls]
    clock: Clock
    login: str
    """Whom the token belongs to."""
    deployments: Deployments
    pulls: Pulls
    apps: Apps
    moved: Callable[[Repository], object]
    """To be told when a call has moved a ref."""
    rights: Rights = field(default_factory=Rights)


@dataclass(frozen=True)
class Answer:
    """`body`: JSON data, bytes as they are, or None for no body at all."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = "application/json; charset=utf-8"


class RefusalError(Exception):
    """An answer other than success, in GitHub's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[Json] = (),
        headers: Mapping[str, str] | None = None,
        documentation: str = DOCUMENTATION,
    ):
        """`errors` are the entries of a 422 body; `headers` are added to the answer."""
        super().__init__(message)
        self.answer = Answer(error_body(status, message, errors, documentation), status, headers or {})


def error_body(status: int, message: str, errors: Sequence[Json] = (), documentation: str = DOCUMENTATION) -> Json:
    """`basic-error`, or `validation-error` where there are errors."""
    listed: Json = {"errors": list(errors)} if errors else {}
    return {"message": message} | listed | {"documentation_url": documentation, "status": str(status)}


def not_found() -> NoReturn:
    """GitHub's answer for what is not there and for what the token may not see."""
    raise RefusalError(404, "Not Found")


def invalid(resource: str, name: str, code: str, message: str | None = None) -> NoReturn:
    """A 422 about one field. `code` is missing_field, invalid, custom, already_exists, ..."""
    error: Json = {"resource": resource, "code": code, "field": name}
    raise RefusalError(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass(frozen=True)
class Call:
    """A request whose sender was recognised.

    `below`: the path below the repository, still encoded. `params` (from the route) are decoded.
    """

    forge: Forge
    method: str
    below: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    subject: Repository | None
    ticket: Callable[[str], str]
    """Signs a path of the archive host for a few minutes, as GitHub's redirect does."""
    identity: "Identity"

    @property
    def repository(self) -> Repository:
        """The repository that the path names."""
        if self.subject is None:
            not_found()
        return self.subject

    @property
    def git(self) -> GitRepository:
        """That repository, on disk."""
        return self.forge.repositories.git(self.repository)

    @property
    def urls(self) -> Urls:
        """Where this server is."""
        return self.forge.urls()

    def data(self) -> Json:
        """The JSON object in the body (an empty one for no body)."""
        if not self.body.strip():
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise RefusalError(400, "Problems parsing JSON") from error
        if not isinstance(found, dict):
            raise RefusalError(400, "Body should be a JSON object")
        return found

    def accepts(self, kind: str) -> str | None:
        """The media type application/vnd.github.{kind} in the spelling that the client asked for, if it did."""
        pattern = re.compile(rf"application/vnd\.github\.(?:v3\.)?{re.escape(kind)}(?:\+json)?", re.IGNORECASE)
        asked = [each.partition(";")[0].strip().lower() for each in self.headers.get("accept", "").split(",")]
        return next((each for each in asked if pattern.fullmatch(each)), None)


Endpoint = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    """A method and the path's template and pattern (below the repository, where the endpoint is about one)."""

    method: str
    template: str
    pattern: re.Pattern[str]
    endpoint: Endpoint


def route(method: str, template: str, endpoint: Endpoint) -> Route:
    """`{name}` stands for one segment, `{+name}` for any number of them, both as they are encoded in the request."""
    pattern = re.sub(
        r"\\\{(\\\+)?(\w+)\\\}", lambda m: f"(?P<{m[2]}>{'.+?' if m[1] else '[^/]+'})", re.escape(template)
    )
    return Route(method, template, re.compile(pattern), endpoint)


def number(text: str) -> int:
    """A number in a path; 404 for anything else."""
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        not_found()
    return int(text)


def window(call: Call) -> tuple[int, int]:
    """(page, per_page): from 1, and from 1 to 100 with 30 where not given."""

    def asked(name: str, default: int) -> int:
        text = call.query.get(name, "")
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and int(text) > 0 else default

    return asked("page", 1), min(asked("per_page", 30), 100)


def links(call: Call, total: int) -> dict[str, str]:
    """The Link header for this page of `total` items; empty where one page holds them all."""
    page, size = window(call)
    last = max(1, -(-total // size))
    wanted = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    shown = {
        rel: at
        for rel, at in wanted.items()
        if (rel in {"prev", "first"} and page > 1) or (rel in {"next", "last"} and page < last)
    }
    return linked(call, {rel: {"page": str(at)} for rel, at in shown.items()})


def linked(call: Call, relations: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A Link header: relation -> what its query has otherwise. GitHub's links name a repository by its number.

    https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api#using-link-headers
    """
    here = f"{call.urls.api}/repositories/{call.repository.id}{call.below}"
    parts = [f'<{here}?{urlencode({**call.query, **query})}>; rel="{rel}"' for rel, query in relations.items()]
    return {"Link": ", ".join(parts)} if parts else {}


def one_page(call: Call, items: Sequence[Any]) -> Sequence[Any]:
    """The items of the page that was asked for."""
    page, size = window(call)
    return items[(page - 1) * size : page * size]


def paged(call: Call, items: Sequence[Any], shape: Callable[[Any], object]) -> Answer:
    """A list answer: one page, shaped, with its Link header."""
    return Answer([shape(item) for item in one_page(call, items)], headers=links(call, len(items)))


def text_field(data: Json, name: str, resource: str, *, required: bool = False) -> str | None:
    """A text in the body; 422 where it is of another type, or missing though required."""
    value = data.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        invalid(resource, name, "missing_field" if value is None else "invalid")
    return value
