"""The demo against a world that is right but for one thing: it says what did not hold, and what was there instead.

The world is in memory and follows what was really pushed into a Git repository; everything happens at once, so that
nothing is waited for. Against the real engine, with each function broken in turn, the demo runs in tests/.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.environments import EnvironmentId, owner_tags, stack_names
from deployer.refs import Stage
from deployer_cli.demo.expect import Unmet
from deployer_cli.demo.scenario import FEATURE, RELEASE, Demo
from deployer_cli.demo.watch import STAGES, Watcher
from deployer_deploy.tree import Tree

EXAMPLE = Tree.here().root / "examples" / "static-site"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
HELLO = EnvironmentId(7, Stage.DEVELOPMENT, FEATURE)


@dataclass
class World:
    """An engine with the deployer installed, as the demo sees it; each field but ``remote`` is a thing to go wrong."""

    remote: Path
    served: int = 200
    answered: int | None = 202
    said_commit: str = ""
    apps: bool = True
    listings: int = 1000  # how often stacks are listed before they are all gone
    states: dict[str, str] = field(default_factory=dict)
    broken_build: str = "failure"
    why: str = "npm test exited with 1"
    replies: tuple[str, ...] = ("the end:\nbroken link in index.html",)
    isolated: bool = True
    kept_bucket: bool = False
    deletion: str = "DELETE_COMPLETE"
    deployment: str = "success"
    leads: str = ""
    left: str = "inactive"  # how the deployment of a branch that is gone stands
    left_environment: bool = False
    hello_goes_early: bool = False
    elsewhere: bool = False  # what happens to a branch reaches staging
    throttled: bool = False
    builds: bool = True
    removed: set[tuple[str, str]] = field(default_factory=set)
    known: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    port: int = 0

    # --- Git

    def git(self, *arguments: str) -> list[str]:
        if arguments not in self.known:
            done = subprocess.run(["git", *arguments], cwd=self.remote, check=True, capture_output=True, text=True)
            self.known[arguments] = done.stdout.splitlines()
        return self.known[arguments]

    def refs(self) -> dict[str, str]:
        listing = ("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")
        self.known.pop(listing, None)  # commits never change, refs do
        found = (line.split() for line in self.git(*listing))
        return {name: commits[-1] for name, *commits in found}

    def is_broken(self, commit: str) -> bool:
        return "nowhere.html" in "\n".join(self.git("show", f"{commit}:site/pages/index.md"))

    # --- what the deployer made of it

    def environments(self) -> dict[EnvironmentId, tuple[str, str]]:
        """Environment -> the commit that is served, and of which branch."""
        named = {
            "refs/heads/main": (EnvironmentId(7, Stage.STAGING), "main"),
            f"refs/heads/{FEATURE}": (HELLO, FEATURE),
            f"refs/tags/{RELEASE}": (EnvironmentId(7, Stage.PRODUCTION), "main"),
        }
        refs, found = self.refs(), {}
        for ref, (environment, branch) in named.items():
            if ref in refs and not (environment is HELLO and self.hello_goes_early and f"refs/tags/{RELEASE}" in refs):
                good = next(commit for commit in self.git("rev-list", refs[ref]) if not self.is_broken(commit))
                found[environment] = good, branch
        return found

    def name(self, environment: EnvironmentId) -> str:
        return stack_names(environment, "site")[0]

    # --- the engine

    def git_url(self, _: str) -> str:
        return str(self.remote)

    def site_url(self, bucket: str) -> str:
        return f"http://127.0.0.1:{self.port}/{bucket}/"

    def client(self, service: str) -> Any:
        return {"cloudformation": CloudFormation, "s3": S3, "codebuild": CodeBuild}[service](self)

    @property
    def github(self) -> Any:
        delivery = SimpleNamespace(event="push", status_code=self.answered)
        return SimpleNamespace(
            create_repository=lambda _: SimpleNamespace(id=7),
            deliveries=lambda: [delivery] * len(self.refs()),
            statuses=self.statuses,
            deployments=self.deployments,
            environments=lambda _: [
                SimpleNamespace(name=name) for name in ("staging", FEATURE if self.left_environment else "production")
            ],
        )

    def deployments(self, _: str) -> list[Any]:
        there = [
            (environment.label, commit, self.deployment) for environment, (commit, _) in self.environments().items()
        ]
        urls = {environment.label: f"https://{self.name(environment)}.example" for environment in self.environments()}
        gone = [(FEATURE, "b" * 40, self.left)] if HELLO not in self.environments() else []
        return [
            SimpleNamespace(
                environment=name,
                sha=sha,
                state=state,
                statuses=[
                    SimpleNamespace(environment_url={"nowhere": ""}.get(self.leads, self.leads or urls.get(name)))
                ],
            )
            for name, sha, state in (*there, *gone)
            if state != "none"
        ]

    def statuses(self, _: str, sha: str) -> list[Any]:
        if not any(sha in self.git("rev-list", commit) for commit in self.refs().values()):
            return []
        broken = self.is_broken(sha)
        contexts = ["build/0-prep", *(f"pipeline/{stage}" for stage in STAGES)]
        if self.refs().get(f"refs/tags/{RELEASE}") == sha:
            contexts += ["production/0-prep", *(f"production/{stage}" for stage in STAGES)]
        states = dict.fromkeys(contexts, "success") | self.states
        if broken:
            states["pipeline/Build"] = self.broken_build
        return [
            SimpleNamespace(context=context, state=state, description=self.why if broken else f"{context}: {state}")
            for context, state in states.items()
            if state
        ]

    @property
    def slack(self) -> Any:
        replies = [SimpleNamespace(text=text) for text in self.replies]
        return SimpleNamespace(messages=lambda: [SimpleNamespace(replies=replies)])

    def answer(self, bucket: str, page: str) -> tuple[int, str]:
        """What a browser is answered."""
        for environment, (commit, branch) in self.environments().items():
            if self.name(environment) == bucket:
                gone = (bucket if self.isolated else "any", page) in self.removed
                reached = self.elsewhere and environment.stage is Stage.STAGING and HELLO in self.environments()
                said = "0" * 40 if reached else self.said_commit or commit
                text = f'<meta name="commit" content="{said}"><meta name="branch" content="{branch}">'
                return (404 if gone else self.served), text
        return 404, ""


@dataclass
class CloudFormation:
    world: World

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self.world.throttled:
            raise ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "DescribeStacks")
        for environment in self.world.environments():
            name = self.world.name(environment)
            if self.world.apps and StackName == f"{name}-app":
                outputs = {"Bucket": name, "Url": f"https://{name}.example"}
                return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}
        raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=self._stacks if operation == "describe_stacks" else self._summaries)

    def _stacks(self) -> Iterator[dict[str, Any]]:
        self.world.listings -= 1
        for environment in self.world.environments() if self.world.listings >= 0 else ():
            tags = [
                {"Key": key, "Value": value}
                for key, value in owner_tags(environment, "opolis-deployer", "acme/site").items()
            ]
            yield {"Stacks": [{"StackName": self.world.name(environment), "Tags": tags}]}

    def _summaries(self) -> Iterator[dict[str, Any]]:
        yield {"StackSummaries": [{"StackName": "another", "StackStatus": "CREATE_COMPLETE"}]}
        for name in (f"{self.world.name(HELLO)}-app", self.world.name(HELLO)):
            yield {"StackSummaries": [{"StackName": name, "StackStatus": self.world.deletion}]}


@dataclass
class S3:
    world: World

    def list_buckets(self) -> dict[str, Any]:
        kept = [self.world.name(HELLO)] if self.world.kept_bucket else []
        return {"Buckets": [{"Name": name} for name in [*map(self.world.name, self.world.environments()), *kept]]}

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803 - AWS's names
        self.world.removed.add((Bucket if self.world.isolated else "any", Key))


@dataclass
class CodeBuild:
    world: World

    def list_builds_for_project(self, projectName: str, sortOrder: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        return {"ids": ["b:1"] if self.world.builds else []}

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        whole = {"startTime": NOW, "endTime": NOW + timedelta(hours=1)}
        phases = [{"phaseType": "BUILD", **whole}, {"phaseType": "QUEUED", **whole}, {"phaseType": "INSTALL"}]
        return {"builds": [{"phases": phases}]}


class Quiet:
    """Says nothing, and keeps what held."""

    def __init__(self) -> None:
        self.steps, self.said = list[str](), list[str]()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps.append(title)
        yield

    def held(self, what: str) -> None:
        self.said.append(what)

    def waiting(self, what: str) -> None:
        """Nothing is waited for."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    remote = tmp_path / "remote.git"
    remote.mkdir()
    made = World(remote)
    made.git("init", "--quiet", "--bare")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, bucket, page = self.path.split("/", 2)
            status, text = made.answer(bucket, page)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def demo(world: World, narrator: Quiet) -> Demo:
    engine: Any = world
    return Demo(engine, EXAMPLE, world.remote.parent / "site", narrator, patience=0)


def test_where_everything_holds_each_environment_is_shown_as_the_demo_left_it(world: World) -> None:
    narrator = Quiet()
    scenario = demo(world, narrator)
    scenario.run()
    assert len(narrator.steps) == 6
    staging, hello, production = scenario.results.values()
    assert {context.partition("/")[0] for context in staging.statuses} == {"build", "pipeline"}
    assert {context.partition("/")[0] for context in production.statuses} == {"production"}
    assert staging.commit != production.commit
    assert (staging.url, hello.stack, hello.url) == (world.site_url("site-staging"), None, None)
    assert {result.own for result in scenario.results.values()} == {0.0}, "the build took an hour"


def test_without_a_build_all_the_time_is_the_deployers_own(world: World) -> None:
    world.builds = False
    scenario = demo(world, Quiet())
    scenario.run()
    assert all(result.own == result.seconds > 0 for result in scenario.results.values())


@pytest.mark.parametrize(
    ("wrong", "what", "seen"),
    [
        pytest.param({"answered": 500}, "staging serves", "the webhook push was answered 500", id="webhook-refused"),
        pytest.param({"answered": 0}, "staging serves", "the webhook push was never answered", id="webhook-lost"),
        pytest.param({"apps": False}, "staging serves", "no app stack with a bucket yet", id="no-app"),
        pytest.param({"served": 503}, "staging serves", "/site-staging/ answers 503", id="no-page"),
        pytest.param(
            {"said_commit": "f" * 40}, "staging serves", "says commit fffffff of branch main", id="another-page"
        ),
        pytest.param(
            {"states": {"pipeline/Deploy": "error"}}, "pipeline/Deploy of", "pipeline/Deploy: error", id="red-status"
        ),
        pytest.param(
            {"states": {"pipeline/Release": ""}},
            "its statuses are green",
            "pipeline/Release is missing",
            id="no-status",
        ),
        pytest.param({"listings": 1}, "staging has its stacks", "one of them is gone", id="stack-vanishes"),
        pytest.param({"elsewhere": True}, "staging still serves main", "says commit 0000000", id="staging-is-touched"),
        pytest.param(
            {"isolated": False}, "each is served from its own bucket", "'site-staging'] answers [404, 404]", id="shared"
        ),
        pytest.param(
            {"broken_build": "success"}, "fails and says why", "pipeline/Build is success", id="broken-is-green"
        ),
        pytest.param({"broken_build": ""}, "fails and says why", "pipeline/Build is missing", id="broken-is-not-told"),
        pytest.param({"why": "it broke"}, "fails and says why", "its description says: it broke", id="no-reason"),
        pytest.param({"replies": ()}, "Slack shows the end", "none of 0 replies has it", id="slack-is-silent"),
        pytest.param({"hello_goes_early": True}, "feature/hello has a stack to delete", "none", id="gone-too-early"),
        pytest.param({"deletion": "DELETE_FAILED"}, "its app's stack is gone", "-app: DELETE_FAILED", id="stays"),
        pytest.param(
            {"deletion": "CREATE_COMPLETE"}, "its app's stack is gone", "it is CREATE_COMPLETE", id="untouched"
        ),
        pytest.param(
            {"deployment": "none"}, "its deployment on GitHub", "has no deployment to staging", id="no-deployment"
        ),
        pytest.param(
            {"deployment": "in_progress"}, "its deployment on GitHub", "is in_progress", id="a-deployment-that-goes-on"
        ),
        pytest.param({"deployment": ""}, "its deployment on GitHub", "is without a status", id="a-silent-deployment"),
        pytest.param({"leads": "nowhere"}, "its deployment on GitHub", "leads to nowhere", id="no-view-deployment"),
        pytest.param(
            {"leads": "https://other"}, "its deployment on GitHub", "leads to https://other", id="another-address"
        ),
        pytest.param({"left": "success"}, "GitHub shows it as removed", "of bbbbbbb is success", id="still-deployed"),
        pytest.param({"left": ""}, "GitHub shows it as removed", "is without a status", id="still-there-and-silent"),
        pytest.param(
            {"left_environment": True}, "shows it as removed", "environment feature/hello is there", id="still-shown"
        ),
        pytest.param({"kept_bucket": True}, "its bucket is gone", "it is there", id="bucket-stays"),
    ],
)
def test_the_first_thing_that_does_not_hold_ends_it(world: World, wrong: dict[str, Any], what: str, seen: str) -> None:
    for name, value in wrong.items():
        setattr(world, name, value)
    with pytest.raises(Unmet) as unmet:
        demo(world, Quiet()).run()
    assert what in unmet.value.what
    assert seen in unmet.value.seen


def test_an_answer_of_aws_that_is_no_answer_is_not_taken_for_gone(world: World) -> None:
    engine: Any = world
    world.throttled = True
    with pytest.raises(ClientError, match="Rate exceeded"):
        Watcher(engine, "acme/site").outputs("site-staging-app")
