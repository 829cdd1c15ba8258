"""A function may do what its role's policies allow, and nothing else; what it used is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer_local.aws.permission_checks import Check, Request, checks
from deployer_local.aws.role_policies import Decision, decide, rules
from deployer_local.aws.used_permissions import VARIABLE, Principal, UsedPermissions

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
CREDENTIALS = "import os\ndef handler(event, context):\n    return dict(os.environ)"
ROLE = "arn:aws:iam::000000000000:role/passed"
HERE = "us-east-1:000000000000"
STACK = f"arn:aws:cloudformation:{HERE}:stack/s/*"


def statement(actions: str | list[str], resources: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


@pytest.fixture
def role(aws: Any) -> Callable[..., str]:
    """Makes a role with statements; returns its ARN."""

    def make(*statements: dict[str, Any]) -> str:
        name, iam = aws.unique("role"), aws.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        return str(arn)

    return make


@pytest.fixture
def acting(aws: Any, role: Callable[..., str]) -> Callable[..., Any]:
    """Makes a client with the credentials of a function whose role has the statements."""

    def make(service: str, *statements: dict[str, Any]) -> Any:
        variables = aws.invoke(aws.function(CREDENTIALS, Role=role(*statements)))
        return boto3.client(
            service,
            endpoint_url=aws.engine.aws_url,
            region_name="us-east-1",
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=variables["AWS_SESSION_TOKEN"],
            config=Config(retries={"max_attempts": 0}),
        )

    return make


def refusal(call: Callable[[], Any]) -> str:
    """The code of the refusal of a call; empty where it was not refused for want of a permission."""
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        return code if code.startswith(("AccessDenied", "403")) else ""
    return ""


def caller(aws: Any, client: Any) -> str:
    """`assumed-role/ROLE/FUNCTION` of whoever's credentials a client has."""
    keys = client._request_signer._credentials
    given = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
    made = boto3.client("sts", endpoint_url=aws.engine.aws_url, region_name="us-east-1", **given)
    return str(made.get_caller_identity()["Arn"]).rpartition(":")[2]


DENIED = "AccessDenied"


@pytest.mark.parametrize(
    ("call", "arguments", "needed", "code"),
    [
        ("cloudformation.list_stacks", {}, ("cloudformation:ListStacks", "*"), DENIED),
        ("cloudformation.delete_stack", {"StackName": "s"}, ("cloudformation:DeleteStack", STACK), DENIED),
        (
            "codepipeline.get_pipeline",
            {"name": "p"},
            ("codepipeline:GetPipeline", f"arn:aws:codepipeline:{HERE}:p"),
            "AccessDeniedException",
        ),
        (
            "codebuild.batch_get_builds",
            {"ids": ["p:1"]},
            ("codebuild:BatchGetBuilds", f"arn:aws:codebuild:{HERE}:project/p"),
            "AccessDeniedException",
        ),
        (
            "cloudfront.create_invalidation",
            {
                "DistributionId": "E1",
                "InvalidationBatch": {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"},
            },
            ("cloudfront:CreateInvalidation", "arn:aws:cloudfront::000000000000:distribution/E1"),
            DENIED,
        ),
        (
            "dynamodb.get_item",
            {"TableName": "t", "Key": {"id": {"S": "1"}}},
            ("dynamodb:GetItem", f"arn:aws:dynamodb:{HERE}:table/t"),
            "AccessDeniedException",
        ),
        (
            "logs.get_log_events",
            {"logGroupName": "g", "logStreamName": "s"},
            ("logs:GetLogEvents", f"arn:aws:logs:{HERE}:log-group:g:log-stream:s"),
            "AccessDeniedException",
        ),
        ("s3.list_objects_v2", {"Bucket": "bucket"}, ("s3:ListBucket", "arn:aws:s3:::bucket"), DENIED),
        ("s3.head_object", {"Bucket": "bucket", "Key": "k"}, ("s3:*", "arn:aws:s3:::bucket*"), "403"),
        ("s3.get_object", {"Bucket": "no-such", "Key": "k"}, ("s3:*", "arn:aws:s3:::no-such*"), DENIED),
        (
            "sqs.get_queue_url",
            {"QueueName": "q"},
            ("sqs:GetQueueUrl", f"arn:aws:sqs:{HERE}:q"),
            DENIED,
        ),
        (
            "ssm.get_parameter",
            {"Name": "n"},
            ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/n"),
            "AccessDeniedException",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_what_is_not_allowed_is_refused(
    acting: Callable[..., Any], call: str, arguments: Any, needed: tuple[str, str], code: str
) -> None:
    """Strict: a call that the role of the function does not allow."""
    (action, resource), (service, operation) = needed, call.split(".")
    own = acting(service, statement(action, resource))
    other = acting(service, statement(action, f"{resource}-other") if resource != "*" else statement(action, STACK))

    assert refusal(lambda: getattr(own, operation)(**arguments)) == ""
    assert refusal(lambda: getattr(other, operation)(**arguments)) == code


def test_a_refusal_says_who_asked_for_what(acting: Callable[..., Any]) -> None:
    with pytest.raises(ClientError, match=r"assumed-role/role-\w+/f-\w+ is not authorized to perform: s3:PutObject on"):
        acting("s3").put_object(Bucket="b", Key="k", Body=b"")


def test_a_denial_wins(acting: Callable[..., Any]) -> None:
    denied = statement("s3:ListBucket", "arn:aws:s3:::b", Effect="Deny")
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        acting("s3", statement("s3:*", "*"), denied).list_objects_v2(Bucket="b")


def test_policies_that_are_attached_count_and_changes_do_at_once(aws: Any, acting: Callable[..., Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement("sqs:ListQueues", "*")]}
    iam, client = aws.client("iam"), acting("sqs")
    policy = iam.create_policy(PolicyName=aws.unique("p"), PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    name = caller(aws, client).split("/")[1]

    assert refusal(client.list_queues) == DENIED
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    assert refusal(client.list_queues) == ""
    iam.detach_role_policy(RoleName=name, PolicyArn=policy)
    assert refusal(client.list_queues) == DENIED


def test_a_service_that_is_not_checked_is_not_refused(acting: Callable[..., Any]) -> None:
    assert acting("sns").list_topics()["Topics"] is not None


def test_the_caller_is_the_role(aws: Any, acting: Callable[..., Any]) -> None:
    kind, name, session = caller(aws, acting("sts")).split("/")
    assert (kind, name[:5], session[:2]) == ("assumed-role", "role-", "f-")


def test_a_role_that_is_not_there_asks_for_the_account(aws: Any) -> None:
    assert aws.invoke(aws.function(CREDENTIALS))["AWS_ACCESS_KEY_ID"] == "000000000000"


@pytest.mark.parametrize("missing", ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"])
def test_a_queue_that_the_role_may_not_read(aws: Any, role: Callable[..., str], missing: str) -> None:
    """Strict: a queue that the function's role may not read."""
    url = aws.client("sqs").create_queue(QueueName=aws.unique("q"))["QueueUrl"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = attributes["Attributes"]["QueueArn"]
    names = {"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"}
    may = role(statement([f"sqs:{name}" for name in sorted(names - {missing})], queue))
    mapping = {"EventSourceArn": queue, "FunctionName": aws.function(CREDENTIALS, Role=may)}

    with pytest.raises(ClientError, match=f"does not have permissions to call {missing} on SQS"):
        aws.client("lambda").create_event_source_mapping(**mapping)
    stack = aws.create({"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}})
    assert aws.settled(stack) == "ROLLBACK_COMPLETE"


# --- what is asked for


def form(**parameters: str) -> dict[str, list[str]]:
    return {name.replace("_", "."): [value] for name, value in parameters.items()}


def json_request(service: str, operation: str, **document: Any) -> Request:
    headers = {"x-amz-target": f"Some.{operation}"}
    return Request(service, "POST", "/", headers, json.dumps(document).encode(), {})


def query_request(operation: str, **parameters: str) -> Request:
    return Request("cloudformation", "POST", "/", {}, b"", form(Action=operation, **parameters))


def s3_request(method: str, path: str, body: bytes = b"", headers: Any = None, **query: str) -> Request:
    return Request("s3", method, path, headers or {}, body, form(**query))


TAGGED = {"aws:requesttag/owner": "me", "aws:tagkeys": ["owner"]}
DELETE_TWO = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"
TABLE = f"arn:aws:dynamodb:{HERE}:table/t"
SELECTED = {"dynamodb:select": "ALL_ATTRIBUTES"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            query_request("CreateStack", StackName="s", Tags_member_1_Key="owner", Tags_member_1_Value="me"),
            [
                Check("cloudformation:CreateStack", (STACK,), TAGGED),
                Check("cloudformation:TagResource", (STACK,), TAGGED),
            ],
            id="a-stack-with-tags",
        ),
        pytest.param(
            query_request("UpdateStack", StackName="s", RoleARN=ROLE),
            [
                Check("cloudformation:UpdateStack", (STACK,), {"cloudformation:rolearn": ROLE}),
                Check("iam:PassRole", (ROLE,), {"iam:passedtoservice": "cloudformation.amazonaws.com"}),
            ],
            id="a-stack-with-a-role",
        ),
        pytest.param(
            query_request(
                "UpdateStack", StackName="s", TemplateURL="https://b.s3.us-east-1.amazonaws.com/a%20b/t.json"
            ),
            [
                Check(
                    "cloudformation:UpdateStack",
                    (STACK,),
                    {"cloudformation:templateurl": "https://b.s3.us-east-1.amazonaws.com/a%20b/t.json"},
                ),
                Check("s3:GetObject", ("arn:aws:s3:::b/a b/t.json",)),
            ],
            id="a-stack-from-an-object",
        ),
        pytest.param(
            query_request("UpdateStack", StackName="s", TemplateURL="http://127.0.0.1:1/b/t.json"),
            [
                Check(
                    "cloudformation:UpdateStack",
                    (STACK,),
                    {"cloudformation:templateurl": "http://127.0.0.1:1/b/t.json"},
                ),
                Check("s3:GetObject", ("arn:aws:s3:::b/t.json",)),
            ],
            id="a-stack-from-an-object-by-path",
        ),
        pytest.param(
            query_request("DescribeStackResources", PhysicalResourceId="bucket"),
            [Check("cloudformation:DescribeStackResources", ("*",))],
            id="of-all-stacks",
        ),
        pytest.param(
            query_request("DescribeStacks"),
            [Check("cloudformation:DescribeStacks", ("*",)), Check("cloudformation:ListStacks", ("*",))],
            id="every-stack",
        ),
        pytest.param(query_request("Unheard"), [Check("cloudformation:Unheard", ())], id="not-known-of-what"),
        pytest.param(
            json_request("codebuild", "BatchGetBuilds", ids=["p:1", "q:2"]),
            [Check("codebuild:BatchGetBuilds", (f"arn:aws:codebuild:{HERE}:project/{name}",)) for name in "pq"],
            id="builds-of-two-projects",
        ),
        pytest.param(
            json_request("codebuild", "StartBuild", projectName="p"),
            [Check("codebuild:StartBuild", (f"arn:aws:codebuild:{HERE}:project/p",))],
            id="a-build",
        ),
        pytest.param(
            json_request("codebuild", "ListProjects"), [Check("codebuild:ListProjects", ())], id="builds-of-anything"
        ),
        pytest.param(
            json_request("codepipeline", "StartPipelineExecution", name="p"),
            [Check("codepipeline:StartPipelineExecution", (f"arn:aws:codepipeline:{HERE}:p",))],
            id="a-run",
        ),
        pytest.param(
            json_request("codepipeline", "PutJobSuccessResult", jobId="1"),
            [Check("codepipeline:PutJobSuccessResult", ("*",))],
            id="a-job",
        ),
        pytest.param(
            json_request("codepipeline", "ListPipelines"),
            [Check("codepipeline:ListPipelines", (f"arn:aws:codepipeline:{HERE}:*",))],
            id="every-pipeline",
        ),
        pytest.param(
            json_request("codepipeline", "ListWebhooks"), [Check("codepipeline:ListWebhooks", ())], id="webhooks"
        ),
        pytest.param(
            json_request("dynamodb", "Query", TableName="t", IndexName="i"),
            [Check("dynamodb:Query", (f"{TABLE}/index/i",), SELECTED)],
            id="an-index",
        ),
        pytest.param(
            json_request("dynamodb", "TransactWriteItems", TransactItems=[{"Put": {"TableName": "t"}}]),
            [Check("dynamodb:PutItem", (TABLE,))],
            id="a-transaction",
        ),
        pytest.param(json_request("dynamodb", "ListTables"), [Check("dynamodb:ListTables", ())], id="tables"),
        pytest.param(
            json_request("logs", "DeleteLogGroup", logGroupName="g"),
            [
                Check(
                    "logs:DeleteLogGroup",
                    (f"arn:aws:logs:{HERE}:log-group:g:log-stream:", f"arn:aws:logs:{HERE}:log-group:g"),
                )
            ],
            id="a-log-group",
        ),
        pytest.param(
            json_request(
                "logs", "GetLogEvents", logGroupIdentifier=f"arn:aws:logs:{HERE}:log-group:g", logStreamName="s"
            ),
            [Check("logs:GetLogEvents", (f"arn:aws:logs:{HERE}:log-group:g:log-stream:s",))],
            id="a-log-stream",
        ),
        pytest.param(json_request("logs", "DescribeLogGroups"), [Check("logs:DescribeLogGroups", ())], id="log-groups"),
        pytest.param(
            s3_request("POST", "/b", DELETE_TWO, delete=""),
            [Check("s3:DeleteObject", ("arn:aws:s3:::b/a",)), Check("s3:DeleteObjectVersion", ("arn:aws:s3:::b/b",))],
            id="objects-deleted",
        ),
        pytest.param(
            s3_request("POST", "/b/k", uploads=""), [Check("s3:PutObject", ("arn:aws:s3:::b/k",))], id="an-upload-begun"
        ),
        pytest.param(
            s3_request("DELETE", "/b/k", uploadId="1"),
            [Check("s3:AbortMultipartUpload", ("arn:aws:s3:::b/k",))],
            id="an-upload-given-up",
        ),
        pytest.param(
            s3_request("GET", "/b", versions="", prefix="p"),
            [Check("s3:ListBucketVersions", ("arn:aws:s3:::b",), {"s3:prefix": "p"})],
            id="versions",
        ),
        pytest.param(
            s3_request("PUT", "/b/k", headers={"x-amz-copy-source": "/c/l"}),
            [Check("s3:PutObject", ("arn:aws:s3:::b/k",)), Check("s3:GetObject", ("arn:aws:s3:::c/l",))],
            id="a-copy",
        ),
        pytest.param(s3_request("PATCH", "/b/k"), [], id="nothing-of-s3"),
        pytest.param(
            json_request("sqs", "SendMessageBatch", QueueUrl="http://127.0.0.1:1/000000000000/q"),
            [Check("sqs:SendMessage", (f"arn:aws:sqs:{HERE}:q",))],
            id="a-batch-of-messages",
        ),
        pytest.param(
            json_request("ssm", "GetParameters", Names=["a", "/b/c"]),
            [Check("ssm:GetParameters", (f"arn:aws:ssm:{HERE}:parameter/{name}",)) for name in ("a", "b/c")],
            id="parameters",
        ),
        pytest.param(
            json_request("ssm", "GetParameter", Name="no-such", WithDecryption=True),
            [Check("ssm:GetParameter", (f"arn:aws:ssm:{HERE}:parameter/no-such",))],
            id="a-parameter-under-no-key-of-the-accounts",
        ),
        pytest.param(Request("cloudfront", "GET", "/nothing", {}, b"", {}), [], id="nothing-of-cloudfront"),
        pytest.param(json_request("sns", "Publish"), [], id="a-service-that-is-not-checked"),
        pytest.param(
            Request("logs", "POST", "/", {"x-amz-target": "Logs.DescribeLogGroups"}, b"{", {}),
            [Check("logs:DescribeLogGroups", ())],
            id="no-json",
        ),
        pytest.param(
            Request("logs", "POST", "/", {"x-amz-target": "Logs.DescribeLogGroups"}, b"[]", {}),
            [Check("logs:DescribeLogGroups", ())],
            id="no-object",
        ),
    ],
)
def test_what_is_asked_for(aws: Any, request_: Request, expected: list[Check]) -> None:
    assert aws
    assert checks(request_) == expected


def test_the_tags_of_a_stack_are_asked_for(aws: Any) -> None:
    name = aws.unique("stack")
    aws.settled(aws.create({"Topic": {"Type": "AWS::SNS::Topic"}}, name, Tags=[{"Key": "Owner", "Value": "me"}]))

    [check] = checks(query_request("DeleteStack", StackName=name))

    assert check.context == {"aws:resourcetag/owner": "me"}


def test_the_partition_key_of_an_item_is_asked_for(aws: Any) -> None:
    name = aws.unique("table")
    aws.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    for given in ({"Key": {"id": {"S": "run/1"}}}, {"Item": {"id": {"S": "run/1"}, "more": {"N": "1"}}}):
        [check] = checks(json_request("dynamodb", "Any", TableName=name, **given))
        assert check.context["dynamodb:leadingkeys"] == ["run/1"]


def test_a_key_that_a_parameter_was_encrypted_with_is_asked_for(aws: Any, acting: Callable[..., Any]) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    name = aws.unique("parameter")
    aws.client("ssm").put_parameter(Name=name, Type="SecureString", Value="v", KeyId=key)
    arn = f"arn:aws:ssm:{HERE}:parameter/{name}"
    reading = statement("ssm:GetParameter", arn)
    through = {
        "StringEquals": {
            "kms:ViaService": "ssm.us-east-1.amazonaws.com",
            "kms:EncryptionContext:PARAMETER_ARN": [arn],
        }
    }
    both = acting("ssm", reading, statement("kms:Decrypt", key, Condition=through))

    assert both.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == "v"
    alone = acting("ssm", reading)
    assert refusal(lambda: alone.get_parameter(Name=name, WithDecryption=True)) == "AccessDeniedException"
    assert refusal(lambda: alone.get_parameter(Name=name)) == ""


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [("PUT", "/k", "kms:GenerateDataKey"), ("GET", "/k", "kms:Decrypt"), ("DELETE", "/k", ""), ("GET", "", "")],
    ids=["written", "read", "deleted", "listed"],
)
def test_a_key_that_a_bucket_encrypts_with_is_asked_for(aws: Any, method: str, path: str, needed: str) -> None:
    key, bucket = aws.client("kms").create_key()["KeyMetadata"], aws.unique("bucket")
    aws.client("s3").create_bucket(Bucket=bucket)
    plain = len(checks(s3_request(method, f"/{bucket}{path}")))
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["KeyId"]}
    rules_ = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]}
    aws.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules_)

    found = checks(s3_request(method, f"/{bucket}{path}"))

    through = {"kms:viaservice": "s3.us-east-1.amazonaws.com"}
    assert found[plain:] == ([Check(needed, (key["Arn"],), through)] if needed else [])


def test_that_an_object_is_not_there_is_told_to_who_may_list(aws: Any, acting: Callable[..., Any]) -> None:
    """Strict: a missing object, asked for without the right to list."""
    bucket = aws.unique("bucket")
    aws.client("s3").create_bucket(Bucket=bucket)
    aws.client("s3").put_object(Bucket=bucket, Key="there", Body=b"1")
    reading = statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    blind, seeing = acting("s3", reading), acting("s3", reading, statement("s3:ListBucket", f"arn:aws:s3:::{bucket}"))

    assert refusal(lambda: blind.head_object(Bucket=bucket, Key="there")) == ""
    assert refusal(lambda: blind.head_object(Bucket=bucket, Key="missing")) == "403"
    assert refusal(lambda: blind.get_object(Bucket=bucket, Key="missing")) == DENIED
    with pytest.raises(ClientError, match="NoSuchKey"):
        seeing.get_object(Bucket=bucket, Key="missing")


# --- what policies say


@pytest.mark.parametrize(
    ("check", "statements", "expected"),
    [
        pytest.param(Check("a:B", ("r",)), [], Decision((), False), id="nothing-is-said"),
        pytest.param(
            Check("a:B", ("r2",)),
            [statement("a:B", ["r1", "r2"], Sid="One"), statement("a:*", "*", Sid="Two")],
            Decision((("One", 1), ("Two", 0)), False),
            id="each-that-allows-it",
        ),
        pytest.param(
            Check("a:B", ("r",)),
            [statement("a:B", "r", Sid="One"), statement("a:B", "r", Effect="Deny")],
            Decision((("One", 0),), True),
            id="denied",
        ),
        pytest.param(
            Check("a:B", ("r", "r:*")),
            [statement("a:B", "r:*", Sid="One")],
            Decision((("One", 0),), False),
            id="by-any",
        ),
        pytest.param(
            Check("a:B", ()),
            [statement("a:B", "r", Sid="One"), statement("a:B", "r", Effect="Deny")],
            Decision((("One", 0),), False),
            id="not-known-of-what",
        ),
        pytest.param(
            Check("a:B", ("r",)),
            [{"Sid": "One", "Effect": "Allow", "Action": "a:B", "NotResource": "s"}],
            Decision((("One", 0),), False),
            id="all-but-one",
        ),
    ],
)
def test_a_decision(aws: Any, check: Check, statements: list[dict[str, Any]], expected: Decision) -> None:
    assert aws
    found = decide(check, rules((json.dumps({"Statement": statements}),)), ROLE)
    assert found == expected
    assert found.allowed is (bool(expected.granted) and not expected.forbidden)


# --- what is written down


WHO = Principal("prefix-listener", ROLE)
ALLOWED = Decision((("One", 0),), False)
DOCUMENT = '{"Statement": []}'


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_each_kind_of_use_is_written_once(tmp_path: Path) -> None:
    used = UsedPermissions.named_by({VARIABLE: str(tmp_path / "used")})
    for key in ("a", "b"):
        used.note(WHO, Check("s3:GetObject", (f"arn:aws:s3:::b/{key}",)), ALLOWED, [DOCUMENT])
    used.note(WHO, Check("s3:PutObject", ("arn:aws:s3:::b/a",)), Decision((), False), [DOCUMENT])

    documents, first, second = written(tmp_path / "used")
    assert documents["documents"] == [{"Statement": []}]
    assert first == {
        "function": "prefix-listener",
        "role": ROLE,
        "action": "s3:GetObject",
        "resources": ["arn:aws:s3:::b/a"],
        "context": {},
        "granted": [["One", 0]],
        "allowed": True,
        "policies": documents["policies"],
    }
    assert (second["action"], second["granted"], second["allowed"]) == ("s3:PutObject", [], False)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    UsedPermissions.named_by({}).note(WHO, Check("s3:GetObject", ("r",)), ALLOWED, [DOCUMENT])
    assert list(tmp_path.iterdir()) == []
