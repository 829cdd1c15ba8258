"""The laptop engine: an emulated AWS, a local GitHub and a local Slack, put together over one data directory.

This is the only place that builds them. An engine on the same directory comes back on the same ports with the same
stacks, buckets, queues, functions, tables, repositories and messages, whether the last one was stopped or killed. It
installs nothing into its AWS; that is the deploy tool's work.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from starlette.applications import Starlette

from .aws import (
    call_log,
    emulator,
    queue_dispatch,
    resume,
    snapshots,
    stack_events,
    strict_cloudformation,
    strict_custom_resources,
    strict_events,
    strict_lambda,
    strict_s3,
    workers,
)
from .aws.activity import Call, Invocation
from .aws.bus import Bus, Drop, Event, Predicate, Subscriber
from .aws.host import Host
from .aws.serving import LoopbackServer
from .aws.stack_operations import Hold, StackOperation, StackOperations
from .sites import Sites


class Engine:
    """`data`: directory for everything. `port`: that of the emulated AWS; 0 takes the last one's, or a free one."""

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data.resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        self._bus = Bus()
        self._operations = StackOperations()
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._resources = ExitStack()
        self._ports = _Ports(self.data / "ports.json")
        self._host = Host(self.data / "aws", port or self._ports.get("aws"), self._extensions())
        self._web: LoopbackServer | None = None

    def _extensions(self) -> list[Callable[[Host], None]]:
        return [
            snapshots.install,
            self._bus.install,
            stack_events.install(self._bus),
            self._operations.install,
            workers.install,
            queue_dispatch.install,
            strict_cloudformation.install,
            strict_custom_resources.install,
            strict_events.install,
            strict_lambda.install,
            strict_s3.install,
            resume.install,
            call_log.install,
        ]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._resources.close()

    def _start(self) -> None:
        self._web = LoopbackServer(self._ports.get("web"))
        self._resources.callback(self._web.stop)
        self._resources.callback(self._host.stop)
        self._host.start()
        self._ports.keep(aws=self._host.port, web=self._web.port)
        self._web.start(Starlette(routes=[*Sites(self.client).routes()]), "the local web")

    # Where things are.

    @property
    def aws_url(self) -> str:
        """Endpoint of every AWS service."""
        return self._host.url

    @property
    def web_url(self) -> str:
        """Base of the local GitHub, Slack and the sites."""
        if self._web is None:
            raise RuntimeError("the engine is not running")
        return self._web.url

    @property
    def github_url(self) -> str:
        """Base of GitHub's REST API."""
        return f"{self.web_url}/api/v3"

    @property
    def slack_url(self) -> str:
        """Base of Slack's web API, with its trailing slash."""
        return f"{self.web_url}/slack/api/"

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
                    aws_access_key_id="local",
                    aws_secret_access_key="local",  # noqa: S106 - there is no secret: the emulated AWS checks none
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

    # Faults, for tests.

    def drop_event(self, matches: Predicate) -> Drop:
        """Lose the next event that `matches` before the bus sees it."""
        return self._bus.drop(matches)

    def hold_stack(self, matches: Callable[[StackOperation], bool]) -> AbstractContextManager[Hold]:
        """Keep matching stack operations in progress, with nothing done, until released."""
        return self._operations.hold(matches)


class _Ports:
    """The ports of the last engine on this data: what is stored there names them in URLs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> int:
        if not self._path.exists():
            return 0
        return int(json.loads(self._path.read_text()).get(name, 0))

    def keep(self, **ports: int) -> None:
        self._path.write_text(json.dumps(ports))
