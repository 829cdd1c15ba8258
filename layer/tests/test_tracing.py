"""X-Ray: what a daemon receives of a sampled invocation, and that nothing is imported or sent of any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.contracts.xray import Daemon

from deployer.tracing import carried, sampled

TRACE, OTHER_TRACE = "1-5759e988-bd862e3fe1be46a994272793", "1-5759e989-0123456789abcdef01234567"
PARENT, OTHER_PARENT = "53995c3f42cd8ad8", "0f1e2d3c4b5a6978"
SAMPLED = f"Root={TRACE};Parent={PARENT};Sampled=1"
UNSAMPLED = f"Root={OTHER_TRACE};Parent={OTHER_PARENT};Sampled=0"
CANARY = "ghp_canary"

# One process, as Lambda keeps it: for each step a header and what the handler does.
PROGRAM = """
import json, os, sys
from deployer.observability import logger, traced

here, steps = sys.argv[1], json.loads(sys.argv[2])
exec(sys.argv[3])

def aws():
    import boto3
    boto3.client("dynamodb", endpoint_url=here).get_item(TableName="environments", Key={"id": {"S": "ghp_canary"}})

def github(url=here):
    from deployer.github import GitHub
    GitHub(url, lambda: "ghp_canary").repository("acme", "site")

def slack():
    from deployer.ports import Post
    from deployer.slack import Slack
    Slack(here + "/api/", lambda: "ghp_canary").post("deployments", Post("hello ghp_canary"))

def answer():
    from deployer.custom_resource import Done, Responder, parse
    responder = Responder()
    event = {"RequestType": "Delete", "RequestId": "r", "LogicalResourceId": "l", "PhysicalResourceId": "p",
        "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/s/1",
        "ResponseURL": here.replace("//", "//ghp_canary@") + "/answer?Signature=ghp_canary#ghp_canary"}
    responder.send(parse(event), Done())

def aside():
    import threading
    from deployer.tracing import carried
    for work in (github, github):
        other = threading.Thread(target=carried(work))
        other.start()
        other.join()

def nowhere():
    github("http://127.0.0.1:1")

def fail():
    raise ValueError("why")

def nonsense():
    from deployer import tracing
    with tracing.remote("GET", "http://[") as answered:
        answered(400)

@traced("builder")
def handler(event, context):
    logger("builder").info("inside")
    for name in event:
        globals()[name]()
    return "done"

answers = []
for header, event in steps:
    os.environ.pop("_X_AMZN_TRACE_ID", None)
    if header:
        os.environ["_X_AMZN_TRACE_ID"] = header
    try:
        answers.append(handler(event, None))
    except Exception as error:
        answers.append(type(error).__name__)
print(json.dumps({"answers": answers, "modules": [name for name in sys.modules if "." not in name]}))
"""


@dataclass(frozen=True)
class Ended:
    """What a process left behind: the handler's answers, the modules it had, its log, and what the daemon received."""

    answers: list[str]
    modules: set[str]
    log: list[dict[str, Any]]
    documents: list[dict[str, Any]]

    @property
    def messages(self) -> list[str]:
        return [each["message"] for each in self.log]


class Lambda:
    """Runs invocations of a traced handler beside an X-Ray daemon."""

    def __init__(self, daemon: Daemon, server: Any) -> None:
        self._daemon, self._server = daemon, server

    def run(self, *steps: tuple[str, list[str]], before: str = "", daemon: str = "") -> Ended:
        """``before``: Python to run before the first invocation. ``daemon``: its address, where not the real one."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS")},
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": CANARY,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": daemon or self._daemon.address,
            "LAMBDA_TASK_ROOT": "/var/task",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, self._server.url, json.dumps(steps), before],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        ended = json.loads(done.stdout)
        log = [json.loads(line) for line in done.stderr.splitlines()]
        return Ended(ended["answers"], set(ended["modules"]), log, self._daemon.received())


@pytest.fixture
def function(server: Any) -> Iterator[Lambda]:
    with Daemon() as daemon:
        yield Lambda(daemon, server)


def scripted(server: Any) -> None:
    """One answer for each of aws, github, slack, answer."""
    server.answer(200, {"Item": {"id": {"S": CANARY}}}, x_amzn_RequestId="request-1")
    server.answer(404, {"message": "Not Found"})
    server.answer(200, {"ok": True, "channel": "C1", "ts": "1.2"})
    server.answer(200)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("Root=1-2-3;Parent=4;Sampled=0", False),
        ("Root=1-2-3;Parent=4;Sampled=1", True),
        ("Root=1-2-3;Parent=4;Sampled=1;Lineage=a:0", True),
        ("Root=1-2-3;Parent=4;Sampled=?", False),
    ],
)
def test_sampled(monkeypatch: pytest.MonkeyPatch, header: str, expected: bool) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert sampled() is expected


@pytest.mark.parametrize("header", ["", UNSAMPLED], ids=["none", "unsampled"])
def test_without_sampling_nothing_of_xray_is_imported_and_nothing_is_sent(function: Lambda, header: str) -> None:
    ended = function.run((header, []))
    assert ended.answers == ["done"]
    assert not {"aws_xray_sdk", "wrapt", "boto3", "botocore", "urllib3", "slack_sdk"} & ended.modules
    assert ended.messages == ["inside"]
    assert ended.documents == []


def test_each_call_is_one_subsegment_of_the_invocations(function: Lambda, server: Any) -> None:
    scripted(server)
    ended = function.run((SAMPLED, ["aws", "github", "slack", "answer"]))
    assert ended.answers == ["done"]
    assert len(server.asked) == 4
    assert {document["trace_id"] for document in ended.documents} == {TRACE}
    *calls, whole = ended.documents
    assert (whole["name"], whole["type"], whole["parent_id"]) == ("builder", "subsegment", PARENT)
    assert {call["parent_id"] for call in calls} == {whole["id"]}
    assert [(call["namespace"], call["name"]) for call in calls] == [
        ("aws", "dynamodb"),
        ("remote", "127.0.0.1"),
        ("remote", "127.0.0.1"),
        ("remote", "127.0.0.1"),
    ]
    aws, github, slack, answer = calls
    assert aws["aws"] == {
        "operation": "GetItem",
        "region": "eu-west-1",
        "request_id": "request-1",
        "table_name": "environments",
    }
    assert [call["http"] for call in (github, slack, answer)] == [
        {"request": {"method": "GET", "url": f"{server.url}/repos/acme/site"}, "response": {"status": 404}},
        {"request": {"method": "POST", "url": f"{server.url}/api/chat.postMessage"}, "response": {"status": 200}},
        {"request": {"method": "PUT", "url": f"{server.url}/answer"}, "response": {"status": 200}},
    ]
    assert [call.get("error", False) for call in calls] == [False, True, False, False]
    assert "inside" in ended.messages
    assert [each for each in ended.log if each["level"] != "INFO"] == []


def test_what_another_thread_is_given_to_do_is_told_within_the_invocation(function: Lambda, server: Any) -> None:
    for _ in range(4):
        server.answer(404)
    ended = function.run((SAMPLED, ["aside", "github"]), ("", ["github"]))
    assert ended.answers == ["done", "done"]
    *calls, whole = ended.documents
    assert (whole["name"], len(calls)) == ("builder", 3)
    assert {call["parent_id"] for call in calls} == {whole["id"]}
    assert [each for each in ended.log if each["level"] != "INFO"] == []


def test_untraced_another_thread_does_the_work_as_it_is() -> None:
    assert carried(sampled) is sampled


def test_F91_no_document_holds_a_secret(function: Lambda, server: Any) -> None:
    scripted(server)
    ended = function.run((SAMPLED, ["aws", "github", "slack", "answer"]), (SAMPLED, ["nowhere"]))
    assert any(CANARY in str(asked) for asked in server.asked), "the canary never travelled"
    assert len(ended.documents) == 7
    text = json.dumps([ended.documents, ended.log]).lower()
    for secret in (CANARY, "authorization", "signature", "bearer"):
        assert secret not in text


def test_what_github_learns_of_a_trace_is_nothing(function: Lambda, server: Any) -> None:
    scripted(server)
    function.run((SAMPLED, ["aws", "github"]))
    aws, github = server.asked
    # What AWS is asked goes on in the same trace; GitHub and Slack have no part in it.
    assert aws.headers["x-amzn-trace-id"].startswith(f"Root={TRACE};Parent=")
    assert not [name for name in github.headers if "trace" in name]


def test_a_call_that_gets_no_answer_is_at_fault(function: Lambda) -> None:
    ended = function.run((SAMPLED, ["nowhere"]))
    assert ended.answers == ["Transient"]
    call, whole = ended.documents
    assert (call["fault"], call["annotations"]) == (True, {"error": "NewConnectionError"})
    assert call["http"] == {"request": {"method": "GET", "url": "http://127.0.0.1:1/repos/acme/site"}}
    assert whole["fault"] is True
    assert whole["cause"]["exceptions"][0]["type"] == "Transient"


def test_what_is_no_url_is_traced_without_one(function: Lambda) -> None:
    ended = function.run((SAMPLED, ["nonsense"]))
    assert ended.answers == ["done"]
    call, _ = ended.documents
    assert (call["name"], call["http"]["request"]) == ("unknown", {"method": "GET"})


def test_an_invocation_that_raises_is_at_fault_and_still_raises(function: Lambda) -> None:
    ended = function.run((SAMPLED, ["fail"]))
    assert ended.answers == ["ValueError"]
    [whole] = ended.documents
    assert whole["fault"] is True
    [cause] = whole["cause"]["exceptions"]
    assert (cause["type"], cause["message"]) == ("ValueError", "why")


@pytest.mark.parametrize("root", [TRACE, OTHER_TRACE], ids=["a-retry-of-the-same", "another"])
def test_the_next_invocation_has_its_own_ids(function: Lambda, server: Any, root: str) -> None:
    server.answer(404)
    server.answer(404)
    second = f"Root={root};Parent={OTHER_PARENT};Sampled=1"
    ended = function.run((SAMPLED, ["github"]), (second, ["github"]))
    wholes = [document for document in ended.documents if document["name"] == "builder"]
    assert [(whole["trace_id"], whole["parent_id"]) for whole in wholes] == [(TRACE, PARENT), (root, OTHER_PARENT)]
    calls = [document for document in ended.documents if document["name"] != "builder"]
    assert [call["parent_id"] for call in calls] == [whole["id"] for whole in wholes]


@pytest.mark.parametrize("after", ["", UNSAMPLED], ids=["none", "unsampled"])
def test_after_a_sampled_invocation_an_unsampled_one_sends_and_logs_nothing(
    function: Lambda, server: Any, after: str
) -> None:
    server.answer(404)
    server.answer(200, {})
    server.answer(404)
    ended = function.run((SAMPLED, ["github"]), (after, ["aws", "github"]))
    assert ended.answers == ["done", "done"]
    assert [document["name"] for document in ended.documents] == ["127.0.0.1", "builder"]
    assert [each for each in ended.log if each["level"] != "INFO"] == []


@pytest.mark.parametrize(
    ("before", "daemon", "why"),
    [
        pytest.param("sys.modules['wrapt'] = None", "", "import of wrapt halted", id="a-package-is-missing"),
        pytest.param("", "nonsense", "Invalid daemon address nonsense", id="the-daemons-address-is-nonsense"),
    ],
)
def test_what_cannot_be_traced_goes_on_untraced_and_is_said(
    function: Lambda, server: Any, before: str, daemon: str, why: str
) -> None:
    server.answer(404)
    ended = function.run((SAMPLED, ["github"]), before=before, daemon=daemon)
    assert ended.answers == ["done"]
    assert ended.documents == []
    [said] = [each for each in ended.log if each["level"] == "ERROR"]
    assert said["message"] == "this invocation can't be traced"
    assert why in said["error"]


def test_a_daemon_that_is_not_there_is_not_missed(function: Lambda, server: Any) -> None:
    server.answer(404)
    server.answer(404)
    ended = function.run((SAMPLED, ["github"]), (SAMPLED, ["github"]), daemon="127.0.0.1:1")
    assert ended.answers == ["done", "done"]
    assert [each for each in ended.log if each["level"] != "INFO"] == []
