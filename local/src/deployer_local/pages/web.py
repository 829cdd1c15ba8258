"""The pages' routes: from an address to HTML.

Nothing that is shown can become a tag or a script: templates escape, and a policy forbids scripts, frames and whatever
is elsewhere. Reads only, but for the answer to an approval, which has to come from a page of ours.
"""

import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from deployer_local.github import GitHub, Repository
from deployer_local.slack import Slack

from . import github, runs, shown, slack

HEADERS = {
    # https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": a form's origin would be "null" then. https://fetch.spec.whatwg.org/#append-a-request-origin-header
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LARGEST_FORM = 4096
REFRESH = 3
"""Seconds after which a page that follows is read again."""


class Pages:
    """`client` gives boto3 clients of the emulated AWS; `base` is the web's root; `clock`: seconds since the epoch."""

    def __init__(
        self,
        github: GitHub,
        slack: Slack,
        client: runs.Client,
        base: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._github, self._slack, self._client = github, slack, client
        self._base, self._clock = base, clock
        self._style = files(__package__).joinpath("style.css").read_bytes()
        self._templates = Environment(
            loader=PackageLoader(str(__package__)),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "sign": shown.sign,
            "words": shown.words,
            "clock": shown.clock,
            "stamp": shown.stamp,
            "span": shown.span,
            "segment": lambda text: quote(text, safe=""),
        }

    def routes(self) -> list[Route]:
        """For a Starlette application, before what serves repositories at its root."""
        found: dict[str, Callable[[Request], Response]] = {
            "/slack": self.slack,
            "/slack/{channel}": self.slack,
            "/github": self.github,
            "/github/{owner}/{name}": self.github,
            "/runs/{pipeline}": self.pipeline,
            "/runs/{pipeline}/{run}": self.run,
            "/builds/{build:path}": self.build,
            "/stacks/{stack:path}": self.stack,
            "/assets/style.css": self.style,
            # Where the local GitHub says that its own pages are.
            "/{owner}/{name}": self.home,
            "/{owner}/{name}/commit/{sha}": self.home,
            "/{owner}/{name}/pull/{number}": self.home,
        }
        pages = [Route(path, self._threaded(answer), methods=["GET"]) for path, answer in found.items()]
        return [Route("/runs/{pipeline}/{run}", self._answer, methods=["POST"]), *pages]

    def github(self, request: Request) -> Response:
        """One repository, or all of them."""
        wanted = [self._repository(request)] if "owner" in request.path_params else self._github.repositories()
        base = self._base()
        shown_here = [github.overview(self._github, each, f"{base}/{each.full_name}.git") for each in wanted]
        title = wanted[0].full_name if len(wanted) == 1 else "Repositories"
        return self._page(request, "github.html", title=title, repositories=shown_here)

    def slack(self, request: Request) -> Response:
        """A channel: the one that was asked for, else the first one in which something was said."""
        channels = self._slack.channels()
        counts = {each.name: len(self._slack.messages(each.id)) for each in channels}
        named = request.path_params.get("channel")
        if named is not None and named not in counts:
            raise HTTPException(404, f"There is no channel {named}.")
        channel = named or next((name for name, count in counts.items() if count), channels[0].name)
        people = self._slack.people()
        messages = [slack.said(each, people) for each in self._slack.messages(channel)]
        return self._page(
            *(request, "slack.html"), title=f"#{channel}", channel=channel, channels=counts, messages=messages
        )

    def pipeline(self, request: Request) -> Response:
        """A pipeline's runs."""
        name = request.path_params["pipeline"]
        found = runs.runs(self._client, name)
        if found is None:
            raise HTTPException(404, f"There is no pipeline {name}.")
        return self._page(request, "pipeline.html", title=name, runs=found)

    def run(self, request: Request) -> Response:
        """A run with its stages."""
        name, identity = request.path_params["pipeline"], request.path_params["run"]
        found = runs.run(self._client, name, identity)
        if found is None:
            raise HTTPException(404, f"Pipeline {name} has no run {identity}; it may be gone with its environment.")
        return self._page(request, "run.html", title=name, run=found)

    def answer(self, request: Request, given: Mapping[str, str]) -> Response:
        """An approval that somebody answered on the page of its run."""
        base = self._base()
        if request.headers.get("origin") not in {base, base.replace("127.0.0.1", "localhost")}:
            raise HTTPException(403, "An approval is answered on the page of its run.")
        approval = runs.Approval(*(given.get(name, "") for name in ("stage", "action", "token")))
        name, approved = request.path_params["pipeline"], given.get("answer") == "approve"
        if not runs.answer(self._client, name, approval, approved=approved):
            raise HTTPException(409, "That is no longer waited for.")
        return RedirectResponse(request.url.path, 303, HEADERS)

    def build(self, request: Request) -> Response:
        """A build with its log."""
        identity = request.path_params["build"]
        found = runs.build(self._client, identity)
        if found is None:
            raise HTTPException(404, f"There is no build {identity}; it may be gone with its environment.")
        return self._page(request, "build.html", title=found.project, build=found)

    def stack(self, request: Request) -> Response:
        """A stack with its events."""
        identity = request.path_params["stack"]
        found = runs.stack(self._client, identity)
        if found is None:
            raise HTTPException(404, f"There is no stack {identity}.")
        return self._page(request, "stack.html", title=found.name, stack=found)

    def style(self, request: Request) -> Response:
        """The style sheet."""
        del request
        return Response(self._style, headers=HEADERS, media_type="text/css")

    def home(self, request: Request) -> Response:
        """From where GitHub has a page to where it is here."""
        repository, params = self._repository(request), request.path_params
        mark = params.get("sha") or (f"pull-{params['number']}" if "number" in params else "")
        fragment = f"#{quote(mark, safe='')}" if mark else ""
        return RedirectResponse(f"/github/{repository.full_name}{fragment}", headers=HEADERS)

    def _repository(self, request: Request) -> Repository:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        try:
            return self._github.repository(name)
        except KeyError as error:
            raise HTTPException(404, f"There is no repository {name}.") from error

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        now, follows = self._clock(), "follow" in request.query_params
        around = {"now": now, "path": request.url.path, "follows": follows, "refresh": REFRESH}
        rendered = self._templates.get_template(template).render(
            age=lambda moment: shown.age(moment, now), **around, **values
        )
        return HTMLResponse(rendered, status, HEADERS)

    async def _answer(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body = (body + chunk)[:_LARGEST_FORM]
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        return await run_in_threadpool(self._or_why_not, request, lambda: self.answer(request, given))

    def _threaded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        """They ask git, the stores and AWS: never on the event loop."""

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._or_why_not, request, lambda: answer(request))

        return endpoint

    def _or_why_not(self, request: Request, answer: Callable[[], Response]) -> Response:
        try:
            return answer()
        except HTTPException as error:
            title = "Not here" if error.status_code == 404 else "Not done"
            return self._page(request, "nothing.html", error.status_code, title=title, text=error.detail)
