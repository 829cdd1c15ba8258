"""An engine on the same data comes back: stopped, killed, or killed in the middle of something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts import aws_events

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from deployer_local.engine import Engine

def until(found):
    deadline = time.monotonic() + 30
    while not (result := found()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)
    return result

def saved(engine, word):
    files = engine.data / "aws" / "state"
    until(lambda: any(word in path.read_text() for path in files.glob("*.json")))

def kill():
    print(json.dumps(answer), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

answer = {}
now = [0.0]
with Engine(Path(sys.argv[1]), clock=lambda: now[0]) as engine:
    answer["ports"] = [engine.aws_url, engine.web_url]
    stacks = engine.client("cloudformation")
    status = lambda name: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    settled = lambda name: until(lambda: (s := status(name)).endswith("_IN_PROGRESS") is False and s)
    exec(sys.stdin.read())
    answer["events"] = engine.events
print(json.dumps(answer), flush=True)
"""


class Engines:
    """Runs engines on one data directory, each in a process of its own, with an empty TMPDIR."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.temporary = data.with_name("tmp")
        self.temporary.mkdir()

    def run(self, script: str) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(self.data)],
            input=script,
            env=os.environ | {"TMPDIR": str(self.temporary)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.stdout, ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        aws_events.check(answer.pop("events", []))
        return answer


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    return Engines(tmp_path / "data")


REQUEST = """
body = json.dumps({"Resources": {
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept"}},
    "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept-bucket"}},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "kept", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}}})
request = dict(StackName="kept", TemplateBody=body, ClientRequestToken="token")
"""

FILL = """
stacks.create_stack(**request)
settled("kept")
import io, zipfile
contents = io.BytesIO()
with zipfile.ZipFile(contents, "w") as archive:
    archive.writestr("code.py", "import layered\\ndef handler(event, context): return layered.WORD")
layer = io.BytesIO()
with zipfile.ZipFile(layer, "w") as archive:
    archive.writestr("python/layered.py", "WORD = 'kept'\\n#" + "x" * 9000)
arn = engine.client("lambda").publish_layer_version(LayerName="l", Content={"ZipFile": layer.getvalue()})
engine.client("lambda").create_function(FunctionName="kept", Runtime="python3.13", Handler="code.handler",
    Role="arn:aws:iam::000000000000:role/any", Code={"ZipFile": contents.getvalue()}, Layers=[arn["LayerVersionArn"]])
engine.client("s3").put_object(Bucket="kept-bucket", Key="k", Body=b"object")
engine.client("dynamodb").put_item(TableName="kept", Item={"id": {"S": "item"}})
engine.client("sqs").send_message(QueueUrl=engine.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"],
    MessageBody="message")
"""

LOOK = """
answer["stack"] = status("kept")
answer["again"] = stacks.create_stack(**request)["StackId"] == stacks.describe_stacks()["Stacks"][0]["StackId"]
answer["object"] = engine.client("s3").get_object(Bucket="kept-bucket", Key="k")["Body"].read().decode()
answer["item"] = engine.client("dynamodb").scan(TableName="kept")["Items"]
url = engine.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"]
answer["message"] = engine.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"]
answer["function"] = json.load(engine.client("lambda").invoke(FunctionName="kept", Payload=b"null")["Payload"])
"""

KEPT = {
    "stack": "CREATE_COMPLETE",
    "again": True,
    "object": "object",
    "item": [{"id": {"S": "item"}}],
    "message": "message",
    "function": "kept",
}


@pytest.mark.parametrize("end", ["", "kill()"], ids=["F98-stopped", "F98-killed-right-after-the-last-answer"])
def test_everything_is_there_again_on_the_same_ports(engines: Engines, end: str) -> None:
    """Strict: state that is saved at shutdown only."""
    first = engines.run(REQUEST + FILL + end)

    second = engines.run(REQUEST + LOOK)

    assert second["ports"] == first["ports"]
    assert {key: second[key] for key in KEPT} == KEPT


HELD = """
with engine.hold_stack(lambda operation: operation.kind == KIND) as hold:
    START
    hold.wait()
    saved(engine, KIND + "_IN_PROGRESS")
    kill()
"""
QUEUE = 'json.dumps({"Resources": {"%s": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "%s"}}}})'


@pytest.mark.parametrize(
    ("kind", "start", "status", "queues"),
    [
        pytest.param(
            "CREATE",
            f'stacks.create_stack(StackName="new", TemplateBody={QUEUE % ("A", "new-a")})',
            {"old": "CREATE_COMPLETE", "new": "ROLLBACK_COMPLETE"},
            ["old-a"],
            id="F98-create-is-rolled-back",
        ),
        pytest.param(
            "UPDATE",
            f'stacks.update_stack(StackName="old", TemplateBody={QUEUE % ("B", "old-b")})',
            {"old": "UPDATE_COMPLETE"},
            ["old-b"],
            id="F98-update-goes-on",
        ),
        pytest.param("DELETE", 'stacks.delete_stack(StackName="old")', {}, [], id="F98-delete-goes-on"),
    ],
)
def test_an_operation_that_was_cut_off_ends(
    engines: Engines, kind: str, start: str, status: dict[str, str], queues: list[str]
) -> None:
    made = f'stacks.create_stack(StackName="old", TemplateBody={QUEUE % ("A", "old-a")})\nsettled("old")\n'
    engines.run(made + HELD.replace("KIND", repr(kind)).replace("START", start))

    seen = engines.run(
        "all_stacks = lambda: {s['StackName']: s['StackStatus'] for s in stacks.describe_stacks()['Stacks']}\n"
        "until(lambda: not any(s.endswith('_IN_PROGRESS') for s in all_stacks().values()))\n"
        "answer['stacks'] = all_stacks()\n"
        "answer['queues'] = engine.client('sqs').list_queues().get('QueueUrls', [])\n"
        "answer['told'] = [e['detail']['status-details']['status'] for e in engine.events]\n"
    )

    assert seen["stacks"] == status
    assert [url.rpartition("/")[2] for url in seen["queues"]] == queues
    assert seen["told"][-1].endswith("_COMPLETE")


WORKING = """
import io, zipfile
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("code.py", "import tempfile\\ndef handler(event, context):\\n    return tempfile.mkstemp()[1]")
engine.client("lambda").create_function(FunctionName="f", Runtime="python3.13", Handler="code.handler",
    Role="arn:aws:iam::000000000000:role/any", Code={"ZipFile": code.getvalue()})
answer["made"] = json.load(engine.client("lambda").invoke(FunctionName="f", Payload=b"null")["Payload"])
"""


@pytest.mark.parametrize("end", ["", "kill()"], ids=["stopped", "F98-killed"])
def test_nothing_is_left_on_the_machine(engines: Engines, end: str) -> None:
    """Strict: temporary files that a worker leaves behind."""
    made = Path(engines.run(WORKING + end)["made"])

    assert made.is_relative_to(engines.data)
    assert list(engines.temporary.iterdir()) == []
    engines.run("")
    assert not made.exists()
    assert list((engines.data / "aws" / "tmp").iterdir()) == []


def test_F98_a_message_that_was_being_worked_on_is_shown_again(engines: Engines) -> None:
    engines.run(
        "sqs = engine.client('sqs')\n"
        "url = sqs.create_queue(QueueName='q', Attributes={'VisibilityTimeout': '900'})['QueueUrl']\n"
        "sqs.send_message(QueueUrl=url, MessageBody='received')\n"
        "sqs.send_message(QueueUrl=url, MessageBody='delayed', DelaySeconds=900)\n"
        "sqs.receive_message(QueueUrl=url)\n"
        "sqs.tag_queue(QueueUrl=url, Tags={'kept': 'yes'})\n"
        "kill()"
    )

    seen = engines.run(
        "sqs = engine.client('sqs')\n"
        "url = sqs.get_queue_url(QueueName='q')['QueueUrl']\n"
        "messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=['All'])['Messages']\n"
        "answer['messages'] = [[m['Body'], m['Attributes']['ApproximateReceiveCount']] for m in messages]\n"
    )

    assert seen["messages"] == [["received", "2"]]


def test_a_process_can_run_one_engine_after_the_other(engines: Engines) -> None:
    seen = engines.run(
        "engine.client('sqs').create_queue(QueueName='in-first')\n"
        "engine.__exit__(None, None, None)\n"
        "again = Engine(Path(sys.argv[1] + '-other'))\n"
        "with again:\n"
        "    answer['other'] = again.client('sqs').list_queues().get('QueueUrls', [])\n"
        "again = Engine(Path(sys.argv[1]))\n"
        "with again:\n"
        "    answer['same'] = len(again.client('sqs').list_queues().get('QueueUrls', []))\n"
    )

    assert (seen["other"], seen["same"]) == ([], 1)


def test_an_engine_stops_while_a_custom_resource_is_waited_for(engines: Engines) -> None:
    """CloudFormation waits an hour for an answer; whoever stops the engine does not."""
    seen = engines.run(
        "import io, zipfile\n"
        "code = io.BytesIO()\n"
        "with zipfile.ZipFile(code, 'w') as archive:\n"
        "    archive.writestr('silent.py', 'def handler(event, context):\\n    return None\\n')\n"
        "arn = engine.client('lambda').create_function(\n"
        "    FunctionName='silent', Runtime='python3.13', Handler='silent.handler',\n"
        "    Role='arn:aws:iam::000000000000:role/r', Code={'ZipFile': code.getvalue()})['FunctionArn']\n"
        "resource = {'Type': 'Custom::Silent', 'Properties': {'ServiceToken': arn}}\n"
        "stacks.create_stack(StackName='waits', TemplateBody=json.dumps({'Resources': {'Silent': resource}}))\n"
        "until(lambda: any(run.ended and run.function == 'silent' for run in engine.invocations))\n"
        "answer['status'] = stacks.describe_stacks(StackName='waits')['Stacks'][0]['StackStatus']\n"
    )

    assert seen["status"] == "CREATE_IN_PROGRESS"


def test_F98_a_schedule_goes_on_where_a_killed_engine_left_it(engines: Engines) -> None:
    """Strict: a schedule that forgets when it was due.

    What was due meanwhile is made up for once; what was not due stays so.
    """
    engines.run(
        "for name, rate in (('often', 5), ('seldom', 60)):\n"
        "    engine.client('events').put_rule(Name=name, ScheduleExpression=f'rate({rate} minutes)')\n"
        "engine.tick()\n"
        "kill()\n"
    )

    seen = engines.run(
        "now[0] = 1501.0\n"
        "engine.tick()\n"
        "engine.tick()\n"
        "answer['fired'] = [[e['time'], e['resources'][0].rpartition('/')[2]] for e in engine.events]\n"
    )

    assert seen["fired"] == [["1970-01-01T00:25:01Z", "often"]]
