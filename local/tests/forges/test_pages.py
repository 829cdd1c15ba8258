"""The pages of the local Slack and GitHub, as a browser gets them; hostile text in every place that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import urllib3
from starlette.applications import Starlette
from starlette.routing import Mount

from deployer_local.github import GitHub
from deployer_local.pages import Pages
from deployer_local.pages.web import HEADERS
from deployer_local.slack import Slack

from .conftest import TOKEN, Work, served

NOW = 1_700_000_000.0
EVIL = "<script>alert('x')</script>\"&<img src=x onerror=alert(1)>"
EVIL_BRANCH = "<script>alert(1)</script>\"&'x"
RUN = "https://us-east-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/site/executions/1-2/timeline"
VOID = {"meta", "link", "hr", "br"}


class Page(HTMLParser):
    """What a page says (`text`), where it leads (`links`: text -> address), and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text, self.links, self.tags, self.open = html, "", dict[str, str](), set[str](), list[str]()
        self._href: str | None = None
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs if name.startswith("on") or name in ("style", "src")}
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self._href = dict(attrs)["href"] or ""
            assert self._href.startswith(("/", "#", "http://", "https://")), self._href

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._href = None if tag == "a" else self._href

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href is not None and data.strip():
            self.links[data.strip()] = self._href


@dataclass
class Shown:
    """The two services behind their pages."""

    github: GitHub
    slack: Slack
    url: str
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("GET", self.url + path, redirect=False, retries=False)

    def page(self, path: str, status: int = 200) -> Page:
        answer = self.get(path)
        assert answer.status == status, answer.data
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        return Page(answer.data.decode())

    def post(self, **arguments: Any) -> str:
        """A message; its ts."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        method = arguments.pop("method", "chat.postMessage")
        answer = self.http.request("POST", f"{self.url}/slack/api/{method}", json=arguments, headers=headers).json()
        assert answer["ok"], answer
        return str(answer["ts"])

    def call(self, method: str, path: str, json: dict[str, Any] | None = None) -> Any:
        """A call of GitHub's API."""
        headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "tests"}
        url = f"{self.url}/api/v3/repos/acme/site{path}"
        answer = self.http.request(method, url, json=json, headers=headers)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def status(self, sha: str, context: str, state: str, description: str = "", url: str = "") -> None:
        more = {"target_url": url} if url else {}
        self.call("POST", f"/statuses/{sha}", {"context": context, "state": state, "description": description, **more})

    def deploy(self, sha: str, environment: str, *states: str, **more: str) -> None:
        wanted = {"ref": sha, "environment": environment, "auto_merge": False, "required_contexts": []}
        made = self.call("POST", "/deployments", wanted)
        for state in states:
            said = {"state": state} | (more if state == states[-1] else {})
            self.call("POST", f"/deployments/{made['id']}/statuses", said)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    urls: list[str] = []
    github = GitHub(tmp_path / "github", token=TOKEN, base_url=lambda: urls[0], clock=lambda: NOW)
    slack = Slack(tmp_path / "slack", token=TOKEN, clock=lambda: NOW)

    def nothing(service: str) -> Any:
        raise AssertionError(service)

    pages = Pages(github, slack, nothing, lambda: urls[0], clock=lambda: NOW)
    routes = [Mount("/slack/api", slack.app), *pages.routes(), Mount("/", github.app)]

    def app(url: str) -> Starlette:
        urls.append(url)
        return Starlette(routes=routes)

    with served(app) as url:
        yield Shown(github, slack, url)
    github.close()
    slack.close()


@pytest.fixture
def site(shown: Shown, work: Work) -> Work:
    """A working tree whose origin is acme/site, nothing pushed."""
    shown.github.create_repository("acme/site")
    work.git("remote", "add", "origin", f"{shown.url}/acme/site.git")
    return work


# GitHub


def test_what_is_not_there_yet_is_said(shown: Shown) -> None:
    assert "There is no repository yet." in shown.page("/github").text
    shown.github.create_repository("acme/site")
    page = shown.page("/github")
    assert f"git push {shown.url}/acme/site.git HEAD:main" in page.text
    assert "No deployments yet." in page.text


def test_commits_with_their_statuses_and_refs(shown: Shown, site: Work) -> None:
    first = site.commit("First\n\nbody", a="1")
    site.git("tag", "-a", "v1.0.0", "-m", "release")
    second = site.commit("Second", a="2")
    site.git("push", "-q", "origin", "main", "v1.0.0")
    shown.status(first, "pipeline/Build", "pending")
    shown.status(first, "pipeline/Build", "success", "Build succeeded in 2 s", RUN)
    shown.status(second, "pipeline/Build", "failure", "npm test exited with 1", "https://ci.example/1")
    shown.status(second, "pipeline/Lint", "success")
    page = shown.page("/github/acme/site")
    assert page.html.index("Second") < page.html.index("First")
    assert "body" not in page.text
    for text in ("1 of 1 passed", "1 of 2 passed", "Build succeeded in 2 s", "npm test exited with 1", "Mona Lisa"):
        assert text in page.text
    assert '"/runs/site/1-2"' in page.html
    assert page.links["Details"] == "/runs/site/1-2"
    assert (page.links[second[:7]], page.links[first[:7]]) == (f"#{second}", f"#{first}")
    refs = page.html.partition("Branches and tags")[2]
    assert re.findall(r'class="ref (branch|tag)">([^<]*)<', refs) == [("branch", "main"), ("tag", "v1.0.0")]
    assert re.findall(r'aria-label="([a-z ]+)"', refs) == ["failure", "success"]
    assert shown.page("/github").text == page.text


def test_deployments_lead_to_what_was_deployed_and_to_how(shown: Shown, site: Work) -> None:
    sha = site.commit("First", a="1")
    site.git("push", "-q", "origin", "main")
    shown.deploy(sha, "Staging", "in_progress", "success", environment_url="https://site.example/", log_url=RUN)
    shown.deploy(sha, "staging", "in_progress", log_url="https://log.example/")
    shown.deploy(sha, "feature/a", "failure", description="it failed")
    shown.deploy(sha, "gone", "success")
    shown.deploy(sha, "empty")
    shown.call("DELETE", "/environments/gone")
    aside = shown.page("/github").html.partition("<aside>")[2]
    page = Page(f"<div>{aside.partition('</aside>')[0]}</div>")
    assert page.links["View deployment"] == "https://site.example/"
    assert '<a href="/runs/site/1-2">log</a>' in page.html
    assert "In progress: " in page.text
    assert '<a href="https://log.example/">log</a>' in page.html
    assert "2 deployments" in page.text
    assert "<strong>Staging</strong>" in page.html
    for name, words in (("feature/a", "Failure"), ("empty", "Created")):
        assert f'<strong>{name}</strong><span class="end"><span class="quiet">{words}' in page.html
    assert "gone" not in page.text


def test_an_open_pull_request_has_its_checks_and_its_deployment(shown: Shown, site: Work) -> None:
    site.commit("First", a="1")
    site.git("push", "-q", "origin", "main")
    site.git("switch", "-q", "-c", "feature")
    old, new = site.commit("Old", a="2"), site.commit("New", a="3")
    site.git("push", "-q", "origin", "feature")
    shown.github.open_pull_request("acme/site", "feature", "main", "Say hello")
    assert "No checks yet." in shown.page("/github").text
    shown.deploy(old, "feature", "success", environment_url="https://old.example/")
    shown.deploy(new, "feature", "inactive")
    shown.deploy(new, "Feature", "success", environment_url="https://new.example/", log_url=RUN)
    for state, said in (("pending", "Some checks have not ended yet"), ("error", "Some checks were not successful")):
        shown.status(new, "pipeline/Build", state)
        assert said in shown.page("/github").text
    shown.status(new, "pipeline/Build", "success")
    card = Page(
        re.findall(r'<article class="card pull" id="pull-1">.*?</article>', shown.page("/github").html, re.DOTALL)[0]
    )
    assert "Say hello #1" in card.text
    assert "acme wants to merge feature into main" in card.text
    assert "All checks have passed 1 of 1 passed" in card.text
    assert card.text.count("Deployed to") == 1
    assert (card.links["View deployment"], card.links["log"]) == ("https://new.example/", "/runs/site/1-2")
    site.git("push", "-q", "origin", "--delete", "feature")
    assert "Say hello" not in shown.page("/github").text


def test_a_commit_that_is_older_than_the_page_shows_is_shown_where_a_ref_is_at_it(shown: Shown, site: Work) -> None:
    old = site.commit("The oldest", a="0")
    site.git("tag", "v0.0.1")
    for number in range(21):
        site.commit(f"Number {number}", a=str(number + 1))
    site.git("push", "-q", "origin", "main", "v0.0.1")
    page = shown.page("/github")
    shown_here = [f">{subject}<" in page.html for subject in ("Number 20", "Number 1", "Number 0", "The oldest")]
    assert shown_here == [True, True, False, False]
    assert old[:7] in page.html.partition("Branches and tags")[2]


def test_F69_hostile_text_is_shown_as_it_is(shown: Shown, site: Work) -> None:
    site.commit("First", a="1")
    site.git("switch", "-q", "-c", EVIL_BRANCH)
    sha = site.commit(EVIL, a="2")
    site.git("push", "-q", "origin", "main", EVIL_BRANCH)
    shown.github.open_pull_request("acme/site", EVIL_BRANCH, "main", EVIL)
    shown.status(sha, EVIL, "failure", EVIL, 'https://x.example/"><script>alert(1)</script>')
    shown.deploy(sha, EVIL, "success", description=EVIL, environment_url="https://x.example/'\"><script>")
    page = shown.page("/github")
    assert not page.tags & {"script", "img"}
    assert page.text.count(EVIL) >= 5
    assert EVIL_BRANCH in page.text


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/acme/site", "/github/acme/site"),
        ("/acme/site/commit/abc", "/github/acme/site#abc"),
        ("/acme/site/commit/%22%3E", "/github/acme/site#%22%3E"),
        ("/acme/site/pull/7", "/github/acme/site#pull-7"),
    ],
)
def test_the_addresses_that_github_gives_lead_to_the_page(shown: Shown, site: Work, path: str, there: str) -> None:
    answer = shown.get(path)
    assert (answer.status, answer.headers["Location"]) == (307, there)


@pytest.mark.parametrize("path", ["/github/acme/none", "/acme/none", "/acme/none/pull/1", "/slack/none%3Cb%3E"])
def test_what_is_not_there_is_404(shown: Shown, path: str) -> None:
    page = shown.page(path, 404)
    assert "There is no" in page.text
    assert "b" not in page.tags


def test_git_and_rest_are_served_as_ever(shown: Shown, site: Work) -> None:
    site.commit("First", a="1")
    site.git("push", "-q", "origin", "main")
    assert site.git("ls-remote", "--heads", "origin").endswith("refs/heads/main")
    assert shown.call("GET", "")["full_name"] == "acme/site"


# Slack


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(text: str, **more: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, **more}


def test_messages_their_threads_and_what_was_changed(shown: Shown) -> None:
    ada = shown.slack.add_user("ada@example.com", "Ada <b>")
    first = shown.post(channel="deployments", text="building")
    shown.post(channel="deployments", text=f"<@{ada}> *Build* failed", thread_ts=first)
    for text in ("still building", "done :white_check_mark:"):
        shown.post(method="chat.update", channel="C0LOCAL0002", ts=first, text=text)
    second = shown.post(channel="deployments", text="another")
    shown.post(method="chat.update", channel="C0LOCAL0002", ts=second, text="changed once")
    page = shown.page("/slack")
    assert "done ✅" in page.text
    assert "building" not in page.text
    assert "edited 2 times" in page.text
    assert "1 reply last at 22:13:20" in page.text
    assert "@Ada <b> Build failed" in page.text
    assert page.text.index("Build failed") < page.text.index("changed once")
    assert (page.links["# general"], page.links["# deployments"]) == ("/slack/general", "/slack/deployments")
    shown.post(channel="deployments", text="again", thread_ts=first)
    assert "2 replies last at" in shown.page("/slack/deployments").text
    assert "Nothing was said here yet." in shown.page("/slack/general").text


def test_the_first_channel_is_shown_where_nothing_was_said(shown: Shown) -> None:
    assert "# general" in shown.page("/slack").html.partition("<main>")[2]


def test_old_threads_are_folded(shown: Shown) -> None:
    for number in range(5):
        ts = shown.post(channel="general", text=f"message {number}")
        shown.post(channel="general", text=f"reply {number}", thread_ts=ts)
    folds = re.findall(r'<details class="thread"( open)?>', shown.page("/slack").html)
    assert folds == ["", "", " open", " open", " open"]


def test_each_block_is_drawn(shown: Shown) -> None:
    shown.post(
        channel="general",
        text="fallback",
        blocks=[
            {"type": "header", "text": {"type": "plain_text", "text": "Deployed :rocket: <b>"}},
            section("*bold*", accessory=button("Open", url="https://open.example/")),
            {"type": "section", "fields": [{"type": "plain_text", "text": "*as it is*"}, section("`b`")["text"]]},
            section("with a picture", accessory={"type": "image", "image_url": "https://x.example/a", "alt_text": "a"}),
            {"type": "divider"},
            {
                "type": "context",
                "elements": [
                    section("<https://x.example/|link>")["text"],
                    {"type": "image", "image_url": "https://x.example/a.png", "alt_text": "a <picture>"},
                ],
            },
            {
                "type": "actions",
                "elements": [
                    button("View run", url=RUN, style="primary"),
                    button("Press", value="x", style="danger"),
                    button("Nowhere", url="javascript:alert(1)"),
                ],
            },
            {"type": "image", "image_url": "https://x.example/a.png", "alt_text": "a"},
        ],
    )
    page = shown.page("/slack")
    assert "fallback" not in page.text
    for text in ("Deployed 🚀 <b>", "*as it is*", "with a picture", "a <picture>", "Press", "Nowhere", "(image)"):
        assert text in page.text
    for tag in ("<strong>bold</strong>", "<code>b</code>", "<hr>"):
        assert tag in page.html
    leads = {text: page.links.get(text) for text in ("Open", "link", "View run", "Press", "Nowhere")}
    assert leads == {"Open": "https://open.example/", "link": "https://x.example/", "View run": "/runs/site/1-2"} | (
        dict.fromkeys(("Press", "Nowhere"))
    )
    assert 'class="button primary"' in page.html
    assert not page.tags & {"img", "script"}


def test_F69_what_a_message_holds_stays_text(shown: Shown) -> None:
    shown.post(channel="general", text=EVIL, blocks=[section(EVIL), section(f"```{EVIL}```"), section(f"`{EVIL}`")])
    header = {"type": "header", "text": {"type": "plain_text", "text": EVIL}}
    shown.post(channel="general", text=EVIL, blocks=[header, {"type": "actions", "elements": [button(EVIL[:75])]}])
    shown.post(channel="general", text=f"&lt;script&gt; {EVIL}")
    page = shown.page("/slack")
    assert not page.tags & {"script", "img"}
    assert page.text.count("alert('x')") == 6


# All pages


def test_a_page_that_follows_is_read_again(shown: Shown) -> None:
    for path in ("/slack", "/github"):
        still, follows = shown.page(path), shown.page(f"{path}?follow")
        assert "http-equiv" not in still.html
        assert '<meta http-equiv="refresh" content="3">' in follows.html
        assert (still.links["follow"], follows.links["stop following"]) == (f"{path}?follow", path)


def test_the_style_is_ours_and_nothing_else_is_allowed(shown: Shown) -> None:
    answer = shown.get("/assets/style.css")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "prefers-color-scheme: dark" in answer.data.decode()
    assert not re.search(r"url\(|@import|https?:", answer.data.decode())
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["Content-Security-Policy"] == policy
