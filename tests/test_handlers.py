"""Each function as Lambda calls it: the environment that its manifest gives it, the real adapters, one event through.

AWS is moto in this process. What moto has not (CodePipeline, a bucket's owner), GitHub, Slack and CloudFormation's
mailbox are a server on loopback that answers as they document; it keeps what it was asked.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import logging
import tarfile
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_type_hints

import boto3
import pytest
from moto import mock_aws
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.server import ThreadedMotoServer

from deployer.environments import INSTALLATION_TAG, OWNER_TAG, REPOSITORY_TAG, EnvironmentId
from deployer.events import Look, RepositoryName
from deployer.memory import Table
from deployer.ports import Baseline, Environment
from deployer.refs import Stage
from deployer.settings import READ, load
from deployer_deploy.manifest import read
from deployer_deploy.tree import CORE, FUNCTIONS, Tree
from notifier.channels import Channels, Told

REGION, PREFIX, TABLE, STORE = "us-east-1", "opolis-deployer-prod", "environments", "deployer-artifacts"
NAME, STAGING = RepositoryName(42, "acme", "site"), EnvironmentId(42, Stage.STAGING)
ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"
SHA, RUN = "a" * 40, "11111111-aaaa-1111-aaaa-111111111111"
GITHUB_TOKEN, SLACK_TOKEN = "ghp_canary", "xoxb-canary"
TEMPLATE = {"Parameters": {"SourceKey": {"Type": "String"}}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


def variables(part: str) -> dict[str, Any]:
    """What a function's manifest sets: each value a text, or the parameter that it comes from."""
    function = read(Tree.here().manifest(part)).document["Resources"]["Function"]["Properties"]
    return dict(function["Environment"]["Variables"])


def module_of(part: str) -> Any:
    """Where Lambda finds the function."""
    return importlib.import_module(f"{part.replace('-', '_')}.handler")


# What is more than any text.
WRITTEN = {"SLACK_CHANNELS": "acme/site:production=#releases, *=#ci", "SLACK_DEVELOPMENT": "all"}


@pytest.mark.parametrize("part", FUNCTIONS)
def test_a_manifest_sets_every_variable_that_its_function_reads(part: str) -> None:
    settings = module_of(part).Settings
    numbers = {name for name, kind in get_type_hints(settings).items() if kind is int}

    given = {
        name: str(place) if name.lower() in numbers else WRITTEN.get(name, f"value of {name}")
        for place, name in enumerate(variables(part), 1000)
    }
    fields = dataclasses.fields(settings)
    loaded = load(settings, given)
    assert {each.name: getattr(loaded, each.name) for each in fields} == {
        each.name: each.metadata.get(READ, int if each.name in numbers else str)(given[each.name.upper()])
        for each in fields
    }


def test_what_may_be_told_of_development_is_what_the_notifier_knows() -> None:
    parameter = read(Tree.here().manifest("notifier")).document["Parameters"]["SlackDevelopment"]
    assert parameter["AllowedValues"] == list(Told)
    assert parameter["Default"] == Channels().development


@dataclass
class Server:
    """Answers by what is asked for: ``GET /path``, an operation of AWS's, or that of one stack."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def of(self, wanted: str) -> list[Any]:
        """The bodies of what was asked."""
        return [body for what, _, body in self.asked if what == wanted]

    def tokens(self, prefix: str) -> set[str]:
        """With which authorization it was asked."""
        return {headers.get("authorization", "") for what, headers, _ in self.asked if prefix in what}


def serve(state: Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            what, body = f"{self.command} {urllib.parse.unquote(self.path.partition('?')[0])}", raw
            if target := headers.get("x-amz-target"):
                what = target.rpartition(".")[2]
            elif headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                form = dict(urllib.parse.parse_qsl(raw.decode()))
                what = f"{form['Action']} {form.get('StackName') or form['PhysicalResourceId']}"
            state.asked.append((what, headers, json.loads(raw) if raw[:1] == b"{" else body))
            found = state.answers.get(what)
            answer = found if isinstance(found, bytes) else json.dumps({} if found is None else found).encode()
            self.send_response(200 if what in state.answers else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@dataclass
class Account:
    """An AWS account with what the core has, and the outside world."""

    server: Server
    environ: pytest.MonkeyPatch
    remaining: float = 60.0
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining * 1000)

    def client(self, service: str) -> Any:
        return boto3.client(service)

    @property
    def memory(self) -> Table:
        return Table(self.client("dynamodb"), TABLE)

    def queue(self, name: str, **attributes: str) -> str:
        return str(self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def received(self, url: str) -> list[dict[str, Any]]:
        """What is in a queue, as Lambda hands it over."""
        arn = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        found = self.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=0
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSourceARN": arn["QueueArn"],
            }
            for message in found.get("Messages", [])
        ]

    def call(self, part: str, event: dict[str, Any], **values: str) -> Any:
        """Invoke a function, its cold start included. ``values``: of its manifest's parameters."""
        parameters = {"DeployerPrefix": PREFIX, "EnvironmentsTable": TABLE, **values}
        for name, value in variables(part).items():
            self.environ.setenv(name, parameters[value["Ref"]] if isinstance(value, dict) else value)
        module = module_of(part)
        for cached in ("_builder", "_notifier", "_cleaner", "_deployer"):
            if hasattr(module, cached):
                getattr(module, cached).cache_clear()
        return module.handler(event, self)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    server = Server()
    running = serve(server)
    server.url = f"http://127.0.0.1:{running.server_address[1]}"
    table = read(Tree.here().manifest(CORE)).document["Resources"]["Environments"]["Properties"]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with mock_aws():
        made = Account(server, monkeypatch)
        made.client("dynamodb").create_table(
            TableName=TABLE,
            **{name: table[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema")},
            GlobalSecondaryIndexes=table["GlobalSecondaryIndexes"],
        )
        for name, value in (("opolis.github.token", GITHUB_TOKEN), ("opolis.slack.token", SLACK_TOKEN)):
            made.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
        made.client("s3").create_bucket(Bucket=STORE)
        made.client("s3").put_bucket_versioning(Bucket=STORE, VersioningConfiguration={"Status": "Enabled"})
        yield made
    running.shutdown()
    running.server_close()
    thread.join()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def message(body: dict[str, Any]) -> dict[str, Any]:
    return {"messageId": "1", "body": json.dumps(body), "attributes": {"ApproximateReceiveCount": "1"}}


def tarball() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("acme-site-aaaaaaa/index.html")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    return packed.getvalue()


class TestBuilder:
    """From a look to a stack, and from a stack's event to a look."""

    @pytest.fixture
    def values(self, account: Account) -> dict[str, str]:
        roles = {f"{stage}RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{stage}" for stage in map(str.title, Stage)}
        return {
            "DeployerStage": "prod",
            "LooksQueueUrl": account.queue("looks.fifo", FifoQueue="true"),
            "ArtifactStore": STORE,
            "GitHubApiUrl": account.server.url,
            "AllowedRepositories": "acme/*",
            "BoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
            "ConnectionArn": "",
            "Branches": "*",
            "ExcludedBranches": "",
            "NoticesQueueUrl": account.queue("notices"),
            "Repositories": "",
            "EnvironmentsLimit": "50",
            "IdleDays": "0",
            "SweepLimit": "25",
            "PipelinesQuota": "1000",
            **roles,
        }

    def test_a_look_becomes_a_stack(self, account: Account, values: dict[str, str]) -> None:
        repository = {"id": 42, "name": "site", "owner": {"login": "acme"}, "default_branch": "main"}
        account.server.answers = {
            "GET /repos/acme/site": repository,
            "GET /repos/acme/site/git/matching-refs/heads": [],
            "GET /repos/acme/site/git/matching-refs/tags": [],
            "GET /repos/acme/site/git/ref/heads/main": {
                "ref": "refs/heads/main",
                "object": {"type": "commit", "sha": SHA},
            },
            f"GET /repos/acme/site/commits/{SHA}": {"sha": SHA, "commit": {"message": "Say hello", "author": None}},
            "GET /repos/acme/site/contents/deploy": [{"name": "pipeline.json", "type": "file"}],
            "GET /repos/acme/site/contents/deploy/pipeline.json": json.dumps(TEMPLATE).encode(),
            f"GET /repos/acme/site/tarball/{SHA}": tarball(),
            f"POST /repos/acme/site/statuses/{SHA}": {},
        }
        look = Look(str(STAGING), NAME, "push", "refs/heads/main", SHA, 5)
        answer = account.call("builder", {"Records": [message(json.loads(look.to_json()))]}, **values)
        assert answer == {"batchItemFailures": []}
        [stack] = account.client("cloudformation").describe_stacks()["Stacks"]
        assert (stack["StackName"], stack["RoleARN"]) == ("site-staging", values["StagingRoleArn"])
        assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {
            OWNER_TAG: "42/staging",
            INSTALLATION_TAG: PREFIX,
            REPOSITORY_TAG: "acme/site",
        }
        [given] = stack["Parameters"]
        source = account.client("s3").get_object(Bucket=STORE, Key=given["ParameterValue"])
        assert zipfile.ZipFile(io.BytesIO(source["Body"].read())).read("index.html") == b"hello"
        [status] = account.server.of(f"POST /repos/acme/site/statuses/{SHA}")
        assert (status["state"], status["context"]) == ("pending", "build/0-prep")
        assert account.server.tokens("/repos") == {f"Bearer {GITHUB_TOKEN}"}

    def test_a_tick_becomes_a_sweep_of_each_repository(self, account: Account, values: dict[str, str]) -> None:
        account.memory.record(Baseline(NAME, "main", 5, frozenset()))
        tick = {
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "account": ACCOUNT,
            "region": REGION,
            "detail": {},
        }
        assert account.call("builder", {"Records": [message(tick)]}, **values) == {"batchItemFailures": []}
        [queued] = account.received(values["LooksQueueUrl"])
        assert json.loads(queued["body"])["sweep"]["repository"]["name"] == "site"
        account.server.answers = {
            "GET /repos/acme/site": {"id": 42, "name": "site", "owner": {"login": "acme"}, "default_branch": "main"},
            "GET /repos/acme/site/git/matching-refs/heads": [
                {"ref": "refs/heads/main", "object": {"type": "commit", "sha": SHA}}
            ],
            "GET /repos/acme/site/git/matching-refs/tags": [],
        }
        assert account.call("builder", {"Records": [queued]}, **values) == {"batchItemFailures": []}
        [look] = account.received(values["LooksQueueUrl"])
        assert json.loads(look["body"])["reason"] == "sweep: refs/heads/main has no environment"

    def test_a_stacks_event_becomes_a_look(self, account: Account, values: dict[str, str]) -> None:
        account.memory.save(Environment(STAGING, NAME, "refs/heads/main", "site-staging", 1))
        account.memory.claim("stack", "site-staging", STAGING)
        event = {
            "source": "aws.cloudformation",
            "detail-type": "CloudFormation Stack Status Change",
            "account": ACCOUNT,
            "region": REGION,
            "detail": {
                "stack-id": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/site-staging/1",
                "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
            },
        }
        assert account.call("builder", {"Records": [message(event)]}, **values) == {"batchItemFailures": []}
        [forwarded] = account.received(values["LooksQueueUrl"])
        assert json.loads(forwarded["body"])["environment"] == "42/staging"
        assert account.server.asked == []


@pytest.mark.parametrize("deployments", ["on", "off"])
def test_the_notifier_tells_github_and_slack(account: Account, deployments: str) -> None:
    account.memory.save(
        Environment(STAGING, NAME, "refs/heads/main", "site-staging", 1, SHA, source="v1", pipelines=("site-staging",))
    )
    account.memory.claim("pipeline", "site-staging", STAGING)
    kind = {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"}
    account.server.answers = {
        "GetPipelineExecution": {
            "pipelineExecution": {
                "pipelineExecutionId": RUN,
                "status": "Succeeded",
                "pipelineVersion": 1,
                "artifactRevisions": [{"name": "Source", "revisionId": "v1", "revisionSummary": SHA}],
            }
        },
        "GetPipeline": {
            "pipeline": {
                "name": "site-staging",
                "roleArn": "arn",
                "version": 1,
                "stages": [{"name": "Source", "actions": [{"name": "GitHub", "actionTypeId": kind}]}],
            }
        },
        "ListActionExecutions": {
            "actionExecutionDetails": [
                {
                    "stageName": "Source",
                    "actionName": "GitHub",
                    "status": "Succeeded",
                    "startTime": 1_700_000_000,
                    "lastUpdateTime": 1_700_000_003,
                }
            ]
        },
        f"GET /repos/acme/site/commits/{SHA}": {
            "sha": SHA,
            "commit": {"message": "Say hello", "author": {"name": "Ada", "email": ""}},
        },
        f"POST /repos/acme/site/statuses/{SHA}": {},
        "GET /repos/acme/site/deployments": [],
        "POST /repos/acme/site/deployments": {"id": 5},
        "POST /repos/acme/site/deployments/5/statuses": {},
        "POST /slack/chat.postMessage": {"ok": True, "channel": "C1", "ts": "1.5"},
        "POST /slack/chat.update": {"ok": True, "channel": "C1", "ts": "1.5"},
    }
    account.environ.setenv("AWS_ENDPOINT_URL_CODEPIPELINE", account.server.url)
    app = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"Url": {"Value": "https://site.example"}}}
    account.client("cloudformation").create_stack(StackName="site-staging-app", TemplateBody=json.dumps(app))
    event = {
        "source": "aws.codepipeline",
        "detail-type": "CodePipeline Pipeline Execution State Change",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {"pipeline": "site-staging", "execution-id": RUN, "state": "SUCCEEDED"},
    }
    answer = account.call(
        "notifier",
        {"Records": [message(event)]},
        GitHubApiUrl=account.server.url,
        SlackApiUrl=f"{account.server.url}/slack/",
        SlackChannel="deployments",
        Deployments=deployments,
        EnvironmentUrl="",
        SlackChannels="acme/site:staging=#staging",
        SlackDevelopment="failures",
    )
    assert answer == {"batchItemFailures": []}
    [status] = account.server.of(f"POST /repos/acme/site/statuses/{SHA}")
    assert (status["state"], status["context"]) == ("success", "pipeline/Source")
    assert status["description"] == "staging: Source succeeded in 3 s"
    assert f"{REGION}.console.aws.amazon.com" in status["target_url"]
    told = account.server.of("POST /repos/acme/site/deployments/5/statuses")
    served = [(each["state"], each["environment_url"]) for each in told]
    assert served == ([("success", "https://site.example")] if deployments == "on" else [])
    posted = account.server.of("POST /slack/chat.postMessage")
    assert [message["channel"] for message in posted] == ["#staging", "C1"]
    assert "Say hello" in posted[0]["text"]
    assert account.server.tokens("/repos") == {f"Bearer {GITHUB_TOKEN}"}
    assert account.server.tokens("/slack") == {f"Bearer {SLACK_TOKEN}"}


def deletion(account: Account, stack_id: str, **properties: str) -> dict[str, Any]:
    """CloudFormation's request to a custom resource of a stack that goes."""
    account.server.answers["PUT /answer"] = {}
    return {
        "RequestType": "Delete",
        "RequestId": "request-1",
        "ResponseURL": f"{account.server.url}/answer?X-Amz-Signature=hush",
        "ResourceType": "Custom::Cleaner",
        "LogicalResourceId": "Cleaner",
        "PhysicalResourceId": "opolis-deployer/Cleaner/0123456789abcdef",
        "StackId": stack_id,
        "ResourceProperties": properties,
    }


def stack(account: Account, name: str, resources: dict[str, Any]) -> str:
    body = json.dumps({"Resources": resources})
    return str(account.client("cloudformation").create_stack(StackName=name, TemplateBody=body)["StackId"])


def going(stack_id: str) -> None:
    """moto deletes at once; to its resources a stack that goes is there."""
    get_backend("cloudformation")[ACCOUNT][REGION].get_stack(stack_id).status = "DELETE_IN_PROGRESS"


@pytest.fixture
def s3_server(account: Account) -> Iterator[str]:
    """moto's S3 as a server: what goes by the thousand does not go through boto3. It has what ``account`` has."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_s3cleaner_empties_a_bucket_in_two_invocations_and_answers(account: Account, s3_server: str) -> None:
    account.environ.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "site-bucket"}}
    caller = stack(account, "site-staging-app", {"Site": bucket})
    going(caller)
    for number in range(3):
        account.client("s3").create_multipart_upload(Bucket="site-bucket", Key=str(number))
        account.client("s3").put_object(Bucket="site-bucket", Key=str(number), Body=b"x")
    url = account.queue("bucket-cleanups")
    values = {"BucketCleanupsQueueUrl": url}
    account.remaining = 15
    assert account.call("s3cleaner", deletion(account, caller, Bucket="site-bucket"), **values) is None
    assert account.server.of("PUT /answer") == []
    account.remaining = 60
    [record] = account.received(url)
    assert account.call("s3cleaner", {"Records": [record]}, **values) == {"batchItemFailures": []}
    [answer] = account.server.of("PUT /answer")
    assert (answer["Status"], answer["StackId"]) == ("SUCCESS", caller)
    assert "Contents" not in account.client("s3").list_objects_v2(Bucket="site-bucket")


def test_stack_cleaner_deletes_a_child_and_answers_once_it_is_gone(account: Account) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    parent, _ = stack(account, "site-staging", topic), stack(account, "site-staging-app", topic)
    going(parent)
    account.memory.claim("stack", "site-staging", STAGING)
    account.environ.setenv("AWS_ENDPOINT_URL_SQS", account.server.url)  # the message would appear a second later
    account.server.answers["SendMessage"] = {"MessageId": "1"}
    values = {"StackCleanupsQueueUrl": f"{account.server.url}/queue/stack-cleanups"}
    request = deletion(account, parent, StackName="site-staging-app")
    assert account.call("stack-cleaner", request, **values) is None
    assert account.server.of("PUT /answer") == []
    [sent] = account.server.of("SendMessage")
    assert (sent["QueueUrl"], sent["DelaySeconds"]) == (values["StackCleanupsQueueUrl"], 1)
    account.server.answers["ChangeMessageVisibility"] = {}
    record = {**message(json.loads(sent["MessageBody"])), "receiptHandle": "receipt"}
    assert account.call("stack-cleaner", {"Records": [record]}, **values) == {"batchItemFailures": []}
    [hidden] = account.server.of("ChangeMessageVisibility")
    assert hidden["VisibilityTimeout"] == account.remaining + 5, "F72: back soon if this invocation is killed"
    [answer] = account.server.of("PUT /answer")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", request["PhysicalResourceId"])
    left = account.client("cloudformation").describe_stacks()["Stacks"]
    assert [each["StackName"] for each in left] == ["site-staging"]


def listed(operation: str, items: str, *resources: tuple[str, str]) -> bytes:
    """CloudFormation's answer with resources as (type, physical id)."""
    members = "".join(
        f"<member><StackId>{ARN}/site-staging-app/1</StackId><LogicalResourceId>R</LogicalResourceId>"
        f"<PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>{kind}</ResourceType>"
        f"<ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
        for kind, physical in resources
    )
    result = f"<{operation}Result><{items}>{members}</{items}></{operation}Result>"
    space = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
    return f'<{operation}Response xmlns="{space}">{result}</{operation}Response>'.encode()


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_s3deployer_publishes_a_jobs_site_and_posts_the_result(account: Account, s3_server: str) -> None:
    site = {"index.html": b"<h1>hello</h1>", "app.js": b"export {}"}
    keys = {"Site": "site-staging/Built/a1", "Outputs": "site-staging/Deployed/b2"}
    account.remaining = 900.0
    account.client("s3").create_bucket(Bucket="site-bucket")
    account.client("s3").put_object(Bucket=STORE, Key=keys["Site"], Body=zipped(site))
    outputs = zipped({"outputs.json": b'{"Bucket": "site-bucket"}'})
    account.client("s3").put_object(Bucket=STORE, Key=keys["Outputs"], Body=outputs)
    account.memory.claim("stack", "site-staging", STAGING)
    bucket, pipeline = ("AWS::S3::Bucket", "site-bucket"), ("AWS::CodePipeline::Pipeline", "site-staging")
    reads = [{"name": name, "s3location": {"bucket": STORE, "key": key}} for name, key in keys.items()]
    kind = {"category": "Invoke", "owner": "AWS", "provider": "Lambda", "version": "1"}
    account.server.answers = {
        "DescribeStackResources site-bucket": listed("DescribeStackResources", "StackResources", bucket),
        f"ListStackResources {ARN}/site-staging-app/1": listed("ListStackResources", "StackResourceSummaries", bucket),
        "ListStackResources site-staging": listed("ListStackResources", "StackResourceSummaries", pipeline),
        "ListPipelineExecutions": {
            "pipelineExecutionSummaries": [{"pipelineExecutionId": RUN, "status": "InProgress"}]
        },
        "ListActionExecutions": {
            "actionExecutionDetails": [
                {
                    "stageName": "Release",
                    "actionName": "Publish",
                    "status": "InProgress",
                    "startTime": 1_700_000_000,
                    "input": {"actionTypeId": kind, "inputArtifacts": reads},
                }
            ]
        },
        "PutJobSuccessResult": {},
    }
    for service in ("CODEPIPELINE", "CLOUDFORMATION"):
        account.environ.setenv(f"AWS_ENDPOINT_URL_{service}", account.server.url)
    account.environ.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    job = {
        "id": RUN,
        "accountId": ACCOUNT,
        "data": {
            "actionConfiguration": {"configuration": {"FunctionName": "s3deployer"}},
            "inputArtifacts": [
                {"name": name, "location": {"type": "S3", "s3Location": {"bucketName": STORE, "objectKey": key}}}
                for name, key in keys.items()
            ],
            "artifactCredentials": {"accessKeyId": "AKIAJOB", "secretAccessKey": "y", "sessionToken": "z"},
        },
    }
    assert account.call("s3deployer", {"CodePipeline.job": job}) is None
    [result] = account.server.of("PutJobSuccessResult")
    assert (result["jobId"], result["outputVariables"]["bucket"]) == (RUN, "site-bucket")
    published = account.client("s3").list_objects_v2(Bucket="site-bucket")["Contents"]
    assert {each["Key"] for each in published} == {*site, ".deployer/published"}
