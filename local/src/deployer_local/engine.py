"""The laptop engine: an emulated AWS, a local GitHub and a local Slack, put together over one data directory.

This is the only place that builds them. An engine on the same directory comes back on the same ports with the same
stacks, buckets, queues, functions, tables, pipelines, repositories and messages, whether the last one was stopped or
killed. It installs nothing into its AWS; that is the deploy tool's work.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from .aws import (
    addresses,
    async_invocation,
    call_log,
    emulator,
    json_services,
    message_moves,
    pipeline_resource,
    queue_dispatch,
    resume,
    snapshots,
    stack_events,
    strict_cloudformation,
    strict_custom_resources,
    strict_events,
    strict_http_apis,
    strict_lambda,
    strict_permissions,
    strict_s3,
    strict_ssm,
    tracing,
    workers,
)
from .aws.activity import Call, Invocation
from .aws.bus import Bus, Drop, Event, Predicate, Subscriber
from .aws.courier import Courier
from .aws.host import Extension, Host
from .aws.json_services import JsonService
from .aws.schedules import Clock, Schedules
from .aws.serving import LoopbackServer
from .aws.stack_operations import Hold, StackOperation, StackOperations
from .aws.used_permissions import UsedPermissions
from .codepipeline import CodePipeline, ServiceError
from .codepipeline.template import declaration
from .github import GitHub
from .kept import Kept
from .pages import Pages
from .sites import Sites
from .slack import Slack

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",  # there is no secret: the emulated AWS checks none
    "AWS_DEFAULT_REGION": emulator.REGION,
    "AWS_REGION": emulator.REGION,
}
# What docs/operations.md has people allow their Slack app.
BOT_SCOPES = ("chat:write", "users:read", "users:read.email")


class Engine:
    """A context manager over the directory `data`.

    `port`: that of the emulated AWS; 0 takes the last one's, or a free one. `traces`: HOST:PORT of an X-Ray daemon that
    gets what functions with active tracing are traced with; empty for none. `around`: puts an ASGI application around
    the local web, as one does that listens to GitHub and Slack. `clock`: seconds since the epoch, what scheduled rules
    go by. While it runs, `github` and `slack` are the handles of the local ones, `pipelines` that of CodePipeline,
    `github_token` and `slack_token` what they accept.
    """

    github: GitHub
    slack: Slack
    pipelines: CodePipeline
    github_token: str
    slack_token: str

    def __init__(
        self,
        data: Path,
        port: int = 0,
        traces: str = "",
        around: Callable[[ASGIApp], ASGIApp] = lambda web: web,
        clock: Clock = time.time,
    ) -> None:
        self.data = data.resolve()
        self.traces = traces
        self._port = port
        self._around = around
        self._resources = ExitStack()
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._bus = Bus()
        self._schedules = Schedules(clock)
        self._operations = StackOperations()

    def __enter__(self) -> Self:
        try:
            self._build()
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._resources.close()

    def _build(self) -> None:
        close = self._resources.callback
        self.data.mkdir(parents=True, exist_ok=True)
        kept = Kept.read(self.data) or Kept()
        self._aws = LoopbackServer(self._port or kept.aws_port)
        close(self._aws.stop)
        self._web = LoopbackServer(kept.web_port)
        close(self._web.stop)
        self.github_token = kept.github_token or f"ghp_{secrets.token_hex(20)}"
        self.slack_token = kept.slack_token or f"xoxb-{secrets.token_hex(20)}"
        self._kept = Kept(self._aws.port, self._web.port, self.github_token, self.slack_token)
        self._kept.write(self.data)
        self.github = GitHub(self.data / "github", token=self.github_token, base_url=self.web_url)
        close(self.github.close)
        self.slack = Slack(self.data / "slack", token=self.slack_token, scopes=BOT_SCOPES)
        close(self.slack.close)
        self.pipelines = CodePipeline(
            self.data / "codepipeline",
            self.client,
            lambda detail_type, detail, resources: self.emit("aws.codepipeline", detail_type, detail, resources),
            emulator.ACCOUNT,
            emulator.REGION,
            build_variables={**CREDENTIALS, "AWS_ENDPOINT_URL": self.aws_url},
        )
        self._stack_news = Courier[tuple[str, str]](lambda news: self.pipelines.stack_event(*news), "stack-news")
        close(self._stack_news.close)
        self._host = Host(self.data / "aws", self._aws, self._extensions())
        close(self._host.stop)
        # Before its AWS goes, so that what it runs is left for the next engine instead of failing.
        close(self.pipelines.close)

    def _start(self) -> None:
        self._host.start()
        routes = [
            *Sites(self.client).routes(),
            Mount("/slack/api", self.slack.app),
            *Pages(self.github, self.slack, self.client, lambda: self.web_url).routes(),
            Mount("/", self.github.app),
        ]
        self._web.start(self._around(Starlette(routes=routes)), "the local web")
        self._resources.callback(self._web.stop)
        self.github.resume()
        self.pipelines.start()

    def _extensions(self) -> list[Extension]:
        pipelines = JsonService("codepipeline", "CodePipeline_20150709", self.pipelines.handle, ServiceError)
        builds = JsonService("codebuild", "CodeBuild_20161006", self.pipelines.codebuild.handle, ServiceError)
        return [
            snapshots.install,
            self._bus.install,
            stack_events.install(self._bus, lambda stack_id, status: self._stack_news.send((stack_id, status))),
            self._schedules.install,
            self._operations.install,
            addresses.install(lambda bucket: self.site_url(bucket).rstrip("/")),
            workers.install(self.traces),
            tracing.install(self.traces),
            queue_dispatch.install,
            message_moves.install,
            async_invocation.install(self.pipelines.function_failed),
            json_services.install(pipelines),
            json_services.install(builds),
            pipeline_resource.install(pipelines, declaration),
            strict_cloudformation.install,
            strict_custom_resources.install,
            strict_events.install,
            strict_http_apis.install,
            strict_lambda.install,
            strict_s3.install,
            strict_ssm.install,
            resume.install,
            strict_permissions.install(UsedPermissions.named_by(os.environ)),
            call_log.install,
        ]

    # Where things are.

    @property
    def aws_url(self) -> str:
        """Endpoint of every AWS service."""
        return self._aws.url

    @property
    def web_url(self) -> str:
        """Base of the local GitHub, Slack and the sites."""
        return self._web.url

    @property
    def github_url(self) -> str:
        """Base of GitHub's REST API."""
        return self._kept.github_url

    @property
    def slack_url(self) -> str:
        """Base of Slack's web API, with its trailing slash."""
        return self._kept.slack_url

    def git_url(self, full_name: str) -> str:
        """The remote to push `owner/name` to."""
        return f"{self.web_url}/{full_name}.git"

    def site_url(self, bucket: str) -> str:
        """Where the pages of `bucket` are served."""
        return f"{self.web_url}/sites/{bucket}/"

    # What can be done and seen.

    def client(self, service: str) -> Any:
        """A boto3 client of the emulated AWS; the same one for every thread."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    region_name=emulator.REGION,
                    endpoint_url=self.aws_url,
                    aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                    config=Config(retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=50),
                )
            return self._clients[service]

    @property
    def events(self) -> list[Event]:
        """Every event that passed the bus since the start, oldest first, as full EventBridge envelopes."""
        return list(self._bus.events)

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """Put an event of an AWS service on the default bus."""
        self._bus.emit(source, detail_type, detail, resources)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every later event, on a thread of its own; returns how to end it."""
        return self._bus.subscribe(subscriber)

    @property
    def calls(self) -> list[Call]:
        """Every AWS API request received since the start, oldest first."""
        return list(self._host.activity.calls)

    @property
    def invocations(self) -> list[Invocation]:
        """Every run of a function since the start, oldest first."""
        return list(self._host.activity.invocations)

    # Schedules, for tests: nobody waits for minutes.

    def tick(self) -> None:
        """Fire the scheduled rules that are due by the clock; it is read every second without being asked to."""
        self._schedules.tick()

    def fire(self, rule: str) -> None:
        """Fire a scheduled rule now, whatever its schedule says. Raises `LookupError` where no enabled one is so named.

        It returns when the event, and what it set off, would survive a kill.
        """
        self._schedules.fire(rule)

    # Faults, for tests.

    def drop_event(self, matches: Predicate) -> Drop:
        """Lose the next event that `matches` before the bus sees it."""
        return self._bus.drop(matches)

    def hold_stack(self, matches: Callable[[StackOperation], bool]) -> AbstractContextManager[Hold]:
        """Keep matching stack operations in progress, with nothing done, until released."""
        return self._operations.hold(matches)
