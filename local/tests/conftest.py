"""One engine for all tests of this package, and short ways to make things in its AWS."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from local.tests.bench import Bench
from moto import mock_aws
from tests.contracts import aws_events
from tests.contracts.xray import Daemon

from deployer_local.codepipeline.testing import World
from deployer_local.engine import Engine

SECONDS = 30
"""How long a test waits for what must happen; never how long it takes."""
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
_RUNNING: list[Engine] = []


class Aws:
    """The emulated AWS as a test uses it: clients, stacks, functions, waiting."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.client = engine.client

    def unchecked(self, service: str) -> Any:
        """A client that sends what it is given, right or wrong."""
        config = Config(parameter_validation=False, retries={"max_attempts": 0})
        return boto3.client(service, endpoint_url=self.engine.aws_url, config=config, **CREDENTIALS)

    @property
    def stacks(self) -> Any:
        return self.client("cloudformation")

    def unique(self, prefix: str = "t") -> str:
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def until(self, found: Callable[[], Any], what: str = "it") -> Any:
        """What `found` returns once it is true."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if result := found():
                return result
            time.sleep(0.01)
        pytest.fail(f"{what} did not happen within {SECONDS} s")

    def status(self, stack: str) -> str:
        return str(self.stacks.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    def settled(self, stack: str) -> str:
        """The stack's status once no operation is in progress."""
        return str(self.until(lambda: (s := self.status(stack)).endswith("_IN_PROGRESS") is False and s, stack))

    def create(self, resources: dict[str, Any], name: str = "", **more: Any) -> str:
        """Create a stack of `resources` and return its ARN without waiting."""
        template = {"Resources": resources, **more.pop("template", {})}
        answer = self.stacks.create_stack(
            StackName=name or self.unique(),
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            **more,
        )
        return str(answer["StackId"])

    def function(self, source: str, **settings: Any) -> str:
        """A function whose module `code` is `source` and whose handler is `code.handler`; returns its name."""
        name = self.unique("f")
        given = {"Runtime": "python3.13", "Role": "arn:aws:iam::000000000000:role/any", "Handler": "code.handler"}
        self.client("lambda").create_function(
            FunctionName=name, Code={"ZipFile": packed({"code.py": source})}, **{**given, **settings}
        )
        return name

    def invoke(self, function: str, event: Any = None) -> Any:
        """The answer of the function, or its error."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        return json.load(answer["Payload"])


def packed(files: dict[str, str]) -> bytes:
    """A zip of `files`."""
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return contents.getvalue()


@pytest.fixture(scope="session")
def zipped() -> Callable[[dict[str, str]], bytes]:
    return packed


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    with Daemon() as listening:
        yield listening


class Clock:
    """Stands until a test moves it; what scheduled rules go by."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, daemon: Daemon, clock: Clock) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("engine"), traces=daemon.address, clock=clock) as running:
        _RUNNING.append(running)
        yield running
    _RUNNING.clear()


@pytest.fixture(scope="module", autouse=True)
def _documented_events() -> Iterator[None]:
    """Whatever passes the bus while a module's tests run is as AWS documents it."""
    before = {id(each): len(each.events) for each in _RUNNING}
    yield
    for each in _RUNNING:
        aws_events.check(each.events[before.get(id(each), 0) :])


@pytest.fixture(scope="session")
def aws(engine: Engine) -> Aws:
    return Aws(engine)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HOST_SECRET"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = Bench(tmp_path)
        yield made
        made.service.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A CodePipeline over moto's AWS; in the end, every event that it told was one of AWS's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = World(tmp_path)
        yield made
        made.engine.close()
    aws_events.check(aws_events.around(*event) for event in made.events)
