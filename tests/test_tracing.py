"""A push, traced: what an X-Ray daemon beside the engine receives of the real functions, from layer and zip alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.contracts.xray import Daemon, Document, below

from deployer_cli.demo.worktree import Worktree
from deployer_deploy import FUNCTIONS, Configuration
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import HMAC, install

NAME = Configuration().stack


@dataclass(frozen=True)
class Invocation:
    """A segment of a function, the function's own subsegment, and the calls in that."""

    segment: Document
    own: Document
    calls: list[Document]

    def named(self, namespace: str) -> list[tuple[str, str]]:
        """Service and operation, or method and URL, of its calls."""
        if namespace == "aws":
            return [(call["name"], call["aws"]["operation"]) for call in self.calls if call["namespace"] == "aws"]
        requests = [call["http"]["request"] for call in self.calls if call["namespace"] == "remote"]
        return [(request["method"], request["url"]) for request in requests]


@dataclass(frozen=True)
class Pushed:
    """What was there after a push of a template that is none, which the builder says on the commit."""

    engine: Engine
    daemon: Daemon
    commit: str

    def of(self, function: str, holds: Callable[[Invocation], bool] = lambda _: True) -> Invocation:
        """The first invocation of a function that was wholly received, and that ``holds``."""

        def find(documents: list[Document]) -> Invocation | None:
            for segment in (each for each in documents if each["name"] == NAME(function)):
                for own in below(documents, segment["id"]):
                    found = Invocation(segment, own, below(documents, own["id"]))
                    if holds(found):
                        return found
            return None

        return self.daemon.until(find)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    folder = tmp_path_factory.mktemp("traced")
    (folder / "example" / "deploy").mkdir(parents=True)
    (folder / "example" / "deploy" / "pipeline.json").write_text("no template\n")
    with Daemon() as daemon, Engine(folder / "engine", traces=daemon.address) as engine:
        install(engine, Tree.here())
        engine.github.create_repository("acme/broken")
        tree = Worktree(folder / "clone", folder / "example", engine.git_url("acme/broken"))
        commit = tree.commit("No template")
        tree.push("HEAD:main")
        yield Pushed(engine, daemon, commit)


def test_the_listener(pushed: Pushed) -> None:
    found = pushed.of("listener", lambda one: ("sqs", "SendMessage") in one.named("aws"))
    assert found.segment["origin"] == "AWS::Lambda::Function"
    assert found.own["name"] == "listener"
    # The ping of the new webhook may have read the secrets before.
    assert set(found.named("aws")) <= {("ssm", "GetParameter"), ("sqs", "SendMessage")}
    assert found.named("remote") == []
    assert {call["aws"]["region"] for call in found.calls} == {"us-east-1"}
    assert all(call["aws"]["request_id"] for call in found.calls)


def test_the_builder(pushed: Pushed) -> None:
    status = ("POST", f"{pushed.engine.github_url}/repos/acme/broken/statuses/{pushed.commit}")
    found = pushed.of("builder", lambda one: status in one.named("remote"))
    assert found.own["name"] == "builder"
    assert {("dynamodb", "GetItem"), ("cloudformation", "DescribeStacks")} <= set(found.named("aws"))
    asked = found.named("remote")
    assert asked[0] == ("GET", f"{pushed.engine.github_url}/repos/acme/broken")
    assert ("GET", f"{pushed.engine.github_url}/repos/acme/broken/git/ref/heads/main") in asked
    answers = [call["http"]["response"]["status"] for call in found.calls if call["namespace"] == "remote"]
    assert answers[asked.index(status)] == 201
    assert len(set(asked)) == len(asked), "a call was told twice"


@pytest.mark.parametrize("function", ["listener", "builder"])
def test_all_of_an_invocation_is_one_trace_and_lies_within_it(pushed: Pushed, function: str) -> None:
    found = pushed.of(function)
    documents = [found.segment, found.own, *found.calls]
    assert {each["trace_id"] for each in documents} == {found.segment["trace_id"]}
    assert len({each["id"] for each in documents}) == len(documents)
    for outer, inner in [(found.segment, found.own), *((found.own, call) for call in found.calls)]:
        assert outer["start_time"] <= inner["start_time"] <= inner["end_time"] <= outer["end_time"]


def test_F91_no_document_holds_a_secret(pushed: Pushed) -> None:
    pushed.of("builder")
    engine = pushed.engine
    hmac = engine.client("ssm").get_parameter(Name=HMAC, WithDecryption=True)["Parameter"]["Value"]
    text = json.dumps(pushed.daemon.received()).lower()
    for secret in (engine.github_token, engine.slack_token, hmac, "authorization", "x-hub-signature"):
        assert secret.lower() not in text


@pytest.mark.parametrize("function", FUNCTIONS)
def test_tracing_is_turned_on_in_every_function_and_its_role_may_send(pushed: Pushed, function: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html: the two actions that the role needs."""
    settings = pushed.engine.client("lambda").get_function_configuration(FunctionName=NAME(function))
    assert settings["TracingConfig"] == {"Mode": "Active"}
    role = settings["Role"].rpartition("/")[2]
    iam = pushed.engine.client("iam")
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    allowed = [statement for statement in document["Statement"] if "xray" in str(statement["Action"])]
    actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    assert allowed == [{"Sid": "Traces", "Effect": "Allow", "Action": actions, "Resource": "*"}]
